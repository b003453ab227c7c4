//! What a file puts into memory, to be asked for by symbol, section or address; and what stands there when a loader is done.
//!
//! An object file has no addresses yet. Its sections are given made-up ones, far from each other, so that the same questions can be asked; people see
//! section and offset.

use std::collections::BTreeMap;

use lode::arch::{Ask, Field};
use serde::Serialize;

use crate::elf::{Binary, Section, Symbol};
use crate::relocations::{self, Relocation, Relocations};

/// `ET_REL` and `ET_EXEC`
const ET_REL: u16 = 1;
const ET_EXEC: u16 = 2;
/// `SHF_ALLOC`
const ALLOC: u64 = 2;
/// `SHT_SYMTAB`
const SHT_SYMTAB: u32 = 2;
/// `STT_FUNC`, `STT_SECTION`, `STT_FILE`, `STT_TLS`
pub const STT_FUNC: u8 = 2;
const STT_SECTION: u8 = 3;
const STT_FILE: u8 = 4;
const STT_TLS: u8 = 6;
/// `SHN_ABS`: the value is a number, no address
const ABSOLUTE: u16 = 0xfff1;

/// How far apart the sections of an object file are put.
const STEP: u64 = 1 << 40;

/// The longest text that is shown, in bytes.
const LONGEST_TEXT: u64 = 200;

/// A range of memory and what the file has for it.
struct Extent<'a> {
    start: u64,
    size: u64,
    /// Bytes of the file; what lies behind them is zero
    bytes: &'a [u8],
}

/// A symbol with a place.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its name, without a version
    pub name: String,
    /// Where it is
    pub address: u64,
    /// In bytes
    pub size: u64,
    /// `STT_…`
    pub kind: u8,
    /// Whether other files see it
    pub is_global: bool,
}

/// A file's memory.
pub struct Contents<'a> {
    /// The file
    pub binary: &'a Binary,
    extents: Vec<Extent<'a>>,
    /// All symbols that have a place, by address
    pub names: Vec<Named>,
    /// The symbols that relocations count from
    symbols: Vec<Symbol>,
    relocations: BTreeMap<u64, Relocation>,
    copies: Vec<(u64, u64, String)>,
    /// What could not be read, in words
    pub damage: Vec<String>,
}

/// A word as a program sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    /// Where it is
    pub address: u64,
    /// In bytes
    pub size: u64,
    /// What stands in the file
    pub stored: u64,
    /// What will stand there
    pub value: Value,
    /// The relocation that makes it so, as the psABI names it
    pub relocation: Option<String>,
    /// The table that the relocation stands in
    pub table: Option<&'static str>,
}

/// What a word will hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Value {
    /// A number
    Number {
        /// As it is
        number: u64,
    },
    /// A place in this file
    Address {
        /// Its link-time address
        address: u64,
        /// Who decides that
        by: By,
    },
    /// The address of what another file, or this one, defines
    Symbol {
        /// Its name with its version
        name: String,
        /// What is added, in two's complement
        addend: u64,
        /// Its link-time address, if this file defines it and no file before it does
        address: Option<u64>,
        /// Whether it may stay without a definition, and is zero then
        weak: bool,
    },
    /// Something else, in words
    Other {
        /// The words
        text: String,
    },
}

/// What makes a word an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The load bias is added
    Relative,
    /// The file is loaded where it says, so that the number is the address already. That a number is one is a guess
    Fixed,
}

