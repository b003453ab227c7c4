//! The interpreter: entry, heap, the list of stages, the jump.
//!
//! # Safety
//! This file takes over what the kernel left — the stack, the mapped program — and gives the process to the program in the end. It is the only
//! place that edits the initial stack.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

extern crate alloc;

mod exports;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crt::syscall as call;
use crt::{Stack, auxv};
use spin::Mutex;

use lode::abi::glibc::cpu::CpuFacts;
use lode::abi::glibc::facts::Kernel;
use lode::abi::glibc::layout::Layout;
use lode::abi::glibc::start::Circumstances;
use lode::abi::glibc::tunables::Tunables;
use lode::abi::glibc::{AroundFork, Glibc};
use lode::abi::musl::{self, Handed, Musl};
use lode::abi::{self, Abi, bare};
use lode::cpuid::{Cpu, Cpuid};
use lode::debugger::{self, State};
use lode::dl::{self, Arguments, Runtime};
use lode::elf::dynamic::{Dyn, tag};
use lode::elf::note;
use lode::elf::segment::{Access, kind};
use lode::elf::{Address, Vaddr};
use lode::error::{FOR_MUSL, Fault, Kind, Lossy, Name, Result, Stage, text};
use lode::event::{Event, Interest, Log, Silence};
use lode::image::{TEXT_CHANGES, Table};
use lode::process::{self, Allow, DebugHelp, Help, Mode, Options};
use lode::restore;
use lode::scope::{DYNAMIC_WEAK, RESOLVER};
use lode::search::cache::Cache;
use lode::search::{CACHE_PATH, Directories, Purpose, Searcher, Settings};
use lode::stages::Batch;
use lode::stages::link::{Linked, RELR_LOCKOUT};
use lode::stages::map::{Context, Mapped, Wish, map_file};
use lode::stages::protect::seal;
use lode::stages::relocate::{BIND_NOT, Binding, Relocated, Substitute};
use lode::stages::{demands, dense, init};
use lode::symbols::{Use, Wanted};
use lode::sys::c_string;
use lode::sys::heap::{Allocator, HEAP, Unit, refusal};
use lode::sys::linux::{self, Linux, OF_MODULE};
use lode::sys::machine::{self, CONVENTIONS, MACHINE};
use lode::sys::present::{self, FirstPage};
use lode::thread;
use lode::tls::TlsPlan;
use lode::view::debug::{DebugText, STREAM};
use lode::view::list::{List, Unused};
use lode::world::{Host, INITIALISED, Module, ModuleId, Namespace, Parts, Role, Roster, World};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// What the heap begins with, and its spare memory, which suffices for a `dlopen` of few libraries. The linker script puts them behind all other variables.
#[unsafe(link_section = ".bss.lode_room")]
static mut ROOM: [[MaybeUninit<Unit>; (128 << 10) / size_of::<Unit>()]; 2] =
    [const { [const { MaybeUninit::uninit() }; _] }; _];

/// The program's code has begun to run: a failure from here on is an abort, with a core.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// argv[0], for the text that says that not even memory for a text is left.
static PROGRAM: Mutex<Option<&[u8]>> = Mutex::new(None);

/// What musl's libc runs on when it starts itself.
#[unsafe(link_section = ".bss.lode_stack")]
static STACK: [AtomicU64; musl::STACK / size_of::<AtomicU64>()] = [const { AtomicU64::new(0) }; _];

crt::entry!(start);

unsafe extern "C" {
    /// The first page of lode's image, and the end of its code, from `linker.ld`; the entry of lode.
    safe static __ehdr_start: FirstPage;
    safe static __code_end: u8;
    fn _start();
}

unsafe extern "C" fn start(stack: *const usize) -> ! {
    let room = &raw mut ROOM;
    // SAFETY: the entry comes here once, and nobody else names it.
    HEAP.begin(unsafe { &mut *room });
    // SAFETY: the entry passes the stack pointer as the kernel set it.
    let stack = unsafe { Stack::new(stack) };
    if let Some(name) = stack.arguments().next() {
        name_program(name.to_bytes());
    }
    let mut launch = Launch::new(stack);
    match launch.options() {
        Ok(options) => launch.run(options),
        Err(error) => fail(launch.program_name, &error),
    }
}

/// Only one thread is there.
#[inline(never)]
fn name_program(name: &'static [u8]) {
    if let Some(mut program) = PROGRAM.try_lock() {
        *program = Some(name);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    if HEAP.is_exhausted() {
        if let Some(Some(name)) = PROGRAM.try_lock().as_deref() {
            crt::Stderr.write_bytes(name);
        }
        crt::Stderr.write_bytes(b": error while loading shared libraries: cannot create shared object descriptor: ");
        let _ = writeln!(crt::Stderr, "{}", refusal());
    } else {
        // Messages and names of source files would be much text that nobody reads; addr2line finds them from the image with symbols.
        crt::Stderr.write_bytes(b"lode: internal error");
        let code = (&raw const __ehdr_start).addr()..(&raw const __code_end).addr();
        for caller in machine::callers(code) {
            let _ = write!(crt::Stderr, " {}", Vaddr(caller));
        }
        crt::Stderr.write_bytes(b"\n");
    }
    if RUNNING.load(Ordering::Relaxed) {
        let _ = call::kill(call::getpid(), call::SIGABRT);
    }
    call::exit_group(127)
}

fn fail(program: &[u8], error: &lode::error::Error) -> ! {
    let text = text(format_args!("{}", error.report(program)));
    crt::Stderr.write_bytes(text.as_bytes());
    call::exit_group(error.exit_status())
}

/// The process's number, for people.
fn own_number() -> u64 {
    call::getpid().cast_unsigned().into()
}

fn say(text: &str) -> ! {
    answer(text, 0)
}

fn answer(text: &str, status: i32) -> ! {
    call::write_all(1, text.as_bytes());
    call::exit_group(status)
}

/// What the kernel left, and what is found out on the way to the program.
struct Launch {
    stack: Stack,
    secure: bool,
    as_command: bool,
    page_size: u64,
    /// argv[0] of the program, for messages.
    program_name: &'static [u8],
    /// The slices live as long as the stack's strings; the tables of them are leaked because options borrow from them.
    arguments: &'static [&'static [u8]],
    /// What of it may matter to a loader.
    environment: &'static [&'static [u8]],
}

