//! `dlopen`: the stages of the start with another root, from a name to a published batch whose constructors have run.
//!
//! A batch that fails anywhere is dropped, and nothing of it was visible.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, Ordering};

use super::answer;
use super::close::take_away;
use super::constructors::initialise;
use super::locks::{ABANDONED, Loading, LongLock};
use super::musl::{check_not_exiting, is_musl};
use super::owned::AtomicBox;
use super::published::{free_former, publish, with_module_at, with_world, world_of};
use super::symbol::look_up;
use super::threads::{forget_unpublished, resolve};
use super::{Arguments, Runtime, call_error, runtime, too_early};
use crate::abi::glibc::{Functions, Glibc, LIBC, is_another};
use crate::abi::{Abi, bare};
use crate::debugger::{self, State};
use crate::elf::Address;
use crate::elf::dynamic::{Flags1, Range};
use crate::elf::note;
use crate::elf::reloc::Rela;
use crate::error::{Errno, Error, Kind, Lossy, Name, Result, Stage, text};
use crate::foreign::Text;
use crate::search::{Directories, Purpose};
use crate::stages::link::dependencies_first;
use crate::stages::map::{Context, Mapped, Wish};
use crate::stages::protect::seal;
use crate::stages::relocate::Binding;
use crate::stages::unload::left_alone;
use crate::stages::{Batch, demands, init};
use crate::sys::linux::{OF_LINKED, OF_MODULE, have_at_hand};
use crate::sys::machine;
use crate::world::{FRESH, Module, ModuleId, Namespace, Role, World};

/// Whether a library that was opened asks to be sealed if it stays (GNU_PROPERTY_MEMORY_SEAL).
static ASK_FOR_SEALS: AtomicBool = AtomicBool::new(false);

/// Whether a namespace besides the program's was ever asked for.
pub(super) static HAS_OTHERS: AtomicBool = AtomicBool::new(false);

/// The directories that searches have met, for whoever loads; empty while it has them. What a `fork` finds there is whole.
static DIRECTORIES: AtomicBox<Directories> = AtomicBox::empty();

const RTLD_LAZY: c_int = 1;
const RTLD_NOW: c_int = 2;
const RTLD_NOLOAD: c_int = 4;
const RTLD_DEEPBIND: c_int = 8;
const RTLD_GLOBAL: c_int = 0x100;
const RTLD_NODELETE: c_int = 0x1000;

/// The program's namespace.
const LM_ID_BASE: isize = 0;
/// A new one.
const LM_ID_NEWLM: isize = -1;
/// That of the caller: what `dlopen` means.
const OF_CALLER: isize = -2;

/// `dlopen(3)`, with the address of the caller.
pub extern "C-unwind" fn dlopen(file: Text<'_>, mode: c_int, caller: *const c_void) -> *mut c_void {
    answer(open(file.bytes(), mode, OF_CALLER, Address(caller as u64)), 0) as *mut c_void
}

/// libc's own dlopen, for NSS, character sets and the unwinder.
pub extern "C-unwind" fn libc_dlopen_mode(name: Text<'_>, mode: c_int, caller: *const c_void) -> *mut c_void {
    // libc looks at the answer only; the program's dlerror is none of its business.
    open(Some(name.name()), mode, OF_CALLER, Address(caller as u64)).unwrap_or(0) as *mut c_void
}

/// `dlmopen(3)`, with the address of the caller.
pub extern "C-unwind" fn dlmopen(namespace: isize, file: Text<'_>, mode: c_int, caller: *const c_void) -> *mut c_void {
    let name = file.bytes();
    let refused = match name {
        _ if namespace == LM_ID_BASE => None,
        None => Some("invalid namespace"),
        Some(_) => (mode & RTLD_GLOBAL != 0).then_some("invalid mode"),
    };
    let opened = match refused {
        Some(what) => Err(call_error(Kind::os(what, Errno::EINVAL), b"")),
        None => open(name, mode, namespace, Address(caller as u64)),
    };
    answer(opened, 0) as *mut c_void
}

