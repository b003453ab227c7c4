//! The running process: what is loaded, who may change it, and the dlfcn family — C in, the same stages, C out.
//!
//! What is loaded is one published [`World`] that never changes. Readers (unwinders, `dladdr`, the lazy binder, first touches of TLS) take no lock:
//! they count themselves and use the world that is published. Whoever loads something holds the long lock, makes the next world
//! from a copy, publishes it, and frees former worlds when nobody reads.
//!
//! The long lock is libc's own recursive mutex where there is a libc, because `fork` resets that in the child. A call that comes in while
//! the same thread is in the middle of loading (from a resolver, from a signal handler) is refused with a text.
//!
//! # Safety
//! The C functions take what C callers pass: strings that end in NUL, handles that may be anything (they are looked up, never
//! followed), structures with the room that the interface states.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use spin::{Mutex, Once};

use crate::abi::Abi;
use crate::abi::glibc::Glibc;
use crate::debugger::{self, State};
use crate::elf::dynamic::Flags1;
use crate::elf::symbol::STT_TLS;
use crate::elf::{Address, SymbolIndex, Vaddr};
use crate::error::{Errno, Error, Fault, Kind, Lossy, Name, Result, Stage};
use crate::event::{Event, Interest, Log, Statistics};
use crate::scope::{Definition, Scope, breadth_first, note_binding};
use crate::search::{Directories, Purpose, Searcher};
use crate::stages::init::{self, Ready};
use crate::stages::link::dependencies_first;
use crate::stages::map::{Context, Mapped, Wish};
use crate::stages::relocate::{self, Binding, Substitute};
use crate::stages::resolve::Resolved;
use crate::stages::unload::unneeded;
use crate::symbols::{Use, Wanted};
use crate::sys::linux::Linux;
use crate::sys::machine;
use crate::thread;
use crate::world::{CLOSED, FINALISED, FRESH, Host, INITIALISED, Module, ModuleId, Role, Roster, World};

/// What the start decided and later operations need.
#[derive(Debug)]
pub struct Runtime {
    /// The outside.
    pub linux: Linux,
    /// Where names may be.
    pub searcher: Searcher<'static>,
    /// The x86-64 level of the CPU.
    pub cpu_level: u8,
    /// LD_BIND_NOW.
    pub bind_now: bool,
    /// Who reads events.
    pub log: Log<'static>,
    /// The libc.
    pub abi: Abi,
    /// A definition of libc that lode's own takes the place of.
    pub substitute: Option<Substitute>,
    /// argv[0], for messages and for `dladdr`.
    pub program: &'static CStr,
    /// What constructors are called with.
    pub arguments: Arguments,
}

/// The arguments of constructors, by address.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    /// argc
    pub count: usize,
    /// argv
    pub values: usize,
    /// envp
    pub environment: usize,
}

static RUNTIME: Once<Runtime> = Once::new();

/// The published world. Null before the start has one.
static WORLD: AtomicPtr<World> = AtomicPtr::new(core::ptr::null_mut());

/// How many threads are looking at a published world. A reader that is left by `longjmp` is counted for ever: former worlds are then kept,
/// which is only memory.
static READERS: AtomicUsize = AtomicUsize::new(0);

/// Worlds that are no longer published but may still be read.
static FORMER: Mutex<Vec<FormerWorld>> = Mutex::new(Vec::new());

/// The thread, by its pointer, whose batch is between its first mapping and its publication; 0 when there is none.
static LOADING: AtomicU64 = AtomicU64::new(0);

/// The directories that searches have met. Used under the long lock.
static DIRECTORIES: Mutex<Directories> = Mutex::new(Directories::new());

/// When so many more of them have come together, a publication waits for a moment without readers.
const MANY_FORMER: usize = 64;

struct FormerWorld(*mut World);
// SAFETY: the pointer is owned by the list; it is freed by whoever finds no reader.
unsafe impl Send for FormerWorld {}

/// Stores what the start decided. Called once.
pub fn set_runtime(runtime: Runtime) -> &'static Runtime {
    RUNTIME.call_once(|| runtime)
}

fn runtime() -> Option<&'static Runtime> {
    RUNTIME.get()
}

/// Makes `world` the one that everybody reads.
pub fn publish(world: World) {
    let new = Box::into_raw(Box::new(world));
    let old = WORLD.swap(new, Ordering::SeqCst);
    let mut former = FORMER.lock();
    if !old.is_null() {
        former.push(FormerWorld(old));
    }
    // Where threads read without a pause, the memory of what was unloaded must not pile up: now and then, give them a chance to pause.
    let piles_up = former.len() % MANY_FORMER == MANY_FORMER - 1;
    let mut patience = if piles_up { 1000 } else { 0 };
    while patience != 0 && READERS.load(Ordering::SeqCst) != 0 {
        patience -= 1;
        crt::syscall::sched_yield();
    }
    // Whoever counts itself from here on reads the new world, so a zero means that nobody has an old one.
    if READERS.load(Ordering::SeqCst) == 0 {
        for FormerWorld(old) in former.drain(..) {
            // SAFETY: made by `Box::into_raw` above, unpublished, and read by nobody.
            drop(unsafe { Box::from_raw(old) });
        }
    }
}

struct Reading;

impl Reading {
    fn start() -> Reading {
        READERS.fetch_add(1, Ordering::SeqCst);
        Reading
    }
    fn world(&self) -> Option<&World> {
        let world = WORLD.load(Ordering::SeqCst);
        // SAFETY: a published world is freed only when no reader is counted, and this one is.
        unsafe { world.as_ref() }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        stop_reading();
    }
}

