//! Whether every way to fail has a case and a page in `docs/errors/`, checked against the enums themselves: a kind
//! or a rule that is new does not compile here until it is listed, and then it fails here until it has both. The example of a page is the
//! golden file that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lode::elf::note::LevelFeatures;
use lode::error::{Code, Entry, Errno, KernelVersion, Kind, Name, Rule};

use super::stand::Case;

/// Lists all variants of an enum, each with a value of it.
macro_rules! all {
    ($function:ident: $type:ty { $($pattern:pat => $value:expr,)* }) => {
        fn $function() -> Vec<$type> {
            // Only there so that the compiler tells which variant is missing.
            fn _each_is_listed(one: &$type) {
                match one {
                    $($pattern => {})*
                }
            }
            vec![$($value),*]
        }
    };
}

macro_rules! rules {
    ($($name:ident)*) => {
        all!(rules: Rule { $(Rule::$name => Rule::$name,)* });
    };
}

rules! {
    HeaderTruncated ElfVersion HeaderFlags HeaderType PhentSize NoProgramHeaders ProgramHeadersOutsideFile NoLoadSegment
    SegmentOutsideFile SegmentFileSize SegmentOrder SegmentAddress SegmentAlign SegmentCongruence SegmentTwice
    SegmentWritableExecutable DynamicMissing DynamicOutside DynamicUnterminated RelroOutside TlsOutside TlsSize TlsAlign
    InterpreterPath TagTwin TagEntrySize TagTableSize TagTableOutside TagPltRel StringTable StringOffset HashTable HashBuckets
    GnuHashTable SymbolIndex SymbolValue VersionNeed VersionDefinition VersionIndex RelrLockout RelrBitmapFirst RelrOutside
    RelocationOutside RelocationReadOnly RelativeCount AndroidRelocations TextRelocations RelocatedTwice IfuncNoPlt ThreadLocalAddress EntryOutside ArraySize CodeOutside
    FileTruncated SegmentCodeOfZeros
}

all!(kinds: Kind {
    Kind::Os { .. } => Kind::Os { what: "", errno: Errno::ENOENT },
    Kind::NotRegular => Kind::NotRegular,
    Kind::NotElf { .. } => Kind::NotElf { start: [0; 16], is_short: false },
    Kind::WrongClass { .. } => Kind::WrongClass { class: 1, machine: 3 },
    Kind::WrongData(_) => Kind::WrongData(2),
    Kind::WrongOsAbi(_) => Kind::WrongOsAbi(9),
    Kind::WrongAbiVersion { .. } => Kind::WrongAbiVersion { osabi: 0, version: 1, supported: 0 },
    Kind::WrongMachine(_) => Kind::WrongMachine(183),
    Kind::Untrusted => Kind::Untrusted,
    // The rules are listed by themselves.
    Kind::Malformed { .. } => Kind::malformed(Rule::HeaderTruncated, 0, 0).kind(),
    Kind::CpuTooOld { .. } => Kind::CpuTooOld { needed: 4, have: 1, lacks: LevelFeatures(0) },
    Kind::WrongSystem(_) => Kind::WrongSystem(3),
    Kind::KernelTooOld { .. } => Kind::KernelTooOld { needed: KernelVersion(1), have: KernelVersion(0) },
    Kind::ChangesLoading(_) => Kind::ChangesLoading(""),
    Kind::WrongLibc(_) => Kind::WrongLibc(""),
    Kind::NotExecutable => Kind::NotExecutable,
    Kind::NoExecMount => Kind::NoExecMount,
    Kind::Relocation { .. } => Kind::Relocation { rule: Rule::RelocationOutside, entry: entry() },
    Kind::Missing { .. } => Kind::Missing { library: Name::from(""), tried: Vec::new() },
    Kind::Undefined(_) => Kind::Undefined(Vec::new()),
    Kind::NoVersion(_) => Kind::NoVersion(Vec::new()),
    Kind::UnknownRelocation { .. } => Kind::UnknownRelocation { kind: 0, at: lode::elf::Vaddr(0), symbol: None },
    Kind::Overflow { .. } => Kind::Overflow { relocation: "", at: lode::elf::Vaddr(0), symbol: None, value: 0, is_distance: false, target: None },
    Kind::CopySize { .. } => Kind::CopySize { symbol: Name::from(""), here: 0, there: 0 },
    Kind::NotThreadLocal(_) => Kind::NotThreadLocal(Name::from("")),
    Kind::NeedsIndirectAccess(_) => Kind::NeedsIndirectAccess(Name::from("")),
    Kind::StaticTls { .. } => Kind::StaticTls { needed: 0, free: 0, held: Vec::new() },
    Kind::UnknownLibc { .. } => Kind::UnknownLibc { version: Name::from(""), why: Name::from("") },
    Kind::UnknownMusl { .. } => Kind::UnknownMusl { version: Name::from(""), lacks: Name::from("") },
    Kind::Unsupported(_) => Kind::Unsupported(""),
    Kind::NotToBeOpened => Kind::NotToBeOpened,
    Kind::Usage(_) => Kind::Usage(Name::from("")),
    Kind::RunsItself => Kind::RunsItself,
    Kind::NoSymbol { .. } => Kind::NoSymbol { symbol: Box::default(), version: None },
    Kind::InvalidHandle(_) => Kind::InvalidHandle(0),
    Kind::Busy => Kind::Busy,
    Kind::OutOfMemory => Kind::OutOfMemory,
});

