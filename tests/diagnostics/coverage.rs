//! Whether every way to fail has a case and a section in `docs/errors.md`, checked against the enums themselves: a kind
//! or a rule that is new does not compile here until it is listed, and then it fails here until it has both.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lode::error::{Errno, Kind, Name, Rule};

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
    GnuHashTable SymbolIndex SymbolValue VersionNeed VersionDefinition VersionIndex RelrBitmapFirst RelrOutside
    RelocationOutside RelocationReadOnly RelativeCount AndroidRelocations TextRelocations EntryOutside ArraySize CodeOutside
    FileTruncated
}

all!(kinds: Kind {
    Kind::Os { .. } => Kind::Os { what: "", errno: Errno::ENOENT },
    Kind::NotRegular => Kind::NotRegular,
    Kind::NotElf => Kind::NotElf,
    Kind::WrongClass(_) => Kind::WrongClass(1),
    Kind::WrongData(_) => Kind::WrongData(2),
    Kind::WrongOsAbi(_) => Kind::WrongOsAbi(9),
    Kind::WrongAbiVersion { .. } => Kind::WrongAbiVersion { osabi: 0, version: 1, supported: 0 },
    Kind::WrongMachine(_) => Kind::WrongMachine(183),
    Kind::Untrusted => Kind::Untrusted,
    // The rules are listed by themselves.
    Kind::Malformed { .. } => Kind::malformed(Rule::HeaderTruncated, 0, 0).kind(),
    Kind::CpuTooOld { .. } => Kind::CpuTooOld { needed: 4, have: 1 },
    Kind::Missing { .. } => Kind::Missing { library: Name::from(""), tried: Vec::new() },
    Kind::Undefined(_) => Kind::Undefined(Vec::new()),
    Kind::NoVersion(_) => Kind::NoVersion(Vec::new()),
    Kind::UnknownRelocation { .. } => Kind::UnknownRelocation { kind: 0, at: lode::elf::Vaddr(0), symbol: None },
    Kind::Overflow { .. } => Kind::Overflow { relocation: "", at: lode::elf::Vaddr(0), symbol: None, value: 0 },
    Kind::CopySize { .. } => Kind::CopySize { symbol: Name::from(""), here: 0, there: 0 },
    Kind::NotThreadLocal(_) => Kind::NotThreadLocal(Name::from("")),
    Kind::StaticTls { .. } => Kind::StaticTls { needed: 0, free: 0, held: Vec::new() },
    Kind::UnknownLibc { .. } => Kind::UnknownLibc { version: Name::from(""), why: Name::from("") },
    Kind::Unsupported(_) => Kind::Unsupported(""),
    Kind::NotToBeOpened => Kind::NotToBeOpened,
    Kind::Usage(_) => Kind::Usage(Name::from("")),
    Kind::RunsItself => Kind::RunsItself,
    Kind::NoSymbol { .. } => Kind::NoSymbol { symbol: Name::from(""), version: None },
    Kind::InvalidHandle => Kind::InvalidHandle,
    Kind::Busy => Kind::Busy,
    Kind::OutOfMemory => Kind::OutOfMemory,
});

/// The codes that nothing can provoke from outside today, and why.
const OUT_OF_REACH: &[(&str, &str)] = &[
    (
        "untrusted",
        "takes a set-user-ID program, which an ordinary user cannot make; the preload is then a line, not an end",
    ),
    (
        "out-of-memory",
        "would take a process whose memory ends at the right allocation",
    ),
    (
        "symbol-value",
        "no stage makes it: a symbol's value is only used by relocations, whose result may be anything",
    ),
    (
        "relative-count",
        "no stage makes it: DT_RELACOUNT is not used, every entry is looked at",
    ),
    (
        "android-relocations",
        "no stage makes it: packed relocations are refused as a whole (`unsupported`)",
    ),
    (
        "text-relocations",
        "no stage makes it: the place of such a relocation is refused (`relocation-readonly`)",
    ),
];

/// What is wrong with the set of cases: codes without one, cases without a code, without a section in the book, golden files without a case.
pub fn problems(claimed: &[&str], names: &[&str], package: &Path) -> Vec<String> {
    let book = fs::read_to_string(package.join("../docs/errors.md")).unwrap_or_default();
    let kinds = kinds();
    let rules = rules();
    let known: BTreeSet<&str> = kinds
        .iter()
        .map(Kind::code)
        .chain(rules.iter().map(|rule| rule.text().0))
        .collect();
    let claimed: BTreeSet<&str> = claimed.iter().copied().collect();
    let exempt: BTreeSet<&str> = OUT_OF_REACH.iter().map(|(code, _)| *code).collect();
    let mut problems = Vec::new();
    for code in &known {
        match (claimed.contains(code), exempt.contains(code)) {
            (false, false) => problems.push(format!("`{code}` has no case in tests/diagnostics/")),
            (true, true) => problems.push(format!("`{code}` is said to be out of reach, but has a case")),
            _ => {}
        }
        if !book.contains(&format!("### `{code}`\n")) {
            problems.push(format!("`{code}` has no section in docs/errors.md"));
        }
    }
    for code in claimed.union(&exempt).filter(|code| !known.contains(*code)) {
        problems.push(format!("`{code}` is no code of the loader"));
    }
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if distinct.len() != names.len() {
        problems.push("two cases have one name".to_owned());
    }
    for entry in fs::read_dir(package.join("diagnostics"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|extension| extension == "txt") && !distinct.contains(&*stem) {
            problems.push(format!("{} belongs to no case", path.display()));
        }
    }
    problems
}
