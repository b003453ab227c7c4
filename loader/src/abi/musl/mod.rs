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
use crt::auxv;

use crate::debugger;
use crate::elf::reloc::Rela;
use crate::elf::segment::{PROGRAM_HEADER_SIZE, kind};
use crate::elf::{Address, Vaddr, symbol};
use crate::error::{Error, Fault, Kind, Name, Stage, append};
use crate::event::SILENT;
use crate::foreign::{Code, Span};
use crate::image::Table;
use crate::stages::Batch;
use crate::stages::relocate::scope_of;
use crate::symbols::{Use, Wanted};
use crate::sys::{linux, machine};
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

/// What makes a file musl's libc. The first lets releases before 1.1.21 fail, which start otherwise.
const MARKS: &str = "__dls2b\n__dls3\n_dlstart\n__libc_start_main\ndlopen\n__tls_get_addr\n_dl_debug_addr\nstdin";

/// The names that libc looks up besides those of its relocations, to know whether `malloc` is its own.
const ASKED: &str = "malloc\naligned_alloc";

/// What the process hands to libc.
pub struct Handed<'a> {
    /// The name of the program.
    pub program: usize,
    /// The addresses of the variables of the environment.
    pub environment: &'a [usize],
    /// The auxiliary vector as the kernel made it.
    pub auxiliaries: &'a [(usize, usize)],
    /// What libc is to call when constructors are due.
    pub constructor: Address,
    /// Words of [`STACK`] bytes for its loader to run on.
    pub stack: &'static [AtomicU64],
}

impl Musl {
    /// Looks at a file that is to be the libc of the process.
    ///
    /// # Errors
    /// [`Kind::UnknownMusl`] with what is missing.
    pub fn recognise(libc: &Module) -> Result<Musl, Box<Error>> {
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
        let missing = lacking(libc);
        match functions() {
            Some(functions) if missing.is_empty() => Ok(Musl {
                libc: libc.id,
                entry: libc.at(libc.layout.entry),
                functions,
                image: None,
            }),
            _ => Err(libc.fault(
                Stage::Link,
                Kind::UnknownMusl {
                    version: version(libc),
                    lacks: Name::new(&missing),
                },
            )),
        }
    }

    /// Lets libc start itself: from here on code of the program may run.
    ///
    /// # Errors
    /// When there is no memory; [`Kind::Unsupported`] when libc has not put the thread where the program counts on it.
    #[inline(never)]
    pub fn wake(
        &mut self,
        batch: &Batch,
        roster: Roster<'_>,
        plan: &mut TlsPlan,
        handed: Handed<'_>,
    ) -> Result<(), Fault> {
        let align = plan.align;
        let size = plan.used.checked_next_multiple_of(align).ok_or(Kind::OutOfMemory)?;
        plan.used = size;
        plan.capacity = Some(size);
        plan.floor = size;
        let names = self.replaced(batch, roster);
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
        let application = Application::build(&content).ok_or(Kind::OutOfMemory)?;
        self.image = Some(application.image);
        for module in roster.iter() {
            self.refill(module);
        }
        let words = stack(&application, roster.get(self.libc), &handed);
        let stack = place_on_a_stack(&words, handed.stack).ok_or(Kind::OutOfMemory)?;
        // SAFETY: these are the words that the kernel would leave, and the entry is that of libc's loader, whose structure was checked.
        unsafe { machine::enter(stack, self.entry.0) };
        // A variable of libc's, which crash reporters read: it leads to the structure that describes the application.
        if let Some(libc) = roster.get(self.libc)
            && let Some((_, place)) = libc.symbols.find(&Wanted::new(b"_dl_debug_addr", None, Use::Call))
        {
            libc.image.patch().store(Vaddr(place.value), debugger::address());
        }
        self.check(size)
    }