/// Counts a reader out. In the child of a `fork` made by a reader the count began anew, so it may be 0 already.
fn stop_reading() {
    let _ = READERS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
}

/// What an unwinder asks of the door of `dl_iterate_phdr` (Itanium C++ ABI, "Personality Routine") when an exception, the end of a thread or its
/// cancellation passes it: the reader that it leaves is counted out, and unwinding goes on.
#[unsafe(no_mangle)]
extern "C" fn lode_leave_reading(_version: c_int, actions: c_int) -> c_int {
    const CLEANUP_PHASE: c_int = 2;
    const CONTINUE_UNWIND: c_int = 8;
    if actions & CLEANUP_PHASE != 0 {
        stop_reading();
    }
    CONTINUE_UNWIND
}

/// Calls `body` with the published world. `None` before there is one.
pub fn with_world<T>(body: impl FnOnce(&World, Roster<'_>) -> T) -> Option<T> {
    let reading = Reading::start();
    reading.world().map(|world| body(world, world.roster()))
}

/// Calls `body` with glibc's state. `None` in a process of another libc.
pub fn with_glibc<T>(body: impl FnOnce(&Glibc) -> T) -> Option<T> {
    match &runtime()?.abi {
        Abi::Glibc(glibc) => Some(body(glibc)),
        Abi::Bare => None,
    }
}

/// Calls `body` with the module whose mapping holds `address`.
pub fn with_module_at<T>(address: Address, body: impl FnOnce(&Module) -> T) -> Option<T> {
    with_world(|world, _| world.at(address).map(|module| body(module))).flatten()
}

/// Calls `body` with the module whose link_map is at `map`; `None` when there is none.
pub fn with_module_of_map<T>(map: usize, body: impl FnOnce(&Module) -> T) -> Option<T> {
    with_world(|world, _| module_of_map(world, map).map(|module| body(module))).flatten()
}

fn module_of_map(world: &World, map: usize) -> Option<&Arc<Module>> {
    world
        .modules
        .iter()
        .find(|module| map != 0 && module.link_map.load(Ordering::Acquire) == map)
}

/// Ends the process with a line about lode itself.
pub fn stop(text: &str) -> ! {
    let program = runtime().map_or(&b"lode"[..], |runtime| runtime.program.to_bytes());
    let _ = writeln!(crt::Stderr, "{}: {text}", Lossy(program));
    crt::syscall::exit_group(127)
}

// ---- the long lock ----

/// The lock that orders operations which load. Recursive.
struct LongLock(Option<(Address, u64)>);

impl LongLock {
    fn take() -> LongLock {
        let Some((lock, unlock, mutex)) = with_glibc(|glibc| {
            let global = glibc.global?;
            let mutex = global.address_of(glibc.layout.rtld_global.dl_load_lock)?;
            Some((glibc.functions.mutex_lock?, glibc.functions.mutex_unlock?, mutex))
        })
        .flatten() else {
            return LongLock(None);
        };
        call_mutex(lock, mutex);
        LongLock(Some((unlock, mutex)))
    }
}

impl Drop for LongLock {
    fn drop(&mut self) {
        if let Some((unlock, mutex)) = self.0 {
            call_mutex(unlock, mutex);
        }
    }
}

fn call_mutex(function: Address, mutex: u64) {
    // SAFETY: libc's pthread_mutex_lock or pthread_mutex_unlock, found by name and relocated, and libc's own mutex.
    let function: extern "C" fn(u64) -> c_int = unsafe { core::mem::transmute(function.0 as usize) };
    function(mutex);
}

/// A batch is being loaded by this thread: whatever of the program runs meanwhile (resolvers, signal handlers) cannot load.
#[derive(Debug)]
pub struct Loading;

impl Loading {
    /// Called with the long lock held. Another thread's mark is one that `fork` left behind: that thread is not in this process.
    ///
    /// # Errors
    /// [`Kind::Busy`] when this thread is loading already.
    pub fn start() -> core::result::Result<Loading, Fault> {
        let thread = machine::thread_pointer();
        if LOADING.swap(thread, Ordering::Acquire) == thread {
            return Err(Kind::Busy.into());
        }
        Ok(Loading)
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        LOADING.store(0, Ordering::Release);
    }
}

/// Takes the short locks before a fork, so that the child finds whole what they guard. A batch that another thread has not published is a
/// leak in the child, never a corruption.
pub fn before_fork() {
    core::mem::forget(FORMER.lock());
    core::mem::forget(DIRECTORIES.lock());
}

/// In the child, where no other thread is: their readers and their half-done work are not here either.
pub fn in_the_child() {
    READERS.store(0, Ordering::SeqCst);
    let thread = machine::thread_pointer();
    for mark in [&LOADING, &CLOSING] {
        let owner = mark.load(Ordering::Relaxed);
        if owner != 0 && owner != thread {
            mark.store(0, Ordering::Relaxed);
            CLOSED_MEANWHILE.store(true, Ordering::Relaxed);
        }
    }
}

/// Gives them back, in the parent and in the child.
pub fn after_fork() {
    // SAFETY: `before_fork` took both in this thread, and the fork copied them into the child.
    unsafe {
        DIRECTORIES.force_unlock();
        FORMER.force_unlock();
    }
}

// ---- constructors and destructors ----

type Constructor = extern "C-unwind" fn(usize, usize, usize);

/// Calls functions of the program with argc, argv and envp.
pub fn call_all(functions: impl Iterator<Item = Address>, arguments: Arguments) {
    for function in functions {
        // SAFETY: an address that DT_INIT, DT_INIT_ARRAY or DT_PREINIT_ARRAY of a relocated module names: code by the ABI.
        let function: Constructor = unsafe { core::mem::transmute(function.0 as usize) };
        function(arguments.count, arguments.values, arguments.environment);
    }
}

/// Runs the constructors of a published batch, each module's once.
pub fn initialise(ready: &Ready, runtime: &Runtime, skip: Option<ModuleId>) {
    for module in &ready.modules {
        if Some(module.id) == skip {
            continue;
        }
        if module
            .state
            .compare_exchange(FRESH, INITIALISED, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            continue;
        }
        runtime.log.emit(Interest::FILES, || Event::Initialising(&module.name));
        call_all(init::constructors(module), runtime.arguments);
    }
}

/// What the program's entry gets in rdx: runs the destructors of every module that was initialised, dependents first.
pub extern "C-unwind" fn finalise() {
    // A library that another thread is closing is finalised by that thread, in its order.
    drop(LongLock::take());
    let reading = Reading::start();
    let Some(world) = reading.world() else { return };
    for module in world.fini_order.iter().filter_map(|id| world.get(*id)) {
        finalise_module(module, FINALISED);
    }
}

/// Runs the destructors of a module, if its constructors ran, and leaves it in `state`. Says whether it did.
fn finalise_module(module: &Module, state: u32) -> bool {
    let was = module
        .state
        .compare_exchange(INITIALISED, state, Ordering::AcqRel, Ordering::Acquire);
    if was.is_err() || module.is_final {
        return false;
    }
    if let Some(runtime) = runtime() {
        runtime.log.emit(Interest::FILES, || Event::Finalising(&module.name));
    }
    for function in init::destructors(module) {
        // SAFETY: an address that DT_FINI or DT_FINI_ARRAY of an initialised module names.
        let function: extern "C-unwind" fn() = unsafe { core::mem::transmute(function.0 as usize) };
        function();
    }
    true
}

// ---- thread-local storage ----

/// The block of the module with this TLS number in the calling thread; ends the process when there is no memory.
pub fn tls_block(id: u64) -> u64 {
    let generation = thread::generation();
    with_world(|world, roster| {
        let module = world
            .modules
            .iter()
            .find(|module| module.tls().is_some_and(|slot| slot.id == id))?;
        thread::block(module, roster, generation)
    })
    .flatten()
    .unwrap_or_else(|| stop("cannot allocate memory for thread-local data"))
}

/// Copies the TLS images of modules anew in which a resolver's answer was stored after the blocks had been filled. No code of these modules has
/// run, so nothing in the blocks is lost.
pub fn refill_tls(resolved: &Resolved) {
    let modules = resolved.batch.modules.iter();
    for module in modules.filter(|module| resolved.tls_images.contains(&module.id)) {
        match runtime().map(|runtime| &runtime.abi) {
            Some(Abi::Glibc(glibc)) => glibc.fill_threads(core::slice::from_ref(module)),
            _ => {
                let pointer = machine::thread_pointer();
                // SAFETY: the calling thread's own static blocks, the only ones in a process without libc.
                unsafe { thread::StaticTls { pointer }.fill_one(module) };
            }
        }
    }
}

/// Whether libc knows this dtv as the first thread's.
pub fn is_initial_dtv(address: u64) -> bool {
    with_glibc(|glibc| {
        glibc
            .global
            .is_some_and(|global| global.get(glibc.layout.rtld_global.dl_initial_dtv) == address)
    })
    .unwrap_or(true)
}

/// Memory for a thread of which libc brings none: blocks and struct pthread. Returns the thread pointer.
pub fn allocate_thread_head() -> Option<*mut c_void> {
    with_glibc(|glibc| {
        let ro = glibc.global_ro?;
        let at = &glibc.layout.rtld_global_ro;
        let (size, align) = (ro.get(at.dl_tls_static_size?), ro.get(at.dl_tls_static_align?));
        let pointer = glibc.thread_memory(size, align)?;
        // SAFETY: the head lies in the fresh allocation.
        unsafe {
            (pointer as *mut u64).write(pointer);
            (pointer as *mut u64).add(2).write(pointer);
        }
        Some(pointer as *mut c_void)
    })
    .flatten()
}

/// Asks the process's `malloc` for a byte, once, before its first new thread runs.
///
/// glibc's malloc prepares its heap in its first call without a lock. It relies on its loader, which takes the memory of each new thread's
/// dtv from there, in the thread that creates. lode does not, so it makes the call that libc counts on.
pub fn prepare_malloc() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::AcqRel) {
        return;
    }
    let function = |name| look_up(0, name, None, Address(0));
    if let (Ok(malloc), Ok(free)) = (function(b"malloc"), function(b"free")) {
        // SAFETY: the process's own allocator, by the names and types of the C standard.
        unsafe {
            let malloc: extern "C-unwind" fn(usize) -> *mut c_void = core::mem::transmute(malloc);
            let free: extern "C-unwind" fn(*mut c_void) = core::mem::transmute(free);
            free(malloc(1));
        }
    }
}

