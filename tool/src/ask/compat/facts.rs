//! What of a file the rules of other loaders look at.

use std::path::Path;

use anyhow::{Context, Result};
use lode::arch::Ask;
use lode::elf::dynamic::{Flags, tag};
use lode::elf::segment::kind;

use crate::elf::{Binary, PT_LOAD, Segment, recognise};
use crate::relocations::{Form, Relocation, Relocations};

/// `PF_X`, `PF_W`
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;

/// `ET_EXEC` and `ET_DYN`
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

/// What the ELF header says, as it says it: also what does not exist.
#[derive(Clone, Copy, Debug)]
pub struct Stated {
    /// EI_CLASS, and what the rest of the file fits
    pub class: (u8, u8),
    /// EI_DATA, likewise
    pub data: (u8, u8),
    /// EI_VERSION
    pub identity_version: u8,
    /// The bytes of e_ident that have no meaning are zeros
    pub is_padded_with_zeros: bool,
    /// e_type
    pub kind: u16,
    /// e_version
    pub version: u32,
    /// e_phentsize
    pub entry_size: u16,
}

impl Stated {
    /// Reads a file whose identity may be wrong, or none that exists: one for x86-64 is taken for what it is even so.
    ///
    /// # Errors
    /// It cannot be read, or is no ELF file even so.
    pub fn open(path: &Path) -> Result<(Binary, Stated)> {
        let bytes = recognise::read(path)?;
        let identity: Vec<u8> = bytes.iter().take(16).copied().collect();
        let mut whole = bytes;
        // e_machine and e_ehsize of a 64-bit file for x86-64; x32 has another size of the header.
        let is_for_x86_64 = whole.get(18..20) == Some(&[62, 0][..]) && whole.get(52..54) == Some(&[64, 0][..]);
        if let Some(stated) = whole.get_mut(4..7).filter(|_| is_for_x86_64) {
            stated.copy_from_slice(&[2, 1, 1]);
        }
        let binary = Binary::parse(whole).with_context(|| path.display().to_string())?;
        let words = binary.words();
        let at = |place: usize| identity.get(place).copied().unwrap_or_default();
        let number = |place: u64, length: u64| words.number(&binary.bytes, place, length).unwrap_or_default();
        let stated = Stated {
            class: (at(4), binary.header.bits / 32),
            data: (at(5), if binary.header.little_endian { 1 } else { 2 }),
            identity_version: at(6),
            is_padded_with_zeros: identity.iter().skip(9).all(|byte| *byte == 0),
            kind: binary.header.kind,
            version: number(20, 4) as u32,
            entry_size: number(if words.bits == 64 { 54 } else { 42 }, 2) as u16,
        };
        Ok((binary, stated))
    }

    /// Whether it is of a type that is loaded.
    pub fn is_loadable(&self) -> bool {
        matches!(self.kind, ET_EXEC | ET_DYN)
    }

    /// Whether program headers have the size that everybody gives them.
    pub fn has_usual_entries(&self) -> bool {
        self.entry_size == if self.class.1 == 2 { 56 } else { 32 }
    }
}

/// The facts.
pub struct Facts {
    /// What the file is called
    pub name: String,
    pub stated: Stated,
    pub machine: u16,
    pub is_64_bit: bool,
    pub osabi: u8,
    pub abi_version: u8,
    /// ET_EXEC
    pub is_fixed: bool,
    /// It is started, not opened by another file: the kernel maps it, and loaders look at less of it
    pub is_program: bool,
    /// Versions that are required: of which library, which, and whether the version may be absent
    pub versions: Vec<(String, String, bool)>,
    pub needed: Vec<String>,
    /// DT_RELR, and DT_ANDROID_RELR
    pub relr: usize,
    pub android_relr: usize,
    /// Entries of DT_REL, without those of the PLT, that ask for something
    pub rel: usize,
    /// Entries of DT_ANDROID_REL and DT_ANDROID_RELA
    pub packed: usize,
    /// Relocations of the kinds that loaders differ in: number and name
    pub kinds: Vec<(u32, String)>,
    /// DT_RELACOUNT is more than the relative relocations at the start of the table
    pub counts_too_many: bool,
    pub has_copies: bool,
    pub has_resolvers: bool,
    /// The first relocation of a place that is not writable
    pub text_relocation: Option<String>,
    /// DT_TEXTREL, DF_TEXTREL
    pub says_text_relocations: bool,
    pub writable_and_executable: Option<String>,
    pub wants_executable_stack: bool,
    pub has_hash: bool,
    pub has_gnu_hash: bool,
    /// The first segment whose bytes the file lacks
    pub missing_bytes: Option<String>,
    /// Symbols that are wanted and that only glibc has: those of `_FORTIFY_SOURCE`
    pub fortified: Vec<String>,
}

