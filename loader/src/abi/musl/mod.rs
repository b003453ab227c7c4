//! musl: a libc that is its own loader, and starts itself.
//!
//! lode maps and relocates everything but libc. Then it enters libc as the kernel would, on a stack that describes a small program without code
//! ([`application`]), and libc comes back where that program would begin: with a thread, a thread pointer and blocks of thread-local storage, but
//! without having seen any real module. Of libc's private structures lode uses none, so one way serves every release.
//!
//! The constructors of the real modules are that program's constructor: libc calls it in `__libc_start_main`, as it would call theirs.
//!
//! # Safety
//! Blocks of thread-local storage are filled where the plan placed them. libc is entered once, as the kernel would enter it, after its structure was checked.
#![allow(unsafe_code)]

pub mod application;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;

use application::{Application, Block, Content, HEADERS};
use crt::{Stack, auxv};

use crate::arch::Ask;
use crate::debugger;
use crate::elf::dynamic::PltKind;
use crate::elf::reloc::Rela;
use crate::elf::segment::{PROGRAM_HEADER_SIZE, kind};
use crate::elf::{Address, Vaddr, symbol};
use crate::error::{Error, Kind, Name, Result, Stage, append};
use crate::event::SILENT;
use crate::foreign::{Code, Span};
use crate::process::Allow;
use crate::stages::Batch;
use crate::stages::relocate::scope_of;
use crate::symbols::{Use, Wanted};
use crate::sys::linux;
use crate::sys::machine::{self, MACHINE};
use crate::thread;
use crate::tls::TlsPlan;
use crate::world::{Module, ModuleId, Role, Roster};

/// musl in this process.
#[derive(Debug)]
pub struct Musl {
    /// The module that is libc.
    pub libc: ModuleId,
    /// Its loader's entry.
    entry: Address,
    /// What lode calls of it.
    pub functions: Functions,
    /// What the blocks of new threads are copied from.
    image: Option<Span>,
    /// Its references to what others may define in its place.
    references: Vec<Reference>,
}

/// A word of libc that is to hold the address of a symbol.
#[derive(Debug)]
struct Reference {
    place: Vaddr,
    name: &'static [u8],
    /// The symbol's address, libc's own or another module's.
    target: Address,
    /// What is added to it.
    addend: u64,
}

/// Functions that every musl exports.
#[derive(Debug)]
pub struct Functions {
    /// `atexit`
    pub at_exit: Code,
    /// `pthread_atfork`
    pub at_fork: Code,
    /// `pthread_key_create`
    pub create_key: Code,
    /// `pthread_setspecific`
    pub set_specific: Code,
}

/// What makes a file musl's libc that lode can start. The first lets releases before 1.1.21 fail, which start otherwise.
const MARKS: &str = "__dls2b\n__dls3\n_dlstart\n__libc_start_main\ndlopen\n__tls_get_addr\n_dl_debug_addr\nstdin";

/// What came with 1.1.24, which is the first that calls nothing of the program before the program's entry ([`Allow::OLD_MUSL`]). The text of the version would say the same,
/// and to look for it is to read the whole file.
const MARK_OF_AGE: &str = "secure_getenv";

/// The names that libc looks up besides those of its relocations, to know whether `malloc` is its own.
const ASKED: &str = "malloc\naligned_alloc";

/// What the process hands to libc.
pub struct Handed<'a> {
    /// What the kernel left for the program.
    pub stack: &'a Stack,
    /// What libc is to call when constructors are due.
    pub constructor: Address,
    /// Words of [`STACK`] bytes for its loader to run on.
    pub room: &'static [AtomicU64],
}

impl Musl {
    /// Looks at a file that is to be the libc of the process; `allow` says whether it may be older than what lode is tested with.
    ///
    /// # Errors
    /// [`Kind::UnknownMusl`] with what is missing.
    pub fn recognise(libc: &Module, allow: Allow) -> Result<Musl> {
        let function = |name: &[u8]| {
            let (_, symbol) = libc.symbols.find(&Wanted::new(name, None, Use::Call))?;
            Code::of(&libc.image, libc.at(Vaddr(symbol.value)))
        };
        let functions = || {
            Some(Functions {
                at_exit: function(b"atexit")?,
                at_fork: function(b"pthread_atfork")?,
                create_key: function(b"pthread_key_create")?,
                set_specific: function(b"pthread_setspecific")?,
            })
        };
        let references = references(libc);
        let mut missing = lacking(libc, allow);
        if references.is_none() || libc.dynamic.rel.is_some() {
            append(&mut missing, b", ", b"tables of relocations like musl's");
        }
        match (functions(), references) {
            (Some(functions), Some(references)) if missing.is_empty() => Ok(Musl {
                libc: libc.id,
                entry: libc.at(libc.layout.entry),
                functions,
                image: None,
                references,
            }),
            _ => Err(refusal(libc, Stage::Link, &missing)),
        }
    }