/// The entries of the auxiliary vector (getauxval(3)), each in the line of its number: the name, and whether the value is shown as a decimal
/// number, as hexadecimal with or without 0x, or as a string.
const AUXILIARIES: &str = "\n\nEXECFD:d\nPHDR:x\nPHENT:d\nPHNUM:d\nPAGESZ:d\nBASE:x\nFLAGS:x\nENTRY:x\nNOTELF:x\nUID:d\nEUID:d\nGID:d\n\
EGID:d\nPLATFORM:s\nHWCAP:h\nCLKTCK:d\n\n\n\n\n\nSECURE:d\nBASE_PLATFORM:s\nRANDOM:x\nHWCAP2:x\n\n\n\n\nEXECFN:s\nSYSINFO:x\nSYSINFO_EHDR:x\n\
\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nMINSIGSTKSZ:d";

impl Launch {
    /// Reads the stack. Whether the process is secure is decided before any variable is looked at.
    fn new(mut stack: Stack) -> Launch {
        let secure = process::is_secure(|kind| stack.auxiliary(kind as usize).map(|value| value as u64));
        if secure {
            // A descriptor that the caller closed must not become a file that the program opens and takes for its output.
            if linux::open_standard_descriptors().is_err() {
                call::exit_group(127);
            }
            stack.retain_environment(|entry| !process::is_unsecure(entry.to_bytes()));
        }
        let as_command = stack.auxiliary(auxv::AT_ENTRY) == Some(_start as *const () as usize);
        let (mut arguments, mut environment) = (Vec::new(), Vec::new());
        for argument in stack.arguments() {
            arguments.push(argument.to_bytes());
            // A program's own arguments are its business.
            if !as_command {
                break;
            }
        }
        stack.variables(process::may_matter, |entry| environment.push(entry.to_bytes()));
        Launch {
            secure,
            as_command,
            page_size: stack.auxiliary(auxv::AT_PAGESZ).unwrap_or(4096) as u64,
            program_name: arguments.first().copied().unwrap_or(b"lode"),
            arguments: arguments.leak(),
            environment: environment.leak(),
            stack,
        }
    }

    fn auxiliary(&self, kind: usize) -> u64 {
        self.stack.auxiliary(kind).unwrap_or(0) as u64
    }

