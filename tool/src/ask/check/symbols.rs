//! A symbol that nothing defines: what comes near.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lode::arch::Ask;
use lode::elf::dynamic::{Flags, Flags1, tag};
use lode::error::{Kind, Unresolved};

use super::finding::{Finding, Severity};
use crate::closure::{Closure, Flavour, Surroundings, file_name};
use crate::elf::{Binary, recognise};
use crate::lookup::Scope;
use crate::rehearsal::Unsatisfied;
use crate::relocations::{Form, Relocation, Relocations};
use crate::spelling;

/// How many symbols of one file are named; the others are counted.
const SHOWN: usize = 10;
/// Libraries beside the closure's are looked through for a symbol, but not more of them than this, and none with more bytes.
const MOST_FILES: usize = 3000;
const MOST_BYTES: u64 = 64 << 20;
/// Changed letters that still make a name similar.
const DISTANCE: usize = 2;

/// References that nothing satisfies.
pub struct Missing {
    /// Those that keep the program from starting
    pub at_start: Vec<Unsatisfied>,
    /// Those that are looked up when they are called
    pub by_call: Vec<Unsatisfied>,
}

/// The findings about calls that nothing satisfies: the program starts, and ends when it makes one.
pub fn waiting(closure: &Closure, missing: &[Unsatisfied], surroundings: &Surroundings) -> Vec<Finding> {
    let findings = unsatisfied(closure, missing, surroundings).into_iter();
    let finding = |finding: Finding| {
        Finding {
        severity: Severity::Warning,
        cause: Some(
            "no file that the program brings along defines it; it starts, and the first call ends it (LD_BIND_NOW=1: the start fails)"
                .to_owned(),
        ),
        ..finding
    }
    };
    findings.map(finding).collect()
}

/// The findings about references that nothing satisfies, one for each file that has some.
pub fn unsatisfied(closure: &Closure, missing: &[Unsatisfied], surroundings: &Surroundings) -> Vec<Finding> {
    if missing.is_empty() {
        return Vec::new();
    }
    let mut by_file: BTreeMap<&str, Vec<&Unsatisfied>> = BTreeMap::new();
    for one in missing {
        by_file.entry(&one.file).or_default().push(one);
    }
    let near = Near {
        closure,
        scope: Scope::of(closure),
        elsewhere: elsewhere(closure, missing, surroundings),
    };
    let finding = |(file, missing): (&str, Vec<&Unsatisfied>)| near.finding(file, &missing);
    by_file.into_iter().map(finding).collect()
}

struct Near<'a> {
    closure: &'a Closure,
    scope: Scope<'a>,
    /// Symbol to libraries outside the closure that define it
    elsewhere: BTreeMap<String, Vec<String>>,
}

