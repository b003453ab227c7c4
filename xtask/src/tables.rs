//! `cargo xtask tables`: makes a row of `loader/src/abi/glibc/layout/` from a distribution's glibc.
//!
//! A row states what one build of libc.so.6 was compiled to expect of its loader. The structures come
//! from the separate debug information of that glibc's own loader, the tunables from the data of that loader, and
//! the rest (build-id, imports, libc's descriptors for debuggers, witnesses) from libc.so.6. The schema of
//! the loader crate says which members are wanted, so there is no second list of them here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use gimli::AttributeValue;
use lode::abi::glibc::layout::{
    CPUID_LEAVES, CpuBasic, CpuFeatures, CpuidFeature, DLFCN_HOOK, DtvPointer, DtvSlotinfo, DtvSlotinfoList, Field,
    InfoTable, Libname, LinkMap, LinkNamespaces, List, Mutex, Object, PreferredBits, Presence, Pthread, RtldGlobal,
    RtldGlobalRo, ScopeElem, Tcb, ThreadDb, Tunable,
};
use lode::abi::glibc::witness::{self, Function, Slots};
use object::elf;
use object::read::elf::{ElfFile64, Sym as _};
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSegment as _, RelocationFlags, RelocationTarget, SymbolIndex,
};

const USAGE: &str = "\
usage: cargo xtask tables DEBUGFILE [LIBC [LOADER]] [--name NAME] [--output FILE]
       cargo xtask tables --verify [LIBC...]

  DEBUGFILE  separate debug information of glibc's loader (package libc6-dbg, glibc-debuginfo, ...)
  LIBC       the libc.so.6 of the same package; default: the one beside the installed loader
  LOADER     the loader that DEBUGFILE describes; default: ld-linux-x86-64.so.2 beside LIBC
  --name     name of the row; default: from the version that libc states
  --output   file to write; default: the row's file in loader/src/abi/glibc/layout";

const LOADER_SONAME: &str = "ld-linux-x86-64.so.2";
const INSTALLED_LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// Exported functions of libc whose code is asked for witnesses, the simplest first: a member is
/// witnessed by the first function that uses it.
const WITNESS_FUNCTIONS: &[&str] = &[
    "getpagesize",
    "dlopen",
    "dlclose",
    "dlerror",
    "dlsym",
    "_dl_find_object",
    "__libc_freeres",
    "getauxval",
    "clock_gettime",
    "clock_getres",
    "getcpu",
    "__profile_frequency",
    "__x86_get_cpuid_feature_leaf",
    "memcpy",
    "sysconf",
    "__libc_early_init",
    "dl_iterate_phdr",
    "pthread_create",
    "fork",
];

/// Runs the command with the arguments behind its name.
///
/// # Errors
///
/// A file that cannot be read or does not fit the others, debug information without a wanted structure, or a
/// libc.so.6 that uses a member which the schema lacks.
pub fn run(arguments: &[String]) -> Result<()> {
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

/// An ELF file with the questions that a row asks it.
struct Elf<'a> {
    path: &'a Path,
    file: ElfFile64<'a, Endianness>,
}

/// A dynamic or static symbol, as far as it matters here.
#[derive(Clone, Copy)]
struct Symbol {
    address: u64,
    size: u64,
    /// A function, or the resolver of one.
    code: bool,
}

impl Symbol {
    fn new(symbol: &elf::Sym64<Endianness>, endian: Endianness) -> Self {
        Self {
            address: symbol.st_value(endian),
            size: symbol.st_size(endian),
            code: matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC),
        }
    }
}

impl<'a> Elf<'a> {
    fn parse(bytes: &'a [u8], path: &'a Path) -> Result<Self> {
        let file = ElfFile64::parse(bytes).with_context(|| path.display().to_string())?;
        Ok(Self { path, file })
    }