    #[inline(never)]
    fn options(&self) -> Result<Options<'static>> {
        Options::read(&process::Arguments {
            arguments: self.arguments,
            environment: self.environment,
            secure: self.secure,
            as_command: self.as_command,
        })
    }

    /// The whole start.
    fn run(&mut self, options: Options<'static>) -> ! {
        match options.mode {
            Mode::Help => say(&text(format_args!("{Help}"))),
            Mode::Version => say(process::VERSION),
            Mode::Restore => restore(options.root),
            Mode::ListDiagnostics => {
                self.show_auxv();
                say(process::VERSION)
            }
            // Without a program it is not known whose libc is meant.
            Mode::ListTunables if options.program.is_none() && self.as_command => self.list_tunables(Layout::newest()),
            _ if options.debug_help => say(&text(format_args!("{DebugHelp}"))),
            _ => {}
        }
        if options.show_auxv {
            self.show_auxv();
        }
        let text_changes = options.allow.intersects(Allow::TEXTREL | Allow::IFUNC_NOPLT);
        TEXT_CHANGES.store(text_changes, Ordering::Relaxed);
        if self.as_command {
            self.become_the_program(&options);
        }
        DYNAMIC_WEAK.store(options.dynamic_weak, Ordering::Relaxed);
        RESOLVER.store(options.resolver, Ordering::Relaxed);
        dense::WANTED.store(options.huge_pages, Ordering::Relaxed);
        BIND_NOT.store(options.bind_not, Ordering::Relaxed);
        RELR_LOCKOUT.store(options.relr_lockout, Ordering::Relaxed);
        let log = self.log(&options);
        for warning in &options.warnings {
            log.say(format_args!("{warning}"));
        }
        match self.start_program(&options, log) {
            Ok(never) => match never {},
            Err(_) if options.mode == Mode::Verify => call::exit_group(1),
            Err(error) if options.mode == Mode::CheckLibc => answer(&text(format_args!("not supported: {error}\n")), 1),
            Err(error) => {
                log.emit(Interest::STREAM, || Event::Failed(&error));
                fail(self.program_name, &error)
            }
        }
    }

    /// `LD_SHOW_AUXV`: the auxiliary vector as the kernel made it.
    #[inline(never)]
    fn show_auxv(&self) {
        let mut text = String::new();
        for (kind, value) in self.stack.auxiliaries() {
            let row = lode::error::line(AUXILIARIES, kind.min(AUXILIARIES.len()));
            let _ = match row.get(..row.len().wrapping_sub(1)) {
                Some(name) => write!(text, "AT_{name:<19}"),
                None => write!(text, "AT_??? ({kind:#x}): "),
            };
            let _ = match row.as_bytes().last() {
                Some(b'd') => writeln!(text, "{value}"),
                Some(b'h') => writeln!(text, "{value:x}"),
                Some(b's') => match self.stack.auxiliary_string(kind) {
                    Some(string) => writeln!(text, "{}", Lossy(string.to_bytes())),
                    None => Ok(()),
                },
                _ => writeln!(text, "{value:#x}"),
            };
        }
        call::write_all(1, text.as_bytes());
    }

    /// Started as a command: the program's arguments move to where the program expects them.
    #[inline(never)]
    fn become_the_program(&mut self, options: &Options<'static>) {
        self.stack.shift_arguments(options.consumed);
        if let Some(name) = options.argv0 {
            self.stack.set_argument(0, c_string(name));
        }
        self.program_name = options.argv0.or(options.program).unwrap_or(self.program_name);
        name_program(self.program_name);
    }

    #[inline(never)]
    fn log(&self, options: &Options<'static>) -> Log<'static> {
        let (mut descriptor, mut process, mut interest) = (2, 0, options.debug);
        if let Some(place) = options.events {
            descriptor = process::number(place).or_else(|| report_file(place)).unwrap_or(-1);
            interest = STREAM;
        } else if !interest.is_empty() {
            process = own_number();
            if let Some(path) = options.debug_output {
                let path = text(format_args!("{}.{process}", Lossy(path)));
                descriptor = report_file(path.as_bytes()).unwrap_or(descriptor);
            }
        }
        let sink = alloc::boxed::Box::leak(alloc::boxed::Box::new(DebugText {
            descriptor: descriptor.into(),
            process,
            program: self.program_name,
        }));
        let log = Log { interest, sink };
        for (kind, value) in self.stack.auxiliaries() {
            log.emit(Interest::STREAM, || Event::Handed(kind as u64, value as u64));
        }
        log
    }

    /// The list of stages. One that fails ends the process, so what they share is not given back.
    #[inline(never)]
    fn start_program(&mut self, options: &Options<'static>, log: Log<'static>) -> Result<core::convert::Infallible> {
        let present = match self.as_command && options.program.is_some() {
            true => None,
            false => Some(self.present()?),
        };
        let known_for_musl = present.as_ref().map(|program| is_for_musl(program));
        let mut preload_file = match known_for_musl {
            Some(false) => preload_file(),
            _ => Vec::new(),
        };
        let mut cpuid = machine::cpuid;
        // Each question takes microseconds under a hypervisor. musl asks none, and a program on its own has an answer for nothing.
        let is_alone = |program: &Parts| {
            !needs_something(program) && options.preload.is_empty() && preload_file.is_empty() && !names_level(program)
        };
        let is_musls = known_for_musl == Some(true);
        let is_asked = !is_musls && !present.as_ref().is_some_and(|program| is_alone(program));
        let mut cpu = processor(is_asked, &mut cpuid);
        let cpu_lacks = cpu.lacking();
        let cpu_level = match is_asked {
            true => cpu_lacks.level(),
            false if is_musls => HIGHEST_LEVEL,
            false => LOWEST_LEVEL,
        };
        machine::set_vector_state(&cpu.save_area());
        let linux = Linux {
            page_size: self.page_size,
            program: options.program.filter(|_| self.as_command),
            origin_path: options.origin_path,
            cpu_lacks,
            at_hand: 0,
            known_origin: Mutex::new(None),
        };
        let mut searcher = ManuallyDrop::new(Searcher::new(&self.search_settings(options, cpu_level, &linux), None));
        let program = match (present, options.program) {
            (None, Some(path)) => self.program(path, options, &searcher, &linux, log)?,
            (present, _) => present.map_or_else(|| self.present(), Ok)?,
        };
        if options.mode == Mode::Verify {
            verify(&program);
        }
        let is_musl = known_for_musl.unwrap_or_else(|| is_for_musl(&program));
        if is_musl {
            FOR_MUSL.store(true, Ordering::Relaxed);
            self.search_as_musl(&program, options, &mut searcher);
        } else {
            if self.as_command {
                preload_file = self::preload_file();
            }
            if needs_something(&program) || !options.preload.is_empty() || !preload_file.is_empty() {
                searcher.cache = cache(options);
            }
        }
        let mut world = ManuallyDrop::new(self.what_is_there(&program, log)?);
        if is_musl {
            world.tls.own_size = 24;
            world.tls.align = 8;
            world.tls.most_zeros = MOST_ZEROS;
        }
        log.reached(Stage::Start);
        let wishes = wishes(options, &preload_file);
        let mut directories = ManuallyDrop::new(Directories::new());
        let mut context = Context {
            host: &linux,
            searcher: &searcher,
            directories: &mut directories,
            machine: MACHINE,
            page_size: self.page_size,
            cpu_level,
            tolerant: options.trace_loaded_objects,
            trusted_preloads: options.preload_trusted_only,
            log,
        };
        let mapped = Mapped::load(Some(program), &wishes, Namespace::BASE, &world, &mut context)?;
        log.reached(Stage::Map);
        if options.mode == Mode::List {
            return list(options, mapped, &world, &linux, log);
        }
        if let Some(program) = mapped.batch.modules.first().filter(|program| is_a_loader(program)) {
            return Err(program.fault(Stage::Map, Kind::RunsItself));
        }
        if options.mode == Mode::CheckLibc {
            return check_libc(&mapped, options.allow);
        }
        demands::check_strictly(options.strict, &mapped.batch)?;
        let linked = mapped.link(&world, log)?;
        log.reached(Stage::Link);
        let mut abi = Abi::recognise(&linked, &world, options.allow)?;
        if let Abi::Glibc(glibc) = &abi
            && options.mode == Mode::ListTunables
        {
            self.list_tunables(glibc.layout);
        }
        let substitutes = substitutes(&abi, &linked.batch, &world);
        let binding = Binding {
            machine: MACHINE,
            now: options.bind_now,
            waits: matches!(abi, Abi::Glibc(_)) && options.mode == Mode::Run,
            entries: machine::entries(is_musl),
            substitutes,
            allow: options.allow,
        };
        let mut relocated = linked.relocate(&world, binding, &linux, log)?;
        log.reached(Stage::Relocate);
        let order = list_order(&relocated.batch, &world, is_musl);
        self.wake(&mut abi, &mut relocated, &world, &order, &mut cpu)?;
        log.emit(Interest::STREAM, || Event::Awake(Address(machine::thread_pointer())));
        log.reached(Stage::Wake);
        let runtime = dl::set_runtime(Runtime {
            linux: Linux {
                at_hand: OF_MODULE,
                ..linux
            },
            searcher: ManuallyDrop::into_inner(searcher),
            cpu_level,
            bind_now: options.bind_now,
            allow: options.allow,
            strict: options.strict,
            seal: options.seal,
            log,
            abi,
            substitutes,
            program: c_string(self.program_name),
            arguments: self.constructor_arguments(),
            around_fork: AroundFork {
                before: before_fork,
                after: after_fork,
                in_the_child: after_fork_in_the_child,
            },
        });
        // Resolvers may ask for the kernel's library: what was there before is published for them.
        dl::publish(world.without(&[]));
        // A resolver that wants to load something is refused, as during dlopen.
        let loading = dl::Loading::start().map_err(|kind| kind.of(Stage::Start, &Name::new(self.program_name)))?;
        let resolved = dl::resolve(relocated, &world, runtime)?;
        log.reached(Stage::Resolve);
        let protected = resolved.protect(&runtime.linux, self.page_size, log)?;
        for module in protected.batch.fresh() {
            seal(module, &runtime.linux, runtime.seal);
        }
        log.reached(Stage::Protect);
        world.list = order;
        let ready = protected.publish(&mut world);
        drop(loading);
        self.give_over(runtime, ManuallyDrop::into_inner(world), ready, log)
    }

    /// What a program that is for musl searches: musl's own list of directories, which stands beside the directory of the interpreter.
    #[inline(never)]
    fn search_as_musl(&self, program: &Parts, options: &Options<'_>, searcher: &mut Searcher<'static>) {
        let interpreter = interpreter_path(program).filter(|path| last_part(path.bytes()).starts_with(MUSL_LOADER));
        let prefix = interpreter.as_ref().and_then(|path| {
            let mut slashes = path.bytes().iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
            path.bytes().get(..slashes.nth(1)?.0)
        });
        let list = [prefix.unwrap_or_default(), MUSL_PATH_FILE].concat();
        let list = linux::read_file(&list, 1 << 16);
        // Started by the kernel, lode is the interpreter of that name.
        let given = interpreter.as_ref().map(Name::bytes).filter(|_| self.as_command);
        let libcs: Vec<&[u8]> = options.libc.into_iter().chain(given).collect();
        searcher.search_as_musl(
            list.as_deref().unwrap_or(MUSL_DIRECTORIES),
            options.library_path,
            &libcs,
        );
    }

    #[inline(never)]
    fn search_settings<'a>(&self, options: &Options<'a>, cpu_level: u8, linux: &Linux) -> Settings<'a> {
        let origin = options
            .library_path
            .filter(|path| lode::search::tokens::names_origin(path))
            .and_then(|_| linux.program_origin());
        Settings {
            conventions: CONVENTIONS,
            secure: self.secure,
            library_path: options.library_path,
            inhibit_rpath: options.inhibit_rpath,
            hwcaps_prepend: options.hwcaps_prepend,
            hwcaps_mask: options.hwcaps_mask,
            cpu_level,
            platform: self.stack.auxiliary_string(auxv::AT_PLATFORM).map(CStr::to_bytes),
            program_origin: origin.map(|origin| &*origin.bytes().to_vec().leak()),
        }
    }

    /// The program as the kernel mapped it.
    #[inline(never)]
    fn present(&self) -> Result<Box<Parts>> {
        present::program(&self.stack, self.page_size, Name::new(self.program_name))
    }

    /// The program that lode was started with as a command, mapped.
    #[inline(never)]
    fn program(
        &mut self,
        path: &[u8],
        options: &Options<'static>,
        searcher: &Searcher<'static>,
        linux: &Linux,
        log: Log<'static>,
    ) -> Result<Box<Parts>> {
        let name = Name::new(path);
        let file = linux.open(path).map_err(|kind| kind.of(Stage::Map, &name))?;
        if options.mode == Mode::Run && !options.allow.contains(Allow::NOEXEC) {
            linux::may_execute(path, &file).map_err(|kind| kind.of(Stage::Map, &name))?;
        }
        let context = Context {
            host: linux,
            searcher,
            directories: &mut Directories::new(),
            machine: MACHINE,
            page_size: self.page_size,
            cpu_level: HIGHEST_LEVEL,
            tolerant: false,
            trusted_preloads: false,
            log,
        };
        let parts = map_file(&file, name, Role::Program, None, &context)?;
        let Some(phdr) = parts.layout.phdr else {
            return Err(Kind::malformed(lode::error::Rule::ProgramHeadersOutsideFile, 0, 0).of(Stage::Map, &parts.name));
        };
        let bias = parts.image.bias();
        for (kind, value) in [
            (auxv::AT_PHDR, phdr.at(bias).0),
            (auxv::AT_PHENT, 56),
            (auxv::AT_PHNUM, parts.headers.len() as u64),
            (auxv::AT_ENTRY, parts.layout.entry.at(bias).0),
        ] {
            self.stack.set_auxiliary(kind, value as usize);
        }
        Ok(parts)
    }

    /// The modules that nobody has to map: lode, and the kernel's library.
    #[inline(never)]
    fn what_is_there(&self, program: &Parts, log: Log<'_>) -> Result<World> {
        let mut world = World::default();
        let base = Address((&raw const __ehdr_start).addr() as u64);
        let name = interpreter_path(program)
            .unwrap_or_else(|| Name::new(self.arguments.first().copied().unwrap_or(b"ld-lode")));
        let itself = present::image_at(&__ehdr_start, name, Role::Loader, self.page_size)?;
        add(&mut world, itself)?;
        if let Some(vdso) = FirstPage::of_vdso(&self.stack) {
            // One that cannot be read is left out: it is not needed.
            let parts = present::image_at(vdso, Name::from("linux-vdso.so.1"), Role::Vdso, self.page_size);
            if let Ok(parts) = parts {
                add(&mut world, parts)?;
            }
        }
        for module in world.modules.iter() {
            log.emit(Interest::STREAM, || Event::Present(module));
        }
        exports::announce(base.0);
        Ok(world)
    }

    /// Makes the first thread and whatever libc expects, and tells the debugger.
    #[inline(never)]
    fn wake(
        &self,
        abi: &mut Abi,
        relocated: &mut Relocated,
        world: &World,
        order: &[ModuleId],
        cpu: &mut Cpu<'_>,
    ) -> Result<()> {
        let mut tls = relocated.batch.tls;
        dl::set_own_words(tls.own);
        let roster = relocated.batch.roster(world);
        let random = self.random();
        let fault = |fault: Fault| fault.of(Stage::Wake, &Name::new(self.program_name));
        let executable_stack = self.stack_access(&relocated.batch);
        match abi {
            Abi::Bare => {
                bare::wake(&tls, roster, random[0] & !0xff).map_err(fault)?;
                bare::link_maps(roster, order).map_err(fault)?;
            }
            Abi::Musl(musl) => {
                self.wake_musl(musl, &relocated.batch, roster, &mut tls)?;
                bare::link_maps(roster, order).map_err(fault)?;
            }
            Abi::Glibc(glibc) => {
                glibc.tunables = self.tunables(glibc.layout);
                let rules = glibc.layout.cache_rules();
                let mut facts = CpuFacts::compute(cpu, &glibc.tunables, rules);
                facts.allow_base_registers(rules, self.auxiliary(auxv::AT_HWCAP2));
                let circumstances = Circumstances {
                    kernel: Kernel {
                        page_size: self.page_size,
                        min_signal_stack: self.auxiliary(auxv::AT_MINSIGSTKSZ).max(2048),
                        clock_ticks: self.auxiliary(auxv::AT_CLKTCK),
                        hwcap2: self.auxiliary(auxv::AT_HWCAP2),
                        auxv: self.stack.auxv() as u64,
                        rseq_size: self.auxiliary(auxv::AT_RSEQ_FEATURE_SIZE),
                        rseq_align: self.auxiliary(auxv::AT_RSEQ_ALIGN),
                    },
                    cpu: &facts,
                    exports: exports::objects(),
                    secure: self.secure,
                    stack: self.stack.address() as u64,
                    argv: self.stack.argv() as u64,
                    random,
                    executable_stack,
                    order,
                };
                glibc.wake(&mut tls, roster, &circumstances).map_err(fault)?;
            }
        }
        // DT_DEBUG lies in memory that is about to become read-only.
        if let Some(program) = relocated
            .batch
            .modules
            .iter()
            .find(|module| module.role == Role::Program)
        {
            point_at_debugger(program);
            let first = program.link_map.load(Ordering::Relaxed);
            debugger::tell(Namespace::BASE, first, State::Add);
        }
        relocated.batch.tls = tls;
        Ok(())
    }

    /// musl's libc starts itself. Apart from [`Launch::wake`], whose stack other starts need too.
    #[inline(never)]
    fn wake_musl(&self, musl: &mut Musl, batch: &Batch, roster: Roster<'_>, tls: &mut TlsPlan) -> Result<()> {
        thread::VECTOR_PLACE.store(tls.own.wrapping_neg().wrapping_add(8), Ordering::Relaxed);
        let handed = Handed {
            stack: &self.stack,
            constructor: Address(dl::run_constructors as *const () as u64),
            room: &STACK,
        };
        musl.wake(batch, roster, tls, &handed)
    }

    #[inline(never)]
    fn tunables(&self, layout: &'static Layout) -> Tunables<'static> {
        Tunables::from_environment(layout.tunables(), self.environment.iter().copied(), self.secure)
    }

    /// `--list-tunables`.
    #[inline(never)]
    fn list_tunables(&self, layout: &'static Layout) -> ! {
        say(&text(format_args!("{}", self.tunables(layout))))
    }

    /// 16 bytes for the guards: the kernel's, or drawn now.
    fn random(&self) -> [u64; 2] {
        if let Some(given) = self.stack.random() {
            return given;
        }
        let mut bytes = [0u8; 16];
        // Without AT_RANDOM and without getrandom the guards are zero, as on kernels of old.
        let _ = call::getrandom(&mut bytes);
        let (low, high) = bytes.split_at(8);
        [low, high].map(|half| half.try_into().map_or(0, u64::from_le_bytes))
    }

    /// Whether new threads get an executable stack. A library that asks for one at the start makes the first stack executable too, as under
    /// glibc; the program's own wish was honoured by the kernel, unless lode was started as a command.
    fn stack_access(&self, batch: &Batch) -> bool {
        let asks = |module: &Module| {
            module
                .layout
                .stack
                .is_none_or(|access| access.contains(Access::EXECUTE))
        };
        let program = batch.fresh().filter(|module| module.role == Role::Program).any(asks);
        let library = batch.fresh().any(asks);
        if library && (self.as_command || !program) {
            let page = self.stack.address() as usize & !(self.page_size as usize - 1);
            // A kernel that refuses leaves it as it is.
            let _ = linux::make_executable(page, self.page_size as usize, call::PROT_GROWSDOWN);
        }
        library
    }

    fn constructor_arguments(&self) -> Arguments {
        Arguments {
            count: self.stack.argument_count(),
            values: self.stack.argv() as usize,
            environment: self.stack.envp() as usize,
        }
    }

    /// Publishes, runs constructors, jumps.
    #[inline(never)]
    fn give_over(
        &self,
        runtime: &'static Runtime,
        world: World,
        ready: init::Ready,
        log: Log<'static>,
    ) -> Result<core::convert::Infallible> {
        let program = world.program().cloned();
        let itself = world.modules.iter().next().cloned();
        dl::publish(world);
        let Some(program) = program else {
            return Err(Kind::RunsItself.of(Stage::Start, &Name::new(self.program_name)));
        };
        if let Some(itself) = itself
            && let Some((start, length)) = itself.layout.relro_pages(self.page_size)
        {
            // lode's own tables become read-only too. A kernel that refuses leaves them as they are.
            let _ = runtime.linux.protect(&itself.image, start, length, Access::READ);
            seal(&itself, &runtime.linux, runtime.seal);
        }
        log.emit(Interest::STATISTICS, || Event::Statistics(&ready.statistics));
        let skip = match &runtime.abi {
            Abi::Bare | Abi::Musl(_) => None,
            Abi::Glibc(glibc) => {
                Glibc::early_init(&glibc.functions, true, &runtime.around_fork);
                Some(program.id)
            }
        };
        let first = program.link_map.load(Ordering::Relaxed);
        debugger::tell(Namespace::BASE, first, State::Consistent);
        HEAP.guard();
        RUNNING.store(true, Ordering::Relaxed);
        let mut finaliser = dl::doors::finalise as *const () as usize;
        if let Abi::Musl(_) = &runtime.abi {
            // libc calls for constructors when it has what they may ask of it, and for destructors itself.
            dl::come_to_life(ready.modules.clone());
            finaliser = 0;
        } else {
            dl::call_all(init::preconstructors(&program), runtime.arguments, log);
            dl::initialise(&ready.modules, runtime, runtime.arguments, skip);
            program.state.store(INITIALISED, Ordering::Release);
        }
        // Nothing comes back here: giving the lists back would only cost system calls now that signals may arrive.
        core::mem::forget(ready);
        log.emit(Interest::FILES, || Event::Transferring(&program.name));
        let entry = program.at(program.layout.entry);
        // SAFETY: everything that the program needs is in place; the stack is the kernel's, with the arguments where they belong.
        unsafe { machine::jump(self.stack.address(), entry.0, finaliser) }
    }
}

