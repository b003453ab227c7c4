//! The start as one page that needs no network: pictures drawn here, tables that a few lines of script search.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;
use serde_json::json;

use super::narrate::{bytes, choice, duration};
use super::start::{Module, Start, short};
use super::{Explained, blame, tables};
use crate::elf::{Binary, PT_TLS, Segment};

const TEMPLATE: &str = include_str!("page.html");

/// Relocations in the page's table, at most: browsers search so many while somebody types.
const MOST: usize = 100_000;

/// Width of a picture, in its own units.
const WIDTH: u64 = 1000;

/// Columns of a module's picture of where its relocations are.
const COLUMNS: u64 = 125;

/// The kinds of memory, with the pattern of each. Patterns, so that the page reads in black and white.
const KEYS: [(&str, &str); 6] = [
    ("r", "read-only"),
    ("x", "code"),
    ("w", "data"),
    ("relro", "RELRO: read-only after relocation"),
    ("got", "GOT"),
    ("tls", "initial thread-local storage"),
];

/// A row of a table in the page.
type Row = Vec<String>;

#[derive(Serialize)]
struct Picture {
    name: String,
    short: String,
    base: String,
    size: String,
    width: u64,
    needs: String,
    relocations: usize,
    parts: Vec<Part>,
    views: Vec<View>,
}

/// A picture of a module, or of a part of it.
#[derive(Serialize)]
struct View {
    title: &'static str,
    parts: Vec<Part>,
    density: Vec<Bar>,
}

/// A rectangle with a name.
#[derive(Serialize)]
struct Part {
    number: usize,
    name: String,
    address: String,
    size: String,
    x: u64,
    y: u64,
    width: u64,
    height: u64,
    fill: &'static str,
}

#[derive(Serialize)]
struct Bar {
    x: u64,
    width: u64,
    height: u64,
}

#[derive(Serialize)]
struct Stage {
    name: String,
    begin: String,
    time: String,
    width: u64,
}

#[derive(Serialize)]
struct Graph {
    width: u64,
    height: u64,
    nodes: Vec<Node>,
    edges: Vec<String>,
}

#[derive(Serialize)]
struct Node {
    module: usize,
    name: String,
    short: String,
    needs: String,
    x: u64,
    y: u64,
    width: u64,
}

/// Makes the page.
///
/// # Errors
/// The template is wrong.
pub(super) fn page(explained: &Explained) -> Result<String> {
    let start = &explained.start;
    let mut modules: Vec<&Module> = start.modules.iter().collect();
    modules.sort_by_key(|module| module.mapped.base);
    let largest = modules
        .iter()
        .map(|module| module.mapped.size)
        .max()
        .unwrap_or(1)
        .max(1);
    let pictures: Vec<Picture> = modules.iter().map(|module| picture(module, largest)).collect();
    let (relocations, left_out) = relocation_rows(start);
    let count = relocations.len() + left_out;
    let data = json!({
        "relocations": relocations,
        "symbols": symbol_rows(start),
        "resolvers": resolver_rows(start),
        "constructors": constructor_rows(start),
    });
    // In a script element only `<` could end the element.
    let data = data.to_string().replace('<', "\\u003c");
    let ending = explained
        .ending
        .map_or_else(String::new, |ending| format!("The process {}.", blame::ending(ending)));
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment
        .add_template("page", TEMPLATE)
        .context("the page's template")?;
    let context = minijinja::context! {
        program => start.program().map_or("a program", |program| program.mapped.name.as_str()),
        command => explained.command.join(" "),
        loader => explained.loader.to_string_lossy(),
        total => duration(start.end.saturating_sub(start.begin)),
        ending,
        stages => stages(start),
        graph => graph(&modules, start.program()),
        keys => KEYS.map(|(fill, name)| minijinja::context! { fill, name }),
        modules => pictures,
        relocation_count => count,
        left_out,
        data => Value::from_safe_string(data),
    };
    let template = environment.get_template("page").context("the page's template")?;
    template.render(context).context("the page's template")
}

fn stages(start: &Start) -> Vec<Stage> {
    let mut spans = start.stages.clone();
    if let Some(last) = spans.last().map(|last| last.end) {
        spans.push(super::start::Span {
            name: "construct".to_owned(),
            begin: last,
            end: start.end,
        });
    }
    let longest = spans
        .iter()
        .map(|span| span.end.saturating_sub(span.begin))
        .max()
        .unwrap_or(1)
        .max(1);
    let stage = |span: &super::start::Span| {
        let time = span.end.saturating_sub(span.begin);
        Stage {
            name: span.name.clone(),
            begin: duration(span.begin.saturating_sub(start.begin)),
            time: duration(time),
            width: scaled(time, longest, WIDTH - 200).max(1),
        }
    };
    spans.iter().map(stage).collect()
}

/// `value` of `of`, in parts of `width`.
fn scaled(value: u64, of: u64, width: u64) -> u64 {
    (u128::from(value) * u128::from(width) / u128::from(of.max(1))).min(width.into()) as u64
}

