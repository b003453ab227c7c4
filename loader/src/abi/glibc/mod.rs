//! glibc: its libc.so.6 expects a loader that shares private structures with it.
//!
//! What those structures look like is data ([`layout`]); which row a process needs is decided from the libc.so.6 that was mapped
//! ([`recognise`]), and anything unknown is refused. Then this room fills them: facts about the machine ([`facts`]), a link_map for each
//! module ([`maps`]), the first thread ([`start`]). What libc calls back at run time is in [`entries`].
//!
//! This room writes memory that belongs to lode's exports, to records that it allocated, and to the dynamic sections of modules
//! before they are protected; and it calls functions of libc: `__libc_early_init`, `__register_atfork`, up to 2.33 libpthread's for static blocks.
#![deny(unsafe_code)]

pub mod cpu;
pub mod entries;
pub mod facts;
pub mod layout;
pub mod maps;
pub mod recognise;
pub mod record;
pub mod start;
pub mod tunables;
pub mod witness;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64};

use self::layout::{Layout, Row};
use self::recognise::{Definition, Evidence};
use self::record::Record;
use self::tunables::Tunables;
use crate::arch::Ask;
use crate::elf::{SymbolIndex, Vaddr, note};
use crate::error::{Error, Kind, Name, Stage};
use crate::foreign::{Code, Span};
use crate::symbols::{Use, Wanted};
use crate::sys::machine::MACHINE;
use crate::world::{Module, ModuleId};

/// The soname of glibc's libc.
pub const LIBC: &[u8] = b"libc.so.6";

/// The data objects that lode exports to glibc: defined in the binary, filled here.
#[derive(Clone, Copy, Debug)]
pub struct Exports {
    /// `_rtld_global`.
    pub rtld_global: Span,
    /// `_rtld_global_ro`.
    pub rtld_global_ro: Span,
    /// `__libc_enable_secure`.
    pub enable_secure: &'static AtomicI32,
    /// `_dl_argv`.
    pub argv: &'static AtomicU64,
    /// `__libc_stack_end`.
    pub stack_end: &'static AtomicU64,
    /// `__rseq_size`.
    pub rseq_size: &'static AtomicU32,
    /// `__rseq_offset`.
    pub rseq_offset: &'static AtomicI64,
    /// `__nptl_initial_report_events`.
    pub report_events: &'static AtomicU8,
}

/// A process with a known glibc.
#[derive(Debug)]
pub struct Glibc {
    /// The row.
    pub layout: &'static Layout,
    /// libc.so.6.
    pub libc: ModuleId,
    /// `_rtld_global`; set by [`start`].
    pub global: Option<Record>,
    /// `_rtld_global_ro`; set by [`start`].
    pub global_ro: Option<Record>,
    /// What the environment says of glibc's tunables.
    pub tunables: Tunables<'static>,
    /// Functions of libc that lode calls, by address.
    pub functions: Functions,
}

/// lode's own work around a fork, which libc calls.
#[derive(Clone, Copy, Debug)]
pub struct AroundFork {
    /// Before it.
    pub before: extern "C" fn(),
    /// Behind it in the parent.
    pub after: extern "C" fn(),
    /// Behind it in the child.
    pub in_the_child: extern "C" fn(),
}

/// Functions of libc that lode calls once they are relocated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Functions {
    /// `__libc_early_init`.
    pub early_init: Option<Code>,
    /// `pthread_mutex_lock`.
    pub mutex_lock: Option<Code>,
    /// `pthread_mutex_unlock`.
    pub mutex_unlock: Option<Code>,
    /// `__register_atfork`, behind pthread_atfork.
    pub register_atfork: Option<Code>,
}

impl Functions {
    /// Those of a copy of libc.so.6.
    pub fn of(libc: &Module) -> Functions {
        let function = |name: &str| {
            let (_, symbol) = find(libc, name)?;
            Code::of(&libc.image, libc.at(Vaddr(symbol.value)))
        };
        Functions {
            early_init: function("__libc_early_init"),
            mutex_lock: function("pthread_mutex_lock"),
            mutex_unlock: function("pthread_mutex_unlock"),
            register_atfork: function("__register_atfork"),
        }
    }
}

impl Glibc {
    /// Decides which row `libc` belongs to, without running any of it.
    ///
    /// # Errors
    /// [`Kind::UnknownLibc`].
    #[inline(never)]
    pub fn recognise(libc: &Module) -> Result<Box<Glibc>, Box<Error>> {
        let layout: &'static Layout = Box::leak(Layout::of(recognised(libc)?));
        Ok(Box::new(Glibc {
            layout,
            libc: libc.id,
            global: None,
            global_ro: None,
            tunables: Tunables::from_environment(layout.tunables(), core::iter::empty(), true),
            functions: Functions::of(libc),
        }))
    }
}