/// The processor, asked or not: much that is known for long, for which the stack may be small.
#[inline(never)]
fn processor(is_asked: bool, cpuid: Cpuid<'_>) -> Box<Cpu<'_>> {
    match is_asked {
        true => Box::new(Cpu::read(cpuid, &mut machine::xgetbv)),
        false => Box::new(Cpu::unasked(cpuid)),
    }
}

/// Opens the file of a report, to write behind what it holds.
fn report_file(path: &[u8]) -> Option<i32> {
    let flags = call::O_WRONLY | call::O_CREAT | call::O_APPEND | call::O_CLOEXEC;
    call::openat(call::AT_FDCWD, c_string(path), flags, 0o666).ok()
}

extern "C" fn before_fork() {
    HEAP.hold();
}

extern "C" fn after_fork_in_the_child() {
    dl::in_the_child();
    after_fork();
}

extern "C" fn after_fork() {
    HEAP.release();
}

#[inline(never)]
fn add(world: &mut World, parts: Box<Parts>) -> Result<()> {
    let id = world.next;
    let name = parts.name.clone();
    let module = Module::new(id, parts).map_err(|kind| kind.of(Stage::Map, &name))?;
    world.extend(alloc::vec![module]);
    Ok(())
}

/// Whether the program needs a library at all: without one, the cache is not even opened.
fn needs_something(program: &Parts) -> bool {
    let table = program
        .layout
        .dynamic
        .and_then(|(at, size)| program.image.table::<Dyn>(at, (size / 16) as usize))
        .unwrap_or(Table::EMPTY);
    let tags = table.iter().map(|entry| entry.tag);
    tags.take_while(|tag| *tag != tag::NULL).any(|tag| tag == tag::NEEDED)
}

/// Whether a program names a level of x86-64 above the first that it needs.
fn names_level(program: &Parts) -> bool {
    let content = program
        .layout
        .property
        .and_then(|(at, size)| program.image.fixed_bytes(at, size));
    note::property(content.unwrap_or_default(), note::X86_ISA_1_NEEDED) > 1
}

/// Whether a program is this loader or the one that it stands for.
fn is_a_loader(program: &Module) -> bool {
    program.soname.is_some_and(|name| name.starts_with(b"ld-linux"))
}

/// The path in the program's PT_INTERP: the name under which lode was asked for.
fn interpreter_path(program: &Parts) -> Option<Name> {
    let header = program.headers.iter().find(|header| header.kind == kind::INTERP)?;
    // A copy: tools that change the path put it into a writable segment.
    let bytes = program
        .image
        .copy(header.vaddr, usize::try_from(header.file_size).ok()?)?;
    bytes.split(|byte| *byte == 0).next().map(Name::new)
}

/// What names libraries for every program (ld.so(8), FILES).
fn preload_file() -> Vec<u8> {
    linux::read_file(b"/etc/ld.so.preload", 1 << 16).unwrap_or_default()
}

fn cache(options: &Options<'_>) -> Option<Cache<'static>> {
    if options.inhibit_cache {
        return None;
    }
    Cache::parse(linux::map_whole_file(CACHE_PATH.as_bytes())?).ok()
}

fn wishes<'a>(options: &'a Options<'_>, preload_file: &'a [u8]) -> Vec<Wish<'a>> {
    let mut wishes = Vec::new();
    let mut wish = |name, purpose| {
        wishes.push(Wish {
            name,
            purpose,
            asker: None,
        });
    };
    for name in &options.preload {
        wish(*name, Purpose::Preload);
    }
    for name in process::preload_file_names(preload_file) {
        wish(name, Purpose::SystemPreload);
    }
    wishes
}

