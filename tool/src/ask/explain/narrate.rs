//! The start in sentences, stage by stage. Every number in them comes from the process, from its `/proc` files, or from the files that were mapped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::start::{Call, Module, Span, Start, short};
use super::tables::{relr_entries, relr_words};
use super::watch::Mapping;

/// Entries of the auxiliary vector that a loader lives on (getauxval(3)): number, name, what it is for.
const AUXV: &[(u64, &str, &str)] = &[
    (3, "AT_PHDR", "program headers of what the kernel started"),
    (5, "AT_PHNUM", "how many"),
    (6, "AT_PAGESZ", "bytes of a page"),
    (
        7,
        "AT_BASE",
        "load bias of the interpreter; 0: it was started as a command",
    ),
    (9, "AT_ENTRY", "where what the kernel started begins"),
    (
        23,
        "AT_SECURE",
        "1 for a process with rights that its user does not have",
    ),
    (25, "AT_RANDOM", "16 random bytes, for the stack guard"),
    (33, "AT_SYSINFO_EHDR", "the vDSO"),
];

/// At most so many lines of one kind; what is left out is counted.
const MOST: usize = 40;

/// How the sentences of a stage begin.
pub fn heading(number: usize, name: &str) -> String {
    let title = format!("{number} · {name}");
    format!("\n{title}\n{}\n", "─".repeat(title.chars().count()))
}

/// `1 word`, `2 words`
pub fn plural(count: u64, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) if !what.ends_with("way") => format!("{count} {stem}ies"),
        _ => format!("{count} {what}s"),
    }
}

/// `412 µs`
pub fn duration(span: u64) -> String {
    match span {
        0..1_000 => format!("{span} ns"),
        1_000..1_000_000 => format!("{} µs", span / 1_000),
        _ => format!("{}.{} ms", span / 1_000_000, span / 100_000 % 10),
    }
}

/// `1.4 MiB`
pub fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{} KiB", count / 1_024),
        _ => format!("{}.{} MiB", count / 1_048_576, count % 1_048_576 * 10 / 1_048_576),
    }
}

/// What the kernel left, what lode did with itself, and the program.
pub fn handed(start: &Start) -> String {
    let mut out = heading(0, "The kernel hands over");
    let _ = writeln!(
        out,
        "The kernel mapped the loader, put arguments, environment and {} of the auxiliary vector on",
        plural(start.auxv.len() as u64, "entry")
    );
    let _ = writeln!(out, "the stack, and jumped to the loader's entry.");
    for (kind, name, what) in AUXV {
        if let Some((_, value)) = start.auxv.iter().find(|(one, _)| one == kind) {
            let value = if matches!(kind, 5 | 6 | 23) {
                value.to_string()
            } else {
                format!("{value:#x}")
            };
            let _ = writeln!(out, "  {name:<16} {value}  {what}");
        }
    }
    out += &heading(1, "The loader relocates itself");
    if let Some(loader) = start.modules.first() {
        itself(&mut out, loader);
    }
    for module in start.modules.iter().skip(1).filter(|module| module.is_present) {
        let _ = writeln!(
            out,
            "Already there: {} at {:#x}, {}.",
            module.path,
            module.mapped.base,
            bytes(module.mapped.size)
        );
    }
    out
}

fn itself(out: &mut String, loader: &Module) {
    let Some(file) = &loader.file else { return };
    let (entries, words) = (relr_entries(&file.binary), relr_words(&file.binary).len() as u64);
    let _ = writeln!(
        out,
        "The loader is {}. It lies at {:#x} and was linked for 0, so {} of its own data have to grow by {:#x}.\nNobody does that for it. \
         Its table (DT_RELR) has {}, {} where RELA would take {}: {} saved.",
        loader.path,
        loader.mapped.base,
        plural(words, "word"),
        loader.mapped.base,
        plural(entries, "entry"),
        bytes(entries * 8),
        bytes(words * 24),
        bytes((words * 24).saturating_sub(entries * 8)),
    );
}