    fn build_id(&self) -> Result<&'a [u8]> {
        self.file
            .build_id()?
            .with_context(|| format!("{} has no build-id", self.path.display()))
    }

    /// `size` bytes of the loaded image at a link-time address.
    fn bytes(&self, symbol: Symbol) -> Result<&'a [u8]> {
        for segment in self.file.segments() {
            if let Some(bytes) = segment.data_range(symbol.address, symbol.size)? {
                return Ok(bytes);
            }
        }
        bail!("{}: no data at {:#x}", self.path.display(), symbol.address)
    }

    /// The defined dynamic symbols by name; the default version wins.
    fn exports(&self) -> Result<BTreeMap<&'a str, Symbol>> {
        let endian = self.file.endian();
        let table = self.file.elf_dynamic_symbol_table();
        let versions = self.file.elf_section_table().versions(endian, self.file.data())?;
        let mut exports = BTreeMap::new();
        for (index, symbol) in table.enumerate() {
            if symbol.is_undefined(endian) || symbol.st_size(endian) == 0 {
                continue;
            }
            let name = std::str::from_utf8(table.symbol_name(endian, symbol)?)?;
            let hidden = versions
                .as_ref()
                .is_some_and(|versions| versions.version_index(endian, index).is_hidden());
            let found = Symbol::new(symbol, endian);
            if hidden {
                exports.entry(name).or_insert(found);
            } else {
                exports.insert(name, found);
            }
        }
        Ok(exports)
    }

    /// Names of the undefined symbols that the version table expects from `provider`.
    fn imports_from(&self, provider: &str) -> Result<BTreeSet<&'a str>> {
        let endian = self.file.endian();
        let table = self.file.elf_dynamic_symbol_table();
        let versions = self
            .file
            .elf_section_table()
            .versions(endian, self.file.data())?
            .with_context(|| format!("{} has no symbol versions", self.path.display()))?;
        let mut imports = BTreeSet::new();
        for (index, symbol) in table.enumerate() {
            let version = versions.version(versions.version_index(endian, index))?;
            let file = version.and_then(object::read::elf::Version::file);
            if symbol.is_undefined(endian) && file == Some(provider.as_bytes()) {
                imports.insert(std::str::from_utf8(table.symbol_name(endian, symbol)?)?);
            }
        }
        Ok(imports)
    }

    /// Link-time address of the GOT slot that is bound to `name`.
    fn got_slot(&self, name: &str) -> Result<u64> {
        let endian = self.file.endian();
        let table = self.file.elf_dynamic_symbol_table();
        let relocations = self
            .file
            .dynamic_relocations()
            .with_context(|| format!("{} has no relocations", self.path.display()))?;
        for (address, relocation) in relocations {
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                continue;
            };
            let RelocationTarget::Symbol(SymbolIndex(index)) = relocation.target() else {
                continue;
            };
            if r_type == elf::R_X86_64_GLOB_DAT {
                let symbol = table.symbol(SymbolIndex(index))?;
                if table.symbol_name(endian, symbol)? == name.as_bytes() {
                    return Ok(address);
                }
            }
        }
        bail!("{} has no GOT slot for {name}", self.path.display())
    }

    /// The words that are addresses inside the file, by their own address, in the form that loaders have before DT_RELR.
    fn relative_pointers(&self) -> BTreeMap<u64, u64> {
        let relocations = self.file.dynamic_relocations().into_iter().flatten();
        relocations
            .filter_map(|(address, relocation)| match relocation.flags() {
                RelocationFlags::Elf {
                    r_type: elf::R_X86_64_RELATIVE,
                } => Some((address, relocation.addend().cast_unsigned())),
                _ => None,
            })
            .collect()
    }

    /// The text at a link-time address.
    fn text(&self, address: u64) -> Result<String> {
        for segment in self.file.segments() {
            if let Some(inside) = address.checked_sub(segment.address()) {
                let bytes = segment.data()?.get(usize::try_from(inside)?..);
                if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                    return text_until_nul(bytes);
                }
            }
        }
        bail!("{}: no text at {address:#x}", self.path.display())
    }

    /// A symbol of the full symbol table.
    fn local_symbol(&self, wanted: &str) -> Result<Symbol> {
        let endian = self.file.endian();
        let table = self.file.elf_symbol_table();
        for symbol in table.iter() {
            if table.symbol_name(endian, symbol)? == wanted.as_bytes() {
                return Ok(Symbol::new(symbol, endian));
            }
        }
        bail!("{} has no symbol {wanted}", self.path.display())
    }
}

/// What libc.so.6 says about itself.
struct LibcFacts<'a> {
    release: String,
    origin: String,
    build_id: &'a [u8],
    imports: BTreeSet<&'a str>,
    exports: BTreeMap<&'a str, Symbol>,
    slots: Slots,
}

impl<'a> LibcFacts<'a> {
    fn read(libc: &Elf<'a>) -> Result<Self> {
        let exports = libc.exports()?;
        let release = match exports.get("__nptl_version") {
            Some(version) => text_until_nul(libc.bytes(*version)?)?,
            None => banner_release(libc.file.data()).context("libc.so.6 does not state its release")?,
        };
        Ok(Self {
            origin: banner(libc.file.data()).unwrap_or_else(|| format!("glibc {release}")),
            release,
            build_id: libc.build_id()?,
            imports: libc.imports_from(LOADER_SONAME)?,
            exports,
            slots: Slots {
                rtld_global: libc.got_slot(Object::RtldGlobal.symbol())?,
                rtld_global_ro: libc.got_slot(Object::RtldGlobalRo.symbol())?,
            },
        })
    }

    /// The displacements that the function `name` applies to `object`.
    fn uses(&self, libc: &Elf<'_>, name: &str, object: Object) -> Result<BTreeSet<u32>> {
        let mut uses = BTreeSet::new();
        if let Some(&symbol) = self.exports.get(name).filter(|symbol| symbol.code) {
            let function = Function {
                address: symbol.address,
                code: libc.bytes(symbol)?,
            };
            witness::displacements(function, &self.slots, &mut |used, displacement| {
                if used == object {
                    uses.insert(displacement);
                }
            });
        }
        Ok(uses)
    }
}

fn text_until_nul(bytes: &[u8]) -> Result<String> {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(std::str::from_utf8(text)?.to_owned())
}

