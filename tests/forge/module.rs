//! A module in the making: collects what an object has, and writes a valid image of it.

use crate::forged::Forged;
use crate::hash::{gnu_buckets, gnu_hash, gnu_table, sysv_table};
use crate::version::{Need, Version, Versions};
use crate::{Bytes, DATA, RELRO, Strings, TEXT};

const PAGE: usize = 4096;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_TLS: u32 = 7;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const R: u32 = 4;
const RW: u32 = 6;
const RX: u32 = 5;

/// STB_*: how a symbol binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification\'s own")]
pub enum Binding {
    Local = 0,
    Global = 1,
    Weak = 2,
    Unique = 10,
}

/// STT_*: what a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification\'s own")]
pub enum Kind {
    None = 0,
    Object = 1,
    Function = 2,
    Tls = 6,
    Ifunc = 10,
}

/// STV_*: who sees a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification\'s own")]
pub enum Visibility {
    Default = 0,
    Internal = 1,
    Hidden = 2,
    Protected = 3,
}

/// Which hash tables an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification\'s own")]
pub enum HashStyle {
    Gnu,
    Sysv,
    Both,
    Neither,
}

/// A symbol of a module, by the order in which it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolId(usize);

struct Symbol {
    name: String,
    binding: Binding,
    kind: Kind,
    visibility: Visibility,
    /// `None`: undefined.
    section: Option<u16>,
    value: u64,
    size: u64,
    version: Version,
}

struct Relocation {
    place: u64,
    kind: u32,
    symbol: Option<SymbolId>,
    addend: i64,
}

/// The initial image of thread-local storage, which is part of the relro bytes.
struct TlsTemplate {
    address: u64,
    size: u64,
    zeros: u64,
    align: u64,
}

/// A module in the making. It panics on what cannot be written: forging is for tests.
pub struct Module {
    soname: Option<String>,
    interpreter: Option<String>,
    fixed: bool,
    entry: u64,
    strings_of_tags: Vec<(u64, String)>,
    tags: Vec<(u64, u64)>,
    symbols: Vec<Symbol>,
    versions: Versions,
    relocations: Vec<Relocation>,
    implicit: Vec<Relocation>,
    slots: Vec<Relocation>,
    implicit_slots: Vec<Relocation>,
    relr: Vec<u64>,
    text: Vec<u8>,
    relro: Vec<u8>,
    data: Vec<u8>,
    bss: u64,
    tls: Option<TlsTemplate>,
    hash_style: HashStyle,
    executable_stack: bool,
}

impl Module {
    /// A shared object that calls itself `soname`.
    pub fn library(soname: &str) -> Module {
        Module {
            soname: Some(soname.to_owned()),
            ..Module::program("")
        }
    }

    /// A position-independent program that names `interpreter` (none when empty).
    pub fn program(interpreter: &str) -> Module {
        Module {
            soname: None,
            interpreter: (!interpreter.is_empty()).then(|| interpreter.to_owned()),
            fixed: false,
            entry: TEXT,
            strings_of_tags: Vec::new(),
            tags: Vec::new(),
            symbols: Vec::new(),
            versions: Versions {
                next: 2,
                ..Versions::default()
            },
            relocations: Vec::new(),
            implicit: Vec::new(),
            slots: Vec::new(),
            implicit_slots: Vec::new(),
            relr: Vec::new(),
            text: Vec::new(),
            relro: Vec::new(),
            data: Vec::new(),
            bss: 0,
            tls: None,
            hash_style: HashStyle::Both,
            executable_stack: false,
        }
    }

    /// Makes it ET_EXEC: its addresses are final.
    pub fn fixed(&mut self) -> &mut Module {
        self.fixed = true;
        self
    }

    /// The address at which a program starts; without it the first byte of its text.
    pub fn entry(&mut self, address: u64) -> &mut Module {
        self.entry = address;
        self
    }

    /// Which hash tables it has; without it both.
    pub fn hash_style(&mut self, style: HashStyle) -> &mut Module {
        self.hash_style = style;
        self
    }

    /// Asks for an executable stack.
    pub fn executable_stack(&mut self) -> &mut Module {
        self.executable_stack = true;
        self
    }

    /// DT_NEEDED.
    pub fn needed(&mut self, name: &str) -> &mut Module {
        self.tag_with_name(1, name)
    }

