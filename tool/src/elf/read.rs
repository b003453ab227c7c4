//! Bytes to a [`Binary`].
//!
//! The crate `object` knows the structures of both classes; which of them a file has is decided once, in [`binary`].

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display};

use anyhow::{Context, Result};
use lode::arch::x86_64::MACHINE;
use lode::elf::header::Header as Identity;
use lode::error::{Code, Fault, Kind};
use object::elf::{FileHeader32, FileHeader64, SHT_DYNSYM};
use object::read::elf::{Dyn, FileHeader, GnuHashTable, HashTable, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, ReadRef};

use super::{Binary, Header, PT_DYNAMIC, PT_INTERP, PT_NOTE, Section, Segment, Symbol, VersionNeed, recognise};
use crate::spelling;

/// Tags of the dynamic section (gABI, "Dynamic Section"; the last ones GNU's).
mod tag {
    pub const NEEDED: u64 = 1;
    pub const HASH: u64 = 4;
    pub const STRTAB: u64 = 5;
    pub const SYMTAB: u64 = 6;
    pub const STRSZ: u64 = 10;
    pub const SONAME: u64 = 14;
    pub const RPATH: u64 = 15;
    pub const RUNPATH: u64 = 29;
    pub const GNU_HASH: u64 = 0x6fff_fef5;
    pub const VERSYM: u64 = 0x6fff_fff0;
    pub const VERDEF: u64 = 0x6fff_fffc;
    pub const VERDEFNUM: u64 = 0x6fff_fffd;
    pub const VERNEED: u64 = 0x6fff_fffe;
    pub const VERNEEDNUM: u64 = 0x6fff_ffff;
}

/// In a version index: the definition is not the default one.
const HIDDEN: u16 = 0x8000;
/// `VER_FLG_BASE` and `VER_FLG_WEAK`
const BASE: u16 = 1;
const WEAK: u16 = 2;

/// Reads a file of either class.
pub fn binary(bytes: Vec<u8>) -> Result<Binary> {
    if let Some(wrong) = bytes
        .starts_with(b"\x7fELF")
        .then(|| recognise::identity(&bytes))
        .flatten()
    {
        return Err(NoElf::of(&bytes, wrong).into());
    }
    let header = match bytes.get(4) {
        Some(1) => size_of::<FileHeader32<Endianness>>(),
        _ => size_of::<FileHeader64<Endianness>>(),
    };
    let stranger = |bytes: &[u8]| NoElf::of(bytes, format!("not an ELF file: {}", recognise::bytes(bytes)));
    if bytes.len() < header {
        return Err(stranger(&bytes).into());
    }
    match bytes.get(..5) {
        Some(b"\x7fELF\x01") => parse::<FileHeader32<Endianness>>(bytes),
        Some(b"\x7fELF\x02") => parse::<FileHeader64<Endianness>>(bytes),
        _ => Err(stranger(&bytes).into()),
    }
}

/// Bytes that are no ELF file of any machine.
#[derive(Debug)]
pub struct NoElf {
    /// The code that lode refuses them with
    pub code: Code,
    words: String,
}

impl NoElf {
    fn of(bytes: &[u8], words: String) -> NoElf {
        let other = || {
            let (start, is_short) = ([0; 16], false);
            Kind::NotElf { start, is_short }
        };
        let fault = Identity::check_identity(bytes, &MACHINE).err();
        NoElf {
            code: fault.map_or_else(other, Fault::kind).code(),
            words,
        }
    }
}

impl Display for NoElf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.words)
    }
}

impl std::error::Error for NoElf {}

