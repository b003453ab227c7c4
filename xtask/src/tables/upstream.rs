//! `cargo xtask tables --upstream`: rows from glibc's own headers, for releases of which no package is at hand.
//!
//! A release of glibc is a tag and a branch, and the branch changes the layout; distributions build from some state of it. The states are facts
//! in `upstream.txt`. From them the rows of `loader/src/abi/glibc/layout/upstream.rs` are made: states that nothing in a libc.so.6 tells
//! apart become one row, if they agree in all that the loader fills and libc reads. [`prove`] shows for every two states of a release that
//! a libc of the one is not taken for the other where that would matter.
//!
//! The facts were imported from a folder of JSON files, one for each state: structures, enumerators, tunables and descriptors as compilers and
//! debug information tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lode::abi::glibc::layout::{
    ASKS, CpuidFeature, Descriptor, PreferredBits, Presence, RECORDS, ThreadDb, Tunable as Known, WORDS, descriptors,
    witnesses,
};
use serde_json::Value;

use super::dwarf::{RawMember, Type, Types};
use super::state::{self, Tunable};

/// The facts, beside this file.
const FACTS: &str = include_str!("upstream.txt");

/// Names that a libc.so.6 imports from its loader at least, with the first and the last release: what the nearest packages on both sides import.
/// A state may import other known names too; some came within a branch.
const IMPORTS: [(&str, u8, u8); 20] = [
    ("__libc_enable_secure", 0, u8::MAX),
    ("__libc_stack_end", 34, u8::MAX),
    ("__rseq_offset", 41, u8::MAX),
    ("__rseq_size", 41, u8::MAX),
    ("__tls_get_addr", 0, u8::MAX),
    ("__tunable_get_val", 0, u8::MAX),
    ("__tunable_is_initialized", 41, u8::MAX),
    ("_dl_allocate_tls", 34, u8::MAX),
    ("_dl_allocate_tls_init", 34, u8::MAX),
    ("_dl_argv", 0, u8::MAX),
    ("_dl_audit_preinit", 36, u8::MAX),
    ("_dl_catch_exception", 41, u8::MAX),
    ("_dl_deallocate_tls", 34, u8::MAX),
    ("_dl_exception_create", 0, 36),
    ("_dl_find_dso_for_object", 0, u8::MAX),
    ("_dl_rtld_di_serinfo", 34, u8::MAX),
    ("_dl_signal_error", 41, u8::MAX),
    ("_dl_signal_exception", 41, u8::MAX),
    ("_rtld_global", 0, u8::MAX),
    ("_rtld_global_ro", 0, u8::MAX),
];

/// Fields that two states of one row may have at different places, with the reason.
const UNREAD: [(&str, &str); 2] = [
    (
        "link_map.l_scope",
        "the loader does not fill it; libc reads it where dlopen is not hooked",
    ),
    ("link_map.l_local_scope", "as l_scope"),
];

/// Fields that a row lacks if one of its states does: only glibc's own loader reads them.
const LOADERS: [&str; 1] = ["link_map.l_text_end"];

/// Fields that a row has if one of its states does: in the others nothing is there, as the import checks.
const PADDING: [&str; 1] = ["link_map.l_ld_readonly"];

/// Tunables that libc's own functions do not ask for, though they are called like those that they do: another library does.
const NOT_ASKED: &str = "malloc.check MALLOC_CHECK_";

/// One state of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// The x of glibc 2.x.
    release: u8,
    /// 0 for the tag, then along the branch.
    number: u8,
    /// Commit and date, for people.
    origin: String,
    /// The structures.
    words: Vec<u32>,
    tunables: Vec<Tunable>,
}

impl State {
    fn name(&self) -> String {
        match self.number {
            0 => format!("2.{}", self.release),
            number => format!("2.{}.{number}", self.release),
        }
    }

    fn id(&self) -> (u8, u8) {
        (self.release, self.number)
    }
}