impl Near<'_> {
    fn finding(&self, file: &str, missing: &[&Unsatisfied]) -> Finding {
        let names: Vec<String> = missing.iter().take(SHOWN).map(|one| shown(one)).collect();
        let count = missing.len();
        let line = match count {
            1 => format!("1 symbol unresolved: {}", names.join("")),
            count if count > SHOWN => format!("{count} symbols unresolved: {}, …", names.join(", ")),
            count => format!("{count} symbols unresolved: {}", names.join(", ")),
        };
        let mut finding = Finding::error(Kind::Undefined(Vec::<Unresolved>::new()).code(), file, line);
        finding.cause = Some("no file that the program brings along defines it".to_owned());
        let mut fixes = BTreeSet::new();
        for one in missing.iter().take(SHOWN) {
            for (evidence, fix) in self.hints(file, one) {
                finding.evidence.push(format!("{}: {evidence}", one.symbol));
                fixes.insert(fix);
            }
        }
        fixes.remove("");
        finding.fix = fixes.into_iter().collect();
        if finding.fix.is_empty() {
            finding.fix.push(
                "the library that should define it is another build than the one linked against, or is missing from DT_NEEDED".to_owned(),
            );
        }
        finding
    }

    /// What comes near a symbol, the most telling first.
    fn hints(&self, file: &str, missing: &Unsatisfied) -> Vec<(String, String)> {
        if self.closure.flavour == Flavour::Musl
            && let Some(hint) = self.glibc_only(file, missing)
        {
            return vec![hint];
        }
        let mut hints = Vec::new();
        hints.extend(self.other_version(file, missing));
        hints.extend(self.outside(file, missing));
        if hints.is_empty() {
            hints.extend(self.mangled(missing));
        }
        if hints.is_empty() {
            hints.extend(self.similar(missing));
        }
        hints
    }

    fn path(&self, object: usize) -> &str {
        &self.closure.objects[object].path
    }

    /// The same name in another version.
    fn other_version(&self, file: &str, missing: &Unsatisfied) -> Option<(String, String)> {
        let all = self.scope.all(&missing.symbol).iter();
        // A program's own room for data that it copies is no definition.
        let others: Vec<_> = all.filter(|(object, _)| self.path(*object) != file).collect();
        let (object, _) = others.first()?;
        let versions: Vec<String> = others.iter().map(|(_, symbol)| symbol.full_name()).collect();
        Some((
            format!("{} has it as {}", self.path(*object), versions.join(", ")),
            format!(
                "use the version of {} that was linked against",
                file_name(self.path(*object))
            ),
        ))
    }

    /// A library that nobody asked for has it.
    fn outside(&self, file: &str, missing: &Unsatisfied) -> Option<(String, String)> {
        let libraries = self.elsewhere.get(&missing.symbol)?;
        let first = libraries.first()?;
        let define = match libraries.len() {
            1 => "defines it".to_owned(),
            2 => "and 1 other library define it".to_owned(),
            count => format!("and {} other libraries define it", count - 1),
        };
        let name = file_name(first);
        let switch = name
            .strip_prefix("lib")
            .and_then(|name| name.split(".so").next())
            .unwrap_or(name);
        Some((
            format!("{first} {define}, which nothing here needs"),
            format!("link {} with -l{switch}, or load {name} by LD_PRELOAD", file_name(file)),
        ))
    }

    /// The same function for C instead of C++, or the reverse, or with other parameters.
    fn mangled(&self, missing: &Unsatisfied) -> Option<(String, String)> {
        let wanted = demangled(&missing.symbol);
        let base = wanted.as_deref().map_or(missing.symbol.as_str(), base_name);
        if let Some(full) = &wanted
            && let Some((object, _)) = self.scope.all(base).first()
        {
            return Some((
                format!(
                    "{} defines {base} for C; the reference is to the C++ function {full}",
                    self.path(*object)
                ),
                "declare the function extern \"C\" in the header, and build the file again".to_owned(),
            ));
        }
        let other = self
            .scope
            .names()
            .filter(|name| *name != missing.symbol)
            .find_map(|name| {
                let other = demangled(name)?;
                (base_name(&other) == base).then_some((name, other))
            })?;
        let object = self.scope.all(other.0).first()?.0;
        Some(match wanted {
            None => (
                format!(
                    "{} defines the C++ function {}; the reference is to a C function",
                    self.path(object),
                    other.1
                ),
                "declare the function extern \"C\" where it is defined, and build the library again".to_owned(),
            ),
            Some(wanted) => (
                format!("{} defines {}, not {wanted}", self.path(object), other.1),
                "build the file and the library with the same headers and the same C++ ABI".to_owned(),
            ),
        })
    }

    /// A name that differs in a letter or two.
    fn similar(&self, missing: &Unsatisfied) -> Option<(String, String)> {
        let wanted = &missing.symbol;
        if wanted.len() < 4 {
            return None;
        }
        let close = |name: &str| name.len().abs_diff(wanted.len()) <= DISTANCE && name != wanted;
        let distance = |name: &&str| (strsim::osa_distance(name, wanted), name.len());
        let name = self
            .scope
            .names()
            .filter(|name| close(name))
            .min_by_key(|name| (distance(name), (*name).to_owned()))?;
        if strsim::osa_distance(name, wanted) > DISTANCE {
            return None;
        }
        let object = self.scope.all(name).first()?.0;
        Some((format!("{} defines {name}", self.path(object)), String::new()))
    }

    /// A symbol of glibc that musl does not have.
    fn glibc_only(&self, file: &str, missing: &Unsatisfied) -> Option<(String, String)> {
        let object = self.closure.objects.iter().find(|object| object.path == file)?;
        let symbol = object
            .binary
            .symbols
            .iter()
            .find(|symbol| symbol.name == missing.symbol)?;
        if missing.symbol.starts_with("__") && missing.symbol.ends_with("_chk") {
            return Some((
                "a function of glibc for _FORTIFY_SOURCE, which musl does not have".to_owned(),
                "build the file for musl, or with -U_FORTIFY_SOURCE".to_owned(),
            ));
        }
        let version = symbol
            .version
            .as_deref()
            .filter(|version| version.starts_with("GLIBC_"))?;
        Some((
            format!("the reference is to {version} of glibc; this is a musl system"),
            "build the file for musl, or run it where glibc is".to_owned(),
        ))
    }
}

/// A symbol as people know it.
fn shown(missing: &Unsatisfied) -> String {
    let version = missing
        .version
        .as_ref()
        .map(|version| format!("@{version}"))
        .unwrap_or_default();
    match demangled(&missing.symbol) {
        Some(name) => format!("{name} [{}{version}]", missing.symbol),
        None => format!("{}{version}", missing.symbol),
    }
}

/// The name in C++ or Rust, if it is one of these.
fn demangled(name: &str) -> Option<String> {
    if !name.starts_with("_Z") {
        return None;
    }
    cpp_demangle::Symbol::new(name)
        .ok()?
        .demangle(&cpp_demangle::DemangleOptions::default())
        .ok()
}

/// `f` of `f(int)`; the qualification stays.
fn base_name(full: &str) -> &str {
    full.split('(').next().unwrap_or(full)
}

