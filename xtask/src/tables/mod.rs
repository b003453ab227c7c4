//! `cargo xtask tables`: makes a row of `loader/src/abi/glibc/layout/` from a distribution's glibc.
//!
//! A row states what one build of libc.so.6 was compiled to expect of its loader. The structures come
//! from the separate debug information of that glibc's own loader, the tunables from the data of that loader, and
//! the rest (build-id, imports, libc's descriptors for debuggers, witnesses) from libc.so.6. The schema of
//! the loader crate says which members are wanted, so there is no second list of them here.

mod dwarf;
mod elf;
mod state;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use lode::abi::glibc::layout::{
    Descriptor, Object, RtldGlobal, RtldGlobalRo, ThreadDb, Tunable as Known, descriptors, witnesses,
};

use self::dwarf::{Found, Structure, Types};
use self::elf::{Elf, LibcFacts, text_until_nul};
use self::state::Tunable;

const USAGE: &str = "\
usage: cargo xtask tables DEBUGFILE [LIBC [LOADER]] [--name NAME] [--output FILE]
       cargo xtask tables --upstream [FOLDER]
       cargo xtask tables --verify [LIBC...]

  DEBUGFILE  separate debug information of glibc's loader (package libc6-dbg, glibc-debuginfo, ...)
  LIBC       the libc.so.6 of the same package; default: the one beside the installed loader
  LOADER     the loader that DEBUGFILE describes; default: ld-linux-x86-64.so.2 beside LIBC
  --name     name of the row; default: from the version that libc states
  --output   file to write; default: the row's file in loader/src/abi/glibc/layout
  --upstream write the rows of glibc's own releases and branches, and show what tells them apart; from FOLDER (JSON files), first the facts
             about them are read anew";

const LOADER_SONAME: &str = "ld-linux-x86-64.so.2";
const INSTALLED_LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// Runs the command with the arguments behind its name.
///
/// # Errors
///
/// A file that cannot be read or does not fit the others, debug information without a wanted structure, or a
/// libc.so.6 that uses a member which the schema lacks.
pub fn run(arguments: &[String]) -> Result<()> {
    if let [first, folder @ ..] = arguments
        && first == "--upstream"
    {
        ensure!(folder.len() <= 1, "too many folders\n{USAGE}");
        let names = upstream::run(folder.first().map(Path::new), &layout_directory())?;
        return write_names(&names);
    }
    let request = Request::parse(arguments)?;
    let (name, text, names) = generate(&request)?;
    let output = match request.output {
        Some(output) => output,
        None => layout_directory().join(format!("{name}.rs")),
    };
    std::fs::write(&output, text).with_context(|| format!("writing {}", output.display()))?;
    println!("wrote {}", output.display());
    write_names(&names)?;
    println!("layout/mod.rs names it with `{name},` in `rows!`");
    Ok(())
}

/// The text of names that rows share.
fn names_file() -> PathBuf {
    layout_directory().join("names.txt")
}