fn entry() -> Entry {
    Entry {
        table: 0,
        index: 0,
        relocation: "",
        at: lode::elf::Vaddr(0),
        symbol: None,
        segment: None,
        count: 0,
    }
}

/// The codes that nothing can provoke from outside today, and why.
const OUT_OF_REACH: &[(&str, &str)] = &[
    (
        "E0503",
        "takes a set-user-ID program, which an ordinary user cannot make; the preload is then a line, not an end",
    ),
    (
        "E0504",
        "would take a process whose memory ends at the right allocation",
    ),
];

/// Codes that the loader never gives: those of `lode-tool`.
const OF_THE_TOOL: &[u16] = &[120, 601, 801, 802, 803, 804, 805, 806, 807, 808, 809];

/// How many codes `lode-tool check` has to name for some case, at least.
const NAMED_BY_CHECK: usize = 40;

/// What the cases claim, all in all.
pub struct Table {
    /// Their codes.
    claimed: Vec<&'static str>,
    /// Their names.
    names: Vec<&'static str>,
    /// The names of those that `lode-tool check` is asked about, and the codes that it has to name.
    asked: Vec<(&'static str, &'static str)>,
}

impl Table {
    /// Of these cases.
    pub fn of(cases: &[Case]) -> Table {
        let asked = cases
            .iter()
            .filter_map(|case| Some((case.name, case.asked.code(case)?)));
        Table {
            claimed: cases.iter().filter_map(|case| case.code).collect(),
            names: cases.iter().map(|case| case.name).collect(),
            asked: asked.collect(),
        }
    }

    /// What is wrong with the set of cases: codes without one, cases without a code, codes without a page and pages without a code, golden
    /// files without a case. With `bless`, the examples of the pages are written anew.
    pub fn problems(&self, package: &Path, bless: bool) -> Vec<String> {
        let mut problems = problems(&self.claimed, &self.names, package, bless);
        let codes: BTreeSet<&str> = self.asked.iter().map(|(_, code)| *code).collect();
        if codes.len() < NAMED_BY_CHECK {
            problems.push(format!("lode-tool check names only {} codes", codes.len()));
        }
        let names: BTreeSet<&str> = self.asked.iter().map(|(name, _)| *name).collect();
        let goldens = texts(&package.join("diagnostics/check"), "txt");
        for name in goldens.keys().filter(|name| !names.contains(&***name)) {
            problems.push(format!("tests/diagnostics/check/{name}.txt belongs to no case"));
        }
        problems
    }
}