/// Opens a library and returns its link_map's address.
fn open(file: Option<&[u8]>, mode: c_int, namespace: isize, caller: Address) -> Result<usize> {
    if mode & (RTLD_LAZY | RTLD_NOW) == 0 {
        let kind = Kind::os("invalid mode for dlopen()", Errno::EINVAL);
        return Err(call_error(kind, file.unwrap_or(b"")));
    }
    let Some(runtime) = runtime() else {
        return Err(too_early());
    };
    check_not_exiting()?;
    let lock = LongLock::take().ok_or_else(|| call_error(Kind::Busy, file.unwrap_or(b"")))?;
    // What was closed without the lock: in a signal handler, or by a thread that is not in this child of a fork.
    take_away();
    let Some(file) = file else {
        let program = with_world(|world, _| world.first_map(Namespace::BASE));
        return program.filter(|map| *map != 0).ok_or_else(too_early);
    };
    let loading = Loading::start().map_err(|kind| call_error(kind, file))?;
    let mut opening = Opening {
        is_nested: lock.is_nested(),
        namespace: Namespace::BASE,
        waiting: Vec::new(),
    };
    let loaded = load(runtime, file, mode, namespace, caller, &loading, &mut opening);
    drop(loading);
    // A resolver or a signal handler may have closed something meanwhile.
    take_away();
    let handle = loaded.inspect_err(|_| debugger::tell_of_failure(opening.namespace))?;
    if !opening.waiting.is_empty() {
        for module in &opening.waiting {
            // A library that is opened once more by a constructor of its batch comes here with the same libc.
            let is_asleep = module.soname == Some(LIBC) && module.state.load(Ordering::Acquire) == FRESH;
            if is_asleep && module.namespace != Namespace::BASE {
                Glibc::early_init(&Functions::of(module), false, &runtime.around_fork);
            }
        }
        // The batch is published: constructors may open, close and look up whatever they like.
        let arguments = Arguments {
            environment: environment(caller).unwrap_or(runtime.arguments.environment),
            ..runtime.arguments
        };
        initialise(&opening.waiting, runtime, arguments, None);
    }
    drop(lock);
    free_former();
    Ok(handle)
}

/// The environment as it is now, in the caller's libc.
fn environment(caller: Address) -> Option<usize> {
    let place = Address(look_up(0, b"environ", None, caller).unwrap_or(0) as u64);
    with_module_at(place, |module| {
        let value: u64 = module.image.load(place.in_image(module.image.bias()))?;
        Some(value as usize)
    })?
}

/// What is known of a call while it loads.
struct Opening {
    /// Whether a constructor, a destructor or a signal handler of a thread that opens or closes calls.
    is_nested: bool,
    /// Where it opens.
    namespace: Namespace,
    /// The modules whose constructors are to run, in their order.
    waiting: Vec<Arc<Module>>,
}

/// From a name to a published batch. A call, so that constructors do not run on top of the room that this takes.
#[inline(never)]
fn load(
    runtime: &'static Runtime,
    file: &[u8],
    mode: c_int,
    namespace: isize,
    caller: Address,
    mark: &Loading,
    opening: &mut Opening,
) -> Result<usize> {
    let Some(world) = world_of(mark) else {
        return Err(call_error(Kind::Busy, file));
    };
    let asker = world.at(caller).or(world.program());
    let own = asker.map_or(Namespace::BASE, |asker| asker.namespace);
    let namespace =
        namespace_of(namespace, own, world).map_err(|what| call_error(Kind::os(what, Errno::EINVAL), file))?;
    opening.namespace = namespace;
    if file.is_empty() && namespace == Namespace::BASE {
        // The program's own name. In another namespace nothing is called so.
        return Ok(world.first_map(namespace));
    }
    let wish = Wish {
        name: file,
        purpose: Purpose::Open,
        asker: asker.map(|module| module.id),
    };
    let mut mapped = map(runtime, &wish, namespace, world)?;
    for module in mapped.batch.modules.iter_mut().filter_map(Arc::get_mut) {
        module.binds_deep = mode & RTLD_DEEPBIND != 0;
    }
    let Some(root) = mapped.root else {
        return Err(call_error(Kind::InvalidHandle(0), file));
    };
    if !mapped.batch.modules.is_empty() && mode & RTLD_NOLOAD != 0 {
        // What was mapped to look at it is dropped again.
        return match is_musl() {
            true => Err(not_loaded(file)),
            false => Ok(0),
        };
    }
    let order = &mapped.batch.order;
    // A library that this thread is opening waits for its turn.
    if order.iter().any(|id| is_waiting(world, *id)) && !(opening.is_nested && is_opened(world, root)) {
        opening.waiting = init::to_initialise(world, &dependencies_first(world.roster(), order, ModuleId(0)));
    }
    if mapped.batch.modules.is_empty() {
        return Ok(reopen(runtime, world, root, mode, order));
    }
    check_new(runtime, world, &mapped)?;
    // From here on the heap is asked for what has no way to fail.
    have_at_hand(OF_MODULE + mapped.batch.modules.len() * OF_LINKED).map_err(|fault| call_error(fault.kind(), file))?;
    link(runtime, mapped, root, world, mode, opening).inspect_err(|_| forget_unpublished())
}