    /// Lets libc start itself: from here on code of the program may run.
    ///
    /// # Errors
    /// When there is no memory; [`Kind::UnknownMusl`] when libc has not put the thread where the program counts on it, or has not bound itself to what it was shown.
    #[inline(never)]
    pub fn wake(&mut self, batch: &Batch, roster: Roster<'_>, plan: &mut TlsPlan, handed: &Handed<'_>) -> Result<()> {
        let libc = roster.get(self.libc);
        let woken = libc.and_then(|libc| Some((libc, self.start(libc, batch, roster, plan, handed)?)));
        let (libc, size) = woken.ok_or_else(|| Kind::OutOfMemory.of(Stage::Wake, &Name::from("libc.so")))?;
        self.check(libc, size)?;
        // A variable of libc's, which crash reporters read: it leads to the structure that describes the application.
        if let Some((_, place)) = libc.symbols.find(&Wanted::new(b"_dl_debug_addr", None, Use::Call)) {
            libc.image.patch().store(Vaddr(place.value), debugger::address());
        }
        Ok(())
    }

    /// As [`Musl::wake`], without the checks. Returns how many bytes of thread-local storage each thread has; `None` when there is no memory.
    fn start(
        &mut self,
        libc: &Module,
        batch: &Batch,
        roster: Roster<'_>,
        plan: &mut TlsPlan,
        handed: &Handed<'_>,
    ) -> Option<u64> {
        let align = plan.align;
        let size = plan.used.checked_next_multiple_of(align)?;
        plan.used = size;
        plan.capacity = Some(size);
        plan.floor = size;
        let names = self.replaced(libc, batch, roster);
        let content = Content {
            names: &names,
            tls: Block {
                size,
                file_size: initialised(roster, size),
                align,
            },
            stack_size: roster.iter().map(stack_size).max().unwrap_or(0),
            constructor: handed.constructor,
        };
        let application = Application::build(&content)?;
        self.image = Some(application.image);
        for module in roster.iter() {
            self.refill(module);
        }
        let stack = stack(&application, libc, handed)?;
        // SAFETY: these are the words that the kernel would leave, and the entry is that of libc's loader, whose structure was checked.
        unsafe { machine::enter(stack, self.entry.0) };
        Some(size)
    }