/// The release in the banner, for libraries without an object that holds it (before 2.34).
fn banner_release(bytes: &[u8]) -> Option<String> {
    const START: &[u8] = b" stable release version ";
    let start = bytes
        .windows(START.len())
        .position(|window| window == START)?
        .checked_add(START.len())?;
    let text = bytes.get(start..)?;
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let release = std::str::from_utf8(text.get(..end)?).ok()?;
    Some(release.trim_end_matches('.').to_owned())
}

/// The distributor's version in the banner "GNU C Library (...) stable release version".
fn banner(bytes: &[u8]) -> Option<String> {
    const START: &[u8] = b"GNU C Library (";
    let start = bytes
        .windows(START.len())
        .position(|window| window == START)?
        .checked_add(START.len())?;
    let rest = bytes.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b')')?;
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}

/// A type of the debug information.
enum Type {
    Sized(u64),
    Alias(Option<usize>),
    Array { element: Option<usize>, count: u64 },
    Structure { size: u64, members: Vec<RawMember> },
}

/// A member as the debug information has it.
struct RawMember {
    name: Option<String>,
    offset: u64,
    bits: Option<(u64, u64)>,
    of: Option<usize>,
}

/// A named member, with the members of unnamed inner structures moved into their parent.
#[derive(Clone)]
struct Found {
    offset: u64,
    size: u64,
    bits: Option<(u64, u64)>,
    of: Option<usize>,
}

/// A structure with its members by name.
struct Structure {
    size: u64,
    members: BTreeMap<String, Found>,
}

impl Structure {
    fn member(&self, name: &str) -> Result<&Found> {
        self.members.get(name).with_context(|| format!("no member {name}"))
    }

    /// Whether sizes and places agree, whatever unit of the debug information each comes from.
    fn agrees_with(&self, other: &Self) -> bool {
        let places = |structure: &Self| {
            let members = structure.members.iter();
            members
                .map(|(name, found)| (name.clone(), found.offset, found.size, found.bits))
                .collect::<Vec<_>>()
        };
        self.size == other.size && places(self) == places(other)
    }
}

/// The types and enumerators of a debug file, by offset and by name.
#[derive(Default)]
struct Types {
    by_offset: BTreeMap<usize, Type>,
    structures: BTreeMap<String, Vec<usize>>,
    enumerators: BTreeMap<String, BTreeSet<u64>>,
}

type Reader<'a> = gimli::EndianSlice<'a, gimli::LittleEndian>;
type Node<'abbrev, 'unit, 'tree, 'a> = gimli::EntriesTreeNode<'abbrev, 'unit, 'tree, Reader<'a>>;

