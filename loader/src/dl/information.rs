//! What is where: `dladdr`, `dlinfo`, `dl_iterate_phdr`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::Ordering;

use super::musl::is_musl;
use super::open::HAS_OTHERS;
use super::published::{Published, Reading, Visiting, module_of_map, with_module_at, with_world};
use super::{answer, call_error, doors, runtime, too_early};
use crate::debugger::{LINK_MAP, NAME_PLACE};
use crate::elf::symbol::STT_TLS;
use crate::elf::{Address, SymbolIndex, Vaddr};
use crate::error::{Error, Kind, Name, Result, text};
use crate::foreign::{Answer, Given, Span};
use crate::stages::map::search_directories;
use crate::thread;
use crate::world::{Host, Module, ModuleId, Namespace, Role, Roster, World};

/// `Dl_info` (`dlfcn.h`).
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    file: *const c_char,
    base: *const c_void,
    symbol: *const c_char,
    address: *const c_void,
}

const RTLD_DL_SYMENT: c_int = 1;
const RTLD_DL_LINKMAP: c_int = 2;

/// `dladdr(3)`. An address, as a handle below, may be anything: it is looked up, never followed.
pub extern "C" fn dladdr(address: *const c_void, info: Answer<Info>) -> c_int {
    dladdr1(address, info, Answer::NOWHERE, 0)
}

/// `dladdr1(3)`.
pub extern "C" fn dladdr1(
    address: *const c_void,
    info: Answer<Info>,
    extra: Answer<*const c_void>,
    flags: c_int,
) -> c_int {
    let reading = Reading::start();
    let Some(module) = reading.world().and_then(|world| world.at(Address(address as u64))) else {
        return 0;
    };
    let (mut name, mut place, mut entry) = (core::ptr::null(), 0, 0);
    if let Some((index, symbol)) = nearest_symbol(module, Address(address as u64)) {
        name = module.symbols.name(&symbol).as_ptr().cast();
        place = module.at(Vaddr(symbol.value)).0;
        entry = module.symbol_address(index).map_or(0, |entry| entry.0);
    }
    info.put(Info {
        file: file_name(module),
        base: module.range().0.0 as *const c_void,
        symbol: name,
        address: place as *const c_void,
    });
    match flags {
        RTLD_DL_SYMENT => extra.put(entry as *const c_void),
        RTLD_DL_LINKMAP => extra.put(module.link_map.load(Ordering::Acquire) as *const c_void),
        _ => {}
    }
    1
}

/// The path in the link_map; for the program, argv[0].
#[inline(never)]
fn file_name(module: &Module) -> *const c_char {
    if module.role == Role::Program {
        return runtime().map_or(core::ptr::null(), |runtime| runtime.program.as_ptr());
    }
    // As its link_map says, which is memory that has to be waited for.
    match module.link_map.load(Ordering::Acquire) {
        0 => c"".as_ptr(),
        map => (map + LINK_MAP + NAME_PLACE.load(Ordering::Relaxed)) as *const c_char,
    }
}

/// The symbol whose bytes hold the address; one without a size only at its very place.
fn nearest_symbol(module: &Module, address: Address) -> Option<(SymbolIndex, crate::elf::symbol::Symbol)> {
    let at = address.in_image(module.image.bias()).0;
    let mut best: Option<(SymbolIndex, crate::elf::symbol::Symbol)> = None;
    for index in 1..module.symbols.count() {
        let index = SymbolIndex(index);
        let Some(symbol) = module.symbols.get(index) else { break };
        let covers = symbol.is_defined()
            && symbol.kind() != STT_TLS
            && symbol.value <= at
            && (at - symbol.value < symbol.size || (symbol.size == 0 && symbol.value == at));
        if covers && best.is_none_or(|(_, known)| known.value < symbol.value) {
            best = Some((index, symbol));
        }
    }
    best
}

const RTLD_DI_LMID: c_int = 1;
const RTLD_DI_LINKMAP: c_int = 2;
const RTLD_DI_SERINFO: c_int = 4;
const RTLD_DI_SERINFOSIZE: c_int = 5;
const RTLD_DI_ORIGIN: c_int = 6;
const RTLD_DI_TLS_MODID: c_int = 9;
const RTLD_DI_TLS_DATA: c_int = 10;
const RTLD_DI_PHDR: c_int = 11;