// ---- dlerror ----

/// Distance below the thread pointer of the word that holds the address of the thread's dlerror text ([`crate::tls::TlsPlan::own`]).
static OWN_WORDS: AtomicU64 = AtomicU64::new(0);

/// Says where lode's words of each thread are. Called once, before there is a second thread.
pub fn set_own_words(distance: u64) {
    OWN_WORDS.store(distance, Ordering::Relaxed);
}

fn slot_of(pointer: u64) -> *mut *mut Failure {
    pointer.wrapping_sub(OWN_WORDS.load(Ordering::Relaxed)) as *mut *mut Failure
}

/// The last failure of a thread.
struct Failure {
    /// Ends in NUL.
    text: String,
    /// `dlerror` returned it already.
    told: bool,
}

fn failure_slot() -> *mut *mut Failure {
    slot_of(machine::thread_pointer())
}

/// Says what failed: to whoever reads events, and to `dlerror`.
#[cold]
#[inline(never)]
fn set_failure(error: &Error) {
    if let Some(runtime) = runtime() {
        runtime.log.emit(Interest::FILES, || Event::Failed(error));
    }
    // A C string: `Lossy` shows a NUL in a name as text.
    let text = crate::error::text(format_args!("{error}\0"));
    let failure = Box::into_raw(Box::new(Failure { text, told: false }));
    // SAFETY: the slot is the calling thread's own; it holds null or a box that this file made.
    let old = unsafe { core::ptr::replace(failure_slot(), failure) };
    free_failure(old);
}