/// Adds a row's names to the text of all rows.
fn write_names(names: &Names) -> Result<()> {
    let path = names_file();
    let old = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let all: BTreeSet<&str> = old.lines().chain(names.iter().map(String::as_str)).collect();
    let text: String = all.iter().flat_map(|name| [*name, "\n"]).collect();
    if text != old {
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Names that a row refers to by their place in the text that all rows share.
type Names = BTreeSet<String>;

/// The name and the formatted text of the row that is asked for, and the names in it.
fn generate(request: &Request) -> Result<(String, String, Names)> {
    let debug_bytes = read(&request.debug)?;
    let libc_bytes = read(&request.libc)?;
    let loader_bytes = read(&request.loader)?;
    let debug = Elf::parse(&debug_bytes, &request.debug)?;
    let libc = Elf::parse(&libc_bytes, &request.libc)?;
    let loader = Elf::parse(&loader_bytes, &request.loader)?;
    ensure!(
        debug.build_id()? == loader.build_id()?,
        "{} does not describe {}: their build-ids differ",
        request.debug.display(),
        request.loader.display()
    );
    let types = Types::read(&debug)?;
    let facts = LibcFacts::read(&libc)?;
    let name = match &request.name {
        Some(name) => name.clone(),
        None => row_name(&facts.release, &facts.origin),
    };
    let mut names = Names::new();
    let text = formatted(&row(&types, &facts, &libc, &debug, &loader, &mut names)?)?;
    Ok((name, text, names))
}

/// What the command line asks for, with the defaults filled in.
struct Request {
    debug: PathBuf,
    libc: PathBuf,
    loader: PathBuf,
    name: Option<String>,
    output: Option<PathBuf>,
}

impl Request {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut files = Vec::new();
        let mut name = None;
        let mut output = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--name" => name = Some(rest.next().context(USAGE)?.clone()),
                "--output" => output = Some(PathBuf::from(rest.next().context(USAGE)?)),
                option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
                file => files.push(PathBuf::from(file)),
            }
        }
        let mut files = files.into_iter();
        let debug = files.next().context(USAGE)?;
        let libc = match files.next() {
            Some(libc) => libc,
            None => std::fs::canonicalize(INSTALLED_LOADER)
                .with_context(|| format!("no libc.so.6 given and no {INSTALLED_LOADER}"))?
                .with_file_name("libc.so.6"),
        };
        let loader = files.next().unwrap_or_else(|| libc.with_file_name(LOADER_SONAME));
        ensure!(files.next().is_none(), "too many files\n{USAGE}");
        Ok(Self {
            debug,
            libc,
            loader,
            name,
            output,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn layout_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loader/src/abi/glibc/layout")
}

/// Name of a row: release, distribution, and for Debian its number, which is part of its versions.
fn row_name(release: &str, origin: &str) -> String {
    let distribution = origin
        .split_whitespace()
        .next()
        .filter(|word| *word != "GNU")
        .unwrap_or("upstream")
        .to_lowercase();
    let number = origin
        .split("+deb")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .unwrap_or_default();
    format!("v{}_{distribution}{number}", release.replace('.', "_"))
}

/// Passes generated code through rustfmt, so that the checked-in file is stable under `cargo fmt`.
fn formatted(code: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt")?;
    rustfmt
        .stdin
        .take()
        .context("rustfmt takes no input")?
        .write_all(code.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refused the generated code");
    Ok(String::from_utf8(output.stdout)?)
}
/// The types that a row may be made of, in the order of the alphabet.
const SCHEMA: &[&str] = &[
    "Bits",
    "CpuBasic",
    "CpuFeatures",
    "CpuidFeature",
    "DtvPointer",
    "DtvSlotinfo",
    "DtvSlotinfoList",
    "InfoTable",
    "Libname",
    "LinkMap",
    "LinkNamespaces",
    "List",
    "Member",
    "Mutex",
    "PreferredBits",
    "Pthread",
    "RtldGlobal",
    "RtldGlobalRo",
    "ScopeElem",
    "Structures",
    "Tcb",
    "Tunable",
    "TunableKind",
];

/// Those that occur in `code`, for an import.
fn schema_in(code: &str) -> String {
    let used = SCHEMA
        .iter()
        .filter(|name| code.contains(&format!("{name}::")) || code.contains(&format!("{name} {{")));
    used.copied().collect::<Vec<_>>().join(", ")
}

/// The whole row as Rust code, not formatted.
fn row(
    types: &Types,
    facts: &LibcFacts<'_>,
    libc: &Elf<'_>,
    debug: &Elf<'_>,
    loader: &Elf<'_>,
    names: &mut Names,
) -> Result<String> {
    let release: u8 = facts
        .release
        .strip_prefix("2.")
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{} is no release of glibc 2", facts.release))?;
    let words = state::words(types)?;
    check_uses(types, facts, libc)?;
    check_evidence(release, &words, facts, libc)?;
    let tunables = tunables(types, debug, loader)?;
    names.extend(tunables.iter().map(|tunable| tunable.name.clone()));
    names.extend(facts.imports.iter().map(ToString::to_string));
    let list: String = tunables.iter().map(Tunable::code).collect();
    let structures = state::structures(&words, None)?;
    let id: Vec<String> = facts.build_id.iter().map(|byte| format!("{byte:#04x}")).collect();
    Ok(format!(
        "//! glibc {text}, {origin}.\n//!\n//! Generated by `cargo xtask tables DEBUGFILE` from the debug \
         information of that package's loader\n//! (build-id {loader_id}). Not edited by hand.\n\n\
         use super::evidence::Imports;\nuse super::pack::Source;\n\
         use super::{{{used}}};\n\n\
         /// The row.\npub(super) const ROW: Source = Source {{\n\
         release: {release},\nstate: 0,\norigin: {origin:?},\nbuild_id: &[{id}],\n\
         imports: Imports::exactly(&{imports:?}),\ntunables: TUNABLES,\nstructures: STRUCTURES,\n}};\n\n\
         /// Where everything is.\nconst STRUCTURES: Structures = {structures};\n\n\
         /// Tunables by id.\nconst TUNABLES: &[Tunable] = &[{list}];\n",
        text = facts.release,
        origin = facts.origin,
        loader_id = scan::hex(loader.build_id()?, ""),
        used = schema_in(&format!("{structures}{list}")),
        id = id.join(", "),
        imports = facts.imports.iter().collect::<Vec<_>>(),
    ))
}

/// glibc's list of tunables, read from the data of its loader.
fn tunables(types: &Types, debug: &Elf<'_>, loader: &Elf<'_>) -> Result<Vec<Tunable>> {
    let entry = types.structure("_tunable", None)?;
    let kind = entry.member("type")?;
    let bounds = types.structure_at(kind.of).context("_tunable.type is no structure")?;
    let default = entry.member("def").or_else(|_| entry.member("val"))?;
    let list = debug.local_symbol("tunable_list")?;
    let bytes = loader.bytes(list)?;
    let pointers = loader.relative_pointers();
    let mut all = Vec::new();
    for (address, tunable) in (list.address..)
        .step_by(usize::try_from(entry.size)?)
        .zip(bytes.chunks_exact(usize::try_from(entry.size)?))
    {
        // Up to 2.32 a text is a pointer, later an array.
        let text = |member: &Found| match pointers.get(&address.saturating_add(member.offset)) {
            Some(text) => loader.text(*text),
            None if member.size == 8 => Ok(String::new()),
            None => array_text(tunable, member),
        };
        let inner = |name: &str| -> Result<u64> {
            let member = bounds.member(name)?;
            number(tunable, kind.offset.saturating_add(member.offset), member.size)
        };
        let kind = tunable_kind(types, inner("type_code")?)?;
        let full_name = text(entry.member("name")?)?;
        let name = full_name
            .strip_prefix(Known::PREFIX)
            .with_context(|| format!("the tunable {full_name} is not one of glibc"))?;
        let alias = match entry.members.get("env_alias") {
            Some(member) => text(member)?,
            None => String::new(),
        };
        // A string's default is a pointer that is relocated; only the null pointer occurs.
        let value = number(tunable, default.offset, 8)?;
        ensure!(
            kind != "String" || value == 0,
            "the string tunable {name} has a default"
        );
        // Since 2.39 a secure process ignores all of GLIBC_TUNABLES; before, each tunable had a level, and the loader has no way to honour one.
        if let Some(member) = entry.members.get("security_level") {
            let level = number(tunable, member.offset, member.size)?;
            let honoured = types.enumerator("TUNABLE_SECLEVEL_NONE")?;
            ensure!(honoured != Some(level), "a secure process honours the tunable {name}");
        }
        all.push(Tunable {
            name: format!("{name} {alias}").trim_end().to_owned(),
            kind: kind.to_owned(),
            min: inner("min")?,
            max: inner("max")?,
            default: value,
        });
    }
    ensure!(!all.is_empty(), "the list of tunables is empty");
    Ok(all)
}

/// A little-endian number inside an entry of a table.
fn number(entry: &[u8], offset: u64, size: u64) -> Result<u64> {
    let start = usize::try_from(offset)?;
    let size = usize::try_from(size)?;
    let bytes = start
        .checked_add(size)
        .and_then(|end| entry.get(start..end))
        .context("a member outside of its entry")?;
    let mut wide = [0u8; 8];
    wide.get_mut(..size)
        .context("a number of more than 8 bytes")?
        .copy_from_slice(bytes);
    Ok(u64::from_le_bytes(wide))
}

fn array_text(entry: &[u8], member: &Found) -> Result<String> {
    let start = usize::try_from(member.offset)?;
    let end = start.checked_add(usize::try_from(member.size)?);
    let bytes = end
        .and_then(|end| entry.get(start..end))
        .context("a text outside of its entry")?;
    text_until_nul(bytes)
}

fn tunable_kind(types: &Types, code: u64) -> Result<&'static str> {
    for (enumerator, kind) in [
        ("TUNABLE_TYPE_INT_32", "Int32"),
        ("TUNABLE_TYPE_UINT_64", "Uint64"),
        ("TUNABLE_TYPE_SIZE_T", "SizeT"),
        ("TUNABLE_TYPE_STRING", "String"),
    ] {
        if types.enumerator(enumerator)? == Some(code) {
            return Ok(kind);
        }
    }
    bail!("unknown type {code} of a tunable")
}

/// Checks that libc.so.6 shows what the loader's tables say that a libc of such structures shows; and that it has no descriptor that they lack.
fn check_evidence(release: u8, words: &[u32], facts: &LibcFacts<'_>, libc: &Elf<'_>) -> Result<()> {
    const TABLES: &str = "change the tables of layout/evidence.rs";
    let expected: BTreeMap<String, Descriptor> = descriptors(release, words)
        .map(|(name, content)| (name.to_string(), content))
        .collect();
    for (name, content) in &expected {
        let symbol = facts.exports.get(&*format!("{}{name}", ThreadDb::PREFIX));
        let found = symbol.map(|symbol| libc.bytes(*symbol)).transpose()?;
        let found = found.and_then(Descriptor::from_bytes);
        ensure!(
            found == Some(*content),
            "{name} is {found:?}, not {content:?}; {TABLES}"
        );
    }
    for (name, symbol) in &facts.exports {
        let Some(known) = name.strip_prefix(ThreadDb::PREFIX) else {
            continue;
        };
        // An array without an end says nothing.
        let endless = symbol.size == 12 && number(libc.bytes(*symbol)?, 4, 4)? > u64::from(u16::MAX);
        ensure!(endless || expected.contains_key(known), "{name} is not known; {TABLES}");
    }
    for witness in witnesses(release, words) {
        let uses = facts.uses(libc, &witness.function.text().to_string(), witness.object)?;
        let close = witness.displacement..witness.displacement.saturating_add(4);
        ensure!(uses.range(close).next().is_some(), "{witness}; {TABLES}");
    }
    Ok(())
}

/// Members that libc reads only where `_dl_naudit` is not zero, which the loader never sets.
const AUDITING: [&str; 3] = ["_dl_rtld_map", "_dl_rtld_auditstate", "_dl_audit"];

/// Checks that libc uses no member that the schema does not know, because the loader would not fill it.
fn check_uses(types: &Types, facts: &LibcFacts<'_>, libc: &Elf<'_>) -> Result<()> {
    let objects = [
        (Object::RtldGlobal, RtldGlobal::STRUCTURE, RtldGlobal::FIELDS),
        (Object::RtldGlobalRo, RtldGlobalRo::STRUCTURE, RtldGlobalRo::FIELDS),
    ];
    for (object, structure, fields) in objects {
        let structure = types.structure(structure, None)?;
        for name in facts.exports.keys() {
            for displacement in facts.uses(libc, name, object)? {
                let member = enclosing(&structure, displacement);
                ensure!(
                    member.is_some_and(
                        |(name, _)| AUDITING.contains(&name) || fields.iter().any(|field| field.member == name)
                    ),
                    "{name} uses {} at {displacement:#x} ({member:?}), which is not in the schema",
                    object.symbol()
                );
            }
        }
    }
    Ok(())
}

/// The member that contains the byte at `displacement`, and where in it.
fn enclosing(structure: &Structure, displacement: u32) -> Option<(&str, u64)> {
    structure.members.iter().find_map(|(name, found)| {
        let inside = u64::from(displacement).checked_sub(found.offset)?;
        (inside < found.size).then_some((name.as_str(), inside))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lode::abi::glibc::layout::ALL;

    fn request(arguments: &[&str]) -> Result<Request> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Request::parse(&arguments)
    }

    /// Where distributions install the debug information of a file.
    fn debug_file(build_id: &[u8]) -> PathBuf {
        let text = scan::hex(build_id, "");
        let (directory, rest) = text.split_at(2);
        PathBuf::from(format!("/usr/lib/debug/.build-id/{directory}/{rest}.debug"))
    }

    #[test]
    fn the_installed_package_gives_the_checked_in_row() {
        let Ok(loader) = std::fs::canonicalize(INSTALLED_LOADER) else {
            return;
        };
        let libc = loader.with_file_name("libc.so.6");
        let (loader_bytes, libc_bytes) = (read(&loader).unwrap(), read(&libc).unwrap());
        let build_id = Elf::parse(&libc_bytes, &libc).unwrap().build_id().unwrap();
        let loader_id = Elf::parse(&loader_bytes, &loader).unwrap().build_id().unwrap();
        let debug = debug_file(loader_id);
        if !debug.exists() || !ALL.iter().any(|row| row.build_id() == Some(build_id)) {
            return;
        }
        let request = request(&[debug.to_str().unwrap(), libc.to_str().unwrap()]).unwrap();
        let (name, text, names) = generate(&request).unwrap();
        let checked_in = layout_directory().join(format!("{name}.rs"));
        assert_eq!(text, std::fs::read_to_string(checked_in).unwrap());
        let known = std::fs::read_to_string(names_file()).unwrap();
        assert!(names.iter().all(|name| known.lines().any(|line| line == name)));
    }

    #[test]
    fn the_loader_is_looked_for_beside_libc() {
        let request = request(&["ld.debug", "/x/libc.so.6", "--name", "v9"]).unwrap();
        assert_eq!(request.loader, Path::new("/x/ld-linux-x86-64.so.2"));
        assert_eq!(request.name.as_deref(), Some("v9"));
    }

    #[test]
    fn a_command_line_that_is_not_understood_is_an_error() {
        assert!(request(&[]).is_err());
        assert!(request(&["a", "b", "c", "d"]).is_err());
        assert!(request(&["--nonsense", "a"]).is_err());
        assert!(request(&["a", "b", "--name"]).is_err());
    }

    #[test]
    fn a_row_is_named_after_release_and_distribution() {
        let debian = row_name("2.36", "Debian GLIBC 2.36-9+deb12u14");
        assert_eq!(debian, "v2_36_debian12");
        assert_eq!(row_name("2.39", "Ubuntu GLIBC 2.39-0ubuntu8"), "v2_39_ubuntu");
        assert_eq!(row_name("2.41", "GNU libc"), "v2_41_upstream");
    }

    #[test]
    fn a_number_is_read_inside_its_entry_only() {
        let entry = [1, 2, 3, 4];
        assert_eq!(number(&entry, 1, 2).unwrap(), 0x302);
        assert!(number(&entry, 3, 2).is_err());
        assert!(number(&entry, u64::MAX, 1).is_err());
        assert!(number(&[0; 16], 0, 9).is_err());
    }
}