impl Types {
    fn read(debug: &Elf<'_>) -> Result<Self> {
        ensure!(
            debug.file.section_by_name(".gnu_debugaltlink").is_none(),
            "{} refers to a supplementary file (dwz); expand it first",
            debug.path.display()
        );
        let sections = gimli::DwarfSections::load(|id| -> Result<Vec<u8>> {
            match debug.file.section_by_name(id.name()) {
                Some(section) => Ok(section.uncompressed_data()?.into_owned()),
                None => Ok(Vec::new()),
            }
        })?;
        let dwarf = sections.borrow(|bytes| gimli::EndianSlice::new(bytes, gimli::LittleEndian));
        let mut types = Self::default();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let unit = dwarf.unit(header)?;
            let mut tree = unit.entries_tree(None)?;
            types.read_entry(&dwarf, &unit, tree.root()?)?;
        }
        ensure!(
            !types.structures.is_empty(),
            "{} has no debug information",
            debug.path.display()
        );
        Ok(types)
    }

    fn read_entry<'a>(
        &mut self,
        dwarf: &gimli::Dwarf<Reader<'a>>,
        unit: &gimli::Unit<Reader<'a>>,
        node: Node<'_, '_, '_, 'a>,
    ) -> Result<()> {
        let entry = node.entry();
        let tag = entry.tag();
        let offset = entry
            .offset()
            .to_debug_info_offset(&unit.header)
            .context("a type unit")?
            .0;
        let name = match entry.attr_value(gimli::DW_AT_name)? {
            Some(value) => Some(dwarf.attr_string(unit, value)?.to_string()?.to_owned()),
            None => None,
        };
        let size = entry
            .attr_value(gimli::DW_AT_byte_size)?
            .and_then(|size| size.udata_value());
        let of = reference(unit, entry.attr_value(gimli::DW_AT_type)?)?;
        let declaration = entry.attr_value(gimli::DW_AT_declaration)?.is_some();
        let mut members = Vec::new();
        let mut count = 1u64;
        match tag {
            gimli::DW_TAG_enumerator => {
                if let (Some(name), Some(value)) = (&name, entry.attr_value(gimli::DW_AT_const_value)?) {
                    let value = value
                        .udata_value()
                        .or_else(|| value.sdata_value().map(i64::cast_unsigned));
                    self.enumerators.entry(name.clone()).or_default().extend(value);
                }
            }
            gimli::DW_TAG_base_type | gimli::DW_TAG_enumeration_type => {
                self.by_offset.insert(offset, Type::Sized(size.unwrap_or(0)));
            }
            gimli::DW_TAG_pointer_type => {
                self.by_offset.insert(offset, Type::Sized(size.unwrap_or(8)));
            }
            gimli::DW_TAG_typedef
            | gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type => {
                self.by_offset.insert(offset, Type::Alias(of));
                // An unnamed structure is known by its typedef.
                if let (gimli::DW_TAG_typedef, Some(name)) = (tag, &name) {
                    self.structures.entry(name.clone()).or_default().push(offset);
                }
            }
            _ => {}
        }
        let mut children = node.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            match (tag, entry.tag()) {
                (gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type, gimli::DW_TAG_member) => {
                    members.push(member(dwarf, unit, entry)?)
                }
                (gimli::DW_TAG_array_type, gimli::DW_TAG_subrange_type) => {
                    count = count
                        .checked_mul(elements(entry)?)
                        .context("an array that is too large")?;
                }
                _ => self.read_entry(dwarf, unit, child)?,
            }
        }
        match tag {
            gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type if !declaration => {
                let size = size.unwrap_or(0);
                self.by_offset.insert(offset, Type::Structure { size, members });
                if let Some(name) = name {
                    self.structures.entry(name).or_default().push(offset);
                }
            }
            gimli::DW_TAG_array_type => {
                self.by_offset.insert(offset, Type::Array { element: of, count });
            }
            _ => {}
        }
        Ok(())
    }

    fn size_of(&self, of: Option<usize>) -> u64 {
        match of.and_then(|offset| self.by_offset.get(&offset)) {
            Some(Type::Sized(size) | Type::Structure { size, .. }) => *size,
            Some(Type::Alias(of)) => self.size_of(*of),
            Some(Type::Array { element, count }) => self.size_of(*element).saturating_mul(*count),
            None => 0,
        }
    }

    /// The structure that a type is, behind its aliases.
    fn structure_at(&self, of: Option<usize>) -> Option<Structure> {
        match self.by_offset.get(&of?)? {
            Type::Alias(of) => self.structure_at(*of),
            Type::Structure { size, members } => {
                let mut found = BTreeMap::new();
                self.flatten(members, 0, &mut found);
                Some(Structure {
                    size: *size,
                    members: found,
                })
            }
            Type::Sized(_) | Type::Array { .. } => None,
        }
    }

    fn flatten(&self, members: &[RawMember], base: u64, found: &mut BTreeMap<String, Found>) {
        for member in members {
            let offset = base.saturating_add(member.offset);
            if let Some(name) = &member.name {
                let size = self.size_of(member.of);
                let (bits, of) = (member.bits, member.of);
                found.insert(name.clone(), Found { offset, size, bits, of });
            } else if let Some(Type::Structure { members, .. }) = member.of.and_then(|of| self.by_offset.get(&of)) {
                self.flatten(members, offset, found);
            }
        }
    }

    /// The structure called `name`; several may be, then it is the one that has a member `with`.
    fn structure(&self, name: &str, with: Option<&str>) -> Result<Structure> {
        let mut chosen: Option<Structure> = None;
        for &offset in self.structures.get(name).into_iter().flatten() {
            let Some(structure) = self.structure_at(Some(offset)) else {
                continue;
            };
            if with.is_some_and(|with| !structure.members.contains_key(with)) {
                continue;
            }
            if let Some(chosen) = &chosen {
                ensure!(
                    chosen.agrees_with(&structure),
                    "the debug information has two different structures {name}"
                );
            }
            chosen = Some(structure);
        }
        chosen.with_context(|| format!("the debug information has no structure {name}"))
    }

    fn enumerator(&self, name: &str) -> Result<Option<u64>> {
        let Some(values) = self.enumerators.get(name) else {
            return Ok(None);
        };
        ensure!(values.len() == 1, "the enumerator {name} has several values");
        Ok(values.first().copied())
    }
}

/// The offset of the type that a DW_AT_type attribute refers to.
fn reference(unit: &gimli::Unit<Reader<'_>>, value: Option<AttributeValue<Reader<'_>>>) -> Result<Option<usize>> {
    Ok(match value {
        None => None,
        Some(AttributeValue::UnitRef(offset)) => Some(
            offset
                .to_debug_info_offset(&unit.header)
                .context("a reference out of its unit")?
                .0,
        ),
        Some(AttributeValue::DebugInfoRef(offset)) => Some(offset.0),
        Some(other) => bail!("a type reference of an unsupported form: {other:?}"),
    })
}