/// `--verify`: 0 for a program that asks for an interpreter, 2 for one that does not.
fn verify(program: &Parts) -> ! {
    let status = match (program.layout.dynamic, &program.layout.interpreter) {
        (None, _) => 1,
        (_, None) => 2,
        _ => 0,
    };
    call::exit_group(status)
}

/// `--check-libc`: looks at a libc as a start would.
fn check_libc(mapped: &Mapped, allow: Allow) -> Result<core::convert::Infallible> {
    let libc = mapped.batch.modules.first();
    match libc.map(|libc| abi::supported(libc, allow)).transpose()? {
        Some(row) => say(&text(format_args!("supported: {row}\n"))),
        None => call::exit_group(1),
    }
}

/// `--restore`.
fn restore(root: Option<&[u8]>) -> ! {
    let (path, result) = restore::restore(root);
    match result {
        Ok(()) => say("the original loader is back\n"),
        Err(errno) => {
            let why = text(format_args!("no original for {}: {errno}\n", Lossy(&path)));
            crt::Stderr.write_bytes(why.as_bytes());
            call::exit_group(1)
        }
    }
}

/// `--list` and `LD_TRACE_LOADED_OBJECTS`, with what other variables add to it. Nothing of the files runs.
#[inline(never)]
fn list(
    options: &Options<'_>,
    mut mapped: Mapped,
    world: &World,
    linux: &Linux,
    log: Log<'_>,
) -> Result<core::convert::Infallible> {
    let missing = core::mem::take(&mut mapped.missing);
    mapped.only_listed = true;
    let mut linked = mapped.link(world, log)?;
    let traced = options.trace_loaded_objects;
    if traced && options.debug.contains(Interest::UNUSED) {
        // Only what the program itself refers to counts.
        for library in linked.batch.modules.iter_mut().skip(1) {
            if let Some(library) = Arc::get_mut(library) {
                library.is_final = true;
            }
        }
        let batch = linked.batch.modules.clone();
        bind(linked, world, linux, true, WATCH);
        let roster = Roster {
            world: &world.modules,
            batch: &batch,
        };
        let text = text(format_args!("{}", Unused(roster)));
        call::write_all(1, text.as_bytes());
        call::exit_group(i32::from(!text.is_empty()));
    }
    let mut list = List {
        batch: &linked.batch,
        missing: &missing,
        world,
        versions: false,
    };
    call::write_all(1, text(format_args!("{list}")).as_bytes());
    list.versions = traced && options.verbose;
    let versions = match list.versions {
        true => text(format_args!("{list}")),
        false => String::new(),
    };
    if traced && options.warn {
        bind(linked, world, linux, options.bind_now, log);
    }
    say(&versions)
}