/// Reads the facts anew from a folder of JSON files and writes `upstream.txt`; or without a folder writes the rows that the facts make.
///
/// # Errors
/// A folder or a file that cannot be read, or facts that do not fit the loader's schema.
pub(super) fn run(folder: Option<&Path>, layout: &Path) -> Result<BTreeSet<String>> {
    let states = match folder {
        Some(folder) => {
            let states = import(folder)?;
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tables/upstream.txt");
            write(&path, &text(&states)?)?;
            states
        }
        None => parse(FACTS)?,
    };
    let proof = prove(&states)?;
    let (rows, names) = rows(&states)?;
    write(&layout.join("upstream.rs"), &super::formatted(&rows)?)?;
    print!("{proof}");
    Ok(names)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The states of a folder, in order of release and of time.
fn import(folder: &Path) -> Result<Vec<State>> {
    let index = json(&folder.join("index.json"))?;
    let files = index["files"].as_array().context("index.json has no list of files")?;
    let mut states: Vec<State> = Vec::new();
    let mut files_read = Vec::new();
    for file in files {
        let file = file["file"].as_str().context("a file without a name")?;
        let value = json(&folder.join(file))?;
        let version = value["glibc_version"].as_str().context("no glibc_version")?;
        // A snapshot before a release counts as that release.
        let version = version.split([' ', '-']).next().unwrap_or(version);
        let release = version
            .strip_prefix("2.")
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("{file}: {version} is no release of glibc 2"))?;
        let before = states.last().filter(|before| before.release == release);
        let number = before.map_or(0, |before| before.number.saturating_add(1));
        let state = import_one(&value, release, number).with_context(|| file.to_owned())?;
        states.push(state);
        files_read.push((release, value));
    }
    let maps: Vec<(u8, &Value)> = files_read
        .iter()
        .map(|(release, value)| (*release, &value["structs"]["link_map"]["members"]))
        .collect();
    check_padding(&maps)?;
    Ok(states)
}