    /// DT_RPATH.
    pub fn rpath(&mut self, path: &str) -> &mut Module {
        self.tag_with_name(15, path)
    }

    /// DT_RUNPATH.
    pub fn runpath(&mut self, path: &str) -> &mut Module {
        self.tag_with_name(29, path)
    }

    /// A dynamic entry whose value is a name.
    pub fn tag_with_name(&mut self, tag: u64, name: &str) -> &mut Module {
        self.strings_of_tags.push((tag, name.to_owned()));
        self
    }

    /// A dynamic entry with a number.
    pub fn tag(&mut self, tag: u64, value: u64) -> &mut Module {
        self.tags.push((tag, value));
        self
    }

    /// Adds executable bytes; returns their address.
    pub fn text(&mut self, bytes: &[u8]) -> u64 {
        append(&mut self.text, TEXT, bytes)
    }

    /// Adds bytes that are read-only once relocated; returns their address.
    pub fn relro(&mut self, bytes: &[u8]) -> u64 {
        append(&mut self.relro, RELRO, bytes)
    }

    /// Adds writable bytes; returns their address.
    pub fn data(&mut self, bytes: &[u8]) -> u64 {
        append(&mut self.data, DATA, bytes)
    }

    /// Zero-filled bytes behind the writable ones.
    pub fn bss(&mut self, size: u64) -> &mut Module {
        self.bss = size;
        self
    }

    /// The initial image of thread-local storage, with the zero-filled bytes behind it and the block's alignment.
    /// Returns the address of the image.
    pub fn tls(&mut self, image: &[u8], zeros: u64, align: u64) -> u64 {
        let address = self.relro(image);
        self.tls = Some(TlsTemplate {
            address,
            size: image.len() as u64,
            zeros,
            align,
        });
        address
    }

    /// Adds a definition at `value` (an address, or an offset in thread-local storage).
    pub fn define(&mut self, name: &str, binding: Binding, kind: Kind, value: u64, size: u64) -> SymbolId {
        self.symbol(name, binding, kind, Some(1), value, size)
    }

    /// Adds a definition with an absolute value (SHN_ABS).
    pub fn define_absolute(&mut self, name: &str, value: u64) -> SymbolId {
        self.symbol(name, Binding::Global, Kind::None, Some(0xfff1), value, 0)
    }

    /// Adds a reference to what others define.
    pub fn undefined(&mut self, name: &str, binding: Binding) -> SymbolId {
        self.symbol(name, binding, Kind::None, None, 0, 0)
    }

    /// Adds a reference with a value: the canonical PLT address in a program at a fixed address.
    pub fn undefined_with_value(&mut self, name: &str, value: u64) -> SymbolId {
        self.symbol(name, Binding::Global, Kind::Function, None, value, 0)
    }

    fn symbol(
        &mut self,
        name: &str,
        binding: Binding,
        kind: Kind,
        section: Option<u16>,
        value: u64,
        size: u64,
    ) -> SymbolId {
        let visibility = Visibility::Default;
        let version = Version::GLOBAL;
        self.symbols.push(Symbol {
            name: name.to_owned(),
            binding,
            kind,
            visibility,
            section,
            value,
            size,
            version,
        });
        SymbolId(self.symbols.len() - 1)
    }

    /// Sets who sees a symbol.
    pub fn visibility(&mut self, symbol: SymbolId, visibility: Visibility) -> &mut Module {
        self.symbols[symbol.0].visibility = visibility;
        self
    }

    /// Gives a symbol a version.
    pub fn versioned(&mut self, symbol: SymbolId, version: Version) -> &mut Module {
        self.symbols[symbol.0].version = version;
        self
    }

    /// Defines a version.
    pub fn define_version(&mut self, name: &str) -> Version {
        let index = self.next_version();
        self.versions.defined.push((name.to_owned(), index));
        Version { index, hidden: false }
    }

    /// Needs a version of a library. Versions of one library must be asked for one after the other.
    pub fn need_version(&mut self, library: &str, name: &str, weak: bool) -> Version {
        let index = self.next_version();
        self.versions.needed.push(Need {
            library: library.to_owned(),
            name: name.to_owned(),
            index,
            weak,
        });
        Version { index, hidden: false }
    }

    fn next_version(&mut self) -> u16 {
        self.versions.next += 1;
        self.versions.next - 1
    }