fn picture(module: &Module, largest: u64) -> Picture {
    let file = module.file.as_ref();
    let areas = file.map_or_else(Vec::new, |file| areas(module, &file.binary));
    let whole = Stretch {
        from: 0,
        length: u64::MAX,
    };
    Picture {
        name: module.mapped.name.clone(),
        short: module.short().to_owned(),
        base: format!("{:#x}", module.mapped.base),
        size: bytes(module.mapped.size),
        width: scaled(module.mapped.size, largest, WIDTH - 400).max(1),
        needs: file.map_or_else(String::new, |file| file.binary.needed.join(", ")),
        relocations: file.map_or(0, |file| file.relocations.len()),
        parts: areas.iter().filter_map(|area| area.drawn(whole)).collect(),
        views: file.map_or_else(Vec::new, |file| views(&file.binary, &areas, &file.relocations)),
    }
}

/// A stretch of link-time addresses that is drawn over the whole width.
#[derive(Clone, Copy)]
struct Stretch {
    from: u64,
    length: u64,
}

/// The pictures of a module: all of it, and what of it is writable at first, where everything is that a loader writes to.
fn views(binary: &Binary, parts: &[Area], relocations: &[tables::Relocation]) -> Vec<View> {
    let ends = |segments: &[&Segment]| {
        let from = segments.iter().map(|segment| segment.address).min()? & !0xfff;
        let end = segments
            .iter()
            .map(|segment| segment.address.saturating_add(segment.memory_size))
            .max()?;
        Some(Stretch {
            from,
            length: end.saturating_sub(from).max(1),
        })
    };
    let all: Vec<&Segment> = binary.loads().collect();
    let writable: Vec<&Segment> = binary.loads().filter(|segment| segment.flags & 2 != 0).collect();
    let stretches = [
        ("The whole module, to scale", ends(&all)),
        ("Its writable part, enlarged", ends(&writable)),
    ];
    let view = |(title, stretch): (&'static str, Option<Stretch>)| {
        let stretch = stretch?;
        Some(View {
            title,
            parts: parts.iter().filter_map(|area| area.drawn(stretch)).collect(),
            density: density(stretch, relocations.iter().map(|relocation| relocation.at)),
        })
    };
    stretches.into_iter().filter_map(view).collect()
}

/// A named range of link-time addresses.
struct Area {
    number: usize,
    name: String,
    run_time: u64,
    from: u64,
    length: u64,
    fill: &'static str,
    /// Drawn within a segment
    is_inside: bool,
}

impl Area {
    /// The rectangle in a stretch, if it lies there.
    fn drawn(&self, stretch: Stretch) -> Option<Part> {
        let into = self.from.checked_sub(stretch.from)?;
        if into >= stretch.length {
            return None;
        }
        Some(Part {
            number: self.number,
            name: self.name.clone(),
            address: format!("{:#x}", self.run_time),
            size: bytes(self.length),
            x: scaled(into, stretch.length, WIDTH),
            y: if self.is_inside { 52 } else { 40 },
            width: scaled(self.length.min(stretch.length - into), stretch.length, WIDTH).max(2),
            height: if self.is_inside { 20 } else { 40 },
            fill: self.fill,
        })
    }
}

fn areas(module: &Module, binary: &Binary) -> Vec<Area> {
    let mut all = Vec::new();
    let mut add = |name: String, (from, length): (u64, u64), fill: &'static str, is_inside: bool| {
        all.push(Area {
            number: all.len(),
            name,
            run_time: module.mapped.base.wrapping_add(from),
            from,
            length,
            fill,
            is_inside,
        });
    };
    for (number, segment) in binary.loads().enumerate() {
        let fill = match (segment.flags & 1 != 0, segment.flags & 2 != 0) {
            (true, _) => "x",
            (false, true) => "w",
            (false, false) => "r",
        };
        let name = format!("PT_LOAD {number} {}", segment.access());
        add(name, (segment.address, segment.memory_size), fill, false);
    }
    if let Some(relro) = tables::relro(binary) {
        add("RELRO".to_owned(), (relro.address, relro.memory_size), "relro", true);
    }
    for section in binary
        .sections
        .iter()
        .filter(|section| section.name.starts_with(".got"))
    {
        add(section.name.clone(), (section.address, section.size), "got", true);
    }
    for segment in binary.segments.iter().filter(|segment| segment.kind == PT_TLS) {
        add(
            "TLS image".to_owned(),
            (segment.address, segment.file_size),
            "tls",
            true,
        );
    }
    all
}

/// How many relocations lie in each column, as bars.
fn density(stretch: Stretch, places: impl Iterator<Item = u64>) -> Vec<Bar> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for into in places
        .filter_map(|at| at.checked_sub(stretch.from))
        .filter(|into| *into < stretch.length)
    {
        *counts.entry(scaled(into, stretch.length, COLUMNS)).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(1);
    let width = WIDTH / COLUMNS;
    let bar = |(column, count): (&u64, &u64)| Bar {
        x: column * width,
        width,
        height: scaled(*count, most, 34).max(1),
    };
    counts.iter().map(bar).collect()
}