fn free_failure(failure: *mut Failure) {
    if !failure.is_null() {
        // SAFETY: made by `Box::into_raw` in `set_failure`, taken out of its slot.
        drop(unsafe { Box::from_raw(failure) });
    }
}

/// Gives back what a dead thread left in its slot.
pub fn forget_thread(pointer: u64) {
    // SAFETY: nobody runs on the thread; its slot is readable as long as its stack is.
    let old = unsafe { core::ptr::replace(slot_of(pointer), core::ptr::null_mut()) };
    free_failure(old);
}

/// Empties the slot of a thread that has not run, whatever its stack held before.
pub fn clear_thread(pointer: u64) {
    // SAFETY: as in `forget_thread`.
    unsafe { slot_of(pointer).write(core::ptr::null_mut()) };
}

/// `dlerror(3)`.
pub extern "C" fn dlerror() -> *const c_char {
    // SAFETY: the calling thread's own slot.
    unsafe {
        let slot = failure_slot();
        match slot.read().as_mut() {
            None => core::ptr::null(),
            Some(failure) if failure.told => {
                free_failure(core::ptr::replace(slot, core::ptr::null_mut()));
                core::ptr::null()
            }
            Some(failure) => {
                failure.told = true;
                failure.text.as_ptr().cast()
            }
        }
    }
}

fn answer<T>(result: Result<T>, on_failure: T) -> T {
    result.unwrap_or_else(|error| {
        set_failure(&error);
        on_failure
    })
}

// ---- dlopen ----

const RTLD_LAZY: c_int = 1;
const RTLD_NOW: c_int = 2;
const RTLD_NOLOAD: c_int = 4;
const RTLD_DEEPBIND: c_int = 8;
const RTLD_GLOBAL: c_int = 0x100;
const RTLD_NODELETE: c_int = 0x1000;

#[cold]
#[inline(never)]
fn call_error(fault: impl Into<Fault>, culprit: &[u8]) -> Box<Error> {
    fault.into().of(Stage::Call, &Name::new(culprit))
}

/// The error of a call that comes before the start has ended.
#[cold]
#[inline(never)]
fn too_early() -> Box<Error> {
    call_error(Kind::Busy, b"")
}

/// `dlopen(3)`, with the address of the caller.
///
/// # Safety
/// `file` is null or a C string.
pub unsafe extern "C-unwind" fn dlopen(file: *const c_char, mode: c_int, caller: *const c_void) -> *mut c_void {
    // SAFETY: the caller's promise.
    let file = (!file.is_null()).then(|| unsafe { CStr::from_ptr(file) }.to_bytes());
    answer(open(file, mode, Address(caller as u64)), 0) as *mut c_void
}

/// libc's own dlopen, for NSS, character sets and the unwinder.
///
/// # Safety
/// `name` is a C string.
pub unsafe extern "C-unwind" fn libc_dlopen_mode(name: *const c_char, mode: c_int) -> *mut c_void {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    // libc looks at the answer only; the program's dlerror is none of its business.
    open(Some(name), mode, Address(0)).unwrap_or(0) as *mut c_void
}

/// `dlmopen(3)`: the base namespace, for the time being.
///
/// # Safety
/// `file` is null or a C string.
pub unsafe extern "C-unwind" fn dlmopen(
    namespace: isize,
    file: *const c_char,
    mode: c_int,
    caller: *const c_void,
) -> *mut c_void {
    if namespace != 0 {
        let kind = Kind::Unsupported("lode has no link-map namespace beyond the base one yet");
        return answer(Err(call_error(kind, b"")), core::ptr::null_mut());
    }
    // SAFETY: the caller's promise.
    unsafe { dlopen(file, mode, caller) }
}

/// Opens a library and returns its link_map's address.
fn open(file: Option<&[u8]>, mode: c_int, caller: Address) -> Result<usize> {
    if mode & (RTLD_LAZY | RTLD_NOW) == 0 {
        let kind = Kind::os("invalid mode for dlopen()", Errno::EINVAL);
        return Err(call_error(kind, file.unwrap_or(b"")));
    }
    let Some(runtime) = runtime() else {
        return Err(too_early());
    };
    let lock = LongLock::take();
    // In the child of a fork: what a thread that is not here was taking away.
    take_away();
    let file = file.filter(|file| !file.is_empty());
    let Some(file) = file else {
        let program = with_world(|world, _| world.first_map());
        return program.filter(|map| *map != 0).ok_or_else(too_early);
    };
    let loading = Loading::start().map_err(|kind| call_error(kind, file))?;
    let loaded = load(runtime, file, mode, caller);
    drop(loading);
    // A resolver or a signal handler may have closed something meanwhile.
    take_away();
    let (handle, ready) = loaded?;
    if let Some(ready) = ready {
        // The batch is published: constructors may open, close and look up whatever they like.
        initialise(&ready, runtime, None);
    }
    drop(lock);
    Ok(handle)
}