/// How the libraries were found, and the map.
pub fn mapped(start: &Start, maps: &[Mapping]) -> String {
    let mut out = heading(2, "Finding the libraries");
    if let Some(program) = start.program() {
        let _ = writeln!(
            out,
            "The program is {}: load bias {:#x}, entry {:#x}.",
            program.mapped.name, program.mapped.base, program.mapped.entry
        );
    }
    for search in start
        .searches
        .iter()
        .filter(|search| search.begin < until(start, "map"))
    {
        let _ = writeln!(out, "  {} (needed by {})", search.name, short(&search.by));
        for (path, why) in &search.passed {
            let _ = writeln!(out, "      not {path}: {why}");
        }
        match &search.tried {
            Some(path) => {
                let _ = writeln!(
                    out,
                    "      {path}, by {}; {}",
                    search.rule,
                    duration(search.end - search.begin)
                );
            }
            None => out += "      nowhere\n",
        }
    }
    if !maps.is_empty() {
        out += &heading(3, "The map of the process");
        picture(&mut out, start, maps);
    }
    out
}

fn until(start: &Start, stage: &str) -> u64 {
    let over = start.stages.iter().find(|span| span.name == stage);
    over.map_or(u64::MAX, |span| span.end)
}

/// The mappings from the lowest address to the highest. The bar shows each one's share of its module.
fn picture(out: &mut String, start: &Start, maps: &[Mapping]) {
    let mut before = None;
    for mapping in maps {
        let owner = start.owner(mapping.start);
        let name = match owner {
            Some(module) => &module.path,
            None if mapping.name.is_empty() => "anonymous: the loader's own memory, most of it only reserved",
            None => &mapping.name,
        };
        if before != Some(name) {
            let _ = writeln!(out, "{name}");
        }
        before = Some(name);
        let size = mapping.end - mapping.start;
        let (bar, what) = owner.map_or((0, ""), |module| {
            let share = size.saturating_mul(20) / module.mapped.size.max(1);
            (share.clamp(1, 20) as usize, content(module, mapping))
        });
        let line = format!(
            "  {:#014x} {} {:>9}  {:<20} {what}",
            mapping.start,
            mapping.access.get(..3).unwrap_or_default(),
            bytes(size),
            "█".repeat(bar),
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// What a mapping of a module is for.
fn content(module: &Module, mapping: &Mapping) -> &'static str {
    let relro = module
        .file
        .as_ref()
        .and_then(|file| super::tables::relro(&file.binary).copied());
    let base = module.mapped.base;
    let in_relro = relro.is_some_and(|relro| {
        let from = base.wrapping_add(relro.address);
        from < mapping.end && mapping.start < from.saturating_add(relro.memory_size)
    });
    match mapping.access.get(..3) {
        Some("r-x") => "code",
        Some("rw-") if in_relro => "data, a part of it to be read-only (RELRO)",
        Some("rw-") => "data",
        Some("r--") if in_relro => "RELRO: relocated, now read-only",
        Some("r--") => "headers, tables, constants",
        Some("---") => "nothing: a gap in the reservation",
        _ => "",
    }
}

/// Versions, scopes, thread-local storage, order.
pub fn linked(start: &Start) -> String {
    let mut out = heading(4, "Versions, scopes, thread-local storage");
    let mut wanted: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (version, provider, by) in &start.versions {
        wanted.entry((by, provider)).or_default().push(version);
    }
    let _ = writeln!(
        out,
        "{} asked for and found:",
        plural(start.versions.len() as u64, "version")
    );
    for ((by, provider), versions) in wanted.iter().take(MOST) {
        let _ = writeln!(
            out,
            "  {} of {}: {}",
            start.short(by),
            start.short(provider),
            versions.join(" ")
        );
    }
    let scopes: BTreeSet<&Vec<String>> = start.scopes.iter().map(|(_, list)| list).collect();
    for scope in scopes {
        let list: Vec<&str> = scope.iter().map(|name| start.short(name)).collect();
        let _ = writeln!(out, "References are looked up, in this order, in: {}", list.join(" → "));
    }
    tls_picture(&mut out, start);
    out
}

/// Static TLS from the lowest address up to the thread pointer.
fn tls_picture(out: &mut String, start: &Start) {
    if start.tls.is_empty() {
        out.push_str("No module has thread-local storage.\n");
        return;
    }
    out.push_str("Thread-local storage, as it lies below the thread pointer (fs) of each thread:\n");
    let mut blocks: Vec<_> = start.tls.iter().filter(|(_, _, below)| *below != 0).collect();
    blocks.sort_by_key(|(_, _, below)| std::cmp::Reverse(*below));
    for (name, number, below) in blocks {
        let segment = start.named(name).and_then(|module| {
            let file = module.file.as_ref()?;
            file.binary
                .segments
                .iter()
                .find(|segment| segment.kind == crate::elf::PT_TLS)
        });
        let size = segment.map_or(0, |segment| segment.memory_size);
        let given = segment.map_or(0, |segment| segment.file_size);
        let _ = writeln!(
            out,
            "  fs-{below:#x} ┬ module {number}: {}, {} ({} from the file, the rest zero)",
            short(name),
            bytes(size),
            bytes(given)
        );
        let _ = writeln!(out, "  fs-{:#x} ┘", below.saturating_sub(size));
    }
    out.push_str("  fs       ─ the thread control block\n");
}

/// Relocations by kind, and what looking up symbols cost.
pub fn relocated(start: &Start) -> String {
    let mut out = heading(5, "Relocations");
    out.push_str(
        "What a file needs comes before it. S is a symbol's address, A the addend, B the load bias, P the place.\n",
    );
    for span in &start.relocated {
        let Some(file) = start.named(&span.name).and_then(|module| module.file.as_ref()) else {
            continue;
        };
        let mut kinds: BTreeMap<(String, &str), u64> = BTreeMap::new();
        for relocation in &file.relocations {
            *kinds.entry((relocation.name(), relocation.formula())).or_default() += 1;
        }
        let _ = writeln!(
            out,
            "  {}: {} in {}",
            short(&span.name),
            plural(file.relocations.len() as u64, "word"),
            duration(span.end.saturating_sub(span.begin))
        );
        for ((name, formula), count) in kinds {
            let _ = writeln!(out, "    {count:>7} {name:<10} {formula}");
        }
    }
    let cost = start.lookups();
    if cost.count != 0 {
        let share = cost.filtered * 100 / cost.asked.max(1);
        let _ = writeln!(
            out,
            "{} found a definition. They asked {} modules: a Bloom filter said \"not here\" {} times ({share} %), and {} hash values were compared.",
            plural(cost.count, "look-up"),
            cost.asked,
            cost.filtered,
            cost.compared
        );
    }
    bindings(&mut out, start);
    out
}

/// How many references of each module went where.
fn bindings(out: &mut String, start: &Start) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for bound in &start.bindings {
        *counts.entry((&bound.from, &bound.to)).or_default() += 1;
    }
    for ((from, to), count) in counts.iter().take(MOST) {
        let _ = writeln!(
            out,
            "  {} → {}: {}",
            start.short(from),
            start.short(to),
            plural(*count, "symbol")
        );
    }
}

/// The thread.
pub fn awake(start: &Start) -> String {
    let mut out = heading(6, "libc wakes");
    let libc = start
        .modules
        .iter()
        .find(|module| module.short().starts_with("libc.so"));
    let _ = match libc {
        Some(libc) => writeln!(
            out,
            "Before any code of the files runs, {} (at {:#x}) needs what its own loader would have made: the thread pointer,\n\
             the thread control block, the stack guard from AT_RANDOM, the TLS blocks filled from relocated images, the CPU's features.",
            libc.short(),
            libc.mapped.base
        ),
        None => writeln!(
            out,
            "There is no C library: the thread pointer is set, and the TLS blocks are filled."
        ),
    };
    if let Some(pointer) = start.thread_pointer {
        blocks(&mut out, start, pointer);
    }
    out
}

/// Where the blocks of the first thread are.
fn blocks(out: &mut String, start: &Start, pointer: u64) {
    let _ = writeln!(out, "The thread pointer (fs) of the first thread is {pointer:#x}.");
    for (name, number, below) in start.tls.iter().filter(|(_, _, below)| *below != 0) {
        let at = pointer.wrapping_sub(*below);
        let _ = writeln!(
            out,
            "  module {number}, {}: its block begins at {at:#x}",
            start.short(name)
        );
    }
}

/// What the resolvers chose.
pub fn resolved(start: &Start) -> String {
    let mut out = heading(7, "Resolvers choose (IFUNC)");
    if start.resolvers.is_empty() {
        out.push_str("No function of this program has a resolver.\n");
        return out;
    }
    let mut chosen: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for call in &start.resolvers {
        let entry = chosen.entry(choice(start, call)).or_default();
        entry.0 += 1;
        entry.1 += call.end.unwrap_or(start.end) - call.begin;
    }
    let total: u64 = chosen.values().map(|(_, time)| time).sum();
    let _ = writeln!(
        out,
        "{} in {}, of what needs least first. What each chose for this processor:",
        plural(start.resolvers.len() as u64, "call"),
        duration(total)
    );
    for (choice, (count, _)) in chosen {
        let times = if count == 1 {
            String::new()
        } else {
            format!("  ({count} words)")
        };
        let _ = writeln!(out, "  {choice}{times}");
    }
    out
}

/// `memcpy → __memmove_avx512_unaligned_erms`
pub fn choice(start: &Start, call: &Call) -> String {
    let answer = match call.answer {
        Some(0) => "0: nothing to call".to_owned(),
        Some(answer) => start
            .owner(answer)
            .map_or_else(|| format!("{answer:#x}"), |module| module.name_of(answer)),
        None => "no answer".to_owned(),
    };
    format!("{} → {answer}", resolver_name(start, call.function))
}

/// What a resolver decides, or where it is.
pub fn resolver_name(start: &Start, resolver: u64) -> String {
    let Some(module) = start.owner(resolver) else {
        return format!("{resolver:#x}");
    };
    let inside = resolver.wrapping_sub(module.mapped.base);
    let known = module.file.as_ref().and_then(|file| file.names.choices_of(inside));
    known.unwrap_or_else(|| format!("{} of {}", module.name_of(resolver), module.short()))
}

/// What became read-only.
pub fn protected(start: &Start) -> String {
    let mut out = heading(8, "Read-only after relocation (RELRO)");
    for (name, at, length) in &start.relro {
        let _ = writeln!(
            out,
            "  {at:#x}–{:#x}  {:>8}  {}",
            at + length,
            bytes(*length),
            short(name)
        );
    }
    if start.relro.is_empty() {
        out.push_str("No file asks for it.\n");
    }
    out
}

/// Constructors, and the jump.
pub fn initialised(start: &Start) -> String {
    let mut out = heading(9, "Constructors");
    out.push_str("What a file needs is ready before its own run.\n");
    for span in &start.initialised {
        let _ = writeln!(
            out,
            "  {}: {}",
            short(&span.name),
            duration(span.end.saturating_sub(span.begin))
        );
        for call in calls_of(start, span) {
            let name = start
                .owner(call.function)
                .map_or_else(String::new, |module| module.name_of(call.function));
            let time = call
                .end
                .map_or_else(|| "did not come back".to_owned(), |end| duration(end - call.begin));
            let _ = writeln!(out, "      {:#x} {name}: {time}", call.function);
        }
    }
    let Some(program) = start.entered.as_ref().and_then(|name| start.named(name)) else {
        return out;
    };
    out += &heading(10, "The jump");
    let _ = writeln!(
        out,
        "{} after the loader's first moment it jumps to {:#x}, the entry of {}. The constructors of a program that uses glibc are called by\n\
         libc behind the jump; the loader's last words were:",
        duration(start.end.saturating_sub(start.begin)),
        program.mapped.entry,
        program.mapped.name
    );
    for (what, count) in &start.counts {
        let _ = writeln!(out, "  {count:>8} {what}");
    }
    out += "Time by stage:\n";
    for stage in &start.stages {
        let _ = writeln!(
            out,
            "  {:>10} {}",
            stage.name,
            duration(stage.end.saturating_sub(stage.begin))
        );
    }
    let last = start.stages.last().map_or(start.begin, |stage| stage.end);
    let _ = writeln!(
        out,
        "  {:>10} {}",
        "construct",
        duration(start.end.saturating_sub(last))
    );
    out
}

/// The constructors that ran while a module was initialised.
pub fn calls_of<'a>(start: &'a Start, span: &'a Span) -> impl Iterator<Item = &'a Call> {
    start
        .constructors
        .iter()
        .filter(|call| call.module == span.name && call.begin >= span.begin && call.begin <= span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(
            (plural(1, "entry"), plural(2, "entry")),
            ("1 entry".into(), "2 entries".into())
        );
        assert_eq!((plural(2, "word"), duration(999)), ("2 words".into(), "999 ns".into()));
        assert_eq!((duration(1_500), duration(2_340_000)), ("1 µs".into(), "2.3 ms".into()));
        assert_eq!(
            (bytes(1_023), bytes(163_840), bytes(1_974_272)),
            ("1023 B".into(), "160 KiB".into(), "1.8 MiB".into())
        );
    }
}