impl<'a> Contents<'a> {
    /// Lays a file out.
    pub fn of(binary: &'a Binary) -> Contents<'a> {
        let is_object = binary.header.kind == ET_REL;
        let mut contents = Contents {
            binary,
            extents: Vec::new(),
            names: Vec::new(),
            symbols: Vec::new(),
            relocations: BTreeMap::new(),
            copies: Vec::new(),
            damage: binary.damage.clone(),
        };
        let table = static_symbols(binary);
        if is_object {
            contents.lay_out_sections();
            contents.symbols = table.clone();
        } else {
            contents.lay_out_segments();
            contents.symbols = binary.symbols.clone();
            contents.take_dynamic_relocations();
        }
        let all = binary.symbols.iter().chain(&table);
        let mut names: Vec<Named> = all.filter_map(|symbol| contents.named(symbol)).collect();
        names.sort_by(|one, other| (one.address, &one.name).cmp(&(other.address, &other.name)));
        names.dedup_by(|one, other| (one.address, &one.name) == (other.address, &other.name));
        contents.names = names;
        contents
    }

    fn lay_out_sections(&mut self) {
        for (index, section) in self.binary.sections.iter().enumerate() {
            if section.flags & ALLOC == 0 {
                continue;
            }
            let start = section_start(index);
            self.extents.push(Extent {
                start,
                size: section.size.min(STEP),
                bytes: relocations::content(self.binary, section).unwrap_or_default(),
            });
            let found = Relocations::of_section(self.binary, index);
            self.damage.extend(found.damage);
            for relocation in found.all {
                self.take(Relocation {
                    place: start.wrapping_add(relocation.place),
                    ..relocation
                });
            }
        }
    }

    fn lay_out_segments(&mut self) {
        let binary = self.binary;
        self.extents = binary
            .loads()
            .map(|segment| Extent {
                start: segment.address,
                size: segment.memory_size,
                bytes: binary.at(segment.address, segment.file_size).unwrap_or_default(),
            })
            .collect();
    }

    fn take_dynamic_relocations(&mut self) {
        let found = Relocations::of(self.binary);
        self.damage.extend(found.damage);
        for relocation in found.all {
            if relocation.ask(self.binary.header.machine) == Some(Ask::Copy) {
                let Some(symbol) = self.symbols.get(relocation.symbol as usize) else {
                    continue;
                };
                self.copies.push((relocation.place, symbol.size, symbol.full_name()));
            } else {
                self.take(relocation);
            }
        }
    }

    /// Of several relocations of one place the last is what stays, but one of nothing.
    fn take(&mut self, relocation: Relocation) {
        if relocation.ask(self.binary.header.machine) != Some(Ask::Nothing) {
            self.relocations.insert(relocation.place, relocation);
        }
    }

    fn named(&self, symbol: &Symbol) -> Option<Named> {
        let is_place = symbol.section != 0 && symbol.section < 0xff00;
        if !is_place || is_label(&symbol.name) || matches!(symbol.kind, STT_SECTION | STT_FILE | STT_TLS) {
            return None;
        }
        Some(Named {
            name: symbol.name.clone(),
            address: self.symbol_address(symbol)?,
            size: symbol.size,
            kind: symbol.kind,
            is_global: symbol.binding != 0,
        })
    }

    /// Where a symbol is, if this file defines it.
    fn symbol_address(&self, symbol: &Symbol) -> Option<u64> {
        if symbol.section == 0 || symbol.section == ABSOLUTE {
            return None;
        }
        match self.binary.header.kind {
            ET_REL if symbol.section < 0xff00 => Some(section_start(symbol.section.into()).wrapping_add(symbol.value)),
            ET_REL => None,
            _ => Some(symbol.value),
        }
    }

    /// Whether an address is in memory.
    pub fn holds(&self, address: u64) -> bool {
        self.extent(address).is_some()
    }

    fn extent(&self, address: u64) -> Option<&Extent<'a>> {
        self.extents
            .iter()
            .find(|extent| address.wrapping_sub(extent.start) < extent.size)
    }

    /// How many bytes of memory there are from `address` on.
    pub fn room(&self, address: u64) -> u64 {
        self.extent(address)
            .map_or(0, |extent| extent.size - (address - extent.start))
    }

    /// At most `length` bytes from `address` on, with the zeros behind what the file has.
    pub fn bytes(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let extent = self.extent(address)?;
        let into = address - extent.start;
        let length = usize::try_from(length.min(extent.size - into)).ok()?;
        let from = usize::try_from(into).unwrap_or(usize::MAX);
        let stored = extent.bytes.get(from..).unwrap_or_default();
        let mut bytes = stored.get(..length).unwrap_or(stored).to_vec();
        bytes.resize(length, 0);
        Some(bytes)
    }