/// From a name to a published batch. A call, so that constructors do not run on top of the room that this takes.
#[inline(never)]
fn load(runtime: &'static Runtime, file: &[u8], mode: c_int, caller: Address) -> Result<(usize, Option<Ready>)> {
    let Some(mut world) = with_world(|world, _| world.without(&[])) else {
        return Err(call_error(Kind::Busy, file));
    };
    let asker = world.at(caller).or(world.program()).map(|module| module.id);
    let mut directories = core::mem::take(&mut *DIRECTORIES.lock());
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
    let wish = Wish {
        name: file,
        purpose: Purpose::Open,
        asker,
    };
    let mapped = Mapped::load(None, &[wish], &world, &mut context);
    *DIRECTORIES.lock() = directories;
    let mut mapped = mapped?;
    for module in mapped.batch.modules.iter_mut().filter_map(Arc::get_mut) {
        module.binds_deep = mode & RTLD_DEEPBIND != 0;
    }
    let Some(root) = mapped.root else {
        return Err(call_error(Kind::InvalidHandle, file));
    };
    if mapped.batch.modules.is_empty() {
        return Ok(reopen(world, root, mode, &mapped.batch.order));
    }
    if mode & RTLD_NOLOAD != 0 {
        // What was mapped to look at it is dropped again.
        return Ok((0, None));
    }
    for module in mapped.batch.fresh() {
        if let Some(kind) = not_to_be_opened(module, module.id == root) {
            return Err(module.fault(Stage::Map, kind));
        }
    }
    let linked = mapped.link(&world, runtime.log)?;
    let binding = Binding {
        machine: machine::MACHINE,
        now: runtime.bind_now || mode & RTLD_NOW != 0,
        entries: machine::entries(),
        substitute: runtime.substitute,
    };
    let relocated = linked.relocate(&world, binding, runtime.log)?;
    let mut maps = Vec::new();
    if let Abi::Glibc(glibc) = &runtime.abi {
        let roster = relocated.batch.roster(&world);
        for module in &relocated.batch.modules {
            let map = glibc
                .map_of(module, roster)
                .ok_or_else(|| module.fault(Stage::Wake, Kind::OutOfMemory))?;
            maps.push(map);
        }
        glibc.fill_threads(&relocated.batch.modules);
    }
    let resolved = relocated.awake().resolve(&world, &runtime.linux, runtime.log)?;
    refill_tls(&resolved);
    let protected = resolved.protect(&runtime.linux, runtime.linux.page_size)?;
    let first = world.first_map() as u64;
    debugger::tell(first, State::Add);
    let ready = protected.publish(&mut world);
    if mode & RTLD_GLOBAL != 0 {
        add_new(&mut world.global, &ready.order);
    }
    if let Abi::Glibc(glibc) = &runtime.abi {
        glibc.adopt(&maps, world.tls.modules, &ready.modules);
    }
    for module in &ready.modules {
        if module.dynamic.flags_1.contains(Flags1::NODELETE) {
            module.pin();
        }
    }
    let handle = open_once_more(&world, root, mode);
    publish(world);
    if let Abi::Glibc(glibc) = &runtime.abi {
        // Once more, for threads that were made while the modules were not published. Nobody has touched the blocks yet.
        glibc.fill_threads(&ready.modules);
    }
    debugger::tell(first, State::Consistent);
    Ok((handle, Some(ready)))
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

/// A library that is loaded already is opened once more. Constructors that have not run yet (the caller is another one of the same
/// batch, or a child whose parent was about to run them) run now.
fn reopen(mut world: World, root: ModuleId, mode: c_int, order: &[ModuleId]) -> (usize, Option<Ready>) {
    let handle = open_once_more(&world, root, mode);
    let is_fresh = |id: &ModuleId| {
        let module = world.get(*id);
        module.is_some_and(|module| module.role == Role::Opened && module.state.load(Ordering::Acquire) == FRESH)
    };
    let ready = order.iter().any(is_fresh).then(|| Ready {
        modules: init::to_initialise(&world, &dependencies_first(world.roster(), order, ModuleId(0))),
        order: Vec::new(),
        statistics: Statistics::default(),
    });
    if mode & RTLD_GLOBAL != 0 && order.iter().any(|id| !world.global.contains(id)) {
        add_new(&mut world.global, order);
        publish(world);
    }
    (handle, ready)
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

/// Appends the modules of `more` that are not in `list`.
fn add_new(list: &mut Vec<ModuleId>, more: &[ModuleId]) {
    for id in more {
        if !list.contains(id) {
            list.push(*id);
        }
    }
}

// ---- dlclose ----

/// The thread, by its pointer, that is taking modules away; 0 when there is none.
static CLOSING: AtomicU64 = AtomicU64::new(0);

/// Something was closed while modules were being loaded or taken away; whoever does that looks again. Used under the long lock.
static CLOSED_MEANWHILE: AtomicBool = AtomicBool::new(false);

/// `dlclose(3)`. A library that nobody needs any longer is finalised and unmapped, and so is what only it needed.
pub extern "C-unwind" fn dlclose(handle: *const c_void) -> c_int {
    let lock = LongLock::take();
    let closed = with_module_of_map(handle as usize, |module| {
        let count = |count: u32| count.checked_sub(1);
        module.role != Role::Opened
            || module
                .opened
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, count)
                .is_ok()
    });
    if closed != Some(true) {
        let error = call_error(Kind::Unsupported("shared object not open"), b"");
        return answer(Err(error), -1);
    }
    CLOSED_MEANWHILE.store(true, Ordering::Relaxed);
    take_away();
    drop(lock);
    0
}

/// Finalises and unmaps what nobody needs, if something was closed. Called with the long lock held.
///
/// Destructors may open and close libraries, so the modules are looked for anew after they have run. A call that comes from a destructor, or
/// while this thread is loading, leaves the work to the one that it interrupted.
fn take_away() {
    let thread = machine::thread_pointer();
    if CLOSING.load(Ordering::Relaxed) == thread || LOADING.load(Ordering::Relaxed) == thread {
        return;
    }
    CLOSING.store(thread, Ordering::Relaxed);
    while CLOSED_MEANWHILE.swap(false, Ordering::Relaxed) {
        let Some(gone) = with_world(|world, _| unneeded(world, has_thread_destructors)) else {
            break;
        };
        let mut ran = false;
        for module in &gone {
            ran |= finalise_module(module, CLOSED);
        }
        if ran {
            CLOSED_MEANWHILE.store(true, Ordering::Relaxed);
        } else if !gone.is_empty() {
            unpublish(&gone);
        }
    }
    CLOSING.store(0, Ordering::Relaxed);
}

/// Whether libc has still destructors of thread-local objects to call in a module.
fn has_thread_destructors(module: &Module) -> bool {
    with_glibc(|glibc| glibc.thread_destructors(module) != 0) == Some(true)
}

/// Publishes the world without `gone`. Their memory goes when nobody reads a world that has them.
fn unpublish(gone: &[Arc<Module>]) {
    let Some(next) = with_world(|world, _| world.without(gone)) else {
        return;
    };
    let first = next.first_map() as u64;
    debugger::tell(first, State::Delete);
    with_glibc(|glibc| glibc.forget(gone, next.tls.modules));
    publish(next);
    if gone.iter().any(|module| module.tls().is_some()) {
        // Behind the publication: see `thread::GENERATION`.
        thread::GENERATION.fetch_add(1, Ordering::SeqCst);
    }
    debugger::tell(first, State::Consistent);
}

// ---- dlsym ----

/// RTLD_NEXT
const NEXT: usize = usize::MAX;

/// `dlsym(3)`.
///
/// # Safety
/// `name` is a C string.
pub unsafe extern "C-unwind" fn dlsym(
    handle: *const c_void,
    name: *const c_char,
    caller: *const c_void,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    answer(look_up(handle as usize, name, None, Address(caller as u64)), 0) as *mut c_void
}

/// `dlvsym(3)`.
///
/// # Safety
/// `name` and `version` are C strings.
pub unsafe extern "C-unwind" fn dlvsym(
    handle: *const c_void,
    name: *const c_char,
    version: *const c_char,
    caller: *const c_void,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let (name, version) = unsafe { (CStr::from_ptr(name).to_bytes(), CStr::from_ptr(version).to_bytes()) };
    answer(look_up(handle as usize, name, Some(version), Address(caller as u64)), 0) as *mut c_void
}

/// libc's own dlsym.
///
/// # Safety
/// `name` is a C string.
pub unsafe extern "C-unwind" fn libc_dlsym(map: *const c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    look_up(map as usize, name, None, Address(0)).unwrap_or(0) as *mut c_void
}

/// libc's own dlvsym.
///
/// # Safety
/// `name` and `version` are C strings.
pub unsafe extern "C-unwind" fn libc_dlvsym(
    map: *const c_void,
    name: *const c_char,
    version: *const c_char,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let (name, version) = unsafe { (CStr::from_ptr(name).to_bytes(), CStr::from_ptr(version).to_bytes()) };
    look_up(map as usize, name, Some(version), Address(0)).unwrap_or(0) as *mut c_void
}

fn look_up(handle: usize, name: &[u8], version: Option<&[u8]>, caller: Address) -> Result<usize> {
    let Some(runtime) = runtime() else {
        return Err(too_early());
    };
    let generation = thread::generation();
    let (address, is_resolver) = with_world(|world, roster| {
        let asker = world.at(caller).or(world.program());
        let (list, culprit) = search_list(world, roster, handle, asker)?;
        let mut wanted = Wanted::new(name, None, Use::Call);
        wanted.newest = true;
        // A version that libc's callers name is a definition's: it must be met exactly.
        let wanted_version = version.map(|version| crate::symbols::Version {
            hash: crate::elf::hash::sysv_hash(version),
            name: unbounded(version),
            file: None,
            hidden: true,
        });
        wanted.version = wanted_version;
        let scope = Scope {
            roster,
            lists: [&list, &[]],
            unique: &world.unique,
        };
        let found = scope.find(&wanted, None, runtime.log);
        // What RTLD_DEFAULT finds stays as long as the asker does, as if a reference of it had been bound.
        if let (0, Some(asker), Some(found)) = (handle, asker, &found) {
            note_binding(roster, asker, found.module);
        }
        let Some(found) = found else {
            return Err(call_error(
                Kind::NoSymbol {
                    symbol: Name::new(name),
                    version: version.map(Name::new),
                },
                culprit,
            ));
        };
        place_of(&found, roster, generation, runtime)
    })
    .unwrap_or_else(|| Err(too_early()))?;
    // Only now is code of the program called: it may load something itself, or never return.
    let address = if is_resolver {
        runtime.linux.resolve(address)
    } else {
        address
    };
    Ok(address.0 as usize)
}

/// Extends the life of a version name over a look-up that ends before the caller's string does.
fn unbounded(name: &[u8]) -> &'static [u8] {
    // SAFETY: used for one look-up inside the call that borrowed the name; no copy of the reference outlives it.
    unsafe { core::slice::from_raw_parts(name.as_ptr(), name.len()) }
}