    /// What libc refers to that another module defines before it, and where.
    #[inline(never)]
    fn replaced(&mut self, libc: &Module, batch: &Batch, roster: Roster<'_>) -> Vec<(&'static [u8], Address)> {
        let mut names: Vec<(&'static [u8], Address)> = Vec::new();
        let Some(program) = roster.find(&|module| module.role == Role::Program) else {
            return names;
        };
        let scope = scope_of(roster, &batch.global, &batch.unique, program);
        let found = |name| {
            let wanted = Wanted::new(name, None, Use::Call);
            // Hardly any is defined elsewhere, which each module's filter tells.
            let others = batch.global.iter().filter(|id| **id != libc.id);
            let mut others = others.filter_map(|id| roster.get(*id));
            others.find(|module| module.symbols.find_index(&wanted).is_some())?;
            let found = scope.find(&wanted, None, SILENT)?;
            let is_other = found.module.id != libc.id && found.symbol.kind() != symbol::STT_TLS;
            let address = found.address();
            // libc passes over a symbol without a value.
            (is_other && !found.is_indirect() && address.0 != 0).then_some(address)
        };
        for reference in &mut self.references {
            if let Some(address) = found(reference.name) {
                reference.target = address;
                names.push((reference.name, address));
            }
        }
        let asked = ASKED.lines().map(str::as_bytes);
        names.extend(asked.filter_map(|name| Some((name, found(name)?))));
        names
    }

    /// Checks what programs count on, after libc's start. The block is right below the thread pointer, and libc's first and only one: no more of the thread is looked at,
    /// because all else in it has moved from release to release. And each reference of libc's own leads to what stands for it in the whole process.
    fn check(&self, libc: &Module, size: u64) -> Result<()> {
        let pointer = machine::thread_pointer();
        if machine::vector() != [1, pointer.wrapping_sub(size)] {
            let lacks = b"a loader that puts thread-local storage below the thread pointer";
            return Err(refusal(libc, Stage::Wake, lacks));
        }
        let is_bound = |reference: &&Reference| {
            let target = reference.target.0.wrapping_add(reference.addend);
            libc.image.load(reference.place) == Some(target)
        };
        match self.references.iter().find(|reference| !is_bound(reference)) {
            Some(reference) => {
                let lacks = [b"a loader that binds ", reference.name].concat();
                Err(refusal(libc, Stage::Wake, &lacks))
            }
            None => Ok(()),
        }
    }

    /// Writes a module's initial thread-local data to where new threads copy it from.
    pub fn refill(&self, module: &Module) {
        if let Some(image) = self.image {
            thread::fill_image(image, module);
        }
    }
}

/// Why a libc is not started, with the version that it says it has.
#[cold]
fn refusal(libc: &Module, stage: Stage, lacks: &[u8]) -> Box<Error> {
    let (version, lacks) = (version(libc), Name::new(lacks));
    libc.fault(stage, Kind::UnknownMusl { version, lacks })
}

/// What is missing in a file that is to be musl's libc, in words. It applies its relocations itself.
fn lacking(libc: &Module, allow: Allow) -> Vec<u8> {
    let mut missing = Vec::new();
    let of_age = (!allow.contains(Allow::OLD_MUSL)).then_some(MARK_OF_AGE);
    for name in MARKS.lines().chain(of_age) {
        if libc
            .symbols
            .find(&Wanted::new(name.as_bytes(), None, Use::Call))
            .is_none()
        {
            append(&mut missing, b", ", name.as_bytes());
        }
    }
    let entry = libc.symbols.find(&Wanted::new(b"_dlstart", None, Use::Call));
    let is_entry = entry.is_some_and(|(_, symbol)| Vaddr(symbol.value) == libc.layout.entry);
    let is_alone = libc.layout.interpreter.is_none() && libc.layout.tls.is_none() && libc.needed_names.is_empty();
    if !is_entry || !is_alone {
        append(&mut missing, b", ", b"the shape of one");
    }
    missing
}

/// The version that stands as a string of its own in libc's constants; empty where none does.
pub fn version(libc: &Module) -> Name {
    for extent in libc.image.extents() {
        let bytes = libc.image.fixed_bytes(extent.start, extent.length).unwrap_or_default();
        let is_version = |text: &&[u8]| {
            let numbers = text.split(|byte| *byte == b'-').next().unwrap_or_default();
            let mut parts = 0;
            let all = numbers.split(|byte| *byte == b'.').all(|part| {
                parts += 1;
                (1..3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit)
            });
            all && parts == 3
        };
        if let Some(found) = bytes.split(|byte| *byte == 0).find(is_version) {
            return Name::new(found);
        }
    }
    Name::new(b"")
}

/// References that a libc has, as a rule.
const MOST_REFERENCES: usize = 24;

/// Libc's references, which it applies to itself; `None` if there is a relocation of a type that musl has not in its own tables.
fn references(libc: &Module) -> Option<Vec<Reference>> {
    let mut references = Vec::with_capacity(MOST_REFERENCES);
    let plt = match libc.dynamic.jmprel {
        Some((_, PltKind::Rel)) => return None,
        plt => plt.map(|(range, _)| range),
    };
    for range in [libc.dynamic.rela, plt].into_iter().flatten() {
        let count = usize::try_from(range.size).ok()? / size_of::<Rela>();
        for entry in libc.image.table::<Rela>(range.at, count)?.iter() {
            let addend = match (MACHINE.relocation)(entry.kind())?.ask {
                Ask::Relative => continue,
                Ask::GlobDat | Ask::JumpSlot => 0,
                ask @ Ask::Value { .. } if ask.is_address() => entry.addend,
                _ => return None,
            };
            let symbol = libc.symbols.get(entry.symbol())?;
            let own = match symbol.is_defined() {
                true => libc.at(Vaddr(symbol.value)),
                false => Address(0),
            };
            references.push(Reference {
                place: Vaddr(entry.offset),
                name: libc.symbols.name(&symbol),
                target: own,
                addend,
            });
        }
    }
    Some(references)
}

/// How many bytes of a new thread's block, from its start, are not all zero. libc copies them for each thread, with the zeros of modules that lie before the last one with
/// initial bytes. The program's part has to be the last (its code knows the distance), so beside initial bytes of the program all zeros of libraries are copied. To keep them
/// out would take a second block, which libc gives to files that it maps itself, or room below the block, which it promises nobody.
fn initialised(roster: Roster<'_>, size: u64) -> u64 {
    let end = |module: &Module| {
        let template = module.layout.tls.filter(|template| template.file_size != 0)?;
        let offset = module.tls()?.offset?;
        Some(size.checked_sub(offset)? + template.file_size)
    };
    roster.iter().filter_map(end).max().unwrap_or(0)
}

fn stack_size(module: &Module) -> u64 {
    let headers = module.headers.iter();
    let sizes = headers.filter(|header| header.kind == kind::GNU_STACK);
    sizes.map(|header| header.memory_size).max().unwrap_or(0)
}

/// Bytes of stack for libc's loader, which has nothing to load.
const ROOM: usize = 32 << 10;

/// Bytes of the pages whose end the words stand at.
const PAGE: usize = 4096;

/// Bytes of memory in the image that serve as the stack where the environment is not a long one.
pub const STACK: usize = ROOM + 2 * PAGE;

/// Puts what the kernel would leave for the application on top of a stack that stays, in the room that is given if that is long enough: until the program's own start, libc
/// looks into it for the environment and the auxiliary vector, and so may resolvers. It ends with a page, which has room for what libc puts below it as a rule.
/// Returns the stack pointer.
///
/// Of two variables libc's loader would open files; the program finds them where the kernel put them. All that the kernel says of users and security stays: without one of
/// the four ids, libc would count the process as secure for good.
fn stack(application: &Application, libc: &Module, handed: &Handed<'_>) -> Option<u64> {
    let replaced = [
        (auxv::AT_PHDR, application.headers.0 as usize),
        (auxv::AT_PHENT, PROGRAM_HEADER_SIZE),
        (auxv::AT_PHNUM, HEADERS),
        (auxv::AT_BASE, libc.image.bias().0 as usize),
        (auxv::AT_ENTRY, machine::entered()),
    ];
    // As the kernel's, without its arguments; with the application's only one and the entries that may be new. What is left over follows the end of the vector (AT_NULL).
    let given = handed.stack.words().checked_sub(handed.stack.argument_count())?;
    let length = given.checked_add(1 + 2 * replaced.len())?.checked_mul(8)?;
    let length = length.checked_next_multiple_of(16)?;
    let needed = length.checked_add(ROOM + PAGE)?;
    let memory = Span::of(match needed <= handed.room.len() * 8 {
        true => handed.room,
        false => linux::allocate(needed)?,
    });
    let behind = (memory.address() as usize + memory.size()) % PAGE;
    let top = memory.part(memory.size().checked_sub(behind + length)?, length)?;
    let mut next = 0;
    let mut put = |word: usize| {
        let place = next;
        next += 8;
        top.store(place, word as u64)
    };
    put(1)?;
    put(handed.stack.arguments().next().map_or(0, |name| name.as_ptr().addr()))?;
    put(0)?;
    for entry in handed.stack.environment() {
        let text = entry.to_bytes();
        if !text.starts_with(b"LD_PRELOAD=") && !text.starts_with(b"LD_LIBRARY_PATH=") {
            put(entry.as_ptr().addr())?;
        }
    }
    put(0)?;
    let is_kept = |kind: usize| replaced.iter().all(|(replaced, _)| *replaced != kind);
    let kept = handed.stack.auxiliaries().filter(|(kind, _)| is_kept(*kind));
    for (kind, value) in kept.chain(replaced) {
        put(kind)?;
        put(value)?;
    }
    // The memory is fresh, so that the end of the vector is there.
    Some(top.address())
}