/// `dlinfo(3)`: the argument has the room that the request states.
pub extern "C-unwind" fn dlinfo(handle: *const c_void, request: c_int, argument: Given) -> c_int {
    let result = with_world(|world, roster| {
        let module =
            module_of_map(world, handle as usize).ok_or_else(|| call_error(Kind::InvalidHandle(handle as u64), b""))?;
        inform(module, roster, request, argument)
    });
    answer(result.unwrap_or_else(|| Err(too_early())), -1)
}

fn inform(module: &Module, roster: Roster<'_>, request: c_int, argument: Given) -> Result<c_int> {
    let mut answer = 0;
    let word = match request {
        RTLD_DI_LMID => module.namespace.0.into(),
        RTLD_DI_LINKMAP => module.link_map.load(Ordering::Acquire) as u64,
        RTLD_DI_TLS_MODID => module.tls().map_or(0, |slot| slot.id),
        RTLD_DI_TLS_DATA => thread::existing_block(module).unwrap_or(0),
        RTLD_DI_PHDR => {
            answer = module.headers.len() as c_int;
            module.headers_at
        }
        RTLD_DI_ORIGIN => {
            let origin = match (&module.origin, module.role) {
                (Some(origin), _) => Some(origin.clone()),
                (None, Role::Program) => runtime().and_then(|runtime| runtime.linux.program_origin()),
                _ => None,
            };
            let bytes = origin.as_ref().map_or(&b""[..], |origin| origin.bytes());
            store_text(argument.span(bytes.len() + 1), 0, bytes);
            return Ok(0);
        }
        RTLD_DI_SERINFO | RTLD_DI_SERINFOSIZE => {
            let Some(runtime) = runtime() else {
                return Err(too_early());
            };
            let directories = search_directories(module.id, roster, &runtime.searcher, &runtime.linux);
            search_information(&directories, argument, request == RTLD_DI_SERINFO);
            return Ok(0);
        }
        _ => return Err(unknown_request(request)),
    };
    argument.span(8).store(0, word);
    Ok(answer)
}

/// Stores a C string; returns where the next one belongs.
#[inline(never)]
fn store_text(room: Span, at: usize, bytes: &[u8]) -> usize {
    let end = at + bytes.len();
    room.store_bytes(at, bytes);
    room.store(end, 0u8);
    end + 1
}

#[cold]
fn unknown_request(request: c_int) -> Box<Error> {
    let kind = match is_musl() {
        true => Kind::Usage(Name::from(text(format_args!("Unsupported request {request}")).as_str())),
        false => Kind::Unsupported("unsupported dlinfo request"),
    };
    call_error(kind, b"")
}

/// `Dl_serinfo`: size and count, and if asked for, the directories of a search, for which there are `dls_size` bytes: pairs of name and flags, then the texts.
fn search_information(directories: &[Vec<u8>], argument: Given, fill: bool) {
    let head = 16;
    let text: usize = directories.iter().map(|directory| directory.len() + 1).sum();
    let table = directories.len() * 16;
    let size = head + table + text;
    let room = argument.span(if fill { size } else { head });
    room.store(0, size as u64);
    room.store(8, directories.len() as u32);
    if fill {
        let mut next = head + table;
        for (index, directory) in directories.iter().enumerate() {
            room.store(head + index * 16, room.address() + next as u64);
            room.store(head + index * 16 + 8, 0u32);
            next = store_text(room, next, directory);
        }
    }
}

/// `struct dl_phdr_info` (`link.h`), as it is prepared for each module of a world. Each visitor gets a copy.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct PhdrInfo {
    address: u64,
    name: *const c_char,
    headers: u64,
    count: u16,
    /// The namespaces that have the module, a bit for each. C has no member here, as for the next one.
    namespaces: u16,
    /// Its number.
    id: ModuleId,
    adds: u64,
    subs: u64,
    tls_id: u64,
    /// Each thread has another block: empty until then.
    tls_data: u64,
}