/// The program on top, below it what it needs, and so on.
fn graph(modules: &[&Module], program: Option<&Module>) -> Graph {
    let needs: Vec<Vec<usize>> = modules
        .iter()
        .map(|module| {
            let names = module.file.as_ref().map_or(&[][..], |file| &file.binary.needed);
            let found = names
                .iter()
                .filter_map(|name| modules.iter().position(|other| answers_to(other, name)));
            found.collect()
        })
        .collect();
    let program = modules
        .iter()
        .position(|module| program.is_some_and(|program| std::ptr::eq(*module, program)));
    let depths = depths(program, &needs);
    let mut nodes: Vec<Node> = Vec::new();
    let mut filled: BTreeMap<usize, u64> = BTreeMap::new();
    for (number, module) in modules.iter().enumerate() {
        let depth = depths[number];
        let x = filled.entry(depth).or_default();
        let width = 14 + module.short().chars().count() as u64 * 8;
        nodes.push(Node {
            module: number,
            name: module.mapped.name.clone(),
            short: module.short().to_owned(),
            needs: module
                .file
                .as_ref()
                .map_or_else(String::new, |file| file.binary.needed.join(", ")),
            x: *x,
            y: depth as u64 * 70 + 4,
            width,
        });
        *x += width + 24;
    }
    let mut edges = Vec::new();
    for (from, targets) in needs.iter().enumerate() {
        for to in targets {
            let (from, to) = (&nodes[from], &nodes[*to]);
            let (x1, y1, x2, y2) = (from.x + from.width / 2, from.y + 26, to.x + to.width / 2, to.y);
            edges.push(format!(
                "M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}",
                y1 + 30,
                y2.saturating_sub(30)
            ));
        }
    }
    Graph {
        width: filled.values().copied().max().unwrap_or(0).max(200) + 4,
        height: depths.iter().max().map_or(40, |depth| *depth as u64 * 70 + 40),
        nodes,
        edges,
    }
}

fn answers_to(module: &Module, name: &str) -> bool {
    let soname = module.file.as_ref().and_then(|file| file.binary.soname.as_deref());
    module.short() == short(name) || soname == Some(name)
}

/// How far each module is from the program.
fn depths(program: Option<usize>, needs: &[Vec<usize>]) -> Vec<usize> {
    let mut depths = vec![usize::MAX; needs.len()];
    let mut queue: Vec<usize> = program.into_iter().collect();
    let mut depth = 0;
    while !queue.is_empty() {
        for module in &queue {
            depths[*module] = depth;
        }
        let reached = queue.iter().flat_map(|module| &needs[*module]).copied();
        queue = reached.filter(|module| depths[*module] == usize::MAX).collect();
        queue.sort_unstable();
        queue.dedup();
        depth += 1;
    }
    // Nobody needs it by name: preloads, the vDSO.
    depths
        .iter()
        .map(|known| if *known == usize::MAX { depth } else { *known })
        .collect()
}

fn relocation_rows(start: &Start) -> (Vec<Row>, usize) {
    let mut rows: Vec<Row> = Vec::new();
    let mut left_out = 0;
    for module in start.modules.iter().rev() {
        let Some(file) = &module.file else { continue };
        for (number, relocation) in file.relocations.iter().enumerate() {
            if rows.len() == MOST {
                left_out += 1;
                continue;
            }
            let symbol = file
                .binary
                .symbols
                .get(relocation.symbol as usize)
                .filter(|_| relocation.symbol != 0);
            rows.push(vec![
                format!("{:#x}", module.mapped.base.wrapping_add(relocation.at)),
                module.short().to_owned(),
                number.to_string(),
                relocation.name(),
                symbol.map_or_else(String::new, crate::elf::Symbol::full_name),
                relocation.formula().to_owned(),
            ]);
        }
    }
    (rows, left_out)
}

fn symbol_rows(start: &Start) -> Vec<Row> {
    let row = |bound: &super::stream::Bound| {
        let address = start
            .symbol(bound)
            .map_or_else(String::new, |(address, _, _)| format!("{address:#x}"));
        let symbol = match &bound.version {
            Some(version) => format!("{}@{version}", bound.symbol),
            None => bound.symbol.clone(),
        };
        vec![
            symbol,
            short(&bound.from).to_owned(),
            short(&bound.to).to_owned(),
            address,
        ]
    };
    start.bindings.iter().take(MOST).map(row).collect()
}

fn resolver_rows(start: &Start) -> Vec<Row> {
    let row = |call: &super::start::Call| {
        let time = call
            .end
            .map_or_else(|| "did not come back".to_owned(), |end| duration(end - call.begin));
        vec![choice(start, call), short(&call.module).to_owned(), time]
    };
    start.resolvers.iter().map(row).collect()
}

fn constructor_rows(start: &Start) -> Vec<Row> {
    let row = |call: &super::start::Call| {
        let name = start
            .owner(call.function)
            .map_or_else(String::new, |module| module.name_of(call.function));
        let time = call
            .end
            .map_or_else(|| "did not come back".to_owned(), |end| duration(end - call.begin));
        vec![name, short(&call.module).to_owned(), time]
    };
    start.constructors.iter().map(row).collect()
}