fn parse<E: FileHeader<Endian = Endianness>>(bytes: Vec<u8>) -> Result<Binary> {
    let data = bytes.as_slice();
    let file = E::parse(data).context("the ELF header is damaged")?;
    let endian = file
        .endian()
        .context("the byte order in the ELF header does not exist")?;
    let mut damage = Vec::new();
    let headers = file.program_headers(endian, data).unwrap_or_else(|error| {
        damage.push(format!("program headers: {error}"));
        &[]
    });
    let mut binary = Binary {
        header: header(file, endian),
        segments: headers.iter().map(|header| segment::<E>(header, endian)).collect(),
        sections: Vec::new(),
        dynamic: Vec::new(),
        interpreter: None,
        soname: None,
        needed: Vec::new(),
        rpath: None,
        runpath: None,
        symbols: Vec::new(),
        version_needs: Vec::new(),
        version_definitions: Vec::new(),
        build_id: None,
        damage,
        bytes: Vec::new(),
    };
    binary.sections = sections(file, endian, data).unwrap_or_else(|error| {
        binary.damage.push(format!("section headers: {error}"));
        Vec::new()
    });
    for header in headers {
        match header.p_type(endian) {
            PT_INTERP => binary.interpreter = header.interpreter(endian, data).ok().flatten().map(text),
            PT_DYNAMIC => match header.dynamic(endian, data) {
                Ok(Some(entries)) => binary.dynamic = dynamic::<E>(entries, endian),
                _ => binary
                    .damage
                    .push("the dynamic section lies outside the file".to_owned()),
            },
            PT_NOTE if binary.build_id.is_none() => binary.build_id = build_id::<E>(header, endian, data),
            _ => {}
        }
    }
    binary.bytes = bytes;
    binary.damage.extend(cut(&binary));
    dynamic_content::<E>(&mut binary, endian)?;
    Ok(binary)
}

/// The first segment that ends behind the file.
fn cut(binary: &Binary) -> Option<String> {
    let length = binary.bytes.len() as u64;
    let end = |segment: &Segment| segment.offset.saturating_add(segment.file_size);
    let (index, segment) = (0..).zip(binary.loads()).find(|(_, segment)| end(segment) > length)?;
    let end = end(segment);
    let index: u32 = index;
    Some(format!(
        "the file is cut off: segment {index} ends at {end:#x}, the file at {length:#x}"
    ))
}

fn header<E: FileHeader<Endian = Endianness>>(file: &E, endian: Endianness) -> Header {
    let identity = file.e_ident();
    Header {
        bits: if file.is_class_64() { 64 } else { 32 },
        little_endian: file.is_little_endian(),
        osabi: identity.os_abi,
        abi_version: identity.abi_version,
        kind: file.e_type(endian),
        machine: file.e_machine(endian),
        flags: file.e_flags(endian),
        entry: file.e_entry(endian).into(),
    }
}

fn segment<E: FileHeader<Endian = Endianness>>(header: &E::ProgramHeader, endian: Endianness) -> Segment {
    Segment {
        kind: header.p_type(endian),
        flags: header.p_flags(endian),
        offset: header.p_offset(endian).into(),
        address: header.p_vaddr(endian).into(),
        file_size: header.p_filesz(endian).into(),
        memory_size: header.p_memsz(endian).into(),
        align: header.p_align(endian).into(),
    }
}

fn sections<E: FileHeader<Endian = Endianness>>(
    file: &E,
    endian: Endianness,
    data: &[u8],
) -> object::Result<Vec<Section>> {
    let table = file.sections(endian, data)?;
    let section = |header: &E::SectionHeader| Section {
        name: table.section_name(endian, header).map(text).unwrap_or_default(),
        kind: header.sh_type(endian),
        flags: header.sh_flags(endian).into(),
        address: header.sh_addr(endian).into(),
        offset: header.sh_offset(endian).into(),
        size: header.sh_size(endian).into(),
        link: header.sh_link(endian),
        info: header.sh_info(endian),
        entry_size: header.sh_entsize(endian).into(),
    };
    Ok(table.iter().map(section).collect())
}

/// Entries up to DT_NULL.
fn dynamic<E: FileHeader<Endian = Endianness>>(entries: &[E::Dyn], endian: Endianness) -> Vec<(u64, u64)> {
    let entries = entries
        .iter()
        .map(|entry| (entry.d_tag(endian).into(), entry.d_val(endian).into()));
    entries.take_while(|(tag, _)| *tag != 0).collect()
}