fn member<'a>(
    dwarf: &gimli::Dwarf<Reader<'a>>,
    unit: &gimli::Unit<Reader<'a>>,
    entry: &gimli::DebuggingInformationEntry<'_, '_, Reader<'a>>,
) -> Result<RawMember> {
    let number = |name| -> Result<Option<u64>> { Ok(entry.attr_value(name)?.and_then(|value| value.udata_value())) };
    let name = match entry.attr_value(gimli::DW_AT_name)? {
        Some(value) => Some(dwarf.attr_string(unit, value)?.to_string()?.to_owned()),
        None => None,
    };
    let mut offset = number(gimli::DW_AT_data_member_location)?.unwrap_or(0);
    let mut bits = None;
    if let Some(width) = number(gimli::DW_AT_bit_size)? {
        let first = match number(gimli::DW_AT_data_bit_offset)? {
            Some(first) => first,
            None => bits_from_the_top(
                offset,
                width,
                number(gimli::DW_AT_byte_size)?,
                number(gimli::DW_AT_bit_offset)?,
            )
            .context("a bit field of an unknown form")?,
        };
        offset = first / 8;
        bits = Some((first % 8, width));
    }
    Ok(RawMember {
        name,
        offset,
        bits,
        of: reference(unit, entry.attr_value(gimli::DW_AT_type)?)?,
    })
}

/// The first bit of a bit field as DWARF had them before version 4: counted from the most significant bit of a unit of storage.
fn bits_from_the_top(offset: u64, width: u64, unit: Option<u64>, from_top: Option<u64>) -> Option<u64> {
    let below = unit?.checked_mul(8)?.checked_sub(from_top?)?.checked_sub(width)?;
    offset.checked_mul(8)?.checked_add(below)
}

/// Number of elements of one dimension of an array.
fn elements(entry: &gimli::DebuggingInformationEntry<'_, '_, Reader<'_>>) -> Result<u64> {
    let number = |name| -> Result<Option<u64>> { Ok(entry.attr_value(name)?.and_then(|value| value.udata_value())) };
    if let Some(count) = number(gimli::DW_AT_count)? {
        return Ok(count);
    }
    let last = number(gimli::DW_AT_upper_bound)?;
    Ok(last.map_or(0, |last| last.saturating_add(1)))
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
    "Object",
    "Picked",
    "PreferredBits",
    "Pthread",
    "RtldGlobal",
    "RtldGlobalRo",
    "ScopeElem",
    "Tcb",
    "ThreadDb",
    "Tunable",
    "TunableKind",
    "Witness",
    "Word",
];

/// The whole row as Rust code, not formatted.
fn row(
    types: &Types,
    facts: &LibcFacts<'_>,
    libc: &Elf<'_>,
    debug: &Elf<'_>,
    loader: &Elf<'_>,
    names: &mut Names,
) -> Result<String> {
    let mut body = String::new();
    let id: Vec<String> = facts.build_id.iter().map(|byte| format!("{byte:#04x}")).collect();
    writeln!(body, "build_ids: &[&[{}]],", id.join(", "))?;
    writeln!(
        body,
        "imports: &Word::list({:?}),",
        facts.imports.iter().collect::<Vec<_>>()
    )?;
    names.extend(facts.imports.iter().map(ToString::to_string));

    let interface = interface(types)?;
    let tunables = tunables(types, debug, loader, names)?;
    let descriptors = thread_db(facts, libc, names)?;
    writeln!(body, "interface: {:#018x},", digest(&format!("{interface}{tunables}")))?;
    body.push_str(
        "tunables: Picked { pool: &super::TUNABLES, picks: &Tunable::picks::<{ TUNABLES.len() }>(TUNABLES) },\n",
    );
    body.push_str(
        "thread_db: Picked { pool: &super::THREAD_DB, picks: &ThreadDb::picks::<{ THREAD_DB.len() }>(THREAD_DB) },\n",
    );
    writeln!(body, "witnesses: &[{}],", witnesses(types, facts, libc, names)?)?;
    let whole = format!("{body}{interface}{tunables}{descriptors}ThreadDb::");
    let used: Vec<&str> = SCHEMA
        .iter()
        .copied()
        .filter(|name| whole.contains(&format!("{name}::")) || whole.contains(&format!("{name} {{")))
        .collect();
    Ok(format!(
        "//! glibc {release}, {origin}.\n//!\n//! Generated by `cargo xtask tables DEBUGFILE` from the debug \
         information of that package's loader\n//! (build-id {loader_id}). Not edited by hand.\n\n\
         use super::{{\n{used}, Row, Structures,\n}};\n\n\
         /// The row.\npub(super) const ROW: Row = Row {{\n\
         release: {release:?},\norigin: {origin:?},\n{body}}};\n\n\
         /// Where everything is.\npub(super) const STRUCTURES: Structures = Structures {{\n{interface}}};\n\n\
         /// Tunables by id.\npub(super) const TUNABLES: &[Tunable] = &[{tunables}];\n\n\
         /// libc's descriptors for debuggers.\npub(super) const THREAD_DB: &[ThreadDb] = &[{descriptors}];\n",
        release = facts.release,
        origin = facts.origin,
        loader_id = hex(loader.build_id()?),
        used = used.join(", "),
    ))
}