    /// Adds an entry to DT_RELA. `kind` is the number of the type; the place may be anywhere.
    pub fn relocation(&mut self, place: u64, kind: u32, symbol: Option<SymbolId>, addend: i64) -> &mut Module {
        self.relocations.push(Relocation {
            place,
            kind,
            symbol,
            addend,
        });
        self
    }

    /// Adds an entry to DT_REL, whose addend lies in the place.
    pub fn implicit_relocation(&mut self, place: u64, kind: u32, symbol: Option<SymbolId>) -> &mut Module {
        self.implicit.push(Relocation {
            place,
            kind,
            symbol,
            addend: 0,
        });
        self
    }

    /// Adds an entry to DT_JMPREL.
    pub fn slot(&mut self, place: u64, kind: u32, symbol: Option<SymbolId>, addend: i64) -> &mut Module {
        self.slots.push(Relocation {
            place,
            kind,
            symbol,
            addend,
        });
        self
    }

    /// Adds an entry to a DT_JMPREL of DT_REL's form. A module has slots of one form only.
    pub fn implicit_slot(&mut self, place: u64, kind: u32, symbol: Option<SymbolId>) -> &mut Module {
        self.implicit_slots.push(Relocation {
            place,
            kind,
            symbol,
            addend: 0,
        });
        self
    }

    /// Adds a word to DT_RELR, as it stands in the file: an even address, or an odd bitmap.
    pub fn relr(&mut self, word: u64) -> &mut Module {
        self.relr.push(word);
        self
    }

    /// Writes the image: tables, text, relro with the dynamic section, and data, each in a segment of its own.
    pub fn forge(&self) -> Forged {
        let (order, first_hashed) = self.symbol_order();
        let names: Vec<&str> = std::iter::once("")
            .chain(order.iter().map(|index| self.symbols[*index].name.as_str()))
            .collect();
        let mut strings = Strings::new();
        let mut tables = Tables {
            bytes: vec![0; 64 + 56 * self.segment_count()],
            tags: Vec::new(),
        };

        let interpreter = self.interpreter.as_ref().map(|path| {
            let at = tables.put(&[path.as_bytes(), b"\0"].concat(), 1);
            (at, path.len() as u64 + 1)
        });
        if let Some(soname) = &self.soname {
            tables.tags.push((14, u64::from(strings.offset(soname))));
        }
        for (tag, name) in &self.strings_of_tags {
            tables.tags.push((*tag, u64::from(strings.offset(name))));
        }
        tables.table(6, &self.symbol_table(&order, &mut strings));
        tables.tags.push((11, 24));
        if matches!(self.hash_style, HashStyle::Sysv | HashStyle::Both) {
            tables.table(4, &sysv_table(&names));
        }
        if matches!(self.hash_style, HashStyle::Gnu | HashStyle::Both) {
            tables.table(0x6fff_fef5, &gnu_table(&names, first_hashed));
        }
        self.version_tables(&order, &mut strings, &mut tables);
        self.relocation_tables(&order, &mut tables);
        tables.tags.extend(&self.tags);
        tables.table(5, &strings.0);
        tables.tags.push((10, strings.0.len() as u64));
        self.assemble(tables, interpreter)
    }

    /// The symbols' positions in the file behind the empty one: local, undefined, then the others by their bucket.
    fn symbol_order(&self) -> (Vec<usize>, usize) {
        // A canonical PLT entry is undefined, but others find it.
        let hashed =
            |symbol: &Symbol| (symbol.section.is_some() || symbol.value != 0) && symbol.binding != Binding::Local;
        let buckets = gnu_buckets(self.symbols.iter().filter(|symbol| hashed(symbol)).count());
        let mut order: Vec<usize> = (0..self.symbols.len()).collect();
        order.sort_by_key(|index| {
            let symbol = &self.symbols[*index];
            let bucket = gnu_hash(&symbol.name) as usize % buckets;
            (
                symbol.binding != Binding::Local,
                hashed(symbol),
                if hashed(symbol) { bucket } else { 0 },
            )
        });
        let first = order
            .iter()
            .position(|index| hashed(&self.symbols[*index]))
            .unwrap_or(order.len());
        (order, first + 1)
    }