/// What a file must not be to be opened, whose headers are in order.
fn check_new(runtime: &Runtime, world: &World, mapped: &Mapped) -> Result<()> {
    demands::check_strictly(runtime.strict, &mapped.batch)?;
    for module in mapped.batch.fresh() {
        if let Some(kind) = not_to_be_opened(module, Some(module.id) == mapped.root) {
            return Err(module.fault(Stage::Map, kind));
        }
        if let Abi::Glibc(glibc) = &runtime.abi
            && is_another(module, world.get(glibc.libc).map(|libc| &**libc))
        {
            let kind = Kind::Unsupported("another build of glibc than the one that the program runs with");
            return Err(module.fault(Stage::Map, kind));
        }
    }
    Ok(())
}

/// Binds and publishes what was mapped.
fn link(
    runtime: &Runtime,
    mapped: Mapped,
    root: ModuleId,
    world: &World,
    mode: c_int,
    opening: &mut Opening,
) -> Result<usize> {
    let namespace = opening.namespace;
    let linked = mapped.link(world, runtime.log)?;
    let binding = Binding {
        machine: machine::MACHINE,
        now: runtime.bind_now || mode & RTLD_NOW != 0,
        waits: false,
        entries: machine::entries(is_musl()),
        substitutes: runtime.substitutes,
        allow: runtime.allow,
    };
    let relocated = linked.relocate(world, binding, &runtime.linux, runtime.log)?;
    let mut maps = Vec::new();
    if let Abi::Glibc(glibc) = &runtime.abi {
        let roster = relocated.batch.roster(world);
        for module in &relocated.batch.modules {
            let map = glibc
                .map_of(module, roster)
                .ok_or_else(|| module.fault(Stage::Wake, Kind::OutOfMemory))?;
            maps.push(map);
        }
        glibc.fill_threads(&relocated.batch.modules);
    }
    let resolved = resolve(relocated, world, runtime)?;
    let protected = resolved.protect(&runtime.linux, runtime.linux.page_size, runtime.log)?;
    let last = debugger::last_map(world.late_map(namespace) as u64);
    debugger::note_last(last);
    debugger::tell(namespace, world.first_map(namespace), State::Add);
    let (first_new, references) = (world.next, references(&protected.batch));
    let mut world = world.copied();
    let ready = protected.publish(&mut world);
    if mode & RTLD_GLOBAL != 0 {
        add_new(&mut world.global, &ready.order);
    }
    match &runtime.abi {
        Abi::Glibc(glibc) => glibc.adopt(last, &maps, namespace, world.tls.modules, &ready.modules),
        _ => {
            let mut new = ready.order.iter().filter_map(|id| world.get(*id));
            bare::adopt(last, &mut new).map_err(|kind| call_error(kind, b""))?;
        }
    }
    for module in &ready.modules {
        if module.dynamic.flags_1.contains(Flags1::NODELETE) {
            module.pin();
        }
    }
    catalogue(&mut world, first_new, references);
    let handle = open_once_more(&world, root, mode);
    if ready
        .modules
        .iter()
        .any(|module| demands::property(module, note::MEMORY_SEAL) != 0)
    {
        ASK_FOR_SEALS.store(true, Ordering::Relaxed);
    }
    seal_what_stays(runtime, &world);
    let first = world.first_map(namespace);
    publish(world);
    if let Abi::Glibc(glibc) = &runtime.abi {
        // Once more, for threads that were made while the modules were not published. Nobody has touched the blocks yet.
        glibc.fill_threads(&ready.modules);
    }
    debugger::tell(namespace, first, State::Consistent);
    opening.waiting.extend(ready.modules);
    Ok(handle)
}

/// Maps what is wished and all that it needs, with what earlier searches learnt of directories.
fn map(runtime: &Runtime, wish: &Wish<'_>, namespace: Namespace, world: &World) -> Result<Mapped> {
    let mut directories = DIRECTORIES.swap(None).unwrap_or_else(|| Box::new(Directories::new()));
    let mut context = Context {
        host: &runtime.linux,
        searcher: &runtime.searcher,
        directories: &mut directories,
        machine: machine::MACHINE,
        page_size: runtime.linux.page_size,
        cpu_level: runtime.cpu_level,
        tolerant: false,
        trusted_preloads: false,
        log: runtime.log,
    };
    let mapped = Mapped::load(None, core::slice::from_ref(wish), namespace, world, &mut context);
    drop(DIRECTORIES.swap(Some(directories)));
    mapped
}