/// For `LD_DEBUG=unused`, which says nothing of symbols that nothing defines.
const WATCH: Log<'static> = Log {
    interest: Interest::UNUSED,
    sink: &Silence,
};

/// Binds what can be bound without running anything of the files, and says what nothing defines. Whatever else keeps them from starting is not looked at.
#[inline(never)]
fn bind(linked: Linked, world: &World, linux: &Linux, now: bool, log: Log<'_>) {
    let binding = Binding {
        machine: MACHINE,
        now,
        waits: false,
        entries: machine::entries(false),
        substitutes: &[],
        allow: Allow::empty(),
    };
    let bound = linked.relocate(world, binding, linux, log).and_then(|mut relocated| {
        relocated.indirect.clear();
        relocated.awake().resolve(world, linux, log).map(core::mem::forget)
    });
    if let Err(error) = bound
        && let Kind::Undefined(list) = &error.kind
    {
        for one in list {
            log.say(format_args!("{one}\t({})", one.module));
        }
    }
}

/// The order of the link map: the program, the kernel's library, then breadth-first; lode at its place, or last. In a process of musl the kernel's library comes behind
/// the others.
fn list_order(batch: &Batch, world: &World, is_musl: bool) -> Vec<ModuleId> {
    let mut list = Vec::with_capacity(batch.order.len() + 2);
    let (program, libraries) = batch.order.split_at_checked(1).unwrap_or_default();
    list.extend_from_slice(program);
    if let Some(vdso) = world.roster().find(&|module| module.role == Role::Vdso && !is_musl) {
        list.push(vdso.id);
    }
    list.extend_from_slice(libraries);
    // lode is the first of these, unless it stands above.
    for module in world.modules.iter() {
        if !list.contains(&module.id) {
            list.push(module.id);
        }
    }
    list
}