fn build_id<E: FileHeader<Endian = Endianness>>(
    header: &E::ProgramHeader,
    endian: Endianness,
    data: &[u8],
) -> Option<String> {
    let mut notes = header.notes(endian, data).ok()??;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == object::elf::ELF_NOTE_GNU && note.n_type(endian) == object::elf::NT_GNU_BUILD_ID {
            return Some(scan::hex(note.desc(), ""));
        }
    }
    None
}

/// A name of the file as text.
fn text(bytes: &[u8]) -> String {
    spelling::text(bytes)
}

/// Bytes of memory that a file's names may take for each byte of the file. A symbol takes at least 26 bytes of a file and less than 100 here besides its
/// name, so that no linker comes near; but tables may overlap, and each of their entries may name the same long text.
const NAMES: u64 = 16;

/// The dynamic string table, and how much of it was copied.
struct Strings {
    bytes: Vec<u8>,
    spent: Cell<u64>,
    most: u64,
}

impl Strings {
    /// The name at an offset; empty from the moment on when too much was taken.
    fn name(&self, offset: u64) -> String {
        if self.is_exhausted() {
            return String::new();
        }
        let rest = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        let length = memchr::memchr(0, rest).unwrap_or(rest.len());
        self.copy(rest.get(..length).unwrap_or_default())
    }

    fn copy(&self, name: &[u8]) -> String {
        let size = (size_of::<String>() + name.len()) as u64;
        self.spent.set(self.spent.get().saturating_add(size));
        if self.is_exhausted() { String::new() } else { text(name) }
    }

    fn is_exhausted(&self) -> bool {
        self.spent.get() > self.most
    }
}

/// What the dynamic section leads to.
///
/// # Errors
/// The names in its tables take more memory than any linker's ([`NAMES`]).
fn dynamic_content<E: FileHeader<Endian = Endianness>>(binary: &mut Binary, endian: Endianness) -> Result<()> {
    let Some(strings) = strings(binary) else {
        if !binary.dynamic.is_empty() {
            binary
                .damage
                .push("the dynamic string table lies outside the segments".to_owned());
        }
        return Ok(());
    };
    let string = |offset: u64| strings.name(offset);
    let all = |tag: u64| {
        binary
            .dynamic
            .iter()
            .filter(move |(one, _)| *one == tag)
            .map(|(_, value)| string(*value))
    };
    binary.needed = all(tag::NEEDED).collect();
    binary.soname = all(tag::SONAME).next();
    binary.rpath = all(tag::RPATH).next();
    binary.runpath = all(tag::RUNPATH).next();
    let (needs, wanted) = version_needs(binary, &strings).unwrap_or_default();
    let defined = version_definitions(binary, &strings).unwrap_or_default();
    binary.version_needs = needs;
    binary.version_definitions = defined
        .iter()
        .filter(|(_, _, is_base)| !is_base)
        .map(|(_, name, _)| name.clone())
        .collect();
    let versions = Versions::new(&strings, wanted, defined);
    binary.symbols = symbols::<E>(binary, endian, &string, &versions).unwrap_or_default();
    if strings.is_exhausted() {
        let (length, most) = (binary.bytes.len(), strings.most);
        let text = format!(
            "the names in its tables take more than {most} bytes, {NAMES} times the {length} bytes of the file, because tables or names overlap; lode-tool reads no such ELF file"
        );
        return Err(recognise::Beyond(text).into());
    }
    Ok(())
}

/// The dynamic string table.
fn strings(binary: &Binary) -> Option<Strings> {
    let (at, size) = (binary.dynamic_value(tag::STRTAB)?, binary.dynamic_value(tag::STRSZ)?);
    Some(Strings {
        bytes: binary.at(at, size)?.to_vec(),
        spent: Cell::default(),
        // A small file may have more of what is counted besides the bytes of names.
        most: (binary.bytes.len() as u64).saturating_mul(NAMES).max(1 << 20),
    })
}

/// Names of version indices.
struct Versions<'a> {
    strings: &'a Strings,
    /// By index: version, library
    wanted: HashMap<u16, (String, String)>,
    /// By index: version, but for the base version, which is the file's own name
    defined: HashMap<u16, String>,
}