/// The namespace that a call means, whose caller is in `own`; or what glibc says of one that cannot be meant.
fn namespace_of(number: isize, own: Namespace, world: &World) -> core::result::Result<Namespace, &'static str> {
    match number {
        OF_CALLER => Ok(own),
        LM_ID_NEWLM => {
            HAS_OTHERS.store(true, Ordering::Relaxed);
            (1..Namespace::MOST)
                .map(Namespace)
                .find(|free| !world.has(*free))
                .ok_or("no more namespaces available for dlmopen()")
        }
        // A namespace begins with LM_ID_NEWLM, and ends with its last library.
        _ => u8::try_from(number)
            .ok()
            .map(Namespace)
            .filter(|namespace| world.has(*namespace))
            .ok_or("invalid target namespace in dlmopen()"),
    }
}

/// What musl says of a library that is only looked for.
#[cold]
fn not_loaded(file: &[u8]) -> Box<Error> {
    let text = text(format_args!("Library {} is not already loaded", Lossy(file)));
    call_error(Kind::Usage(Name::from(text.as_str())), b"")
}

/// Why a file that could be mapped is no library to open.
fn not_to_be_opened(module: &Module, is_root: bool) -> Option<Kind> {
    if module.layout.fixed {
        return Some(Kind::Unsupported("cannot dynamically load executable"));
    }
    if module.dynamic.flags_1.contains(Flags1::PIE) {
        return Some(Kind::Unsupported(
            "cannot dynamically load position-independent executable",
        ));
    }
    (is_root && module.dynamic.flags_1.contains(Flags1::NOOPEN)).then_some(Kind::NotToBeOpened)
}

/// Whether a library that is loaded has constructors that have not run: the caller is one of the start or of the same batch, or a child whose parent
/// was about to run them.
fn is_waiting(world: &World, id: ModuleId) -> bool {
    world.get(id).is_some_and(|module| {
        matches!(module.role, Role::Library | Role::Opened) && module.state.load(Ordering::Acquire) == FRESH
    })
}

/// Whether a library has been opened by its name.
fn is_opened(world: &World, id: ModuleId) -> bool {
    world
        .get(id)
        .is_some_and(|module| module.opened.load(Ordering::Acquire) != 0)
}

/// A library that is loaded already is opened once more.
fn reopen(runtime: &Runtime, world: &World, root: ModuleId, mode: c_int, order: &[ModuleId]) -> usize {
    let handle = open_once_more(world, root, mode);
    if mode & RTLD_NODELETE != 0 {
        seal_what_stays(runtime, world);
    }
    // The list is ascending but for what was made global later than others that came after it.
    let is_global = |id: &ModuleId| world.global.binary_search(id).is_ok() || world.global.contains(id);
    if mode & RTLD_GLOBAL != 0 && !order.iter().all(is_global) {
        let mut next = world.copied();
        add_new(&mut next.global, order);
        let first_new = next.next;
        catalogue(&mut next, first_new, 0);
        publish(next);
    }
    handle
}

/// As [`World::catalogue`]. What an absent thread was changing is made anew.
fn catalogue(world: &mut World, first_new: ModuleId, references: u64) {
    if ABANDONED.swap(false, Ordering::Relaxed) {
        world.modules.forget_catalogue();
    }
    world.catalogue(first_new, references);
}

/// Counts that `dlopen` returns a module, and gives its handle.
fn open_once_more(world: &World, root: ModuleId, mode: c_int) -> usize {
    world.get(root).map_or(0, |module| {
        module.opened.fetch_add(1, Ordering::AcqRel);
        if mode & RTLD_NODELETE != 0 {
            module.pin();
        }
        module.link_map.load(Ordering::Acquire)
    })
}

/// Seals the opened modules that nothing takes away any more, if that is asked for: what is kept for ever, and what that needs or was bound to.
#[inline(never)]
fn seal_what_stays(runtime: &Runtime, world: &World) {
    if !runtime.seal && !ASK_FOR_SEALS.load(Ordering::Relaxed) {
        return;
    }
    let left = left_alone(world, None, &|_| false);
    for module in world.modules.iter() {
        if module.role == Role::Opened && !left.contains(&module.id) {
            seal(module, &runtime.linux, runtime.seal);
        }
    }
}

/// About how many references the modules of a batch make by name.
fn references(batch: &Batch) -> u64 {
    let of = |module: &Module| {
        let dynamic = &module.dynamic;
        let entries = |range: Option<Range>| range.map_or(0, |range| range.size / size_of::<Rela>() as u64);
        entries(dynamic.rela).saturating_sub(dynamic.relacount) + entries(dynamic.jmprel.map(|(range, _)| range))
    };
    batch.fresh().map(of).sum()
}

/// Appends the modules of `more` that are not in `list`.
pub(super) fn add_new(list: &mut Vec<ModuleId>, more: &[ModuleId]) {
    for id in more {
        if !list.contains(id) {
            list.push(*id);
        }
    }
}