    /// The words of a range. Where a relocation has a place of its own, a word begins.
    pub fn words(&self, start: u64, length: u64) -> Vec<Word> {
        let mut words = Vec::new();
        let size = self.binary.words().size();
        let end = start.saturating_add(length.min(self.room(start)));
        let mut at = start;
        while at < end {
            let word = match self.relocations.get(&at) {
                Some(relocation) => self.relocated(relocation),
                None => {
                    let next = self.relocations.range(at..end).next().map_or(end, |(place, _)| *place);
                    // Words are counted from the start of what was asked for.
                    let boundary = at + size - (at - start) % size;
                    self.plain(at, boundary.min(next).min(end) - at)
                }
            };
            at += word.size.max(1);
            words.push(word);
        }
        words
    }

    fn stored(&self, address: u64, size: u64) -> u64 {
        let bytes = self.bytes(address, size).unwrap_or_default();
        self.binary
            .words()
            .number(&bytes, 0, bytes.len() as u64)
            .unwrap_or_default()
    }

    fn plain(&self, address: u64, size: u64) -> Word {
        let stored = self.stored(address, size);
        let is_pointer = size == self.binary.words().size();
        let copy = self
            .copies
            .iter()
            .find(|(start, length, _)| address.wrapping_sub(*start) < *length);
        let value = match copy {
            Some((start, _, name)) => Value::Other {
                text: format!("copied from the library's {}", with_offset(name, address - start)),
            },
            None if is_pointer && self.binary.header.kind == ET_EXEC && self.holds(stored) => Value::Address {
                address: stored,
                by: By::Fixed,
            },
            None => Value::Number { number: stored },
        };
        Word {
            address,
            size,
            stored,
            value,
            relocation: copy.is_some().then(|| "COPY".to_owned()),
            table: None,
        }
    }

    fn relocated(&self, relocation: &Relocation) -> Word {
        let machine = self.binary.header.machine;
        let ask = relocation.ask(machine);
        let size = match ask {
            Some(Ask::TlsDescriptor) => self.binary.words().size() * 2,
            Some(ask) => field(ask).map_or(self.binary.words().size(), Field::size),
            None => 4,
        };
        let stored = self.stored(relocation.place, size);
        let addend = relocation.addend.unwrap_or(stored);
        let value = self.value(relocation, ask, addend);
        Word {
            address: relocation.place,
            size,
            stored,
            value,
            relocation: Some(relocation.name(machine)),
            table: Some(relocation.form.name()),
        }
    }

    fn value(&self, relocation: &Relocation, ask: Option<Ask>, addend: u64) -> Value {
        let symbol = self.symbols.get(relocation.symbol as usize);
        let name = || match symbol {
            Some(symbol) if relocation.symbol != 0 => self.symbol_name(symbol),
            _ => "this file".to_owned(),
        };
        let other = |text: String| Value::Other { text };
        match ask {
            Some(Ask::Relative) => Value::Address {
                address: self.binary.words().cut(addend),
                by: By::Relative,
            },
            Some(Ask::Value { pc_relative: false, .. }) => self.of_symbol(relocation.symbol, symbol, addend),
            Some(Ask::GlobDat | Ask::JumpSlot) => self.of_symbol(relocation.symbol, symbol, 0),
            Some(Ask::Value { pc_relative: true, .. }) => other(format!("{} - here", signed_sum(&name(), addend))),
            Some(Ask::Size(_)) => other(signed_sum(&format!("size of {}", name()), addend)),
            Some(Ask::TlsModule) => other(format!("number of the TLS block of {}", name())),
            Some(Ask::TlsModuleOffset(_)) => {
                other(signed_sum(&format!("place in its TLS block of {}", name()), addend))
            }
            Some(Ask::ThreadOffset(_)) => other(signed_sum(
                &format!("distance from the thread pointer of {}", name()),
                addend,
            )),
            Some(Ask::TlsDescriptor) => other(signed_sum(&format!("TLS descriptor of {}", name()), addend)),
            Some(Ask::Indirect) => other(format!(
                "what the resolver {} answers",
                self.place_name(self.binary.words().cut(addend))
            )),
            // A copy is kept apart, and nothing is never kept.
            Some(Ask::Copy | Ask::Nothing) => other(name()),
            None => other(format!(
                "{} of {}",
                relocation.name(self.binary.header.machine),
                signed_sum(&name(), addend)
            )),
        }
    }

