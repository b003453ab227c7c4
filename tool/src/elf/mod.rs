//! One ELF file as values, for people's questions: any class, byte order and machine, and whatever a linker or a vandal wrote.
//!
//! Everything is found the way a loader finds it, through program headers and the dynamic section. Section headers are read
//! too, where a file has them, because people know places by section names. What is damaged is left out and noted in
//! [`Binary::damage`]; whether lode loads a file is not decided here but by the loader's own stages (`verdict`).

pub mod musl;
pub mod notes;
mod read;
pub mod recognise;
pub mod words;

pub use read::NoElf;

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// `EM_386`
pub const EM_386: u16 = 3;
/// `EM_X86_64`
pub const EM_X86_64: u16 = 62;
/// `EM_AARCH64`
pub const EM_AARCH64: u16 = 183;
/// `EM_RISCV`
pub const EM_RISCV: u16 = 243;

/// What the ELF header says (gABI, "ELF Header").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Bits of an address: 32 or 64
    pub bits: u8,
    /// Whether numbers are little-endian
    pub little_endian: bool,
    /// `EI_OSABI`
    pub osabi: u8,
    /// `EI_ABIVERSION`
    pub abi_version: u8,
    /// `e_type`
    pub kind: u16,
    /// `e_machine`
    pub machine: u16,
    /// `e_flags`
    pub flags: u32,
    /// `e_entry`, a link-time address
    pub entry: u64,
}

impl Header {
    /// `x86-64`, `AArch64`, …, with the class where it is not the machine's usual one.
    pub fn machine_name(&self) -> String {
        let name = lode::elf::header::machine_name(self.machine);
        match (self.machine, self.bits) {
            (EM_X86_64, 32) => "x32 (x86-64 with 32-bit addresses)".to_owned(),
            (EM_RISCV, bits) => format!("RISC-V, {bits}-bit"),
            _ => name.to_owned(),
        }
    }
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// `p_type`
    pub kind: u32,
    /// `p_flags`: 1 execute, 2 write, 4 read
    pub flags: u32,
    /// File offset, in bytes
    pub offset: u64,
    /// Link-time address
    pub address: u64,
    /// Bytes in the file
    pub file_size: u64,
    /// Bytes in memory
    pub memory_size: u64,
    /// `p_align`
    pub align: u64,
}

/// `PT_LOAD`
pub const PT_LOAD: u32 = 1;
/// `PT_DYNAMIC`
pub const PT_DYNAMIC: u32 = 2;
/// `PT_INTERP`
pub const PT_INTERP: u32 = 3;
/// `PT_NOTE`
pub const PT_NOTE: u32 = 4;
/// `PT_TLS`
pub const PT_TLS: u32 = 7;

impl Segment {
    /// Whether `address` lies in the part that comes from the file.
    pub fn holds(&self, address: u64) -> bool {
        address
            .checked_sub(self.address)
            .is_some_and(|into| into < self.file_size)
    }

    /// Whether `address` lies in the segment as it is in memory.
    pub fn spans(&self, address: u64) -> bool {
        address
            .checked_sub(self.address)
            .is_some_and(|into| into < self.memory_size)
    }

    /// `r--`, `r-x`, …
    pub fn access(&self) -> String {
        let letter = |bit: u32, letter: char| if self.flags & bit == 0 { '-' } else { letter };
        [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')].iter().collect()
    }
}

/// A section header with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name; empty when the name table is damaged
    pub name: String,
    /// `sh_type`
    pub kind: u32,
    /// `sh_flags`
    pub flags: u64,
    /// Link-time address, 0 when it is not in memory
    pub address: u64,
    /// File offset, in bytes
    pub offset: u64,
    /// In bytes
    pub size: u64,
    /// `sh_link`
    pub link: u32,
    /// `sh_info`
    pub info: u32,
    /// Bytes of one entry, 0 when it has none
    pub entry_size: u64,
}

/// A symbol of the dynamic symbol table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Symbol {
    /// Its name
    pub name: String,
    /// The version it has (definition) or wants (reference)
    pub version: Option<String>,
    /// For a definition: whether references without a version get this one (`name@@version`)
    pub is_default: bool,
    /// The library that the reference's version belongs to (`vn_file`)
    pub from: Option<String>,
    /// Link-time address, offset in the TLS image, or a plain number
    pub value: u64,
    /// In bytes
    pub size: u64,
    /// `STB_…`
    pub binding: u8,
    /// `STT_…`
    pub kind: u8,
    /// `STV_…`
    pub visibility: u8,
    /// `st_shndx`; 0 for a reference
    pub section: u16,
}

impl Symbol {
    /// Whether this file defines it for others.
    pub fn is_defined(&self) -> bool {
        self.section != 0 && self.binding != 0
    }