    /// What libc refers to that another module defines before it, and where.
    #[inline(never)]
    fn replaced(&self, batch: &Batch, roster: Roster<'_>) -> Vec<(&'static [u8], Address)> {
        let mut names: Vec<(&'static [u8], Address)> = Vec::new();
        let (Some(libc), Some(program)) = (
            roster.get(self.libc),
            roster.find(&|module| module.role == Role::Program),
        ) else {
            return names;
        };
        let scope = scope_of(roster, &batch.global, &batch.unique, program);
        for name in references(libc).chain(ASKED.lines().map(str::as_bytes)) {
            if names.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let wanted = Wanted::new(name, None, Use::Call);
            // Hardly any is defined elsewhere, which each module's filter tells.
            let others = |module: &Module| module.id != self.libc && module.symbols.find(&wanted).is_some();
            if roster.find(&others).is_some()
                && let Some(found) = scope.find(&wanted, None, SILENT)
                && found.module.id != self.libc
                && found.symbol.kind() != symbol::STT_TLS
                && !found.is_indirect()
            {
                names.push((name, found.address()));
            }
        }
        names
    }

    /// Writes a module's initial thread-local data to where new threads copy it from.
    pub fn refill(&self, module: &Module) {
        if let Some(image) = self.image {
            thread::fill_image(image, module);
        }
    }

    /// Checks what programs count on: the thread pointer's own word (psABI), and the block right below it, which is libc's first and only one. No more of the thread
    /// is looked at: all else in it has moved from release to release.
    fn check(&self, size: u64) -> Result<(), Fault> {
        let pointer = machine::thread_pointer();
        match machine::vector() {
            [1, block] if block == pointer.wrapping_sub(size) => Ok(()),
            _ => Err(
                Kind::Unsupported("this musl libc puts thread-local storage where programs do not look for it").into(),
            ),
        }
    }
}

/// What is missing in a file that is to be musl's libc, in words. Its relocations are its own: it applies them, whatever they are, and tests see that it takes up what the
/// program defines in its place.
fn lacking(libc: &Module) -> Vec<u8> {
    let mut missing = Vec::new();
    for name in MARKS.lines() {
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

/// The names of libc's relocations that have one.
fn references(libc: &Module) -> impl Iterator<Item = &'static [u8]> {
    let ranges = [libc.dynamic.rela, libc.dynamic.jmprel.map(|(range, _)| range)];
    ranges.into_iter().flatten().flat_map(move |range| {
        let count = usize::try_from(range.size).unwrap_or(0) / size_of::<Rela>();
        let table = libc.image.table::<Rela>(range.at, count).unwrap_or(Table::EMPTY);
        (0..table.len()).filter_map(move |index| {
            let symbol = libc.symbols.get(table.get(index)?.symbol())?;
            let name = libc.symbols.name(&symbol);
            (!name.is_empty()).then_some(name)
        })
    })
}

/// How many bytes of a new thread's block, from its start, are not all zero.
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

/// Puts words on top of a stack that stays, in `given` if that is long enough: until the program's own start, libc looks into them for the environment and the
/// auxiliary vector, and so may resolvers. They end with a page, which has room for what libc puts below them as a rule. Returns the stack pointer.
fn place_on_a_stack(words: &[usize], given: &'static [AtomicU64]) -> Option<u64> {
    let length = words.len().checked_mul(8)?.checked_next_multiple_of(16)?;
    let needed = length.checked_add(ROOM + PAGE)?;
    let memory = Span::of(match needed <= given.len() * 8 {
        true => given,
        false => linux::allocate(needed)?,
    });
    let behind = (memory.address() as usize + memory.size()) % PAGE;
    let top = memory.part(memory.size().checked_sub(behind + length)?, length)?;
    for (index, word) in words.iter().enumerate() {
        top.store(index * 8, *word as u64)?;
    }
    Some(top.address())
}

/// The words that libc finds at its stack pointer: what the kernel would leave for the application. All that the kernel says of users and security stays: without one
/// of the four ids, libc would count the process as secure for good.
fn stack(application: &Application, libc: Option<&Module>, handed: &Handed<'_>) -> Vec<usize> {
    let base = libc.map_or(0, |libc| libc.image.bias().0);
    let replaced = [
        (auxv::AT_PHDR, application.headers.0 as usize),
        (auxv::AT_PHENT, PROGRAM_HEADER_SIZE),
        (auxv::AT_PHNUM, HEADERS),
        (auxv::AT_BASE, base as usize),
        (auxv::AT_ENTRY, machine::entered()),
    ];
    let mut words =
        Vec::with_capacity(handed.environment.len() + 2 * handed.auxiliaries.len() + 2 * replaced.len() + 6);
    words.extend_from_slice(&[1, handed.program, 0]);
    words.extend_from_slice(handed.environment);
    words.push(0);
    let kept = |kind: usize| replaced.iter().all(|(replaced, _)| *replaced != kind);
    let kept = handed.auxiliaries.iter().filter(|(kind, _)| kept(*kind));
    for (kind, value) in kept.chain(&replaced) {
        words.extend_from_slice(&[*kind, *value]);
    }
    words.extend_from_slice(&[auxv::AT_NULL, 0]);
    words
}
