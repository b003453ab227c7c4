//! One library of glibc as the scan needs it: its code in functions, its tables, and what it imports from the loader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use gimli::UnwindSection as _;
use lode::abi::glibc::layout::{Descriptor, Row, ThreadDb};
use lode::abi::glibc::recognise::{self, Definition, Evidence};
use lode::abi::glibc::witness::Slots;
use object::elf;
use object::read::elf::{ElfFile64, SectionHeader as _, Sym as _};
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _, RelocationFlags,
    RelocationTarget, SectionFlags, SymbolIndex,
};

use crate::Structure;

/// What the names of all loaders of this machine begin with, in version requirements.
const LOADER: &str = "ld-linux";

/// A run of code that one call enters at its start.
#[derive(Debug, Clone)]
pub struct Function {
    /// Link-time address of its first byte.
    pub start: u64,
    /// Link-time address behind its last byte.
    pub end: u64,
    /// The symbol that names it; `None` for a local function of a stripped library.
    pub name: Option<String>,
}

/// A file with more bytes is not read: no library is that large.
const MOST: u64 = 1 << 30;

/// A library of glibc.
pub struct Library {
    /// Where it was read.
    pub path: PathBuf,
    /// All executable code, sorted by address, without overlaps.
    pub functions: Vec<Function>,
    /// GOT slots by address, and which object's address the loader stores there.
    pub slots: BTreeMap<u64, Structure>,
    /// GOT slots by address, and which function's address the loader stores there.
    pub calls: BTreeMap<u64, String>,
    /// Names that it requires of the loader.
    imports: BTreeSet<String>,
    /// What it defines, in the default version: link-time address and size.
    exports: BTreeMap<String, (u64, u64)>,
    build_id: Option<Vec<u8>>,
    /// The loaded bytes: link-time address and content of each segment.
    segments: Vec<(u64, Vec<u8>)>,
}