/// 64-bit FNV-1a.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The fields that make two rows different to a loader.
fn interface(types: &Types) -> Result<String> {
    let mut out = String::new();
    macro_rules! records {
        ($( $field:ident: $name:ident, )*) => {
            $( writeln!(
                out,
                "{}: {},",
                stringify!($field),
                record(types, stringify!($name), $name::STRUCTURE, $name::FIELDS)?
            )?; )*
        };
    }
    records! {
        rtld_global_ro: RtldGlobalRo,
        rtld_global: RtldGlobal,
        link_namespaces: LinkNamespaces,
        link_map: LinkMap,
    }
    writeln!(out, "info: {},", info_table(types)?)?;
    records! {
        pthread: Pthread,
        tcb: Tcb,
        dtv_pointer: DtvPointer,
        dtv_slotinfo: DtvSlotinfo,
        dtv_slotinfo_list: DtvSlotinfoList,
        scope_elem: ScopeElem,
        libname: Libname,
        list: List,
        mutex: Mutex,
    }
    check_hook(types)?;
    records! {
        cpu_features: CpuFeatures,
        cpu_basic: CpuBasic,
    }
    let (name, fields) = (CpuidFeature::STRUCTURE, CpuidFeature::FIELDS);
    let feature = record_or_none(types, "CpuidFeature", name, fields)?;
    writeln!(out, "cpuid_feature: {feature},")?;
    writeln!(out, "cpuid_leaves: {},", cpuid_leaves(types)?)?;
    writeln!(out, "preferred: {},", preferred(types)?)?;
    Ok(out)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A member that only the private form of a structure has, where a public one shares its name.
fn private_member(structure: &str) -> Option<&'static str> {
    (structure == LinkMap::STRUCTURE).then_some("l_relocated")
}

/// The expression of one record of the schema.
fn record(types: &Types, name: &str, structure: &str, fields: &[Field]) -> Result<String> {
    let found = types.structure(structure, private_member(structure))?;
    let mut out = format!("{name} {{\nsize: {:#x},\n", found.size);
    for field in fields {
        let place = match (found.members.get(field.member), field.presence) {
            (None, Presence::Optional | Presence::OptionalBits) => "None".to_owned(),
            (None, Presence::Member | Presence::Bits) => {
                bail!("{structure} has no member {}", field.member)
            }
            (Some(member), presence) => {
                let place = place(member, presence).with_context(|| format!("{structure}.{}", field.member))?;
                match presence {
                    Presence::Optional | Presence::OptionalBits => format!("Some({place})"),
                    Presence::Member | Presence::Bits => place,
                }
            }
        };
        writeln!(out, "{}: {place},", field.field)?;
    }
    out.push('}');
    Ok(out)
}

fn place(member: &Found, presence: Presence) -> Result<String> {
    let offset = u16::try_from(member.offset)?;
    Ok(match (member.bits, presence) {
        (None, Presence::Member | Presence::Optional) => {
            let size = u16::try_from(member.size)?;
            format!("Member::new({offset:#x}, {size})")
        }
        (Some((bit, width)), Presence::Bits | Presence::OptionalBits) => {
            ensure!(bit.saturating_add(width) <= 8, "a bit field that crosses a byte");
            format!("Bits::new({offset:#x}, {bit}, {width})")
        }
        _ => bail!("a bit field where the schema has a member, or the reverse"),
    })
}

/// The same of a structure that some glibc lacks: then it has no size and no members.
fn record_or_none(types: &Types, name: &str, structure: &str, fields: &[Field]) -> Result<String> {
    if types.structures.contains_key(structure) {
        return record(types, name, structure, fields);
    }
    let members: String = fields.iter().map(|field| format!("{}: None, ", field.field)).collect();
    Ok(format!("{name} {{ size: 0, {members} }}"))
}

/// Checks that the table of functions is the one that the loader fills: the members in that order, nothing else.
fn check_hook(types: &Types) -> Result<()> {
    const STRUCTURE: &str = "dlfcn_hook";
    if !types.structures.contains_key(STRUCTURE) {
        return Ok(());
    }
    let hook = types.structure(STRUCTURE, None)?;
    for (index, name) in (0u64..).zip(DLFCN_HOOK) {
        ensure!(
            hook.member(name)?.offset == index * 8,
            "{STRUCTURE}.{name} is not number {index}"
        );
    }
    ensure!(
        hook.members.len() == DLFCN_HOOK.len(),
        "{STRUCTURE} has members that the loader does not fill"
    );
    Ok(())
}

/// DT_NUM is no part of the debug information. It was 35 until DT_RELR made it 38 in 2.36, and the
/// processor's tags (4, since 2.39) fill the rest of the array.
fn info_table(types: &Types) -> Result<String> {
    let map = types.structure(LinkMap::STRUCTURE, private_member(LinkMap::STRUCTURE))?;
    let len = usize::try_from(map.member("l_info")?.size / 8)?;
    let counted = len
        .checked_sub(InfoTable::RANGED)
        .context("link_map.l_info is too short")?;
    let (ordinary, processor) = match counted {
        35 => (35, 0),
        38 => (38, 0),
        42 => (38, 4),
        _ => bail!("link_map.l_info has {len} elements, which is no known division"),
    };
    Ok(format!(
        "InfoTable {{ len: {len}, ordinary: {ordinary}, processor: {processor} }}"
    ))
}