    fn symbol_table(&self, order: &[usize], strings: &mut Strings) -> Vec<u8> {
        let mut table = Bytes(vec![0; 24]);
        for index in order {
            let symbol = &self.symbols[*index];
            table.u32(strings.offset(&symbol.name));
            table
                .u8((symbol.binding as u8) << 4 | symbol.kind as u8)
                .u8(symbol.visibility as u8);
            table
                .u16(symbol.section.unwrap_or(0))
                .u64(symbol.value)
                .u64(symbol.size);
        }
        table.0
    }

    fn version_tables(&self, order: &[usize], strings: &mut Strings, tables: &mut Tables) {
        if self.versions.defined.is_empty() && self.versions.needed.is_empty() {
            return;
        }
        let mut table = Bytes::default();
        table.u16(0);
        for index in order {
            table.u16(self.symbols[*index].version.word());
        }
        tables.table(0x6fff_fff0, &table.0);
        if !self.versions.defined.is_empty() {
            let soname = self.soname.as_deref().unwrap_or("program");
            tables.table(0x6fff_fffc, &self.versions.definitions(strings, soname));
            tables.tags.push((0x6fff_fffd, self.versions.defined.len() as u64 + 1));
        }
        if !self.versions.needed.is_empty() {
            let (needs, count) = self.versions.needs(strings);
            tables.table(0x6fff_fffe, &needs);
            tables.tags.push((0x6fff_ffff, count));
        }
    }

    fn relocation_tables(&self, order: &[usize], tables: &mut Tables) {
        let info = |relocation: &Relocation| {
            let symbol = relocation.symbol.map_or(0, |symbol| {
                1 + order.iter().position(|index| *index == symbol.0).unwrap() as u64
            });
            symbol << 32 | u64::from(relocation.kind)
        };
        let with_addends = |relocations: &[Relocation]| {
            let mut table = Bytes::default();
            for relocation in relocations {
                table
                    .u64(relocation.place)
                    .u64(info(relocation))
                    .u64(relocation.addend as u64);
            }
            table.0
        };
        if !self.relocations.is_empty() {
            let table = with_addends(&self.relocations);
            tables.sized_table(7, 8, &table);
            tables.tags.push((9, 24));
        }
        let without_addends = |relocations: &[Relocation]| {
            let mut table = Bytes::default();
            for relocation in relocations {
                table.u64(relocation.place).u64(info(relocation));
            }
            table.0
        };
        if !self.implicit.is_empty() {
            tables.sized_table(17, 18, &without_addends(&self.implicit));
            tables.tags.push((19, 16));
        }
        assert!(
            self.slots.is_empty() || self.implicit_slots.is_empty(),
            "DT_JMPREL has one form"
        );
        if !self.slots.is_empty() {
            tables.sized_table(23, 2, &with_addends(&self.slots));
            tables.tags.push((20, 7));
        }
        if !self.implicit_slots.is_empty() {
            tables.sized_table(23, 2, &without_addends(&self.implicit_slots));
            tables.tags.push((20, 17));
        }
        if !self.relr.is_empty() {
            let mut table = Bytes::default();
            for word in &self.relr {
                table.u64(*word);
            }
            tables.sized_table(36, 35, &table.0);
            tables.tags.push((37, 8));
        }
    }

    /// The executable bytes: a program always has some, because its entry has to be code.
    fn code(&self) -> &[u8] {
        const RETURN: u8 = 0xc3;
        match self.soname {
            None if self.text.is_empty() => &[RETURN],
            _ => &self.text,
        }
    }

    fn segment_count(&self) -> usize {
        // Tables, relro, dynamic, relro's own header and the stack's are always there.
        5 + usize::from(!self.code().is_empty())
            + usize::from(!self.data.is_empty() || self.bss > 0)
            + usize::from(self.interpreter.is_some())
            + usize::from(self.tls.is_some())
    }