impl Library {
    /// Reads a library.
    ///
    /// # Errors
    /// The file cannot be read, or is not a shared object for this machine with its tables in order.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read {}", path.display());
        // A pipe or a device blocks, or never ends.
        let metadata = std::fs::metadata(path).with_context(unreadable)?;
        ensure!(metadata.is_file(), "{}: not a regular file", path.display());
        ensure!(metadata.len() <= MOST, "{}: larger than {MOST} bytes", path.display());
        let bytes = std::fs::read(path).with_context(unreadable)?;
        Self::parse(path, &bytes).with_context(|| path.display().to_string())
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let file = ElfFile64::<Endianness>::parse(bytes)?;
        ensure!(
            file.architecture() == object::Architecture::X86_64,
            "it is not for x86-64"
        );
        let mut segments = Vec::new();
        for segment in file.segments() {
            segments.push((segment.address(), segment.data()?.to_vec()));
        }
        let mut library = Self {
            path: path.to_owned(),
            functions: Vec::new(),
            slots: BTreeMap::new(),
            calls: BTreeMap::new(),
            imports: BTreeSet::new(),
            exports: BTreeMap::new(),
            build_id: file.build_id()?.map(<[u8]>::to_vec),
            segments,
        };
        library.read_symbols(&file)?;
        library.read_slots(&file)?;
        let mut names = BTreeMap::new();
        if let Some(bytes) = library.debug_file() {
            let debug = ElfFile64::<Endianness>::parse(&*bytes)?;
            name_functions(&debug, &mut names)?;
        }
        name_functions(&file, &mut names)?;
        library.read_functions(&file, &names)?;
        Ok(library)
    }

    /// The separate debug file, where a package of the distribution has installed it: it has the names of local functions.
    fn debug_file(&self) -> Option<Vec<u8>> {
        let (first, rest) = self.build_id.as_deref()?.split_first()?;
        let (first, rest) = (crate::hex(&[*first], ""), crate::hex(rest, ""));
        std::fs::read(format!("/usr/lib/debug/.build-id/{first}/{rest}.debug")).ok()
    }

    /// A library with this code at [`Self::CODE`], for tests: functions begin at `starts`, and slots as given.
    #[cfg(test)]
    pub fn of_code(code: &[u8], starts: &[u64], slots: &[(u64, Structure)], calls: &[(u64, &str)]) -> Self {
        let end = Self::CODE + code.len() as u64;
        let ends = starts.iter().skip(1).copied().chain([end]);
        let functions = starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| Function { start, end, name: None });
        Self {
            path: PathBuf::new(),
            functions: functions.collect(),
            slots: slots.iter().copied().collect(),
            calls: calls.iter().map(|(slot, name)| (*slot, (*name).to_owned())).collect(),
            imports: BTreeSet::new(),
            exports: BTreeMap::new(),
            build_id: None,
            segments: vec![(Self::CODE, code.to_vec())],
        }
    }

    /// Where the code of tests begins.
    #[cfg(test)]
    pub const CODE: u64 = 0x1000;

    fn read_symbols(&mut self, file: &ElfFile64<'_, Endianness>) -> Result<()> {
        let endian = file.endian();
        let table = file.elf_dynamic_symbol_table();
        let versions = file.elf_section_table().versions(endian, file.data())?;
        for (index, symbol) in table.enumerate() {
            let name = std::str::from_utf8(table.symbol_name(endian, symbol)?)?;
            let version = versions.as_ref().map(|versions| versions.version_index(endian, index));
            if symbol.is_undefined(endian) {
                let of = match (&versions, version) {
                    (Some(versions), Some(version)) => versions.version(version)?.and_then(|version| version.file()),
                    _ => None,
                };
                if of.is_some_and(|of| of.starts_with(LOADER.as_bytes())) {
                    self.imports.insert(name.to_owned());
                }
                continue;
            }
            let place = (symbol.st_value(endian), symbol.st_size(endian));
            if version.is_some_and(|version| version.is_hidden()) {
                self.exports.entry(name.to_owned()).or_insert(place);
            } else {
                self.exports.insert(name.to_owned(), place);
            }
        }
        Ok(())
    }

    fn read_slots(&mut self, file: &ElfFile64<'_, Endianness>) -> Result<()> {
        let endian = file.endian();
        let table = file.elf_dynamic_symbol_table();
        for (address, relocation) in file.dynamic_relocations().into_iter().flatten() {
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                continue;
            };
            let RelocationTarget::Symbol(SymbolIndex(index)) = relocation.target() else {
                continue;
            };
            if !matches!(r_type, elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT) {
                continue;
            }
            let symbol = table.symbol(SymbolIndex(index))?;
            let name = std::str::from_utf8(table.symbol_name(endian, symbol)?)?;
            match Structure::ROOTS.into_iter().find(|root| root.name() == name) {
                Some(root) => self.slots.insert(address, root),
                None => {
                    self.calls.insert(address, name.to_owned());
                    None
                }
            };
        }
        Ok(())
    }

    /// Bounds come from the unwind table, which has nearly every function, and from symbols; what is between them, such as the tables of stubs,
    /// counts as functions too.
    fn read_functions(&mut self, file: &ElfFile64<'_, Endianness>, names: &BTreeMap<u64, String>) -> Result<()> {
        let mut starts: BTreeSet<u64> = names.keys().copied().collect();
        for symbol in file.dynamic_symbols().filter(is_function) {
            starts.insert(symbol.address().saturating_add(symbol.size()));
        }
        if let Some(section) = file.section_by_name(".eh_frame") {
            let frames = gimli::EhFrame::new(section.data()?, gimli::LittleEndian);
            let bases = gimli::BaseAddresses::default().set_eh_frame(section.address());
            let mut entries = frames.entries(&bases);
            while let Some(entry) = entries.next()? {
                if let gimli::CieOrFde::Fde(partial) = entry {
                    let fde = partial.parse(gimli::EhFrame::cie_from_offset)?;
                    starts.insert(fde.initial_address());
                    starts.insert(fde.end_address());
                }
            }
        }
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags } = section.flags() else {
                continue;
            };
            if sh_flags & u64::from(elf::SHF_EXECINSTR) == 0 {
                continue;
            }
            // Not more than is loaded, whatever the section header says.
            let size = section.size().min(self.bytes(section.address()).len() as u64);
            let end = section.address().saturating_add(size);
            if section.name()?.starts_with(".plt") {
                // A table of stubs, each of which is a function.
                let stub = section.elf_section_header().sh_entsize(file.endian()).max(8);
                starts.extend((section.address()..end).step_by(usize::try_from(stub)?));
            }
            let mut start = section.address();
            let bounds: Vec<u64> = starts.range(start..end).copied().chain([end]).collect();
            for bound in bounds.into_iter().filter(|bound| *bound > section.address()) {
                let name = names.get(&start).cloned();
                self.functions.push(Function {
                    start,
                    end: bound,
                    name,
                });
                start = bound;
            }
        }
        self.functions.sort_by_key(|function| function.start);
        ensure!(!self.functions.is_empty(), "it has no code");
        Ok(())
    }

    /// Whether it reaches the loader's objects by itself.
    pub fn uses_loader(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Loaded bytes from `address` on, to the end of their segment; empty where nothing is loaded.
    pub fn bytes(&self, address: u64) -> &[u8] {
        let inside = |(start, bytes): &'_ (u64, Vec<u8>)| {
            let skipped = usize::try_from(address.checked_sub(*start)?).ok()?;
            (skipped < bytes.len()).then_some(skipped)
        };
        self.segments
            .iter()
            .find_map(|segment| segment.1.get(inside(segment)?..))
            .unwrap_or_default()
    }

    /// The function that has the code at `address`.
    pub fn function(&self, address: u64) -> Option<&Function> {
        let behind = self.functions.partition_point(|function| function.start <= address);
        let function = self.functions.get(behind.checked_sub(1)?)?;
        (address < function.end).then_some(function)
    }

    /// What people call the code at `address`: its function, or where it stands behind the nearest one that has a name.
    pub fn name_of(&self, address: u64) -> String {
        let behind = self.functions.partition_point(|function| function.start <= address);
        let before = self.functions.get(..behind).unwrap_or_default();
        let Some(function) = before.last() else {
            return format!("{address:#x}");
        };
        match &function.name {
            Some(name) => name.clone(),
            None => match before.iter().rev().find_map(|function| function.name.as_deref()) {
                Some(name) => format!("{:#x} (behind {name})", function.start),
                None => format!("{:#x}", function.start),
            },
        }
    }

    /// What debuggers read of a process by libthread_db, which takes places from libc's descriptors: structure, offset and size in bytes.
    pub fn read_by_debuggers(&self) -> Vec<(Structure, u32, u32)> {
        const STRUCTURES: [(&str, Structure); 4] = [
            ("rtld_global_", Structure::RtldGlobal),
            ("link_map_", Structure::LinkMap),
            ("pthread_", Structure::Thread),
            ("dtv_slotinfo_list_", Structure::SlotInfo),
        ];
        let mut all = Vec::new();
        for (name, &(address, size)) in &self.exports {
            let name = name.strip_prefix(ThreadDb::PREFIX).unwrap_or_default();
            let Some(&(_, structure)) = STRUCTURES.iter().find(|of| name.starts_with(of.0)) else {
                continue;
            };
            let bytes = usize::try_from(size)
                .ok()
                .and_then(|size| self.bytes(address).get(..size));
            if let Some(Descriptor::Field { bits, offset, .. }) = bytes.and_then(Descriptor::from_bytes) {
                all.push((structure, offset, bits / 8));
            }
        }
        all
    }

    /// The row that lode takes for this libc.so.6, decided by the loader's own rules.
    ///
    /// # Errors
    /// The text with which lode refuses it.
    pub fn row(&self) -> Result<&'static Row, String> {
        if let Some(row) = self.build_id.as_deref().and_then(recognise::by_build_id) {
            return Ok(row);
        }
        let imports: Vec<&str> = self.imports.iter().map(String::as_str).collect();
        let slot = |wanted: Structure| {
            let found = self.slots.iter().find(|slot| *slot.1 == wanted);
            found.map(|slot| *slot.0)
        };
        let slots = slot(Structure::RtldGlobal).zip(slot(Structure::RtldGlobalRo));
        let symbol = |name: &str| {
            let &(address, size) = self.exports.get(name)?;
            let bytes = self.bytes(address).get(..usize::try_from(size).ok()?)?;
            Some(Definition { address, bytes })
        };
        let tunables = self.calls.iter().find(|call| *call.1 == "__tunable_get_val");
        let bytes = |address| Some(self.bytes(address)).filter(|bytes| !bytes.is_empty());
        recognise::by_agreement(&Evidence {
            build_id: self.build_id.as_deref(),
            imports: &imports,
            slots: slots.map(|(rtld_global, rtld_global_ro)| Slots {
                rtld_global,
                rtld_global_ro,
                tunable_get_val: tunables.map_or(0, |call| *call.0),
            }),
            symbol: &symbol,
            bytes: &bytes,
        })
    }
}

fn is_function<'data>(symbol: &impl object::ObjectSymbol<'data>) -> bool {
    symbol.is_definition() && symbol.kind() == object::SymbolKind::Text
}

/// Adds the names of a file's functions, by address.
fn name_functions(file: &ElfFile64<'_, Endianness>, names: &mut BTreeMap<u64, String>) -> Result<()> {
    /// Of several names the one without a decoration reads best.
    fn rank(name: &str) -> (usize, usize, &str) {
        (name.trim_start_matches('_').len(), name.len(), name)
    }
    for symbol in file.symbols().chain(file.dynamic_symbols()).filter(is_function) {
        let (name, _) = symbol.name()?.split_once('@').unwrap_or((symbol.name()?, ""));
        let known = names.entry(symbol.address()).or_insert_with(|| name.to_owned());
        if rank(name) < rank(known) {
            name.clone_into(known);
        }
    }
    Ok(())
}