/// Where a definition is, and whether that is a resolver that has yet to be asked.
fn place_of(found: &Definition<'_>, roster: Roster<'_>, generation: u64, runtime: &Runtime) -> Result<(Address, bool)> {
    if let Some(address) = runtime.substitute.and_then(|substitute| substitute.of(found)) {
        return Ok((address, false));
    }
    if found.symbol.kind() == STT_TLS {
        let block =
            thread::block(found.module, roster, generation).ok_or_else(|| call_error(Kind::OutOfMemory, b""))?;
        return Ok((Address(block.wrapping_add(found.symbol.value)), false));
    }
    Ok((found.address(), found.is_indirect()))
}

/// The modules that a handle means, in order, and the name that a failure is reported under.
fn search_list<'w>(
    world: &'w World,
    roster: Roster<'w>,
    handle: usize,
    asker: Option<&'w Arc<Module>>,
) -> Result<(Vec<ModuleId>, &'w [u8])> {
    let named = match handle {
        0 | NEXT => None,
        _ => Some(module_of_map(world, handle).ok_or_else(|| call_error(Kind::InvalidHandle, b""))?),
    };
    let culprit = named.or(asker).map_or(&b""[..], |module| module.name.bytes());
    if let Some(module) = named
        && module.role != Role::Program
    {
        return Ok((breadth_first(roster, &[module.id]), culprit));
    }
    let mut list = world.global.clone();
    if named.is_none()
        && let Some(asker) = asker
    {
        add_new(&mut list, &asker.group);
    }
    if handle == NEXT {
        let Some(position) = asker.and_then(|asker| list.iter().position(|id| *id == asker.id)) else {
            let kind = Kind::Unsupported("RTLD_NEXT used in code not dynamically loaded");
            return Err(call_error(kind, b""));
        };
        list = list.get(position + 1..).unwrap_or_default().to_vec();
    }
    Ok((list, culprit))
}