impl PhdrInfo {
    /// That of a module, which has its link_map.
    #[inline(never)]
    pub(super) fn of(world: &World, id: ModuleId) -> PhdrInfo {
        let is_musl = is_musl();
        let nameless = if is_musl { Role::Vdso } else { Role::Program };
        let mut info = PhdrInfo {
            address: 0,
            name: c"".as_ptr(),
            headers: 0,
            count: 0,
            namespaces: 0,
            id,
            adds: u64::from(world.next.0),
            subs: u64::from(world.next.0) - world.modules.len() as u64,
            tls_id: 0,
            tls_data: 0,
        };
        if let Some(module) = world.get(id) {
            info.address = module.bias.0;
            info.headers = module.headers_at;
            info.count = module.header_count;
            info.namespaces = match module.role {
                Role::Loader if is_musl => 0,
                Role::Loader => u16::MAX,
                _ => module.namespace.bit(),
            };
            info.tls_id = module.tls().map_or(0, |slot| slot.id);
            if module.role != nameless {
                info.name = file_name(module);
            }
        }
        info
    }
}

/// What `dl_iterate_phdr` calls for each module.
pub type Visitor = extern "C-unwind" fn(*mut PhdrInfo, usize, *mut c_void) -> c_int;

/// `dl_iterate_phdr(3)` over the caller's namespace: lode's own, which takes no lock. libc's takes one that `fork` does not reset.
pub extern "C-unwind" fn iterate_phdr(visitor: Visitor, data: *mut c_void, caller: *const c_void) -> c_int {
    let visiting = Visiting::start();
    let Some(published) = visiting.0.published() else {
        return 0;
    };
    // Hardly any program has another one.
    let caller = match HAS_OTHERS.load(Ordering::Relaxed) {
        true => published.world.at(Address(caller as u64)),
        false => None,
    };
    let namespace = caller.map_or(Namespace::BASE, |caller| caller.namespace);
    // An exception may leave the visitor and pass this frame, so the unwinder has to find out by the code which reader it takes away.
    let visit = if visiting.0.is_first() {
        doors::visit_first
    } else {
        doors::visit_second
    };
    visit(visitor, data, published, namespace)
}

/// What [`iterate_phdr`] enters by a door.
pub extern "C-unwind" fn visit(
    visitor: Visitor,
    data: *mut c_void,
    published: &Published,
    namespace: Namespace,
) -> c_int {
    let world = &published.world;
    if let Some(rows) = published.rows() {
        return show(visitor, data, world, namespace, rows);
    }
    // Without the memory to keep them: who unwinds then needs them most.
    let mut answer = 0;
    let mut list = world.list.iter();
    while let (0, Some(id)) = (answer, list.next()) {
        answer = show(visitor, data, world, namespace, &[PhdrInfo::of(world, *id)]);
    }
    answer
}

/// Calls the visitor with each row that is shown, until it has seen enough.
#[inline(never)]
fn show(visitor: Visitor, data: *mut c_void, world: &World, namespace: Namespace, rows: &[PhdrInfo]) -> c_int {
    let mut answer = 0;
    let mut rows = rows.iter();
    while answer == 0
        && let Some(row) = rows.next()
    {
        if row.namespaces & namespace.bit() == 0 {
            continue;
        }
        // Member by member: the compiler's own copy takes longer than all else here.
        let mut info = PhdrInfo {
            address: row.address,
            name: row.name,
            headers: row.headers,
            count: row.count,
            namespaces: row.namespaces,
            id: row.id,
            adds: row.adds,
            subs: row.subs,
            tls_id: row.tls_id,
            tls_data: row.tls_data,
        };
        if info.tls_id != 0 {
            let module = world.get(info.id);
            info.tls_data = module.and_then(|module| thread::existing_block(module)).unwrap_or(0);
        }
        answer = visitor(&raw mut info, size_of::<PhdrInfo>(), data);
    }
    answer
}

/// `_dl_find_dso_for_object`: the link_map of the module that an address belongs to, or null.
pub extern "C" fn find_dso_for_object(address: *const c_void) -> *const c_void {
    with_module_at(Address(address as u64), |module| {
        module.link_map.load(Ordering::Acquire)
    })
    .map_or(core::ptr::null(), |map| map as *const c_void)
}