impl Facts {
    /// Looks at a file.
    pub fn of(binary: &Binary, stated: Stated, name: &str) -> Facts {
        let relocations = Relocations::of(binary);
        let machine = binary.header.machine;
        let count = |form: Form| {
            let of_form = relocations.all.iter().filter(|one| one.form == form);
            of_form.filter(|one| one.ask(machine) != Some(Ask::Nothing)).count()
        };
        let has = |ask: Ask| relocations.all.iter().any(|one| one.ask(machine) == Some(ask));
        let value = |tag: u64| binary.dynamic_value(tag);
        let table = relocations.all.iter().filter(|one| one.form == Form::Rela);
        let leading = table.take_while(|one| one.ask(machine) == Some(Ask::Relative)).count() as u64;
        let relr = count(Form::Relr);
        let is_android = value(tag::RELR).is_none();
        let flags = value(tag::FLAGS).unwrap_or_default();
        let versions = binary.version_needs.iter().flat_map(|need| {
            let one = |(version, is_weak): &(String, bool)| (need.file.clone(), version.clone(), *is_weak);
            need.versions.iter().map(one)
        });
        let stack = binary.segments.iter().find(|segment| segment.kind == kind::GNU_STACK);
        Facts {
            name: name.to_owned(),
            stated,
            machine,
            is_64_bit: binary.header.bits == 64,
            osabi: binary.header.osabi,
            abi_version: binary.header.abi_version,
            is_fixed: binary.header.kind == ET_EXEC,
            is_program: binary.is_program() && binary.soname.is_none(),
            versions: versions.collect(),
            needed: binary.needed.clone(),
            relr: if is_android { 0 } else { relr },
            android_relr: if is_android { relr } else { 0 },
            rel: count(Form::Rel),
            packed: count(Form::PackedRel) + count(Form::PackedRela),
            kinds: kinds(binary, &relocations),
            counts_too_many: value(tag::RELACOUNT).is_some_and(|count| count > leading),
            has_copies: has(Ask::Copy),
            has_resolvers: has(Ask::Indirect),
            text_relocation: relocations.all.iter().find_map(|one| read_only(binary, one)),
            says_text_relocations: value(tag::TEXTREL).is_some() || flags & Flags::TEXTREL.bits() != 0,
            writable_and_executable: writable_and_executable(binary),
            wants_executable_stack: stack.is_some_and(|segment| segment.flags & EXECUTE != 0),
            has_hash: value(tag::HASH).is_some(),
            has_gnu_hash: value(tag::GNU_HASH).is_some(),
            missing_bytes: missing_bytes(binary),
            fortified: fortified(binary),
        }
    }

    /// Whether a marker version (`GLIBC_ABI_DT_RELR`) is required.
    pub fn requires(&self, version: &str) -> bool {
        self.versions.iter().any(|(_, one, _)| one == version)
    }

    /// Whether any version of a library with this start of its name is required.
    pub fn requires_of(&self, start: &str) -> bool {
        self.versions.iter().any(|(file, ..)| file.starts_with(start))
    }

    /// The newest required version `GLIBC_2.x` with an x of at least `release`.
    pub fn newer_glibc(&self, release: u32) -> Option<String> {
        let versions = self.versions.iter().filter(|(_, _, is_weak)| !is_weak);
        let numbers = versions.filter_map(|(_, version, _)| {
            let number = version.strip_prefix("GLIBC_2.")?;
            number.split('.').next()?.parse::<u32>().ok()
        });
        let newest = numbers.filter(|number| *number >= release).max()?;
        Some(format!("GLIBC_2.{newest}"))
    }
}

/// Every number that occurs, once.
fn kinds(binary: &Binary, relocations: &Relocations) -> Vec<(u32, String)> {
    let mut numbers: Vec<u32> = relocations.all.iter().filter_map(|one| one.kind).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let name = |number| crate::relocations::machines::name(binary.header.machine, number);
    numbers.into_iter().map(|number| (number, name(number))).collect()
}

/// The place of a relocation that writes where nothing may be written.
fn read_only(binary: &Binary, relocation: &Relocation) -> Option<String> {
    if relocation.ask(binary.header.machine) == Some(Ask::Nothing) {
        return None;
    }
    let segment = binary.loads().find(|segment| segment.spans(relocation.place))?;
    if segment.flags & WRITE != 0 {
        return None;
    }
    let section = binary.section_at(relocation.place);
    let section = section.map_or_else(String::new, |section| format!(" in {}", section.name));
    let name = relocation.name(binary.header.machine);
    Some(format!("{name} at {:#x}{section}", relocation.place))
}

fn writable_and_executable(binary: &Binary) -> Option<String> {
    let both = |segment: &&Segment| segment.flags & (EXECUTE | WRITE) == EXECUTE | WRITE;
    let segment = binary.loads().find(both)?;
    Some(format!("at {:#x}", segment.address))
}

fn missing_bytes(binary: &Binary) -> Option<String> {
    let mut loads = (0..)
        .zip(&binary.segments)
        .filter(|(_, segment)| segment.kind == PT_LOAD);
    let length = binary.bytes.len() as u64;
    let (index, end): (u32, u64) = loads.find_map(|(index, segment)| {
        let end = segment.offset.saturating_add(segment.file_size);
        // Of the last page in the file the rest reads as zeros.
        (end > length.next_multiple_of(4096)).then_some((index, end))
    })?;
    Some(format!("segment {index} ends at {end:#x}, the file at {length:#x}"))
}

fn fortified(binary: &Binary) -> Vec<String> {
    let wanted = binary
        .symbols
        .iter()
        .filter(|symbol| symbol.is_wanted() && !symbol.is_weak());
    let of_glibc = wanted.filter(|symbol| {
        let name = symbol.name.as_str();
        name.starts_with("__") && name.ends_with("_chk") && symbol.version.is_some()
    });
    of_glibc.map(|symbol| symbol.name.clone()).collect()
}