/// How many leaves the array of features has; that they are the first of the loader's list is shown by the enumerators that index it.
fn cpuid_leaves(types: &Types) -> Result<u64> {
    const INDEXES: [&str; CPUID_LEAVES.len()] = [
        "CPUID_INDEX_1",
        "CPUID_INDEX_7",
        "CPUID_INDEX_80000001",
        "CPUID_INDEX_D_ECX_1",
        "CPUID_INDEX_80000007",
        "CPUID_INDEX_80000008",
        "CPUID_INDEX_7_ECX_1",
        "CPUID_INDEX_19",
        "CPUID_INDEX_14_ECX_0",
        "CPUID_INDEX_24_ECX_0",
    ];
    let features = types.structure(CpuFeatures::STRUCTURE, None)?;
    let (count, prefix) = match features.member("cpuid") {
        Ok(array) => (array.size / 16, "COMMON_"),
        Err(_) => {
            let element = types.structure(CpuidFeature::STRUCTURE, None)?.size;
            (features.member("features")?.size.checked_div(element).unwrap_or(0), "")
        }
    };
    for (index, name) in (0..count).zip(INDEXES) {
        let known = types.enumerator(&format!("{prefix}{name}"))?;
        ensure!(known == Some(index), "{prefix}{name} is {known:?}, not {index}");
    }
    ensure!(count <= 10, "cpu_features has {count} leaves of features");
    Ok(count)
}

fn preferred(types: &Types) -> Result<String> {
    /// Up to 2.32 the bits are macros of `cpu-features.h`, of which debug information says nothing.
    const BEFORE_2_33: [&str; 16] = [
        "I586",
        "I686",
        "Fast_Rep_String",
        "Fast_Copy_Backward",
        "Fast_Unaligned_Load",
        "Fast_Unaligned_Copy",
        "Slow_BSF",
        "Slow_SSE4_2",
        "AVX_Fast_Unaligned_Load",
        "Prefer_MAP_32BIT_EXEC",
        "Prefer_PMINUB_for_stringop",
        "Prefer_No_VZEROUPPER",
        "Prefer_ERMS",
        "Prefer_FSRM",
        "Prefer_No_AVX512",
        "MathVec_Prefer_No_AVX512",
    ];
    let old = types.structure(CpuFeatures::STRUCTURE, None)?.member("feature").is_ok();
    let mut out = "PreferredBits {\n".to_owned();
    for (field, name) in PreferredBits::FIELDS {
        let mask = if old {
            let bit = BEFORE_2_33.iter().position(|known| known == name);
            bit.map(|bit| 1u64 << bit)
        } else {
            types.enumerator(&format!("bit_arch_{name}"))?
        };
        let bit = match mask {
            Some(mask) => {
                ensure!(mask.is_power_of_two(), "bit_arch_{name} is not one bit");
                format!("Some({})", mask.trailing_zeros())
            }
            None => "None".to_owned(),
        };
        writeln!(out, "{field}: {bit},")?;
    }
    let known: BTreeSet<&str> = PreferredBits::FIELDS.iter().map(|(_, name)| *name).collect();
    for name in types.enumerators.keys() {
        if let Some(name) = name.strip_prefix("bit_arch_") {
            ensure!(known.contains(name), "the schema has no preferred bit {name}");
        }
    }
    out.push_str("}.numbers()");
    Ok(out)
}

/// glibc's list of tunables, read from the data of its loader.
fn tunables(types: &Types, debug: &Elf<'_>, loader: &Elf<'_>, names: &mut Names) -> Result<String> {
    let entry = types.structure("_tunable", None)?;
    let kind = entry.member("type")?;
    let bounds = types.structure_at(kind.of).context("_tunable.type is no structure")?;
    let default = entry.member("def").or_else(|_| entry.member("val"))?;
    let list = debug.local_symbol("tunable_list")?;
    let bytes = loader.bytes(list)?;
    let pointers = loader.relative_pointers();
    let mut out = String::new();
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
            .strip_prefix(Tunable::PREFIX)
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
        let name = format!("{name} {alias}");
        let name = name.trim_end();
        writeln!(
            out,
            "Tunable::new({name:?}, TunableKind::{kind}, ({}, {}), {}),",
            literal(inner("min")?),
            literal(inner("max")?),
            literal(value),
        )?;
        names.insert(name.to_owned());
    }
    ensure!(!out.is_empty(), "the list of tunables is empty");
    Ok(out)
}