/// The functions of libc that lode's own stand for. glibc's `dl_iterate_phdr` takes a lock that `fork` does not reset; musl's loader knows only the program
/// that lode made up.
#[inline(never)]
fn substitutes(abi: &Abi, batch: &Batch, world: &World) -> &'static [Substitute] {
    let (libc, names) = match abi {
        Abi::Bare => return &[],
        Abi::Glibc(glibc) => {
            let iterate_phdr: (&[u8], usize) = (b"dl_iterate_phdr", dl::doors::iterate_phdr as *const () as usize);
            (glibc.libc, Vec::from([iterate_phdr]))
        }
        Abi::Musl(musl) => (musl.libc, Vec::from(exports::substitutes_of_musl())),
    };
    let Some(libc) = batch.roster(world).get(libc) else {
        return &[];
    };
    let find = |(name, address): (&[u8], usize)| {
        let (index, _) = libc.symbols.find(&Wanted::new(name, None, Use::Call))?;
        Some(Substitute {
            file: libc.identity,
            index,
            address: Address(address as u64),
        })
    };
    names.into_iter().filter_map(find).collect::<Vec<_>>().leak()
}

/// Where musl's loader finds its list of directories, below the directory that holds the one of the interpreter.
const MUSL_PATH_FILE: &[u8] = b"/etc/ld-musl-x86_64.path";

