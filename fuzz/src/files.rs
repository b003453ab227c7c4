//! Headers, dynamic sections, notes, symbol tables and versions.

use lode::arch::MACHINES;
use lode::elf::dynamic::{Dyn, Dynamic, tag};
use lode::elf::hash::{GnuHashHeader, SysvHashHeader, gnu_hash, sysv_hash};
use lode::elf::header::{Header, class_name, data_name, machine_name, machine_of_class, osabi_name};
use lode::elf::note::{self, LevelFeatures, Notes};
use lode::elf::segment::{ProgramHeader, kind, kind_name};
use lode::elf::symbol::Symbol;
use lode::elf::version;
use lode::elf::{SymbolIndex, Vaddr};
use lode::error::{Fault, Kind, Name, Stage};
use lode::layout::Layout;
use lode::symbols::{Use, Wanted};
use lode::world::{Host as _, Module, ModuleId, Role};
use memory::Memory;

use crate::whole;

/// A fault has a text.
fn tell(fault: Fault) {
    let error = fault.of(Stage::Map, &Name::from("file"));
    assert!(!error.report(b"program").to_string().is_empty());
}

/// The start of a file.
pub fn header(bytes: &[u8]) {
    for (place, name) in [
        (4, class_name as fn(u8) -> &'static str),
        (5, data_name),
        (7, osabi_name),
    ] {
        name(bytes.get(place).copied().unwrap_or_default());
    }
    if let [low, high, class, ..] = bytes.get(18..).unwrap_or_default() {
        let machine = u16::from_le_bytes([*low, *high]);
        machine_name(machine);
        machine_of_class(machine, *class);
    }
    for machine in MACHINES {
        for length in [Some(bytes.len() as u64), Some(64), None] {
            match Header::decode(bytes, length, machine) {
                Ok(header) => segments(bytes, &header, length),
                Err(fault) => tell(fault),
            }
        }
    }
}

fn segments(bytes: &[u8], header: &Header, length: Option<u64>) {
    let table = usize::try_from(header.phoff.0)
        .ok()
        .and_then(|start| bytes.get(start..));
    let headers = match ProgramHeader::table(table.unwrap_or_default(), header.phnum) {
        Ok(headers) => headers,
        Err(fault) => return tell(fault),
    };
    for header in &headers {
        header.end();
        let name = kind_name(header.kind);
        assert!(kind::is_known(header.kind) || name.is_none());
        assert_eq!(header.access.to_string().len(), 3);
        assert!(!format!("{} {}", header.vaddr, header.offset).is_empty());
    }
    for page_size in [4096, 65536] {
        match Layout::plan(header, &headers, length, page_size) {
            Ok(layout) => assert!(layout.extents.iter().all(|range| {
                let end = range.start.0.checked_add(range.length);
                range.start >= layout.span.0 && end.is_some_and(|end| end - layout.span.0.0 <= layout.span.1)
            })),
            Err(fault) => tell(fault),
        }
    }
}

/// Entries of a dynamic section.
pub fn dynamic(bytes: &[u8]) {
    let entries = || bytes.chunks(16).filter_map(Dyn::decode);
    for entry in entries() {
        assert!(tag::is_known(entry.tag) || tag::name(entry.tag).is_none());
    }
    match Dynamic::decode(entries()) {
        Ok(dynamic) => {
            assert!(dynamic.count <= bytes.len() / 16);
            dynamic.is_symbolic();
            dynamic.has_text_relocations();
            dynamic.unknown_flags();
            dynamic.binds_now();
        }
        Err(fault) => tell(fault),
    }
}

/// The content of PT_NOTE and of PT_GNU_PROPERTY.
pub fn notes(bytes: &[u8]) {
    for align in [4, 8] {
        let total: usize = Notes::new(bytes, align)
            .map(|note| note.owner.len() + note.content.len())
            .sum();
        assert!(total <= bytes.len());
    }
    note::build_id(bytes);
    if let Some(tag) = note::abi_tag(bytes) {
        note::system_name(tag.os);
        assert!(tag.version.0 >> 60 <= 15);
    }
    let needed = note::property(bytes, note::X86_ISA_1_NEEDED);
    for level in 0..=4 {
        let features = LevelFeatures(needed).up_to(level);
        assert_eq!(
            features.0.count_ones() as usize,
            features.to_string().matches(' ').count()
        );
    }
}

/// The words in front of a hash table, and a name.
pub fn hash(bytes: &[u8]) {
    let (gnu, sysv) = (gnu_hash(bytes), sysv_hash(bytes));
    assert!(sysv >> 28 == 0, "{gnu:#x} {sysv:#x}");
    let words = bytes.as_chunks::<4>().0;
    let word = |index: usize| words.get(index).map_or(0, |word| u32::from_le_bytes(*word));
    match GnuHashHeader::decode([word(0), word(1), word(2), word(3)]) {
        Ok(header) => assert!(header.buckets_offset() < header.chains_offset()),
        Err(fault) => tell(fault),
    }
    match SysvHashHeader::decode([word(0), word(1)]) {
        Ok(header) => assert!(header.chains_offset() > SysvHashHeader::SIZE),
        Err(fault) => tell(fault),
    }
}

/// A library's hash tables, symbols, strings and versions, as the loader finds them.
pub fn symbols(bytes: &[u8]) {
    for entry in bytes.chunks(24).filter_map(Symbol::decode) {
        assert_eq!(entry.binding() << 4 | entry.kind(), entry.info);
        assert!(entry.visibility() < 4 && (entry.is_defined() || !entry.is_absolute()));
        assert!(!entry.is_linkable() || entry.binding() != 0);
        entry.is_weak();
    }
    let mut host = Memory::new(whole::BASE);
    host.add("/lib/liba.so", bytes.to_vec());
    let file = host.open(b"/lib/liba.so").unwrap();
    let parts = whole::mapping(&host, |context| {
        lode::stages::map::map_file(&file, Name::from("/lib/liba.so"), Role::Library, None, context)
    });
    let module = match parts.map(|parts| Module::new(ModuleId(0), parts)) {
        Ok(Ok(module)) => module,
        Ok(Err(fault)) => return tell(fault),
        Err(error) => return assert!(!error.report(b"program").to_string().is_empty()),
    };
    let symbols = &module.symbols;
    for index in (0..symbols.count().min(4096)).map(SymbolIndex) {
        assert!(!format!("{index} {index:?}").is_empty());
        let Some(symbol) = symbols.get(index) else { continue };
        let name = symbols.name(&symbol);
        let version = symbols.version(index).unwrap_or_default();
        for version in [None, version] {
            for purpose in [Use::Address, Use::Call] {
                if let Some((found, _)) = symbols.find(&Wanted::new(name, version, purpose)) {
                    assert!(symbols.get(found).is_some_and(|found| symbols.name(&found) == name));
                }
            }
        }
        if let Some(version) = version {
            symbols.defines(version.name, version.hash);
        }
    }
    for version in 0..8 {
        symbols.names_of_version(version);
    }
    assert!(
        symbols
            .find(&Wanted::new(b"absent", None, Use::Address))
            .is_none_or(|(_, symbol)| symbol.is_defined())
    );
    module.image.is_executable(Vaddr(0));
}

/// A count in the first byte, then DT_VERNEED or DT_VERDEF.
pub fn versions(bytes: &[u8]) {
    let Some((count, table)) = bytes.split_first() else {
        return;
    };
    // A caller's own error comes back as it is.
    for most in [usize::MAX, 1] {
        let mut taken = 0;
        let mut take = || {
            taken += 1;
            match taken <= most {
                true => Ok(()),
                false => Err(Kind::NotElf {
                    start: [0; 16],
                    is_short: false,
                }
                .into()),
            }
        };
        let needs = version::needs(table, u64::from(*count), &mut |_| take());
        needs.unwrap_or_else(tell);
        let definitions = version::definitions(table, u64::from(*count), &mut |_| take());
        definitions.unwrap_or_else(tell);
    }
}