/// A number as a literal: large ones in groups.
fn literal(value: u64) -> String {
    match value {
        u64::MAX => "u64::MAX".to_owned(),
        0..=0xffff => value.to_string(),
        _ => {
            let digits = format!("{value:x}");
            let mut out = String::from("0x");
            for (index, digit) in digits.chars().enumerate() {
                let left = digits.len().saturating_sub(index);
                if index > 0 && left % 4 == 0 {
                    out.push('_');
                }
                out.push(digit);
            }
            out
        }
    }
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

/// libc's descriptors for debuggers: one or three 32-bit numbers each.
fn thread_db(facts: &LibcFacts<'_>, libc: &Elf<'_>, names: &mut Names) -> Result<String> {
    let mut out = String::new();
    for (name, &symbol) in &facts.exports {
        let Some(name) = name.strip_prefix(ThreadDb::PREFIX) else {
            continue;
        };
        let bytes = libc.bytes(symbol)?;
        let part = |offset| number(bytes, offset, 4);
        // An array without an end says nothing.
        if symbol.size == 12 && part(4)? > u64::from(u16::MAX) {
            continue;
        }
        match symbol.size {
            4 => writeln!(out, "ThreadDb::value({name:?}, {:#x}),", part(0)?)?,
            12 => writeln!(
                out,
                "ThreadDb::field({name:?}, {}, {}, {:#x}),",
                part(0)?,
                literal(part(4)?),
                part(8)?
            )?,
            size => bail!("{name} has {size} bytes"),
        }
        names.insert(name.to_owned());
    }
    Ok(out)
}

/// Members that libc reads only where `_dl_naudit` is not zero, which the loader never sets.
const AUDITING: [&str; 3] = ["_dl_rtld_map", "_dl_rtld_auditstate", "_dl_audit"];

/// The witnesses: for each member that a function of the list uses, the first such function. Fails when libc
/// uses a member that the schema does not know, because the loader would not fill it.
fn witnesses(types: &Types, facts: &LibcFacts<'_>, libc: &Elf<'_>, names: &mut Names) -> Result<String> {
    let objects = [
        (
            Object::RtldGlobal,
            "RtldGlobal",
            RtldGlobal::STRUCTURE,
            RtldGlobal::FIELDS,
        ),
        (
            Object::RtldGlobalRo,
            "RtldGlobalRo",
            RtldGlobalRo::STRUCTURE,
            RtldGlobalRo::FIELDS,
        ),
    ];
    let mut out = String::new();
    for (object, variant, structure, fields) in objects {
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
        let mut witnessed = BTreeSet::new();
        for name in WITNESS_FUNCTIONS {
            for displacement in facts.uses(libc, name, object)? {
                let Some(member) = exact(types, &structure, displacement)?.filter(|name| !AUDITING.contains(&&**name))
                else {
                    continue;
                };
                // A displacement of zero shows nothing.
                if displacement != 0 && witnessed.insert(displacement) {
                    writeln!(
                        out,
                        "Witness::new({name:?}, Object::{variant}, {member:?}, {displacement:#x}),"
                    )?;
                    names.extend([(*name).to_owned(), member]);
                }
            }
        }
    }
    Ok(out)
}

/// The member that contains the byte at `displacement`, and where in it.
fn enclosing(structure: &Structure, displacement: u32) -> Option<(&str, u64)> {
    structure.members.iter().find_map(|(name, found)| {
        let inside = u64::from(displacement).checked_sub(found.offset)?;
        (inside < found.size).then_some((name.as_str(), inside))
    })
}

/// The member that starts at `displacement`, or the member of an embedded structure that does.
fn exact(types: &Types, structure: &Structure, displacement: u32) -> Result<Option<String>> {
    let Some((name, inside)) = enclosing(structure, displacement) else {
        return Ok(None);
    };
    if inside == 0 {
        return Ok(Some(name.to_owned()));
    }
    let Some(embedded) = types.structure_at(structure.member(name)?.of) else {
        return Ok(None);
    };
    let whole = CpuFeatures::FIELDS.iter().map(|field| field.member);
    Ok(embedded
        .members
        .iter()
        .find(|(member, found)| found.offset == inside && whole.clone().any(|name| name == *member))
        .map(|(member, _)| format!("{name}.{member}")))
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
        let text = hex(build_id);
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
        if !debug.exists() || !ALL.iter().any(|row| row.build_ids.contains(&build_id)) {
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
    fn the_banner_states_the_package() {
        let bytes = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\0";
        assert_eq!(banner(bytes).as_deref(), Some("Debian GLIBC 2.36-9"));
        assert_eq!(banner(b"GNU C Library (cut"), None);
    }

    #[test]
    fn the_banner_states_the_release() {
        let bytes = b"\0GNU C Library (Debian GLIBC 2.31-13) stable release version 2.31.\nCopyright";
        assert_eq!(banner_release(bytes).as_deref(), Some("2.31"));
        assert_eq!(banner_release(b"stable release version"), None);
    }

    #[test]
    fn old_bit_fields_are_counted_from_the_top_of_their_unit() {
        // link_map.l_type of 2.31: two bits at the bottom of the byte at 0x31c, in a unit of 4 bytes.
        assert_eq!(bits_from_the_top(0x31c, 2, Some(4), Some(30)), Some(0x31c * 8));
        assert_eq!(bits_from_the_top(0x31c, 1, Some(4), Some(17)), Some(0x31d * 8 + 6));
        assert_eq!(bits_from_the_top(0, 8, Some(1), Some(1)), None);
    }

    #[test]
    fn large_literals_are_grouped() {
        assert_eq!(literal(65535), "65535");
        assert_eq!(literal(0x280_0000), "0x280_0000");
        assert_eq!(literal(u64::MAX), "u64::MAX");
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
