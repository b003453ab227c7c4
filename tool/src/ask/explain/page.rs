//! The start as one page that needs no network: pictures drawn here, tables that a few lines of script search.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;
use serde_json::json;

use super::narrate::{bytes, choice, duration};
use super::start::{Module, Start, short};
use super::{Explained, blame, tables};
use crate::elf::Binary;

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
    density: Vec<Bar>,
}

/// A rectangle with a name.
#[derive(Serialize)]
struct Part {
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
        graph => graph(&modules),
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
    Picture {
        name: module.mapped.name.clone(),
        short: module.short().to_owned(),
        base: format!("{:#x}", module.mapped.base),
        size: bytes(module.mapped.size),
        width: scaled(module.mapped.size, largest, WIDTH - 400).max(1),
        needs: file.map_or_else(String::new, |file| file.binary.needed.join(", ")),
        relocations: file.map_or(0, |file| file.relocations.len()),
        parts: file.map_or_else(Vec::new, |file| parts(module, &file.binary)),
        density: file.map_or_else(Vec::new, |file| {
            density(module, file.relocations.iter().map(|relocation| relocation.at))
        }),
    }
}

/// Where the module's link-time addresses begin.
fn first(binary: &Binary) -> u64 {
    binary.loads().map(|segment| segment.address).min().unwrap_or(0) & !0xfff
}

fn parts(module: &Module, binary: &Binary) -> Vec<Part> {
    let origin = first(binary);
    let part = |name: String, address: u64, size: u64, fill: &'static str, is_inside: bool| Part {
        name,
        address: format!("{:#x}", module.mapped.base.wrapping_add(address)),
        size: bytes(size),
        x: scaled(address.saturating_sub(origin), module.mapped.size, WIDTH),
        y: if is_inside { 52 } else { 40 },
        width: scaled(size, module.mapped.size, WIDTH).max(2),
        height: if is_inside { 20 } else { 40 },
        fill,
    };
    let mut all = Vec::new();
    for (number, segment) in binary.loads().enumerate() {
        let fill = match (segment.flags & 1 != 0, segment.flags & 2 != 0) {
            (true, _) => "x",
            (false, true) => "w",
            (false, false) => "r",
        };
        let name = format!("PT_LOAD {number} {}", segment.access());
        all.push(part(name, segment.address, segment.memory_size, fill, false));
    }
    if let Some(relro) = tables::relro(binary) {
        all.push(part(
            "RELRO".to_owned(),
            relro.address,
            relro.memory_size,
            "relro",
            true,
        ));
    }
    for section in binary
        .sections
        .iter()
        .filter(|section| section.name.starts_with(".got"))
    {
        all.push(part(section.name.clone(), section.address, section.size, "got", true));
    }
    for segment in binary
        .segments
        .iter()
        .filter(|segment| segment.kind == crate::elf::PT_TLS)
    {
        all.push(part(
            "TLS image".to_owned(),
            segment.address,
            segment.file_size,
            "tls",
            true,
        ));
    }
    all
}

/// How many relocations lie in each column, as bars.
fn density(module: &Module, places: impl Iterator<Item = u64>) -> Vec<Bar> {
    let origin = module.file.as_ref().map_or(0, |file| first(&file.binary));
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for at in places {
        let column = scaled(at.saturating_sub(origin), module.mapped.size, COLUMNS).min(COLUMNS - 1);
        *counts.entry(column).or_default() += 1;
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
fn graph(modules: &[&Module]) -> Graph {
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
    let depths = depths(modules, &needs);
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
fn depths(modules: &[&Module], needs: &[Vec<usize>]) -> Vec<usize> {
    let mut depths = vec![usize::MAX; modules.len()];
    let program = modules.iter().position(|module| !module.is_present);
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