    /// Whether this is a reference that has to be satisfied by a library.
    pub fn is_wanted(&self) -> bool {
        self.section == 0 && !self.name.is_empty()
    }

    /// Whether a reference may stay unsatisfied (`STB_WEAK`).
    pub fn is_weak(&self) -> bool {
        self.binding == 2
    }

    /// `name`, `name@VERSION` or `name@@VERSION`, as `nm -D` writes it.
    pub fn full_name(&self) -> String {
        match &self.version {
            Some(version) if self.is_defined() && self.is_default => format!("{}@@{version}", self.name),
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Versions of one library that a file wants (`DT_VERNEED`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionNeed {
    /// The library (`vn_file`)
    pub file: String,
    /// The versions, and whether each may be absent (`VER_FLG_WEAK`)
    pub versions: Vec<(String, bool)>,
}

/// One ELF file.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The ELF header
    pub header: Header,
    /// The program headers
    pub segments: Vec<Segment>,
    /// The section headers; empty when there are none
    pub sections: Vec<Section>,
    /// The dynamic section up to `DT_NULL`: tag and value
    pub dynamic: Vec<(u64, u64)>,
    /// `PT_INTERP`
    pub interpreter: Option<String>,
    /// `DT_SONAME`
    pub soname: Option<String>,
    /// `DT_NEEDED`, in order
    pub needed: Vec<String>,
    /// `DT_RPATH`
    pub rpath: Option<String>,
    /// `DT_RUNPATH`
    pub runpath: Option<String>,
    /// Dynamic symbols, the null symbol included, so that indices agree with relocations
    pub symbols: Vec<Symbol>,
    /// `DT_VERNEED`
    pub version_needs: Vec<VersionNeed>,
    /// `DT_VERDEF`, without the base version
    pub version_definitions: Vec<String>,
    /// The build-id, in hexadecimal
    pub build_id: Option<String>,
    /// What could not be read, in words
    pub damage: Vec<String>,
    /// The file
    pub bytes: Vec<u8>,
}

impl Binary {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no ELF file; the text then says what it is instead ([`recognise`]).
    pub fn open(path: &Path) -> Result<Binary> {
        let bytes = recognise::read(path)?;
        Binary::parse(bytes).with_context(|| path.display().to_string())
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// They have no ELF header that can be understood.
    pub fn parse(bytes: Vec<u8>) -> Result<Binary> {
        read::binary(bytes)
    }

    /// The value of the first dynamic entry with this tag.
    pub fn dynamic_value(&self, tag: u64) -> Option<u64> {
        self.dynamic
            .iter()
            .find(|(one, _)| *one == tag)
            .map(|(_, value)| *value)
    }

    /// Where the byte at a link-time address stands in the file; `None` for addresses outside the segments, and for zeros behind a segment's bytes.
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let segment = self.loads().find(|segment| segment.holds(address))?;
        segment.offset.checked_add(address - segment.address)
    }

    /// `length` bytes at a link-time address, if the file has them.
    pub fn at(&self, address: u64, length: u64) -> Option<&[u8]> {
        let segment = self.loads().find(|segment| segment.holds(address))?;
        let into = address - segment.address;
        let end = into.checked_add(length)?;
        if end > segment.file_size {
            return None;
        }
        let from = usize::try_from(segment.offset.checked_add(into)?).ok()?;
        self.bytes.get(from..from.checked_add(usize::try_from(length).ok()?)?)
    }

    /// The segments that are mapped.
    pub fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.kind == PT_LOAD)
    }

    /// The section that holds a link-time address, if the file has section headers.
    pub fn section_at(&self, address: u64) -> Option<&Section> {
        /// `SHF_ALLOC`, and `SHF_TLS`: sections with that bit and no bytes take no addresses.
        const ALLOC: u64 = 2;
        self.sections.iter().find(|section| {
            section.flags & ALLOC != 0
                && address
                    .checked_sub(section.address)
                    .is_some_and(|into| into < section.size)
        })
    }

    /// The defined dynamic symbol that covers or precedes nothing else but `address`.
    pub fn symbol_at(&self, address: u64) -> Option<&Symbol> {
        self.symbols.iter().find(|symbol| {
            symbol.is_defined()
                && address
                    .checked_sub(symbol.value)
                    .is_some_and(|into| into < symbol.size.max(1))
        })
    }

    /// How the file's numbers are written.
    pub fn words(&self) -> words::Words {
        words::Words {
            bits: self.header.bits,
            little_endian: self.header.little_endian,
        }
    }

    /// Whether it can be started: it has an entry and names an interpreter, or is of the type for programs alone (`ET_EXEC`).
    pub fn is_program(&self) -> bool {
        self.interpreter.is_some() || self.header.kind == 2
    }
}