fn problems(claimed: &[&str], names: &[&str], package: &Path, bless: bool) -> Vec<String> {
    let known: BTreeSet<String> = kinds()
        .iter()
        .filter(|kind| !matches!(kind, Kind::Malformed { .. }))
        .map(Kind::code)
        .chain(rules().into_iter().map(Rule::code))
        .map(|code| code.to_string())
        .collect();
    let claimed: BTreeSet<&str> = claimed.iter().copied().collect();
    let exempt: BTreeSet<&str> = OUT_OF_REACH.iter().map(|(code, _)| *code).collect();
    let mut problems = Vec::new();
    for code in &known {
        match (claimed.contains(&**code), exempt.contains(&**code)) {
            (false, false) => problems.push(format!("{code} has no case in tests/diagnostics/")),
            (true, true) => problems.push(format!("{code} is said to be out of reach, but has a case")),
            _ => {}
        }
    }
    for code in claimed.union(&exempt).filter(|code| !known.contains(**code)) {
        problems.push(format!("{code} is no code of the loader"));
    }
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if distinct.len() != names.len() {
        problems.push("two cases have one name".to_owned());
    }
    let goldens = texts(&package.join("diagnostics"), "txt");
    for name in goldens.keys().filter(|name| !distinct.contains(&***name)) {
        problems.push(format!("tests/diagnostics/{name}.txt belongs to no case"));
    }
    problems.extend(problems_of_the_book(
        known,
        &goldens,
        &package.join("../docs/errors"),
        bless,
    ));
    problems
}

/// Every code has a page and a line in the index, every page a code; a page shows the golden file that it names.
fn problems_of_the_book(
    mut codes: BTreeSet<String>,
    goldens: &BTreeMap<String, String>,
    folder: &Path,
    bless: bool,
) -> Vec<String> {
    codes.extend(OF_THE_TOOL.iter().map(|code| Code(*code).to_string()));
    let mut pages = texts(folder, "md");
    let index = pages.remove("README").unwrap_or_default();
    let mut problems: Vec<String> = pages
        .keys()
        .filter(|page| !codes.contains(*page))
        .map(|page| format!("docs/errors/{page}.md: no such code"))
        .collect();
    for code in &codes {
        let Some(page) = pages.get(code) else {
            problems.push(format!("docs/errors/{code}.md is missing"));
            continue;
        };
        let title = page.lines().next().unwrap_or_default();
        match title.strip_prefix(&format!("# {code}: ")) {
            Some(words) if index.contains(&format!("- [{code}]({code}.md): {words}\n")) => {}
            Some(_) => problems.push(format!("docs/errors/README.md does not have the title of {code}")),
            None => problems.push(format!("docs/errors/{code}.md: the title is not `# {code}: ...`")),
        }
        match with_examples(page, goldens) {
            Ok(anew) if anew == *page => {}
            Ok(anew) if bless => {
                problems.extend(fs::write(folder.join(code).with_extension("md"), anew).map_err(|error| error.to_string()).err());
            }
            Ok(_) => problems.push(format!(
                "docs/errors/{code}.md does not show its example as it is; `cargo xtask test --suite diagnostics --bless` writes it anew"
            )),
            Err(why) => problems.push(format!("docs/errors/{code}.md: {why}")),
        }
    }
    problems
}

/// The files of a folder with an extension, by their names without it.
fn texts(folder: &Path, extension: &str) -> BTreeMap<String, String> {
    let paths = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (stem, fs::read_to_string(&path).unwrap_or_default())
        })
        .collect()
}

/// A page whose examples are those of the golden files that stand in a comment before each. A page shows one folder and one machine where a
/// golden file has placeholders.
fn with_examples(page: &str, goldens: &BTreeMap<String, String>) -> Result<String, String> {
    const BEFORE: &str = "<!-- tests/diagnostics/";
    const BETWEEN: &str = ".txt -->\n```text\n";
    let mut parts = page.split(BEFORE);
    let mut anew = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(BETWEEN).ok_or("a comment without its example")?;
        let (_, rest) = rest.split_once("```").ok_or("an example without an end")?;
        let golden = goldens.get(name).ok_or_else(|| format!("there is no example {name}"))?;
        let example = golden
            .replace("@BASE@", "/srv")
            .replace("@LEVEL@", "3")
            .replace("@KERNEL@", "6.1.0")
            .replace("@ADDRESS@", "0x7f5c2e6a1000");
        anew = anew + BEFORE + name + BETWEEN + &example + "```" + rest;
    }
    Ok(anew)
}