// ---- dladdr, dlinfo, dl_iterate_phdr ----

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

/// `dladdr(3)`.
///
/// # Safety
/// `info` has room for the structure.
pub unsafe extern "C" fn dladdr(address: *const c_void, info: *mut Info) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { dladdr1(address, info, core::ptr::null_mut(), 0) }
}

/// `dladdr1(3)`.
///
/// # Safety
/// `info` has room for the structure, `extra` for a pointer when `flags` ask for one.
pub unsafe extern "C" fn dladdr1(
    address: *const c_void,
    info: *mut Info,
    extra: *mut *const c_void,
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
    // SAFETY: the caller's promises.
    unsafe {
        info.write(Info {
            file: file_name(module),
            base: module.range().0.0 as *const c_void,
            symbol: name,
            address: place as *const c_void,
        });
        match flags {
            RTLD_DL_SYMENT => extra.write(entry as *const c_void),
            RTLD_DL_LINKMAP => extra.write(module.link_map.load(Ordering::Acquire) as *const c_void),
            _ => {}
        }
    }
    1
}

/// The path in the link_map; for the program, argv[0].
fn file_name(module: &Module) -> *const c_char {
    if module.role == Role::Program {
        return runtime().map_or(core::ptr::null(), |runtime| runtime.program.as_ptr());
    }
    let map = module.link_map.load(Ordering::Acquire);
    if map == 0 {
        return c"".as_ptr();
    }
    // SAFETY: a link_map that lode made; its second word is l_name (`link.h`).
    unsafe { (map as *const *const c_char).add(1).read() }
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

/// `dlinfo(3)`.
///
/// # Safety
/// `argument` has the room that the request states.
pub unsafe extern "C-unwind" fn dlinfo(handle: *const c_void, request: c_int, argument: *mut c_void) -> c_int {
    let result = with_world(|world, _| {
        let module = module_of_map(world, handle as usize).ok_or_else(|| call_error(Kind::InvalidHandle, b""))?;
        // SAFETY: the caller's promise.
        unsafe { inform(module, request, argument) }
    });
    answer(result.unwrap_or_else(|| Err(too_early())), -1)
}

/// # Safety
/// See [`dlinfo`].
unsafe fn inform(module: &Module, request: c_int, argument: *mut c_void) -> Result<c_int> {
    // SAFETY: the room that each request states (dlinfo(3)).
    unsafe {
        match request {
            RTLD_DI_LMID => argument.cast::<isize>().write(0),
            RTLD_DI_LINKMAP => argument.cast::<usize>().write(module.link_map.load(Ordering::Acquire)),
            RTLD_DI_ORIGIN => {
                let origin = match (&module.origin, module.role) {
                    (Some(origin), _) => Some(origin.clone()),
                    (None, Role::Program) => runtime().and_then(|runtime| runtime.linux.program_origin()),
                    _ => None,
                };
                let bytes = origin.as_ref().map_or(&b""[..], |origin| origin.bytes());
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), argument.cast(), bytes.len());
                argument.cast::<u8>().add(bytes.len()).write(0);
            }
            RTLD_DI_TLS_MODID => argument.cast::<u64>().write(module.tls().map_or(0, |slot| slot.id)),
            RTLD_DI_TLS_DATA => {
                let block = thread::existing_block(module);
                argument.cast::<u64>().write(block.unwrap_or(0));
            }
            RTLD_DI_PHDR => {
                let phdr = module.layout.phdr.map_or(0, |phdr| module.at(phdr).0);
                argument.cast::<u64>().write(phdr);
                return Ok(module.headers.len() as c_int);
            }
            RTLD_DI_SERINFO | RTLD_DI_SERINFOSIZE => search_information(argument, request == RTLD_DI_SERINFO),
            _ => return Err(call_error(Kind::Unsupported("unsupported dlinfo request"), b"")),
        }
    }
    Ok(0)
}