impl<'a> Versions<'a> {
    /// Of several names of an index the first counts.
    fn new(
        strings: &'a Strings,
        wanted: Vec<(u16, String, String)>,
        defined: Vec<(u16, String, bool)>,
    ) -> Versions<'a> {
        let mut versions = Versions {
            strings,
            wanted: HashMap::new(),
            defined: HashMap::new(),
        };
        for (index, version, file) in wanted {
            versions.wanted.entry(index).or_insert((version, file));
        }
        for (index, version, _) in defined.into_iter().filter(|(.., is_base)| !is_base) {
            versions.defined.entry(index).or_insert(version);
        }
        versions
    }

    fn copy(&self, name: &str) -> Option<String> {
        Some(self.strings.copy(name.as_bytes()))
    }

    /// Gives a symbol its version by the index in DT_VERSYM.
    fn name(&self, symbol: &mut Symbol, index: u16) {
        let number = index & !HIDDEN;
        if number < 2 {
            return;
        }
        if let Some((version, file)) = self.wanted.get(&number) {
            symbol.version = self.copy(version);
            symbol.from = self.copy(file);
        } else if let Some(version) = self.defined.get(&number) {
            symbol.version = self.copy(version);
            symbol.is_default = index & HIDDEN == 0;
        }
    }
}

type Needs = (Vec<VersionNeed>, Vec<(u16, String, String)>);

/// DT_VERNEED: records of a library each, with a list of versions each (gABI supplement "Symbol Versioning"). Both are linked by
/// distances, which never go back.
fn version_needs(binary: &Binary, strings: &Strings) -> Option<Needs> {
    let string = |offset: u64| strings.name(offset);
    let words = binary.words();
    let (start, count) = (
        binary.dynamic_value(tag::VERNEED)?,
        binary.dynamic_value(tag::VERNEEDNUM)?,
    );
    let mut needs = Needs::default();
    let mut at = start;
    for _ in 0..count {
        let record = binary.at(at, 16)?;
        let (entries, file) = (words.half(record, 2)?, string(words.word(record, 4)?.into()));
        let (first, next) = (words.word(record, 8)?, words.word(record, 12)?);
        let mut need = VersionNeed {
            file,
            versions: Vec::new(),
        };
        let mut entry_at = at.checked_add(first.into())?;
        // The copies that are kept by index count as much as these names.
        for _ in 0..entries {
            if strings.is_exhausted() {
                return None;
            }
            let entry = binary.at(entry_at, 16)?;
            let name = string(words.word(entry, 8)?.into());
            need.versions.push((name.clone(), words.half(entry, 4)? & WEAK != 0));
            needs.1.push((words.half(entry, 6)? & !HIDDEN, name, need.file.clone()));
            match words.word(entry, 12)? {
                0 => break,
                step => entry_at = entry_at.checked_add(step.into())?,
            }
        }
        needs.0.push(need);
        match next {
            0 => break,
            next => at = at.checked_add(next.into())?,
        }
    }
    Some(needs)
}

/// DT_VERDEF: index, name, and whether it is the base version.
fn version_definitions(binary: &Binary, strings: &Strings) -> Option<Vec<(u16, String, bool)>> {
    let string = |offset: u64| strings.name(offset);
    let words = binary.words();
    let (start, count) = (
        binary.dynamic_value(tag::VERDEF)?,
        binary.dynamic_value(tag::VERDEFNUM)?,
    );
    let mut definitions = Vec::new();
    let mut at = start;
    for _ in 0..count {
        if strings.is_exhausted() {
            return None;
        }
        let record = binary.at(at, 20)?;
        let (flags, index) = (words.half(record, 2)?, words.half(record, 4)?);
        let (first, next) = (words.word(record, 12)?, words.word(record, 16)?);
        let name = binary.at(at.checked_add(first.into())?, 8)?;
        definitions.push((index & !HIDDEN, string(words.word(name, 0)?.into()), flags & BASE != 0));
        match next {
            0 => break,
            next => at = at.checked_add(next.into())?,
        }
    }
    Some(definitions)
}