    /// What an absolute word is whose relocation names a symbol.
    fn of_symbol(&self, index: u32, symbol: Option<&Symbol>, addend: u64) -> Value {
        let Some(symbol) = symbol.filter(|_| index != 0) else {
            return Value::Number { number: addend };
        };
        let address = self.symbol_address(symbol);
        // In an object file a section, or a local symbol, is the place itself.
        if let (Some(address), true) = (address, symbol.binding == 0) {
            return Value::Address {
                address: address.wrapping_add(addend),
                by: By::Relative,
            };
        }
        Value::Symbol {
            name: symbol.full_name(),
            addend,
            address: address.map(|address| address.wrapping_add(addend)),
            weak: symbol.is_weak() && symbol.section == 0,
        }
    }

    fn symbol_name(&self, symbol: &Symbol) -> String {
        if symbol.kind == STT_SECTION
            && let Some(section) = self.binary.sections.get(usize::from(symbol.section))
        {
            return section.name.clone();
        }
        symbol.full_name()
    }

    /// The symbol that an address belongs to: the one that starts last before it and reaches it. Among equals one with a size, then
    /// one that others see, then the first by name, so that the answer does not depend on a linker's order.
    pub fn symbol_at(&self, address: u64) -> Option<&Named> {
        let behind = self.names.partition_point(|named| named.address <= address);
        let reaches = |named: &&Named| address == named.address || address - named.address < named.size;
        let before = self.names.get(..behind).unwrap_or_default();
        // A long symbol may hold many short ones, but hardly more than this.
        let near = before.iter().rev().take(256).filter(reaches);
        near.min_by_key(|named| {
            (
                address - named.address,
                named.size == 0,
                !named.is_global,
                named.name.clone(),
            )
        })
    }

    /// The section that holds an address.
    pub fn section_at(&self, address: u64) -> Option<(&Section, u64)> {
        if self.binary.header.kind == ET_REL {
            let index = usize::try_from(address / STEP).ok()?.checked_sub(1)?;
            return Some((self.binary.sections.get(index)?, address % STEP));
        }
        let section = self.binary.section_at(address)?;
        Some((section, address - section.address))
    }

    /// An address in words: `name+0x10`, text in quotes, `.data+0x18`, or the number.
    pub fn place_name(&self, address: u64) -> String {
        if let Some(named) = self.symbol_at(address) {
            return with_offset(&named.name, address - named.address);
        }
        if let Some(text) = self.text(address) {
            return text;
        }
        match self.section_at(address) {
            Some((section, offset)) if !section.name.is_empty() => with_offset(&section.name, offset),
            _ => format!("{address:#x}"),
        }
    }

    /// The text at an address of read-only memory, in quotes: printable, of more than no byte, ended by NUL.
    pub fn text(&self, address: u64) -> Option<String> {
        if self.is_writable(address) || self.relocations.contains_key(&address) {
            return None;
        }
        let bytes = self.bytes(address, LONGEST_TEXT)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let is_text = !text.is_empty() && text.chars().all(|one| !one.is_control() || matches!(one, '\n' | '\t'));
        is_text.then(|| format!("{text:?}"))
    }

    fn is_writable(&self, address: u64) -> bool {
        /// `SHF_WRITE`, `PF_W`
        const SECTION_WRITE: u64 = 1;
        const SEGMENT_WRITE: u32 = 2;
        if self.binary.header.kind == ET_REL {
            return self
                .section_at(address)
                .is_some_and(|(section, _)| section.flags & SECTION_WRITE != 0);
        }
        self.binary
            .loads()
            .any(|segment| segment.spans(address) && segment.flags & SEGMENT_WRITE != 0)
    }