/// `Dl_serinfo`: the directories of the search, as far as they do not depend on the module.
///
/// # Safety
/// See [`dlinfo`]; for the directories, `dls_size` bytes.
unsafe fn search_information(argument: *mut c_void, fill: bool) {
    let Some(runtime) = runtime() else { return };
    let searcher = &runtime.searcher;
    let directories = || searcher.library_path().iter().chain(searcher.default_directories());
    let head = 16;
    let (mut count, mut text) = (0, 0);
    for directory in directories() {
        count += 1;
        text += directory.len() + 1;
    }
    let table = count * 16;
    // SAFETY: size and count stand first; behind them the pairs of name and flags, then the texts.
    unsafe {
        let base = argument.cast::<u8>();
        if fill {
            let mut next = base.add(head + table);
            for (index, directory) in directories().enumerate() {
                base.add(head + index * 16).cast::<*mut u8>().write_unaligned(next);
                base.add(head + index * 16 + 8).cast::<u32>().write_unaligned(0);
                core::ptr::copy_nonoverlapping(directory.as_ptr(), next, directory.len());
                next.add(directory.len()).write(0);
                next = next.add(directory.len() + 1);
            }
        }
        base.cast::<usize>().write_unaligned(head + table + text);
        base.add(8).cast::<u32>().write_unaligned(count as u32);
    }
}

/// `struct dl_phdr_info` (`link.h`).
#[repr(C)]
#[derive(Debug)]
pub struct PhdrInfo {
    address: u64,
    name: *const c_char,
    headers: *const c_void,
    count: u16,
    adds: u64,
    subs: u64,
    tls_id: u64,
    tls_data: u64,
}

/// `dl_iterate_phdr(3)`: lode's own, which takes no lock. libc's takes one that `fork` does not reset.
///
/// # Safety
/// `callback` is a function of the interface's type.
pub unsafe extern "C-unwind" fn iterate_phdr(
    callback: extern "C-unwind" fn(*mut PhdrInfo, usize, *mut c_void) -> c_int,
    data: *mut c_void,
) -> c_int {
    let reading = Reading::start();
    let Some(world) = reading.world() else { return 0 };
    for id in &world.list {
        let Some(module) = world.get(*id) else {
            continue;
        };
        let headers = module.layout.phdr.map_or(0, |phdr| module.at(phdr).0);
        let slot = module.tls();
        let mut info = PhdrInfo {
            address: module.image.bias().0,
            name: if module.role == Role::Program {
                c"".as_ptr()
            } else {
                file_name(module)
            },
            headers: headers as *const c_void,
            count: module.headers.len() as u16,
            adds: u64::from(world.next.0),
            subs: u64::from(world.next.0) - world.modules.len() as u64,
            tls_id: slot.map_or(0, |slot| slot.id),
            tls_data: thread::existing_block(module).unwrap_or(0),
        };
        let answer = callback(&raw mut info, size_of::<PhdrInfo>(), data);
        if answer != 0 {
            return answer;
        }
    }
    0
}

/// `_dl_find_dso_for_object`: the link_map of the module that an address belongs to, or null.
pub extern "C" fn find_dso_for_object(address: *const c_void) -> *const c_void {
    with_module_at(Address(address as u64), |module| {
        module.link_map.load(Ordering::Acquire)
    })
    .map_or(core::ptr::null(), |map| map as *const c_void)
}

// ---- the lazy binder ----

/// Looks up the slot with this index in DT_JMPREL of module `module`, now that it is called. Ends the process, with the line that glibc prints,
/// when nothing defines the symbol.
pub fn bind_slot(module: u64, index: u64) -> Address {
    let Some(runtime) = runtime() else {
        stop("a function slot was used before the start ended");
    };
    let bound = with_world(|world, roster| {
        let module = u32::try_from(module).ok().and_then(|id| roster.get(ModuleId(id)))?;
        Some(relocate::bind_slot(
            roster,
            &world.global,
            &world.unique,
            module,
            index,
            &runtime.linux,
            runtime.log,
        ))
    });
    match bound.flatten() {
        Some(Ok(address)) => address,
        Some(Err(error)) => {
            let _ = write!(crt::Stderr, "{}", error.report(runtime.program.to_bytes()));
            crt::syscall::exit_group(127)
        }
        None => stop("a function slot of a module that is not loaded was used"),
    }
}

/// The functions of this file behind which code of the program may run and may unwind, as the program enters them.
pub mod doors {
    crate::door!(
        /// [`super::dlopen`]
        dlopen => super::dlopen
    );
    crate::door!(
        /// [`super::dlmopen`]
        dlmopen => super::dlmopen
    );
    crate::door!(
        /// [`super::dlclose`]
        dlclose => super::dlclose
    );
    crate::door!(
        /// [`super::dlsym`]
        dlsym => super::dlsym
    );
    crate::door!(
        /// [`super::dlvsym`]
        dlvsym => super::dlvsym
    );
    crate::door!(
        /// [`super::libc_dlopen_mode`]
        libc_dlopen_mode => super::libc_dlopen_mode
    );
    crate::door!(
        /// [`super::libc_dlsym`]
        libc_dlsym => super::libc_dlsym
    );
    crate::door!(
        /// [`super::libc_dlvsym`]
        libc_dlvsym => super::libc_dlvsym
    );
    crate::door!(
        /// [`super::iterate_phdr`], with a rule of its own: see [`super::lode_leave_reading`].
        iterate_phdr => super::iterate_phdr, ".text.lode_iterate"
    );
    crate::door!(
        /// [`super::finalise`]
        finalise => super::finalise
    );
}