    /// Puts headers, tables and contents together.
    fn assemble(&self, tables: Tables, interpreter: Option<(u64, u64)>) -> Forged {
        let Tables { mut bytes, tags } = tables;
        let mut segments = Bytes::default();
        if let Some((at, size)) = interpreter {
            segment(&mut segments, PT_INTERP, R, at, at, size, size, 1);
        }
        let length = bytes.len() as u64;
        segment(&mut segments, PT_LOAD, R, 0, 0, length, length, PAGE as u64);
        let mut file = Bytes(std::mem::take(&mut bytes));
        let code = self.code();
        if !code.is_empty() {
            let offset = file.align(PAGE).0.len() as u64;
            let size = code.len() as u64;
            file.0.extend(code);
            segment(&mut segments, PT_LOAD, RX, offset, TEXT, size, size, PAGE as u64);
        }

        let mut relro = Bytes(self.relro.clone());
        let dynamic = relro.align(16).0.len() as u64;
        for (tag, value) in tags.iter().chain([&(0, 0)]) {
            relro.u64(*tag).u64(*value);
        }
        let dynamic_size = relro.0.len() as u64 - dynamic;
        let offset = file.align(PAGE).0.len() as u64;
        // The whole page: what follows of it would be read-only, too.
        let size = relro.align(PAGE).0.len() as u64;
        file.0.extend(&relro.0);
        segment(&mut segments, PT_LOAD, RW, offset, RELRO, size, size, PAGE as u64);
        let place = offset + dynamic;
        segment(
            &mut segments,
            PT_DYNAMIC,
            RW,
            place,
            RELRO + dynamic,
            dynamic_size,
            dynamic_size,
            8,
        );
        segment(&mut segments, PT_GNU_RELRO, R, offset, RELRO, size, size, 1);
        if let Some(tls) = &self.tls {
            let offset = offset + (tls.address - RELRO);
            segment(
                &mut segments,
                PT_TLS,
                R,
                offset,
                tls.address,
                tls.size,
                tls.size + tls.zeros,
                tls.align,
            );
        }

        if !self.data.is_empty() || self.bss > 0 {
            let offset = file.align(PAGE).0.len() as u64;
            let size = self.data.len() as u64;
            file.0.extend(&self.data);
            segment(
                &mut segments,
                PT_LOAD,
                RW,
                offset,
                DATA,
                size,
                size + self.bss,
                PAGE as u64,
            );
        }
        let stack = if self.executable_stack { 7 } else { RW };
        segment(&mut segments, PT_GNU_STACK, stack, 0, 0, 0, 0, 16);

        let header = self.header(u16::try_from(segments.0.len() / 56).unwrap());
        file.0[..64].copy_from_slice(&header);
        file.0[64..64 + segments.0.len()].copy_from_slice(&segments.0);
        Forged {
            bytes: file.0,
            dynamic: Some(usize::try_from(place).unwrap()),
        }
    }

    fn header(&self, segments: u16) -> Vec<u8> {
        const EXEC: u16 = 2;
        const DYN: u16 = 3;
        const X86_64: u16 = 62;
        let mut header = Bytes(b"\x7fELF\x02\x01\x01".to_vec());
        header.align(16);
        header.u16(if self.fixed { EXEC } else { DYN }).u16(X86_64).u32(1);
        header.u64(self.entry).u64(64).u64(0).u32(0);
        header.u16(64).u16(56).u16(segments).u16(64).u16(0).u16(0);
        header.0
    }
}

/// The first segment, which starts with the headers, and the dynamic entries that name its tables.
struct Tables {
    bytes: Vec<u8>,
    tags: Vec<(u64, u64)>,
}

impl Tables {
    /// Adds bytes; returns their address, which is their file offset too.
    fn put(&mut self, bytes: &[u8], align: usize) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(align), 0);
        let at = self.bytes.len() as u64;
        self.bytes.extend(bytes);
        assert!(self.bytes.len() as u64 <= TEXT, "the tables do not fit before the text");
        at
    }

    fn table(&mut self, tag: u64, bytes: &[u8]) {
        let at = self.put(bytes, 8);
        self.tags.push((tag, at));
    }

    fn sized_table(&mut self, tag: u64, size_tag: u64, bytes: &[u8]) {
        self.table(tag, bytes);
        self.tags.push((size_tag, bytes.len() as u64));
    }
}

/// Adds bytes behind others that start at `base`, 16-byte aligned; returns their address.
fn append(to: &mut Vec<u8>, base: u64, bytes: &[u8]) -> u64 {
    to.resize(to.len().next_multiple_of(16), 0);
    let at = base + to.len() as u64;
    to.extend(bytes);
    at
}

/// Writes one program header.
#[expect(clippy::too_many_arguments, reason = "a program header has these fields")]
fn segment(to: &mut Bytes, kind: u32, flags: u32, offset: u64, vaddr: u64, filesz: u64, memsz: u64, align: u64) {
    to.u32(kind)
        .u32(flags)
        .u64(offset)
        .u64(vaddr)
        .u64(vaddr)
        .u64(filesz)
        .u64(memsz)
        .u64(align);
}