    /// The address of a section, by its name.
    pub fn section(&self, name: &str) -> Option<(u64, u64)> {
        let mut sections = self.binary.sections.iter().enumerate();
        let (index, section) = sections.find(|(_, section)| section.name == name && section.flags & ALLOC != 0)?;
        let start = match self.binary.header.kind {
            ET_REL => section_start(index),
            _ => section.address,
        };
        Some((start, section.size))
    }
}

/// Where a section of an object file is put.
fn section_start(index: usize) -> u64 {
    (index as u64).wrapping_add(1).wrapping_mul(STEP)
}

fn field(ask: Ask) -> Option<Field> {
    match ask {
        Ask::Value { field, .. } | Ask::Size(field) | Ask::TlsModuleOffset(field) | Ask::ThreadOffset(field) => {
            Some(field)
        }
        _ => None,
    }
}

/// Whether a name is none that somebody gave: empty, a local label of an assembler, or a mark of where code and data begin (`$d.2`; ELF for
/// the Arm architectures and RISC-V, "Mapping symbols").
fn is_label(name: &str) -> bool {
    let is_mark = |rest: &str| {
        let mut letters = rest.chars();
        matches!(letters.next(), Some('a' | 'd' | 't' | 'x')) && matches!(letters.next(), None | Some('.'))
    };
    name.is_empty() || name.starts_with(".L") || name.strip_prefix('$').is_some_and(is_mark)
}

/// `name`, or `name+0x10`.
pub fn with_offset(name: &str, offset: u64) -> String {
    match offset {
        0 => name.to_owned(),
        offset => format!("{name}+{offset:#x}"),
    }
}

/// `name`, `name+0x10` or `name-0x4`.
pub fn signed_sum(name: &str, addend: u64) -> String {
    match addend as i64 {
        negative if negative < 0 => format!("{name}-{:#x}", negative.unsigned_abs()),
        _ => with_offset(name, addend),
    }
}

/// The symbols of SHT_SYMTAB, the null symbol included: what a debugger knows and a loader does not.
fn static_symbols(binary: &Binary) -> Vec<Symbol> {
    let Some(table) = binary.sections.iter().find(|section| section.kind == SHT_SYMTAB) else {
        return Vec::new();
    };
    let strings = binary
        .sections
        .get(table.link as usize)
        .and_then(|section| relocations::content(binary, section))
        .unwrap_or_default();
    let words = binary.words();
    let entry_size = if words.bits == 64 { 24 } else { 16 };
    let bytes = relocations::content(binary, table).unwrap_or_default();
    let symbol = |entry: &[u8]| {
        // 32-bit entries have the numbers before the attributes.
        let (value, size, info, other, section) = match words.bits {
            64 => (words.number(entry, 8, 8)?, words.number(entry, 16, 8)?, 4, 5, 6),
            _ => (words.number(entry, 4, 4)?, words.number(entry, 8, 4)?, 12, 13, 14),
        };
        let (info, other) = (*entry.get(info)?, *entry.get(other)?);
        let name = strings.get(words.word(entry, 0)? as usize..).unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(Symbol {
            name: String::from_utf8_lossy(name).into_owned(),
            version: None,
            is_default: false,
            from: None,
            value,
            size,
            binding: info >> 4,
            kind: info & 0xf,
            visibility: other & 3,
            section: words.half(entry, section)?,
        })
    };
    bytes.chunks_exact(entry_size).filter_map(symbol).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_assemblers_name_nothing() {
        for label in ["", ".L", ".L.str.1", "$d", "$x.3", "$t", "$a"] {
            assert!(is_label(label), "{label}");
        }
        for name in ["main", "$", "$data", "$x1", ".hidden", "_L"] {
            assert!(!is_label(name), "{name}");
        }
    }

    #[test]
    fn sums_are_written_with_their_sign() {
        assert_eq!(
            (with_offset("a", 0), with_offset("a", 16)),
            ("a".to_owned(), "a+0x10".to_owned())
        );
        assert_eq!(signed_sum("a", -4i64 as u64), "a-0x4");
        assert_eq!(signed_sum("a", i64::MIN as u64), "a-0x8000000000000000");
    }
}