fn symbols<E: FileHeader<Endian = Endianness>>(
    binary: &Binary,
    endian: Endianness,
    string: &impl Fn(u64) -> String,
    versions: &Versions<'_>,
) -> Option<Vec<Symbol>> {
    let table = binary.dynamic_value(tag::SYMTAB)?;
    let size = size_of::<E::Sym>() as u64;
    let count = symbol_count::<E>(binary, endian, size)?;
    let bytes = binary.at(table, count.checked_mul(size)?)?;
    let entries: &[E::Sym] = bytes.read_slice_at(0, usize::try_from(count).ok()?).ok()?;
    let indices = binary
        .dynamic_value(tag::VERSYM)
        .and_then(|at| binary.at(at, count.checked_mul(2)?));
    let symbol = |(index, entry): (u64, &E::Sym)| {
        let mut symbol = Symbol {
            name: string(entry.st_name(endian).into()),
            version: None,
            is_default: false,
            from: None,
            value: entry.st_value(endian).into(),
            size: entry.st_size(endian).into(),
            binding: entry.st_bind(),
            kind: entry.st_type(),
            visibility: entry.st_visibility(),
            section: entry.st_shndx(endian),
        };
        if let Some(index) = indices.and_then(|indices| binary.words().half(indices, index * 2)) {
            versions.name(&mut symbol, index);
        }
        symbol
    };
    Some((0..).zip(entries).map(symbol).collect())
}

/// How many symbols the table has. No tag says it: the hash tables do, and section headers.
fn symbol_count<E: FileHeader<Endian = Endianness>>(binary: &Binary, endian: Endianness, size: u64) -> Option<u64> {
    let rest = |address: u64| {
        let segment = binary.loads().find(|segment| segment.holds(address))?;
        binary.at(address, segment.file_size - (address - segment.address))
    };
    let by_section = || {
        binary
            .sections
            .iter()
            .find(|section| section.kind == SHT_DYNSYM && Some(section.address) == binary.dynamic_value(tag::SYMTAB))
            .map(|section| section.size / size)
    };
    let sysv = || {
        let table = HashTable::<E>::parse(endian, rest(binary.dynamic_value(tag::HASH)?)?).ok()?;
        Some(table.symbol_table_length().into())
    };
    let gnu = || {
        let table = GnuHashTable::<E>::parse(endian, rest(binary.dynamic_value(tag::GNU_HASH)?)?).ok()?;
        // A table without a hashed symbol ends where it would start.
        Some(table.symbol_table_length(endian).unwrap_or(table.symbol_base()).into())
    };
    // A GNU hash table counts up to the last definition, and references stand before these; a file without definitions has an empty one.
    let hashed = sysv().or_else(gnu).max(by_relocations(binary));
    by_section().or(hashed).filter(|count| *count > 0)
}

/// One more than the highest symbol that a dynamic relocation names.
fn by_relocations(binary: &Binary) -> Option<u64> {
    /// DT_RELA, DT_REL and DT_JMPREL with their sizes, and whether the last is of the first kind.
    const TABLES: [(u64, u64, Option<bool>); 3] = [(7, 8, Some(true)), (17, 18, Some(false)), (23, 2, None)];
    const PLTREL: u64 = 20;
    const RELA: u64 = 7;
    let words = binary.words();
    let mut highest = None;
    for (table, size, has_addend) in TABLES {
        let has_addend = has_addend.unwrap_or(binary.dynamic_value(PLTREL) == Some(RELA));
        let entry = words.size() * if has_addend { 3 } else { 2 };
        let records = || binary.at(binary.dynamic_value(table)?, binary.dynamic_value(size)?);
        for record in records().unwrap_or_default().chunks_exact(usize::try_from(entry).ok()?) {
            let info = words.address(record, words.size())?;
            let symbol = if words.bits == 64 { info >> 32 } else { info >> 8 };
            highest = highest.max(Some(symbol + 1));
        }
    }
    highest
}