/// The list where there is no such file.
const MUSL_DIRECTORIES: &[u8] = b"/lib:/usr/local/lib:/usr/lib";

/// Zeros of thread-local storage that are cheaper made for each thread at its start, with those of the other libraries, than when it touches them.
const MOST_ZEROS: u64 = 4096;

/// The level of x86-64 of a processor that nobody asked.
const HIGHEST_LEVEL: u8 = 4;

/// The level of one that nobody asked, for a program that brings nothing for a higher one.
const LOWEST_LEVEL: u8 = 1;

/// How the name of musl's loader begins.
const MUSL_LOADER: &[u8] = b"ld-musl-";

/// A path without its directory.
fn last_part(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether a program was linked for musl: it names musl's loader; or, where it names another one than glibc's, libc as only musl's programs do.
#[inline(never)]
fn is_for_musl(program: &Parts) -> bool {
    let interpreter = interpreter_path(program);
    let name = interpreter.as_ref().map_or(&b""[..], |path| last_part(path.bytes()));
    if name.starts_with(b"ld-linux") {
        return false;
    }
    if name.starts_with(MUSL_LOADER) {
        return true;
    }
    let Some((at, size)) = program.layout.dynamic else {
        return false;
    };
    let table = program
        .image
        .table::<Dyn>(at, (size / 16) as usize)
        .unwrap_or(Table::EMPTY);
    let value = |wanted: u64| {
        table
            .iter()
            .filter(move |entry| entry.tag == wanted)
            .map(|entry| entry.value)
    };
    let Some(strings) = value(tag::STRTAB).next() else {
        return false;
    };
    value(tag::NEEDED).any(|offset| {
        // The whole of the one name, and the beginning of the other: libc.musl-x86_64.so.1.
        let start = program.image.copy(Vaddr(strings.wrapping_add(offset)), 8);
        matches!(start.as_deref(), Some(b"libc.so\0" | b"libc.mus"))
    })
}

/// Stores the address of `r_debug` where debuggers look for it: the value of DT_DEBUG.
fn point_at_debugger(program: &Module) {
    let (Some((start, _)), Some(index)) = (program.layout.dynamic, program.dynamic.debug_index) else {
        return;
    };
    if let Some(place) = start.plus(index as u64 * 16 + 8) {
        // A read-only dynamic section simply has no such pointer.
        program.image.patch().store(place, debugger::address());
    }
}