/// Whether a file is a libc.so.6 of another build than the process's: the loader's structures can be as one of them expects, no more.
pub fn is_another(module: &Module, libc: Option<&Module>) -> bool {
    let is_same = |libc: &Module| build_id(libc).is_some() && build_id(module) == build_id(libc);
    module.soname == Some(LIBC) && !libc.is_some_and(is_same)
}

/// The row of a libc. Its build-id decides without another look; only a build that no row names is examined.
///
/// # Errors
/// [`Kind::UnknownLibc`].
pub fn recognised(libc: &Module) -> Result<&'static Row, Box<Error>> {
    let build_id = build_id(libc);
    match build_id.and_then(recognise::by_build_id) {
        Some(row) => Ok(row),
        None => examined(libc, build_id),
    }
}

/// The row of a libc whose build-id no row names, by what its code and its tables say.
#[cold]
#[inline(never)]
fn examined(libc: &Module, build_id: Option<&[u8]>) -> Result<&'static Row, Box<Error>> {
    let imports = imports(libc);
    let symbol = |name: &str| definition(libc, name);
    let bytes = |address| bytes_from(libc, address);
    let evidence = Evidence {
        build_id,
        imports: &imports,
        slots: slots(libc),
        symbol: &symbol,
        bytes: &bytes,
    };
    recognise::by_agreement(&evidence).map_err(|why| {
        let kind = Kind::UnknownLibc {
            version: Name::from(evidence.version().unwrap_or("of unknown version")),
            why: Name::from(why.as_str()),
        };
        kind.of(Stage::Link, &libc.name)
    })
}

#[inline(never)]
fn find(module: &Module, name: &str) -> Option<(SymbolIndex, crate::elf::symbol::Symbol)> {
    let mut wanted = Wanted::new(name.as_bytes(), None, Use::Call);
    wanted.newest = true;
    module.symbols.find(&wanted)
}

fn definition<'a>(libc: &'a Module, name: &str) -> Option<Definition<'a>> {
    let (_, symbol) = find(libc, name)?;
    let bytes = libc.image.fixed_bytes(Vaddr(symbol.value), symbol.size)?;
    Some(Definition {
        address: symbol.value,
        bytes,
    })
}

/// A page of a module's bytes from a link-time address on, or what there is.
fn bytes_from(module: &Module, address: u64) -> Option<&[u8]> {
    let mut size = 0x1000;
    while size > 0 {
        if let Some(bytes) = module.image.fixed_bytes(Vaddr(address), size) {
            return Some(bytes);
        }
        size >>= 1;
    }
    None
}

/// The NT_GNU_BUILD_ID of a module.
pub fn build_id(module: &Module) -> Option<&'static [u8]> {
    module
        .layout
        .notes
        .iter()
        .find_map(|notes| note::build_id(module.image.fixed_bytes(notes.at, notes.size)?))
}

/// The names that libc requires of the loader, by version node.
fn imports(libc: &Module) -> Vec<&'static str> {
    let mut names = Vec::new();
    for index in 1..libc.symbols.count() {
        let index = SymbolIndex(index);
        let Some(symbol) = libc.symbols.get(index).filter(|symbol| !symbol.is_defined()) else {
            continue;
        };
        let of_loader = libc
            .symbols
            .version(index)
            .ok()
            .flatten()
            .and_then(|version| version.file)
            .is_some_and(|file| file.starts_with(b"ld-linux"));
        if of_loader && let Some(name) = crate::error::utf8(libc.symbols.name(&symbol)) {
            names.push(name);
        }
    }
    names
}

/// The places where libc keeps the addresses of the loader's two objects, and of its function for tunables. Slots of data are in DT_RELA;
/// DT_JMPREL has those of functions, or some of them.
fn slots(libc: &Module) -> Option<witness::Slots> {
    let mut slots = witness::Slots {
        rtld_global: 0,
        rtld_global_ro: 0,
        tunable_get_val: 0,
    };
    let tables = [libc.dynamic.rela, libc.dynamic.jmprel.map(|(range, _)| range)];
    for range in tables.into_iter().flatten() {
        let table = libc
            .image
            .table::<crate::elf::reloc::Rela>(range.at, (range.size / 24) as usize)?;
        for entry in table.iter() {
            if !matches!((MACHINE.relocation)(entry.kind())?.ask, Ask::GlobDat | Ask::JumpSlot) {
                continue;
            }
            let Some(symbol) = libc.symbols.get(entry.symbol()) else {
                continue;
            };
            match libc.symbols.name(&symbol) {
                b"_rtld_global" => slots.rtld_global = entry.offset,
                b"_rtld_global_ro" => slots.rtld_global_ro = entry.offset,
                b"__tunable_get_val" => slots.tunable_get_val = entry.offset,
                _ => {}
            }
        }
    }
    Some(slots).filter(|slots| slots.rtld_global != 0 && slots.rtld_global_ro != 0)
}