/// Libraries of the closure's directories that are not in it and define what is missing.
fn elsewhere(closure: &Closure, missing: &[Unsatisfied], surroundings: &Surroundings) -> BTreeMap<String, Vec<String>> {
    let names: BTreeSet<&str> = missing.iter().map(|one| one.symbol.as_str()).collect();
    let finders: Vec<memchr::memmem::Finder<'_>> =
        names.iter().map(|name| memchr::memmem::Finder::new(*name)).collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in neighbours(closure, surroundings).into_iter().take(MOST_FILES) {
        let outside = surroundings.tree.outside(&path);
        let is_known = closure.objects.iter().any(|object| object.real == path) || !seen.insert(path.clone());
        if is_known || fs::metadata(&outside).is_ok_and(|metadata| metadata.len() > MOST_BYTES) {
            continue;
        }
        let Ok(bytes) = recognise::read(&outside) else { continue };
        if !finders.iter().any(|finder| finder.find(&bytes).is_some()) {
            continue;
        }
        let Ok(binary) = Binary::parse(bytes) else { continue };
        if binary.header.machine != closure.objects[0].binary.header.machine {
            continue;
        }
        for symbol in binary.symbols.iter().filter(|symbol| symbol.is_defined()) {
            if names.contains(symbol.name.as_str()) {
                let libraries = found.entry(symbol.name.clone()).or_default();
                let shown = match &binary.soname {
                    Some(soname) => path.with_file_name(spelling::path(soname)),
                    None => path.clone(),
                };
                libraries.push(spelling::of(shown));
            }
        }
    }
    for libraries in found.values_mut() {
        libraries.sort_by_key(|library| (library.len(), library.clone()));
        libraries.dedup();
    }
    found
}

/// Real paths of the libraries in the directories where the closure's are, and in those that its search paths name.
fn neighbours(closure: &Closure, surroundings: &Surroundings) -> BTreeSet<std::path::PathBuf> {
    let tree = &surroundings.tree;
    let mut directories = BTreeSet::new();
    for object in closure.objects.iter().skip(1) {
        directories.extend(object.real.parent().map(Path::to_owned));
    }
    for object in &closure.objects {
        let folder = spelling::of(object.real.parent().unwrap_or(Path::new("/")));
        let lists = object.binary.runpath.iter().chain(&object.binary.rpath);
        for directory in lists.flat_map(|list| list.split(':')) {
            let directory = directory.replace("${ORIGIN}", &folder).replace("$ORIGIN", &folder);
            directories.extend(tree.resolve(&spelling::path(&directory)));
        }
    }
    let mut files = BTreeSet::new();
    for directory in directories {
        let entries = fs::read_dir(tree.outside(&directory)).into_iter().flatten().flatten();
        let libraries = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".so"));
        files.extend(libraries.filter_map(|entry| tree.resolve(&directory.join(entry.file_name())).ok()));
    }
    files
}

/// What the symbol tables leave open, for programs that lode's own stages are not tried with.
pub fn of_scope(closure: &Closure, bind_now: bool) -> Missing {
    let mut missing = Missing {
        at_start: Vec::new(),
        by_call: Vec::new(),
    };
    let mut calls: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (object, symbol) in Scope::of(closure).unsatisfied() {
        let binary = &closure.objects[object].binary;
        let calls = calls.entry(object).or_insert_with(|| only_called(binary));
        // musl binds everything at the start.
        let waits = !bind_now && closure.flavour == Flavour::Glibc && calls.contains(symbol.name.as_str());
        let list = if waits {
            &mut missing.by_call
        } else {
            &mut missing.at_start
        };
        list.push(Unsatisfied {
            file: closure.objects[object].path.clone(),
            symbol: symbol.name.clone(),
            version: symbol.version.clone(),
        });
    }
    missing
}

/// Names that a file refers to by function slots alone, if these may wait.
fn only_called(binary: &Binary) -> BTreeSet<&str> {
    let value = |tag: u64| binary.dynamic_value(tag).unwrap_or_default();
    let binds_now = binary.dynamic_value(tag::BIND_NOW).is_some()
        || value(tag::FLAGS) & Flags::BIND_NOW.bits() != 0
        || value(tag::FLAGS_1) & Flags1::NOW.bits() != 0;
    if binds_now || binary.dynamic_value(tag::PLTGOT).is_none() {
        return BTreeSet::new();
    }
    let machine = binary.header.machine;
    let relocations = Relocations::of(binary).all;
    let name = |relocation: &Relocation| {
        let symbol = binary.symbols.get(usize::try_from(relocation.symbol).ok()?)?;
        Some(symbol.name.as_str())
    };
    let (slots, others): (Vec<_>, Vec<_>) = relocations
        .iter()
        .partition(|one| one.form == Form::Plt && one.ask(machine) == Some(Ask::JumpSlot));
    let mut names: BTreeSet<&str> = slots.into_iter().filter_map(name).collect();
    for name in others.into_iter().filter_map(name) {
        names.remove(name);
    }
    names
}