fn json(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

fn import_one(value: &Value, release: u8, number: u8) -> Result<State> {
    let types = types(value)?;
    let source = |key: &str| value["source"][key].as_str().unwrap_or_default();
    let commit = source("commit");
    let mut origin = format!("{} {}", commit.get(..10).unwrap_or(commit), source("commit_date"));
    if source("kind").ends_with("backport") {
        origin.push_str(" with backports");
    }
    let state = State {
        release,
        number,
        origin,
        words: state::words(&types)?,
        tunables: tunables(value)?,
    };
    check_descriptors(&state, value)?;
    Ok(state)
}

/// The structures and enumerators of a file, as if debug information told them.
fn types(value: &Value) -> Result<Types> {
    let mut types = Types::default();
    let mut offset = 0usize;
    let mut new = |types: &mut Types, of: Type| {
        offset = offset.saturating_add(1);
        types.by_offset.insert(offset, of);
        offset
    };
    for (name, structure) in value["structs"].as_object().context("no structs")? {
        if name == "dlfcn_hook" && value["structs"]["rtld_global_ro"]["members"]["_dl_dlfcn_hook"].is_null() {
            // Up to 2.33 libdl's own table, a shorter one.
            continue;
        }
        let mut members = Vec::new();
        for (member, place) in structure["members"].as_object().context("no members")? {
            let number = |key: &str| place[key].as_u64();
            let size = number("size").unwrap_or(0);
            members.push(RawMember {
                name: Some(member.clone()),
                offset: number("offset").context("a member without an offset")?,
                bits: number("bit").zip(number("bits")),
                of: Some(new(&mut types, Type::Sized(size))),
            });
        }
        let size = structure["size"].as_u64().context("a structure without a size")?;
        let place = new(&mut types, Type::Structure { size, members });
        types.structures.entry(name.clone()).or_default().push(place);
    }
    let features = &value["structs"]["cpu_features"]["members"];
    if value["structs"][CpuidFeature::STRUCTURE].is_null() && !features["features"].is_null() {
        // The facts do not have this one of 2.32: the registers as they are, and those that can be used.
        let registers = value["structs"]["cpuid_registers"]["size"]
            .as_u64()
            .context("no registers")?;
        let mut offset = 0u64;
        let members = ["cpuid", "active"].map(|name| {
            let member = RawMember {
                name: Some(name.to_owned()),
                offset,
                bits: None,
                of: Some(new(&mut types, Type::Sized(registers))),
            };
            offset = offset.saturating_add(registers);
            member
        });
        let element = Type::Structure {
            size: offset,
            members: members.into(),
        };
        let place = new(&mut types, element);
        types
            .structures
            .entry(state::ELEMENT_IN_2_32.to_owned())
            .or_default()
            .push(place);
    }
    for (name, bit) in value["arch_bits"].as_object().context("no arch_bits")? {
        // The loader never sets this one, of the branches up to 2.34: it is about speed only.
        if name != "Prefer_AVX2_STRCMP" && features["feature"].is_null() {
            let mask = bit["mask"].as_u64().context("a bit without a mask")?;
            types
                .enumerators
                .entry(format!("bit_arch_{name}"))
                .or_default()
                .insert(mask);
        }
    }
    for (name, index) in value["enums"]["cpuid_leaf_index"]
        .as_object()
        .context("no cpuid_leaf_index")?
    {
        let index = index.as_u64().context("an index that is no number")?;
        types.enumerators.entry(name.clone()).or_default().insert(index);
    }
    Ok(types)
}

fn tunables(value: &Value) -> Result<Vec<Tunable>> {
    let mut all = Vec::new();
    for tunable in value["tunables"].as_array().context("no tunables")? {
        let name = tunable["name"].as_str().context("a tunable without a name")?;
        let name = name
            .strip_prefix(Known::PREFIX)
            .with_context(|| format!("{name} is not one of glibc"))?;
        let alias = tunable["env_alias"].as_str().unwrap_or_default();
        ensure!(
            tunable["security_level"] != "NONE",
            "a secure process honours the tunable {name}"
        );
        let kind = match tunable["type"].as_str() {
            Some("INT_32") => "Int32",
            Some("UINT_64") => "Uint64",
            Some("SIZE_T") => "SizeT",
            Some("STRING") => "String",
            other => bail!("the type of {name} is {other:?}"),
        };
        let number = |key: &str| {
            let value = &tunable[key];
            value
                .as_u64()
                .or_else(|| value.as_i64().map(i64::cast_unsigned))
                .unwrap_or(0)
        };
        all.push(Tunable {
            name: format!("{name} {alias}").trim_end().to_owned(),
            kind: kind.to_owned(),
            min: number("min"),
            max: number("max"),
            default: number("default"),
        });
    }
    Ok(all)
}

/// Checks that what libc.so.6 states for debuggers follows from the structures as the loader's tables say.
fn check_descriptors(state: &State, value: &Value) -> Result<()> {
    for (name, expected) in descriptors(state.release, &state.words) {
        let stated = &value["thread_db_descriptors"][name.to_string()];
        let part = |key: &str| stated[key].as_u64().and_then(|number| u32::try_from(number).ok());
        let found = match (part("bits"), part("count"), part("offset")) {
            (Some(bits), Some(count), Some(offset)) => Some(Descriptor::Field { bits, count, offset }),
            _ => stated
                .as_u64()
                .and_then(|number| u32::try_from(number).ok())
                .map(Descriptor::Value),
        };
        ensure!(
            found == Some(expected),
            "{}{name} is {found:?}, not {expected:?}",
            ThreadDb::PREFIX
        );
    }
    Ok(())
}

/// Checks that nothing is in the states of a release where others have the bits of [`PADDING`].
fn check_padding(maps: &[(u8, &Value)]) -> Result<()> {
    let free = |members: &Value, bit: u64| {
        let members = members.as_object().into_iter().flatten();
        !members.into_iter().any(|(_, place)| {
            let number = |key: &str| place[key].as_u64().unwrap_or(0);
            let first = number("offset").saturating_mul(8).saturating_add(number("bit"));
            let width = place["bits"].as_u64().unwrap_or(number("size").saturating_mul(8));
            (first..first.saturating_add(width)).contains(&bit)
        })
    };
    for (release, members) in maps {
        let place = &members["l_ld_readonly"];
        let Some(bit) = place["offset"].as_u64().zip(place["bit"].as_u64()) else {
            continue;
        };
        let bit = bit.0.saturating_mul(8).saturating_add(bit.1);
        for (other, members) in maps {
            let others = other != release || members.get("l_ld_readonly").is_some();
            ensure!(
                others || free(members, bit),
                "2.{release}: something is where l_ld_readonly comes later"
            );
        }
    }
    Ok(())
}

/// The facts as text: of the first state everything, of the others what differs from the one before.
fn text(states: &[State]) -> Result<String> {
    let mut out = "\
# States of glibc's private interface: structures and tunables as the headers of that state have them (x86-64, default configuration).
# Written by `cargo xtask tables --upstream FOLDER`; a state says what differs from the one before it. A field is `record.field offset size`, a
# bit field `record.field offset bit width`, a record `record size`; `-` is absent. A tunable is name, type, least, greatest, default and variable.
"
    .to_owned();
    let names = state::names_of_words();
    let none = State {
        release: 0,
        number: 0,
        origin: String::new(),
        words: vec![0; WORDS],
        tunables: Vec::new(),
    };
    let mut before = &none;
    let mut stated: BTreeMap<&str, &Tunable> = BTreeMap::new();
    for state in states {
        writeln!(out, "\nstate 2.{} {} {}", state.release, state.number, state.origin)?;
        for ((name, word), old) in names.iter().zip(&state.words).zip(&before.words) {
            if word != old {
                writeln!(out, "{name} {}", place_text(name, *word))?;
            }
        }
        for tunable in &state.tunables {
            if stated.insert(&tunable.name, tunable) != Some(tunable) {
                let (name, alias) = tunable.name.split_once(' ').unwrap_or((&tunable.name, "-"));
                let Tunable {
                    kind,
                    min,
                    max,
                    default,
                    ..
                } = tunable;
                writeln!(out, "tunable {name} {kind} {min:#x} {max:#x} {default:#x} {alias}")?;
            }
        }
        let list = |state: &State| -> Vec<String> {
            let names = state
                .tunables
                .iter()
                .map(|tunable| tunable.name.split(' ').next().unwrap_or_default());
            names.map(str::to_owned).collect()
        };
        if list(state) != list(before) {
            writeln!(out, "tunables {}", list(state).join(" "))?;
        }
        before = state;
    }
    Ok(out)
}

/// The form of the field of this name.
fn presence(name: &str) -> Option<Presence> {
    let (record, field) = name.split_once('.')?;
    let record = RECORDS.iter().find(|known| known.field == record)?;
    let field = record.fields.iter().find(|known| known.field == field)?;
    Some(field.presence)
}

fn place_text(name: &str, word: u32) -> String {
    match (presence(name), (word >> 16).checked_sub(1)) {
        (None, _) if name.starts_with("preferred.") => format!("{word:#010x}"),
        (None, _) => format!("{word:#x}"),
        (Some(_), None) => "-".to_owned(),
        (Some(Presence::Member | Presence::Optional), Some(offset)) => format!("{offset:#x} {}", word & 0xffff),
        (Some(_), Some(offset)) => format!("{offset:#x} {} {}", word >> 8 & 0xff, word & 0xff),
    }
}

fn place_word(name: &str, parts: &[&str]) -> Option<u32> {
    let numbers: Vec<u32> = parts
        .iter()
        .map(|part| number(part).and_then(|number| u32::try_from(number).ok()))
        .collect::<Option<_>>()
        .or_else(|| (parts == ["-"]).then(Vec::new))?;
    Some(match (presence(name), &*numbers) {
        (None, [word]) => *word,
        (Some(_), []) => 0,
        (Some(Presence::Member | Presence::Optional), [offset, size]) => offset.checked_add(1)? << 16 | size,
        (Some(Presence::Bits | Presence::OptionalBits), [offset, bit, width]) => {
            offset.checked_add(1)? << 16 | bit << 8 | width
        }
        _ => return None,
    })
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The states that a text of facts has.
fn parse(text: &str) -> Result<Vec<State>> {
    let names = state::names_of_words();
    let mut states: Vec<State> = Vec::new();
    let mut tunables: BTreeMap<String, Tunable> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(' ').collect();
        let wrong = || format!("upstream.txt: {line}");
        match &*parts {
            ["state", release, number, origin @ ..] => {
                let before = states.last().cloned();
                states.push(State {
                    release: release
                        .strip_prefix("2.")
                        .and_then(|release| release.parse().ok())
                        .with_context(wrong)?,
                    number: number.parse().with_context(wrong)?,
                    origin: origin.join(" "),
                    words: before
                        .as_ref()
                        .map_or_else(|| vec![0; WORDS], |before| before.words.clone()),
                    tunables: before.map(|before| before.tunables).unwrap_or_default(),
                });
            }
            ["tunable", name, kind, min, max, default, alias] => {
                let alias = if *alias == "-" { "" } else { alias };
                let value = |text: &str| number(text).with_context(wrong);
                tunables.insert(
                    (*name).to_owned(),
                    Tunable {
                        name: format!("{name} {alias}").trim_end().to_owned(),
                        kind: (*kind).to_owned(),
                        min: value(min)?,
                        max: value(max)?,
                        default: value(default)?,
                    },
                );
            }
            ["tunables", list @ ..] => {
                let state = states.last_mut().with_context(wrong)?;
                state.tunables = list
                    .iter()
                    .map(|name| tunables.get(*name).cloned().with_context(wrong))
                    .collect::<Result<_>>()?;
            }
            [name, place @ ..] => {
                let index = names.iter().position(|known| known == name).with_context(wrong)?;
                let state = states.last_mut().with_context(wrong)?;
                let word = state.words.get_mut(index).with_context(wrong)?;
                *word = place_word(name, place).with_context(wrong)?;
            }
            [] => {}
        }
        // A definition that changed counts for the list that was there.
        if let (["tunable", ..], Some(state)) = (&*parts, states.last_mut()) {
            for tunable in &mut state.tunables {
                let name = tunable.name.split(' ').next().unwrap_or_default();
                if let Some(newest) = tunables.get(name) {
                    *tunable = newest.clone();
                }
            }
        }
    }
    Ok(states)
}

/// What a libc.so.6 of one of the states shows that one of the other does not, or the reverse.
fn differences(left: &State, right: &State) -> Vec<String> {
    let mut found = Vec::new();
    let contents = |state: &State| {
        let all = descriptors(state.release, &state.words);
        all.map(|(name, content)| (name.to_string(), content))
            .collect::<BTreeMap<_, _>>()
    };
    let (own, other) = (contents(left), contents(right));
    for (name, content) in &own {
        if other.get(name) != Some(content) {
            found.push(format!("{}{name}", ThreadDb::PREFIX));
        }
    }
    let displacements = |state: &State| {
        let seen = witnesses(state.release, &state.words);
        seen.map(|seen| {
            (
                [seen.function, seen.member].map(|name| name.text().to_string()),
                seen.displacement,
            )
        })
        .collect::<BTreeMap<_, _>>()
    };
    let (own, other) = (displacements(left), displacements(right));
    for (names, displacement) in &own {
        // A witness is satisfied by any byte of the first four of a member.
        if other.get(names).is_some_and(|other| other.abs_diff(*displacement) >= 4) {
            let [function, member] = names;
            found.push(format!("{member} in {function}"));
        }
    }
    if let (Some(own), Some(other)) = (stranger(left, right), stranger(right, left)) {
        found.push(format!("tunable {own} or {other} in {}", ASKS.0));
    }
    found
}

/// The number of a tunable that a libc of the state `asking` asks for, and that is another one in `asked`: a libc of the one is then not the other.
fn stranger(asking: &State, asked: &State) -> Option<usize> {
    let (_, prefix, releases) = ASKS;
    let mut own = asking.tunables.iter().enumerate();
    let other = |id: usize| {
        asked
            .tunables
            .get(id)
            .is_some_and(|tunable| tunable.name.starts_with(prefix))
    };
    own.find(|(id, tunable)| {
        releases.contains(&asking.release)
            && tunable.name.starts_with(prefix)
            && tunable.name != NOT_ASKED
            && !other(*id)
    })
    .map(|(id, _)| id)
}

/// The states in groups whose libcs nothing tells apart, each with the row that serves it.
fn groups(states: &[State]) -> Result<Vec<(Vec<&State>, State)>> {
    let mut groups: Vec<Vec<&State>> = Vec::new();
    for state in states {
        let alike = groups
            .iter_mut()
            .filter(|group| group.iter().all(|other| other.release == state.release))
            .find(|group| group.iter().any(|other| differences(other, state).is_empty()));
        match alike {
            Some(group) => group.push(state),
            None => groups.push(vec![state]),
        }
    }
    groups
        .into_iter()
        .map(|group| {
            let row = merged(&group, &unsteady_bits(&group, states))?;
            Ok((group, row))
        })
        .collect()
}

/// The preferred bits that have two numbers in the release of a group, from its first state on: its row goes without, because such a bit is only about
/// speed. A libc that agrees with the group may be of any moment before the next one, and the facts do not say when a number changed.
fn unsteady_bits(group: &[&State], states: &[State]) -> BTreeSet<usize> {
    let mut numbers: BTreeMap<usize, BTreeSet<u8>> = BTreeMap::new();
    let first = group.first().map(|state| state.id());
    let since = |state: &&State| first.is_some_and(|first| first.0 == state.release && first <= state.id());
    for state in states.iter().filter(since) {
        for (bit, number) in state::preferred_numbers(&state.words).into_iter().enumerate() {
            if number != 0 {
                numbers.entry(bit).or_default().insert(number);
            }
        }
    }
    numbers.retain(|_, numbers| numbers.len() > 1);
    numbers.into_keys().collect()
}

/// A tunable but for its bounds, which decide what settings of a user count, not what libc does.
fn without_bounds(tunable: &Tunable) -> (&str, &str, u64) {
    (&tunable.name, &tunable.kind, tunable.default)
}

/// The row for a group of states: the last one, with what the others need.
fn merged(group: &[&State], unsteady: &BTreeSet<usize>) -> Result<State> {
    let names = state::names_of_words();
    let mut row = (*group.last().context("an empty group")?).clone();
    for state in group {
        ensure!(
            state
                .tunables
                .iter()
                .map(without_bounds)
                .eq(row.tunables.iter().map(without_bounds)),
            "{} and {} have other tunables",
            state.name(),
            row.name()
        );
        for ((name, word), own) in names.iter().zip(&state.words).zip(&mut row.words) {
            if word == own || UNREAD.iter().any(|known| known.0 == name) {
                continue;
            }
            let absent = *word == 0 || *own == 0;
            if absent && LOADERS.contains(&&**name) {
                *own = 0;
            } else if absent && PADDING.contains(&&**name) {
                *own |= word;
            } else if name.starts_with("preferred.") {
                // A bit that a state does not have is one that its libc does not test. One that has two numbers is taken out below.
                *own |= word;
            } else {
                bail!("nothing tells {} from {}, but {name} differs", state.name(), row.name());
            }
        }
    }
    let behind = WORDS.saturating_sub(PreferredBits::FIELDS.len().div_ceil(4));
    for bit in unsteady {
        if let Some(word) = row.words.get_mut(behind.saturating_add(bit / 4)) {
            *word &= !(0xff << (bit % 4 * 8));
        }
    }
    Ok(row)
}

/// Shows for every two states of a release either what tells their libcs apart, or that one row serves both; a line for each pair.
///
/// # Errors
/// Two states that nothing tells apart and that need different rows.
fn prove(states: &[State]) -> Result<String> {
    let mut out = String::new();
    let groups = groups(states)?;
    let row_of = |state: &State| {
        groups
            .iter()
            .position(|(group, _)| group.iter().any(|known| known.id() == state.id()))
    };
    for (index, left) in states.iter().enumerate() {
        for right in states.iter().skip(index.saturating_add(1)) {
            if left.release != right.release {
                continue;
            }
            let found = differences(left, right);
            let line = match found.split_first() {
                Some((first, rest)) => format!(
                    "{first}{}",
                    if rest.is_empty() {
                        String::new()
                    } else {
                        format!(" and {} more", rest.len())
                    }
                ),
                None => {
                    ensure!(
                        row_of(left) == row_of(right),
                        "nothing tells {} from {}",
                        left.name(),
                        right.name()
                    );
                    "one row: they agree in all that the loader fills".to_owned()
                }
            };
            writeln!(out, "{} and {}: {line}", left.name(), right.name())?;
        }
    }
    writeln!(out, "{} states, {} rows", states.len(), groups.len())?;
    Ok(out)
}

/// The file of rows, not formatted, and the names in it.
fn rows(states: &[State]) -> Result<(String, BTreeSet<String>)> {
    let mut rows = groups(states)?;
    // Neighbours differ least when every other release runs backwards: the same change came in several branches.
    let mut releases: Vec<u8> = rows.iter().map(|(_, row)| row.release).collect();
    releases.dedup();
    rows.sort_by_key(|(_, row)| {
        let place = releases
            .iter()
            .position(|release| *release == row.release)
            .unwrap_or_default();
        let number = i16::from(row.number);
        (
            row.release,
            if place % 2 == 0 {
                number
            } else {
                number.saturating_neg()
            },
        )
    });
    let mut pool: Vec<&Tunable> = Vec::new();
    let mut lists: Vec<Vec<usize>> = Vec::new();
    let mut names = BTreeSet::new();
    let mut code = String::new();
    let mut table = String::new();
    let mut before: Option<(String, &[u32])> = None;
    for (group, row) in &rows {
        let list: Vec<usize> = row
            .tunables
            .iter()
            .map(|tunable| {
                names.insert(tunable.name.clone());
                pool.iter().position(|known| *known == tunable).unwrap_or_else(|| {
                    pool.push(tunable);
                    pool.len().saturating_sub(1)
                })
            })
            .collect();
        let place = lists.iter().position(|known| *known == list).unwrap_or_else(|| {
            lists.push(list);
            lists.len().saturating_sub(1)
        });
        let name = format!("S{}_{}", row.release, row.number);
        let structures = state::structures(&row.words, before.as_ref().map(|(name, words)| (&**name, *words)))?;
        let served: Vec<String> = group
            .iter()
            .map(|state| format!("{} ({})", state.name(), state.origin))
            .collect();
        writeln!(
            code,
            "/// {}.\nconst {name}: Structures = {structures};\n",
            served.join(", ")
        )?;
        writeln!(
            table,
            "Source {{ release: {}, state: {}, origin: \"\", build_id: &[], imports: {}, tunables: &LIST_{place}, structures: {name} }},",
            row.release,
            row.number,
            imports_name(row.release),
        )?;
        before = Some((name, &row.words));
    }
    let mut shared = String::new();
    let used: BTreeSet<u8> = rows.iter().map(|(_, row)| era(row.release)).collect();
    for release in used {
        let names: Vec<&str> = IMPORTS
            .iter()
            .filter(|(_, first, last)| (*first..=*last).contains(&release))
            .map(|known| known.0)
            .collect();
        writeln!(
            shared,
            "/// What libc.so.6 imports at least, from 2.{release} on.\nconst {}: Imports = Imports::at_least(&{names:?});\n",
            imports_name(release)
        )?;
    }
    writeln!(
        shared,
        "/// Every tunable of some state.\nconst TUNABLES: [Tunable; {}] = [",
        pool.len()
    )?;
    for tunable in &pool {
        shared.push_str(&tunable.code());
    }
    shared.push_str("];\n\n");
    for (place, list) in lists.iter().enumerate() {
        writeln!(
            shared,
            "/// Tunables by id, of the rows that name this list.\nconst LIST_{place}: [Tunable; {}] = picked({list:?});\n",
            list.len()
        )?;
    }
    shared.push_str(
        "/// The elements at these places of [`TUNABLES`].\n\
         const fn picked<const N: usize>(places: [usize; N]) -> [Tunable; N] {\n\
         let mut list = [TUNABLES[0]; N];\nlet mut index = 0;\n\
         while index < N {\nlist[index] = TUNABLES[places[index]];\nindex += 1;\n}\nlist\n}\n",
    );
    let text = format!(
        "//! States of glibc's releases and their branches, from its own headers.\n//!\n\
         //! Generated by `cargo xtask tables --upstream` from `xtask/src/tables/upstream.txt`. Not edited by hand. A row says what differs from the one above it; it serves\n\
         //! the states that it names, each with its commit.\n\n\
         use super::evidence::Imports;\nuse super::pack::Source;\nuse super::{{{}}};\n\n\
         /// The rows.\npub(super) const STATES: &[Source] = &[{table}];\n\n{code}{shared}",
        super::schema_in(&format!("{code}{shared}")),
    );
    Ok((text, names))
}

/// The first of the releases that import the same at least.
fn era(release: u8) -> u8 {
    IMPORTS
        .iter()
        .flat_map(|(_, first, last)| [*first, last.saturating_add(1)])
        .filter(|start| *start <= release)
        .max()
        .unwrap_or(0)
        .max(31)
}

fn imports_name(release: u8) -> String {
    format!("IMPORTS_{}", era(release))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<State> {
        parse(FACTS).unwrap()
    }

    #[test]
    fn every_two_states_of_a_release_are_told_apart_or_served_by_one_row() {
        let states = states();
        let proof = prove(&states).unwrap();
        assert_eq!(states.len(), 51);
        let pairs = proof.lines().filter(|line| line.contains(": ")).count();
        let mut expected = 0;
        for (index, left) in states.iter().enumerate() {
            expected += states
                .iter()
                .skip(index + 1)
                .filter(|right| right.release == left.release)
                .count();
        }
        assert_eq!((pairs, expected), (102, 102));
        for line in [
            "2.35.1 and 2.35.2: tunable 20 or 21 in malloc",
            "2.34.2 and 2.34.3: one row: they agree in all that the loader fills",
            "2.33 and 2.33.1: one row: they agree in all that the loader fills",
            "51 states, 30 rows",
        ] {
            assert!(proof.lines().any(|known| known == line), "{line}\n{proof}");
        }
    }

    #[test]
    fn states_that_cannot_be_told_apart_and_need_different_rows_are_an_error() {
        let mut states = states();
        let hook = state::names_of_words()
            .iter()
            .position(|name| name == "rtld_global_ro.dl_open")
            .unwrap();
        // No witness is about this member.
        states[0].words[hook] += 8 << 16;
        let error = prove(&states).unwrap_err().to_string();
        assert_eq!(
            error,
            "nothing tells 2.31 from 2.31.1, but rtld_global_ro.dl_open differs"
        );
    }

    #[test]
    fn what_rhel_9_made_of_2_34_is_no_state_of_it() {
        // It registers restartable sequences, as 2.35 does: in padding of struct pthread, and without another import. The tunable that forbids it shows.
        let states = states();
        let of = |release: u8| states.iter().filter(move |state| state.release == release);
        let tunables = &of(35).next().unwrap().tunables;
        let place = tunables
            .iter()
            .position(|tunable| tunable.name == "pthread.rseq")
            .unwrap();
        for state in of(34) {
            let mut own = state.clone();
            // Up to 2.39 the order is that of a hash of the names, so that it is the same in both.
            let behind = tunables.iter().skip(place + 1);
            let behind = behind.filter_map(|next| own.tunables.iter().position(|known| known.name == next.name));
            let at = behind.min().unwrap();
            own.tunables.insert(at, tunables[place].clone());
            for other in of(34) {
                assert!(stranger(&own, other).is_some(), "{} as {}", state.name(), other.name());
            }
        }
    }

    #[test]
    fn the_facts_come_out_of_their_text() {
        let written = text(&states()).unwrap();
        assert_eq!(written, FACTS);
    }

    #[test]
    fn the_rows_are_those_of_the_facts() {
        let (rows, names) = rows(&states()).unwrap();
        let layout = super::super::layout_directory();
        let checked_in = std::fs::read_to_string(layout.join("upstream.rs")).unwrap();
        assert_eq!(super::super::formatted(&rows).unwrap(), checked_in);
        let known = std::fs::read_to_string(layout.join("names.txt")).unwrap();
        assert!(names.iter().all(|name| known.lines().any(|line| line == name)));
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let names = state::names_of_words();
        for state in states() {
            for (name, word) in names.iter().zip(state.words) {
                let text = place_text(name, word);
                assert_eq!(
                    place_word(name, &text.split(' ').collect::<Vec<_>>()),
                    Some(word),
                    "{name} {text}"
                );
            }
        }
        assert_eq!(place_word("rtld_global.dl_nns", &["0x8"]), None);
    }

    #[test]
    fn what_must_be_imported_changes_with_the_release() {
        assert_eq!([31, 33, 34, 36, 37, 41, 43].map(era), [31, 31, 34, 36, 37, 41, 41]);
    }
}
