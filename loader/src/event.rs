//! Everything that happens, as one stream of values.
//!
//! `LD_DEBUG`, statistics and tests are readers of this stream; nothing else in lode prints. An event is
//! built only when a reader asked for its category, so a default start pays one test of a bit.
#![forbid(unsafe_code)]

use crate::elf::{Address, SymbolIndex};
use crate::error::{Error, Lossy, Name, Rejected, Stage};
use crate::search::Where;
use crate::world::Module;

bitflags::bitflags! {
    /// The categories that a reader may ask for: the words of `LD_DEBUG`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Interest: u32 {
        /// Library search paths and attempts.
        const LIBS = 1;
        /// Input files: mapped, needed, initialised, finalised.
        const FILES = 1 << 1;
        /// Symbol table searches.
        const SYMBOLS = 1 << 2;
        /// Which definition each reference got.
        const BINDINGS = 1 << 3;
        /// Version dependencies.
        const VERSIONS = 1 << 4;
        /// Relocation progress.
        const RELOC = 1 << 5;
        /// Scopes of each module.
        const SCOPES = 1 << 6;
        /// Counts at the end of the start.
        const STATISTICS = 1 << 7;
        /// Libraries that are needed for nothing: a part of the list that `LD_TRACE_LOADED_OBJECTS` asks for, not an event.
        const UNUSED = 1 << 8;
        /// What `LD_DEBUG` has no word for and the event stream shows: the stages, and what each did to a module.
        const STREAM = 1 << 9;
        /// What is printed whatever was asked: warnings.
        const ALWAYS = 1 << 31;
    }
}

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A library is wanted.
    Wanted {
        /// The name as it stands in DT_NEEDED, LD_PRELOAD or the call.
        library: &'a [u8],
        /// Who wants it.
        by: &'a Name,
    },
    /// A list of directories is entered.
    SearchList {
        /// Which list.
        place: &'a Where,
        /// Its directories, separated by colons; `None` for the cache file.
        directories: Option<&'a [u8]>,
    },
    /// A path is tried.
    Trying(&'a [u8]),
    /// The path was not taken, and the search goes on.
    Passed {
        /// The path.
        path: &'a [u8],
        /// Why.
        why: &'a Rejected,
    },
    /// A module was mapped.
    Mapped(&'a Module),
    /// A module has something that lode does not know, and that no table says changes loading.
    Unusual {
        /// The module.
        module: &'a Name,
        /// What it is.
        what: &'static str,
        /// Its number.
        value: u64,
    },
    /// A module was there before: lode, the kernel's library.
    Present(&'a Module),
    /// The version requirements of one module on another are checked.
    Version {
        /// The version.
        version: &'a [u8],
        /// The module that should define it.
        provider: &'a Name,
        /// The module that requires it.
        by: &'a Name,
    },
    /// The modules in which a module's references are looked up, in order.
    Scope {
        /// The module.
        module: &'a Name,
        /// The names of the modules in its scope.
        list: &'a [&'a Name],
    },
    /// A module's thread-local storage got a number and a place.
    TlsPlaced(&'a Module),
    /// A module's tables are about to be applied.
    Relocating {
        /// The module.
        module: &'a Name,
        /// Its function slots wait for their calls.
        waits: bool,
    },
    /// A symbol is looked up in one module.
    LookedUp {
        /// The symbol.
        symbol: &'a [u8],
        /// The module.
        module: &'a Name,
    },
    /// A reference got its definition.
    Bound {
        /// The module that refers.
        from: &'a Name,
        /// The module that defines.
        to: &'a Name,
        /// The symbol.
        symbol: &'a [u8],
        /// The version, if the reference has one.
        version: Option<&'a [u8]>,
        /// The symbol's index in the defining module.
        index: SymbolIndex,
    },
    /// The first thread has its thread pointer.
    Awake(Address),
    /// A function of the program is about to be called: a resolver, or a constructor.
    Calling(Address),
    /// The constructor came back.
    Returned,
    /// A resolver of the program was called.
    Resolved {
        /// The module whose place gets the answer.
        module: &'a Name,
        /// The resolver.
        resolver: Address,
        /// Its answer.
        answer: Address,
    },
    /// Pages of a module lost their write access (PT_GNU_RELRO).
    Protected {
        /// The module.
        module: &'a Name,
        /// First page.
        start: Address,
        /// In bytes.
        length: u64,
    },
    /// Constructors of a module are about to run.
    Initialising(&'a Name),
    /// Destructors of a module are about to run.
    Finalising(&'a Name),
    /// The program's entry is about to be jumped to.
    Transferring(&'a Name),
    /// An entry of the auxiliary vector: its number and its value.
    Handed(u64, u64),
    /// A stage of the start is over.
    Reached(Stage),
    /// Something is odd and was tolerated: one line in glibc's form, behind the program's name.
    Warning(core::fmt::Arguments<'a>),
    /// As a warning, without the program's name.
    Line(core::fmt::Arguments<'a>),
    /// An operation failed.
    Failed(&'a Error),
    /// Counts at the end of the start.
    Statistics(&'a Statistics),
}

/// Counts of one start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Modules mapped.
    pub modules: u64,
    /// Words relocated by RELR.
    pub relr: u64,
    /// Relocations that add the load bias.
    pub relative: u64,
    /// Relocations that name a symbol.
    pub symbolic: u64,
    /// Symbol look-ups made.
    pub lookups: u64,
    /// Look-ups answered by the one before.
    pub repeated: u64,
    /// IFUNC resolvers called.
    pub resolvers: u64,
    /// COPY relocations.
    pub copies: u64,
}

/// A reader of events.
pub trait Sink: Sync {
    /// Takes one event.
    fn take(&self, event: &Event<'_>);
}

/// The way to the reader, with what it asked for.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    /// The categories that are wanted.
    pub interest: Interest,
    /// The reader.
    pub sink: &'a dyn Sink,
}

impl Log<'_> {
    /// Builds and passes an event if its category was asked for.
    #[inline]
    pub fn emit<'e>(&self, category: Interest, event: impl FnOnce() -> Event<'e>) {
        if self.interest.intersects(category) {
            self.sink.take(&event());
        }
    }

    /// Says that a stage of the start is over.
    #[inline(never)]
    pub fn reached(&self, stage: Stage) {
        self.emit(Interest::STREAM, || Event::Reached(stage));
    }

    /// Passes a warning, which is always wanted.
    #[cold]
    pub fn warn(&self, text: core::fmt::Arguments<'_>) {
        self.sink.take(&Event::Warning(text));
    }

    /// Passes a line that is always wanted and has no prefix.
    #[cold]
    pub fn say(&self, text: core::fmt::Arguments<'_>) {
        self.sink.take(&Event::Line(text));
    }
}

/// A reader that wants nothing.
pub struct Silence;

/// Nobody reads events.
pub const SILENT: Log<'static> = Log {
    interest: Interest::empty(),
    sink: &Silence,
};

impl Sink for Silence {
    fn take(&self, _: &Event<'_>) {}
}

impl core::fmt::Debug for Log<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "Log({:?})", self.interest)
    }
}

/// `name` or `name, version V`, as glibc writes it in its messages.
pub struct Versioned<'a>(pub &'a [u8], pub Option<&'a [u8]>);

impl core::fmt::Display for Versioned<'_> {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{}", Lossy(self.0))?;
        match self.1 {
            Some(version) => write!(out, ", version {}", Lossy(version)),
            None => Ok(()),
        }
    }
}
