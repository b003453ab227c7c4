//! Every way to fail, as values.
//!
//! An [`Error`] keeps the *culprit* (the file that is wrong) apart from the *asker* (the file that needed it), because
//! they are rarely the same. Nothing is formatted before somebody displays it. There are two texts:
//!
//! * `Display` of an [`Error`]: one line, in the words that glibc uses for the same failure, because programs parse them. It is what
//!   `dlerror` returns and what stands first on stderr.
//! * [`Error::report`]: that line with the program's name before it, then the code, the cause and the fix.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::elf::Vaddr;
use crate::elf::dynamic::tag;
use crate::elf::note::LevelFeatures;

/// A file or symbol name: bytes without NUL, usually but not always UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<Box<[u8]>>);

impl Name {
    /// A name from its bytes.
    #[inline(never)]
    pub fn new(bytes: &[u8]) -> Name {
        Name(Arc::new(Box::from(bytes)))
    }
    /// The bytes, without NUL.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
    /// Whether this is the empty name (the program itself, in the link map).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name::new(text.as_bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Lossy(&self.0).fmt(out)
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"", Lossy(&self.0))
    }
}

/// Shows bytes as text; what is not UTF-8 or would move the cursor becomes `\xNN`.
pub struct Lossy<'a>(pub &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let text = chunk.valid();
            let mut shown = 0;
            for (at, char) in text.char_indices().filter(|(_, char)| char.is_control()) {
                out.write_str(text.get(shown..at).unwrap_or_default())?;
                escaped(out, char.into())?;
                shown = at.saturating_add(char.len_utf8());
            }
            out.write_str(text.get(shown..).unwrap_or_default())?;
            for byte in chunk.invalid() {
                escaped(out, (*byte).into())?;
            }
        }
        Ok(())
    }
}

/// `bytes` as text, if they are UTF-8. It is the search for what is not that [`Lossy`] has already.
pub fn utf8(bytes: &[u8]) -> Option<&str> {
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    (text.len() == bytes.len()).then_some(text)
}

#[inline(never)]
fn escaped(out: &mut fmt::Formatter<'_>, code: u64) -> fmt::Result {
    write!(out, "\\x{code:02x}")
}

/// The text that `format!` would make. In its place, because that macro brings copies of what `String` has here already.
#[inline(never)]
pub fn text(arguments: fmt::Arguments<'_>) -> String {
    // Most texts are shorter, so they do not have to grow.
    let mut text = String::with_capacity(128);
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
    text
}

/// Appends a name to a list for people.
#[cold]
#[inline(never)]
pub fn append(list: &mut Vec<u8>, separator: &[u8], name: &[u8]) {
    if !list.is_empty() {
        list.extend_from_slice(separator);
    }
    list.extend_from_slice(name);
}

/// Whether `text` has this byte.
#[inline(never)]
#[expect(
    clippy::manual_contains,
    reason = "`contains` brings a search that is made for long texts"
)]
pub fn has_byte(text: &[u8], byte: u8) -> bool {
    text.iter().any(|one| *one == byte)
}

/// A system error number (errno(3)), positive.
pub use crt::Errno;
pub use crt::line;
use crt::packed;
use crt::packed::Packed;

/// Where on the straight line something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the command line, the environment and the auxiliary vector.
    Start,
    /// Finding, checking and mapping files.
    Map,
    /// Scopes, versions, TLS layout, order.
    Link,
    /// Storing relocated words.
    Relocate,
    /// Starting libc.
    Wake,
    /// Calling IFUNC resolvers, copying.
    Resolve,
    /// Taking write access away.
    Protect,
    /// A call of the running program (`dlsym` and friends).
    Call,
}

/// Something that failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// Where on the line.
    pub stage: Stage,
    /// The file that is wrong.
    pub culprit: Name,
    /// The file that asked for the culprit, if one did.
    pub asked_by: Option<Name>,
    /// What is wrong.
    pub kind: Kind,
    /// What `dlerror` said of it, which ends in NUL; empty before that. Most programs that look for what may be missing never ask.
    pub told: String,
}

/// The result of everything that can fail with a culprit. Boxed: the error path is cold, the `Ok` path is not.
pub type Result<T> = core::result::Result<T, Box<Error>>;

/// A stable code, printed as `E0105`. It is never given to another failure; `docs/errors/` has a page for each. The hundreds are groups:
/// 1 the file, 2 finding libraries, 3 symbols and relocations, 4 thread-local storage, 5 system and permissions, 6 the running program,
/// 7 the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "E{:04}", u64::from(self.0))
    }
}

/// The first of one or two texts.
macro_rules! first {
    ($first:literal $($rest:literal)?) => {
        $first
    };
}

/// Declares the rules: name, stable code, the rule as a sentence, the words that glibc has for it if it has any, and the fix if there is
/// one.
macro_rules! rules {
    ($($rule:ident = $code:literal, $text:literal $(, glibc: $words:literal)? $(, fix: $fix:literal)?;)*) => {
        /// A rule of the file format that lode checks before it uses the field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule {
            $(#[doc = concat!("Broken: ", $text, ".")] $rule,)*
        }

        const RULE_CODES: &[u16] = &[$($code,)*];

        /// Two lines for each rule: glibc's words or the sentence, and the fix. One text is smaller than a table of texts, which needs an address for
        /// each.
        const RULES: &str = concat!($(first!($($words)? $text), "\n", $($fix,)? "\n",)*);
    };
}

rules! {
    HeaderTruncated = 102, "the file is shorter than an ELF header",
        glibc: "file too short",
        // Also that of each rule which has none of its own.
        fix: "none for this file: build it again, or copy it again";
    ElfVersion = 106, "the ELF version is not 1",
        glibc: "ELF file version does not match current one";
    HeaderFlags = 108, "e_flags has bits that this machine does not define";
    HeaderType = 109, "the file is neither an executable (ET_EXEC) nor a shared object (ET_DYN)",
        glibc: "only ET_DYN and ET_EXEC can be loaded";
    PhentSize = 110, "e_phentsize is not the size of a program header",
        glibc: "ELF file's phentsize not the expected size";
    NoProgramHeaders = 111, "the file has no program headers";
    ProgramHeadersOutsideFile = 113, "the program header table ends after the end of the file";
    NoLoadSegment = 114, "no PT_LOAD segment: there is nothing to map",
        glibc: "object file has no loadable segments";
    SegmentOutsideFile = 112, "a segment ends after the end of the file (is the file truncated?)",
        fix: "none for this file: copy it again";
    SegmentFileSize = 115, "a segment has more bytes in the file than in memory";
    SegmentOrder = 116, "PT_LOAD segments overlap or are not in ascending order";
    SegmentAddress = 117, "a segment does not fit into the address space";
    SegmentAlign = 118, "p_align is not a power of two";
    SegmentCongruence = 119, "p_vaddr and p_offset differ modulo the page size, so the segment cannot be mapped";
    SegmentTwice = 122, "a segment type that may stand once stands twice";
    SegmentWritableExecutable = 123, "a segment is both writable and executable",
        fix: "link with -z separate-code, or split the segment";
    SegmentCodeOfZeros = 141, "an executable segment has fewer bytes in the file than in memory";
    DynamicMissing = 130, "the file has no dynamic section",
        glibc: "object file has no dynamic section";
    DynamicOutside = 131, "the dynamic section is not inside a mapped segment";
    DynamicUnterminated = 132, "the dynamic section has no DT_NULL entry";
    RelroOutside = 124, "PT_GNU_RELRO is not inside a writable segment";
    TlsOutside = 403, "the TLS image is not inside a mapped segment";
    TlsSize = 404, "the TLS segment has more bytes in the file than in memory, or is too large";
    TlsAlign = 405, "the TLS alignment is not a power of two, or is too large";
    InterpreterPath = 121, "PT_INTERP is not a path that ends in NUL";
    TagTwin = 133, "a dynamic tag stands without the tag that belongs to it";
    TagEntrySize = 134, "an entry size in the dynamic section is not the size of the entry";
    TagTableSize = 135, "a table's size is not a whole number of entries";
    TagTableOutside = 136, "a table named by the dynamic section is not inside a mapped segment";
    TagPltRel = 137, "DT_PLTREL is neither DT_REL nor DT_RELA";
    StringTable = 138, "the string table is empty or does not end in NUL";
    StringOffset = 139, "a name lies outside the string table";
    HashTable = 303, "the SysV hash table does not fit where it stands";
    HashBuckets = 305, "a hash table without buckets, or with a bloom filter whose size is no power of two";
    GnuHashTable = 304, "the GNU hash table does not fit where it stands";
    SymbolIndex = 306, "a symbol index lies outside the symbol table";
    SymbolValue = 307, "a symbol's value lies outside the module";
    VersionNeed = 312, "the version requirements (DT_VERNEED) are damaged";
    VersionDefinition = 313, "the version definitions (DT_VERDEF) are damaged";
    VersionIndex = 314, "a symbol has a version index that nothing defines";
    RelrLockout = 315, "DT_RELR without GLIBC_ABI_DT_RELR dependency",
        fix: "link with `-z pack-relative-relocs`";
    RelrBitmapFirst = 326, "a RELR stream starts with a bitmap";
    RelrOutside = 327, "a RELR entry does not lie in a writable segment of this module";
    RelocatedTwice = 330, "a word is relocated by both DT_RELR and another table";
    RelocationOutside = 321, "a relocation's target does not lie in this module";
    RelocationReadOnly = 322, "a relocation's target lies in a segment that is not writable",
        fix: "link without -z notext; if the place is in .eh_frame, use pc-relative encodings (DW_EH_PE_pcrel); `LODE_OPTIONS=allow=textrel` runs it";
    RelativeCount = 328, "DT_RELACOUNT counts relocations that are not relative";
    AndroidRelocations = 329, "the packed relocations (APS2) are damaged";
    TextRelocations = 323, "the file asks to relocate read-only segments (DT_TEXTREL)",
        fix: "link without -z notext; if the place is in .eh_frame, use pc-relative encodings (DW_EH_PE_pcrel); `LODE_OPTIONS=allow=textrel` runs it";
    IfuncNoPlt = 331, "code refers by 32-bit distances to a function that a resolver chooses (-z ifunc-noplt)",
        fix: "link without -z ifunc-noplt; `LODE_OPTIONS=allow=ifunc-noplt` runs it";
    ThreadLocalAddress = 332, "an address is asked of thread-local data, which has one in each thread";
    EntryOutside = 125, "the entry point is not in an executable segment";
    ArraySize = 140, "an init or fini array is not a whole number of addresses";
    CodeOutside = 126, "a function that the file wants called (entry of an init or fini array, resolver) is not in an executable segment";
    FileTruncated = 127, "the program's file ends before its last segment does",
        fix: "none for this file: copy it again";
}

impl Rule {
    /// The stable code of the rule.
    pub fn code(self) -> Code {
        Code(RULE_CODES.get(self as usize).copied().unwrap_or_default())
    }

    fn line(self, part: Part) -> Packed {
        TEXTS.text(1).line(self as usize * 2 + part as usize)
    }
}

/// A line of the texts of a rule or a kind.
#[derive(Clone, Copy)]
enum Part {
    /// What is wrong, in glibc's words if it has any.
    Summary,
    /// What can be done about it.
    Fix,
    /// What is known beyond it, with a `#` for each number and a `@` for a name; a rule has no such line.
    Fact,
}

/// One place that a search for a library looked at in vain.
#[derive(Debug, PartialEq, Eq)]
pub struct Tried {
    /// The path.
    pub path: Name,
    /// Why it was not taken.
    pub why: Rejected,
}

/// Why a candidate of a path search was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The file could not be opened.
    Os(Errno),
    /// The file is for something else (class, machine): skipped and remembered.
    Unfit(Box<Kind>),
}

/// One reference that nothing satisfies.
#[derive(Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The module that refers.
    pub module: Name,
    /// The symbol.
    pub symbol: Name,
    /// The version it asks for.
    pub version: Option<Name>,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("undefined symbol: ")?;
        versioned(out, self.symbol.bytes(), &self.version)
    }
}

/// One version that its provider does not define.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingVersion {
    /// The symbols that ask for it, for people; empty when only DT_VERNEED does.
    pub symbols: Name,
    /// The module that requires it.
    pub module: Name,
    /// The module that should define it.
    pub provider: Name,
    /// The version.
    pub version: Name,
}

impl fmt::Display for MissingVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "version `{}' not found (required by {})",
            self.version, self.module
        )
    }
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A system call failed.
    Os {
        /// What lode was doing, in glibc's words ("cannot open shared object file").
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The file is a directory, device, FIFO or socket.
    NotRegular,
    /// The file does not start with the ELF magic.
    NotElf {
        /// What it starts with, and zeros where it is shorter.
        start: [u8; 16],
        /// It is shorter than a header: glibc has other words for that.
        is_short: bool,
    },
    /// 32-bit file, or a class that does not exist.
    WrongClass {
        /// `EI_CLASS`
        class: u8,
        /// `e_machine`
        machine: u16,
    },
    /// Big-endian, or a byte order that does not exist (`EI_DATA`).
    WrongData(u8),
    /// `EI_OSABI` names a system that lode does not serve.
    WrongOsAbi(u8),
    /// `EI_ABIVERSION` is above what lode implements for this OS ABI.
    WrongAbiVersion {
        /// `EI_OSABI`
        osabi: u8,
        /// `EI_ABIVERSION`
        version: u8,
        /// The highest version that lode implements.
        supported: u8,
    },
    /// Another machine (`e_machine`).
    WrongMachine(u16),
    /// The file was built for another operating system (NT_GNU_ABI_TAG): its number there.
    WrongSystem(u32),
    /// The file was built for a newer kernel (NT_GNU_ABI_TAG).
    KernelTooOld {
        /// The oldest kernel that the file is for.
        needed: KernelVersion,
        /// The one that runs.
        have: KernelVersion,
    },
    /// A tag, a segment or a flag changes how the file is loaded, in a way that lode does not implement: its name.
    ChangesLoading(&'static str),
    /// The file was built for another libc than the one of the process: for which.
    WrongLibc(&'static str),
    /// A rule of the format is broken.
    Malformed {
        /// Which.
        rule: Rule,
        /// What the file says.
        value: u64,
        /// What it may say at most, or must equal; 0 when that has no meaning.
        limit: u64,
    },
    /// A rule of the format is broken by a relocation.
    Relocation {
        /// Which.
        rule: Rule,
        /// The relocation.
        entry: Entry,
    },
    /// The CPU lacks what the file was built for (GNU_PROPERTY_X86_ISA_1_NEEDED): x86-64-v`needed`, this CPU has v`have`.
    CpuTooOld {
        /// Needed level, 1 to 4.
        needed: u8,
        /// Level of this CPU.
        have: u8,
        /// The features that are missing.
        lacks: LevelFeatures,
    },
    /// A library was found nowhere.
    Missing {
        /// The name that was asked for.
        library: Name,
        /// Where lode looked.
        tried: Vec<Tried>,
    },
    /// Symbols that nothing defines.
    Undefined(Vec<Unresolved>),
    /// Versions that their providers do not define.
    NoVersion(Vec<MissingVersion>),
    /// A relocation type that lode does not know.
    UnknownRelocation {
        /// The number.
        kind: u32,
        /// Its place.
        at: Vaddr,
        /// Its symbol, if it has one.
        symbol: Option<Name>,
    },
    /// A relocation whose value does not fit into its field.
    Overflow {
        /// The relocation's name in the psABI.
        relocation: &'static str,
        /// Its place.
        at: Vaddr,
        /// Its symbol, if it has one.
        symbol: Option<Name>,
        /// The value that does not fit.
        value: u64,
        /// It is the distance from the place to the symbol.
        is_distance: bool,
        /// The file that defines the symbol.
        target: Option<Name>,
    },
    /// A COPY relocation whose two symbols differ in size.
    CopySize {
        /// The symbol.
        symbol: Name,
        /// Bytes in the program.
        here: u64,
        /// Bytes in the library.
        there: u64,
    },
    /// A TLS relocation against a symbol that is not thread-local, or the reverse.
    NotThreadLocal(Name),
    /// Another file refers past the GOT to this protected symbol of a file that cannot bear it.
    NeedsIndirectAccess(Name),
    /// Static TLS is full.
    StaticTls {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Libraries opened after the start that have some of it, and how many bytes.
        held: Vec<(Name, u64)>,
    },
    /// The libc is one that lode has no layout for.
    UnknownLibc {
        /// Its version string, if it has one.
        version: Name,
        /// What did not match, one line for each candidate row.
        why: Name,
    },
    /// The libc is one of musl's kind that lode cannot start.
    UnknownMusl {
        /// Its version string, if it has one.
        version: Name,
        /// What it lacks.
        lacks: Name,
    },
    /// The program may not be executed by this user.
    NotExecutable,
    /// The file lies on a file system that is mounted noexec.
    NoExecMount,
    /// Something that lode does not support, in one sentence.
    Unsupported(&'static str),
    /// A preload of a secure process that lacks the set-user-ID bit.
    Untrusted,
    /// A library that must not be opened with `dlopen` (DF_1_NOOPEN).
    NotToBeOpened,
    /// The command line or LODE_OPTIONS is wrong.
    Usage(Name),
    /// lode was asked to run itself.
    RunsItself,
    /// `dlsym` found nothing.
    NoSymbol {
        /// The symbol. Programs that try what is there fail again and again, so its bytes are all that is kept.
        symbol: Box<[u8]>,
        /// The version asked for.
        version: Option<Name>,
    },
    /// A handle that `dlopen` did not return.
    InvalidHandle(u64),
    /// lode is busy: the call came from a signal handler or a resolver.
    Busy,
    /// Memory ran out.
    OutOfMemory,
}

/// A kernel's version: major, minor and patch in 20 bits each, so that versions compare as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion(pub u64);

impl KernelVersion {
    /// Bits of each number.
    pub const BITS: u32 = 20;

    /// One of the three numbers; `place` counts from the last.
    fn number(self, place: u32) -> u64 {
        self.0 >> (place * KernelVersion::BITS) & 0xf_ffff
    }
}

/// A relocation, for people.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The tag of its table.
    pub table: u64,
    /// Its number there, from 0. A stream of words counts words.
    pub index: u64,
    /// Its name in the psABI.
    pub relocation: &'static str,
    /// Its place.
    pub at: Vaddr,
    /// Its symbol, if it has one.
    pub symbol: Option<Name>,
    /// The number of the program header of the segment that has the place, from 0.
    pub segment: Option<usize>,
    /// How many relocations of the file break the rule in the same way, where they are counted; else 0.
    pub count: u64,
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at {}", self.relocation, self.at)?;
        named(out, &self.symbol)
    }
}

impl Kind {
    /// A broken rule.
    #[cold]
    #[inline(never)]
    pub fn malformed(rule: Rule, value: u64, limit: u64) -> Fault {
        Kind::Malformed { rule, value, limit }.into()
    }

    /// A system call that failed while lode did `what` ("cannot open shared object file").
    #[cold]
    #[inline(never)]
    pub fn os(what: &'static str, errno: Errno) -> Fault {
        Kind::Os { what, errno }.into()
    }

    /// Names the culprit.
    #[cold]
    #[inline(never)]
    pub fn of(self, stage: Stage, culprit: &Name) -> Box<Error> {
        Box::new(Error {
            stage,
            culprit: culprit.clone(),
            asked_by: None,
            kind: self,
            told: String::new(),
        })
    }

    /// Whether a path search goes on after a candidate with this fault: the file is for something else, not damaged.
    pub fn is_unfit(&self) -> bool {
        matches!(
            self,
            Kind::WrongClass { class: 1, .. }
                | Kind::WrongMachine(_)
                | Kind::WrongSystem(_)
                | Kind::KernelTooOld { .. }
                | Kind::CpuTooOld { .. }
        )
    }
}

/// Something wrong whose culprit is not named yet: what the decoders of [`crate::elf`] return, which do not know the file's name.
/// As small as a pointer, because a `Result` that carries it passes through every function that reads a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault(Box<Kind>);

impl From<Kind> for Fault {
    #[cold]
    #[inline(never)]
    fn from(kind: Kind) -> Fault {
        Fault(Box::new(kind))
    }
}

impl Fault {
    /// What is wrong.
    pub fn kind(self) -> Kind {
        *self.0
    }

    /// Names the culprit.
    #[cold]
    #[inline(never)]
    pub fn of(self, stage: Stage, culprit: &Name) -> Box<Error> {
        self.kind().of(stage, culprit)
    }
}

impl Error {
    /// Names who asked for the culprit.
    pub fn asked_by(mut self: Box<Error>, asker: &Name) -> Box<Error> {
        if self.asked_by.is_none() && *asker != self.culprit {
            self.asked_by = Some(asker.clone());
        }
        self
    }
}

/// What lode was doing when it made sure of memory for a file, in glibc's words.
pub const NO_MEMORY_AT_HAND: &str = "cannot create shared object descriptor";

/// The process is musl's, as its program says: the familiar words are, and the rules for names of libraries, references and the order of constructors. Set before
/// anything is looked for. It stands here because every room has words, and some have rules. The directories of a search, which are more than a rule, are the searcher's.
pub static FOR_MUSL: AtomicBool = AtomicBool::new(false);

/// One line in the familiar words, without the name of the program: what `dlerror` returns.
impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if FOR_MUSL.load(Ordering::Relaxed) {
            return self.in_musl_words(out);
        }
        match &self.kind {
            Kind::InvalidHandle(_) | Kind::Busy | Kind::OutOfMemory | Kind::Usage(_) => {}
            _ if self.culprit.is_empty() => {}
            _ => write!(out, "{}: ", self.culprit)?,
        }
        self.kind.fmt(out)?;
        match self.kind {
            // `dlerror` has no other line for it.
            Kind::Relocation { .. } | Kind::StaticTls { .. } if out.alternate() => self.fix(out, "; ", ""),
            _ => Ok(()),
        }
    }
}

/// Declares what is said of each kind of failure: its code, what is wrong as far as that is said without names and numbers, and the fix if
/// there is one.
macro_rules! texts {
    ($($kind:ident = $code:literal, $summary:literal $(, fact: $fact:literal)? $(, fix: $fix:literal)?;)*) => {
        /// The order of [`KINDS`].
        enum Place {
            $($kind,)*
        }

        const CODES: &[u16] = &[$($code,)*];

        /// Three lines for each kind: those of a rule, and a fact.
        const KINDS: &str = concat!($($summary, "\n", $($fix,)? "\n", $("  ", $fact,)? "\n",)*);

        impl Kind {
            fn place(&self) -> usize {
                let place = match self {
                    $(Kind::$kind { .. } => Place::$kind,)*
                };
                place as usize
            }
        }
    };
}

// First those that programs meet again and again when they try what is there: a line is found by going through all before it.
texts! {
    NoSymbol = 302, "undefined symbol: ";
    Missing = 201, "",
        fix: "install the library, or name its directory: `LD_LIBRARY_PATH=DIR`, or in the RUNPATH of the file that needs it";
    Undefined = 301, "",
        fix: "the library that should define it is another build than the one linked against, or is missing from DT_NEEDED; `LD_PRELOAD=FILE` loads one that does";
    Os = 502, "";
    NotRegular = 202, "cannot read file data: not a regular file",
        fix: "name a regular file";
    NotElf = 101, "invalid ELF header",
        fix: "none for this file; `lode-tool check @` says what it is";
    WrongClass = 103, "wrong ELF class: ",
        fact: "EI_CLASS is #, e_machine # (@); lode loads 2 (ELFCLASS64) and 62 (x86-64)",
        fix: "none for this file: use one for this machine";
    WrongData = 103, "ELF file data encoding not little-endian",
        fact: "EI_DATA is #; lode loads 1 (little-endian)",
        fix: "none for this file: use one for this machine";
    WrongSystem = 104, "ELF file OS ABI invalid",
        fact: "NT_GNU_ABI_TAG names the system # (@); this is 0 (Linux)",
        fix: "none for this file: build it for this system";
    KernelTooOld = 129, "kernel too old",
        fact: "NT_GNU_ABI_TAG asks for Linux #.#.#; this is Linux #.#.#",
        fix: "use a newer kernel, or a build for this one";
    ChangesLoading = 107, "lode does not implement ",
        fix: "use a newer lode, or link the file without it";
    WrongLibc = 211, "the file was built for another libc: ",
        fix: "use a build for the libc of the program";
    WrongOsAbi = 104, "ELF file OS ABI invalid",
        fact: "EI_OSABI is # (@); lode supports 0 (NONE) and 3 (GNU)",
        fix: "none for this file: build it for this system";
    WrongAbiVersion = 105, "ELF file ABI version invalid",
        fact: "EI_ABIVERSION is #, EI_OSABI # (@); lode supports up to #",
        fix: "none for this file: build it for this system";
    WrongMachine = 103, "ELF file is for another machine: ",
        fact: "e_machine is # (@); lode loads 62 (x86-64)",
        fix: "none for this file: use one for this machine";
    Malformed = 0, "";
    Relocation = 0, "";
    CpuTooOld = 128, "CPU ISA level is lower than required",
        fact: "the file needs x86-64-v#; this CPU has x86-64-v#",
        fix: "none for this file: build it with a lower -march";
    NoVersion = 310, "",
        fix: "the library is older than what the file was linked against: install a newer one, or name its directory: `LD_LIBRARY_PATH=DIR`";
    UnknownRelocation = 320, "unexpected reloc type ",
        fix: "none for this file: link it for this machine";
    Overflow = 324, "Symbol `",
        fix: "build the file with -fPIC, so that its references can reach every address";
    CopySize = 325, "copy relocation of ",
        fix: "link the program again, with this library";
    NeedsIndirectAccess = 333, "error due to GNU_PROPERTY_1_NEEDED_INDIRECT_EXTERN_ACCESS",
        fix: "build the file that refers to it with -fPIC or -mno-direct-extern-access";
    NotThreadLocal = 401, "a thread-local reference to ",
        fix: "build both files with the same declaration";
    StaticTls = 402, "cannot allocate memory in static TLS block",
        fact: "# bytes needed, # bytes free",
        fix: "load the library at the start (`LD_PRELOAD=@`), or build it without -ftls-model=initial-exec";
    UnknownLibc = 210, "this build of glibc ",
        fix: "add a row for this build with `cargo xtask tables DEBUGFILE`, where DEBUGFILE is the separate debug file of its ld.so";
    UnknownMusl = 212, "not a usable musl libc",
        fix: "use musl 1.1.24 or newer";
    NotExecutable = 510, "cannot execute: Permission denied",
        fix: "`chmod +x @`, or `LODE_OPTIONS=allow=noexec`";
    NoExecMount = 511, "failed to map segment from shared object: Operation not permitted",
        fix: "this file system is mounted noexec: move the file, or `mount -o remount,exec $(findmnt -nT @ -o TARGET)`";
    Unsupported = 604, "";
    Untrusted = 503, "cannot open shared object file: not trusted in a secure process";
    NotToBeOpened = 203, "shared object cannot be dlopen()ed",
        fix: "link it without -z nodlopen";
    Usage = 701, "";
    RunsItself = 702, "lode was asked to run itself",
        fix: "name a program: ld-lode PROGRAM ARGUMENTS";
    InvalidHandle = 602, "invalid handle";
    Busy = 603, "the loader is busy in this thread";
    OutOfMemory = 504, "cannot allocate memory";
}

/// What is wrong, in the words that glibc has for it where it has any.
impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line(Part::Summary).fmt(out)?;
        match *self {
            Kind::Os { what, errno } => failed(out, what, errno),
            Kind::WrongClass { class: 1, .. } => out.write_str("ELFCLASS32"),
            Kind::WrongClass { class, .. } => u64::from(class).fmt(out),
            Kind::ChangesLoading(what) | Kind::WrongLibc(what) => out.write_str(what),
            Kind::WrongMachine(machine) => out.write_str(crate::elf::header::machine_name(machine)),
            Kind::Relocation { ref entry, .. } => write!(out, ": {entry}"),
            Kind::Missing { ref tried, .. } => match tried.as_slice() {
                [one] => match &one.why {
                    Rejected::Unfit(kind) => kind.fmt(out),
                    Rejected::Os(Errno::EISDIR) => failed(out, "cannot read file data", Errno::EISDIR),
                    Rejected::Os(errno) => failed(out, CANNOT_OPEN, *errno),
                },
                _ => failed(out, CANNOT_OPEN, Errno::ENOENT),
            },
            Kind::Undefined(ref list) => match list.first() {
                Some(first) => first.fmt(out),
                None => Ok(()),
            },
            Kind::NoVersion(ref list) => match list.first() {
                Some(first) => first.fmt(out),
                None => Ok(()),
            },
            Kind::UnknownRelocation { kind, at, ref symbol } => {
                write!(out, "{:#04x} at {at}", u64::from(kind))?;
                named(out, symbol)
            }
            Kind::Overflow {
                relocation, ref symbol, ..
            } => {
                if let Some(symbol) = symbol {
                    symbol.fmt(out)?;
                }
                write!(out, "' causes overflow in {relocation} relocation")
            }
            Kind::CopySize {
                ref symbol,
                here,
                there,
            } => write!(
                out,
                "`{symbol}': {here} bytes in the program, {there} in the library, not all of them mapped"
            ),
            Kind::NotThreadLocal(ref symbol) => write!(out, "`{symbol}', which is not thread-local"),
            Kind::UnknownLibc { ref version, .. } => write!(out, "({version}) is not one that lode knows"),
            Kind::UnknownMusl { ref version, ref lacks } => {
                if !version.is_empty() {
                    write!(out, " ({version})")?;
                }
                write!(out, ": it lacks {lacks}")
            }
            Kind::Unsupported(what) => out.write_str(what),
            Kind::Usage(ref text) => text.fmt(out),
            Kind::NoSymbol {
                ref symbol,
                ref version,
            } => versioned(out, symbol, version),
            _ => Ok(()),
        }
    }
}

/// What is said of kinds and rules, and the names of tags. Nothing has to be passed over for the first text, whose lines programs read.
const TEXTS: Packed = packed!(KINDS, RULES, tag::NAMES);

/// The name of a tag of which an error may speak.
fn tag_name(number: u64) -> Packed {
    let place = tag::place_in_errors(number);
    place.map_or(Packed::NOTHING, |place| TEXTS.text(2).line(place))
}

const CANNOT_OPEN: &str = "cannot open shared object file";

/// Prints a template: the next value for each `#`, the name for each `@`. Many short facts take less room so.
#[inline(never)]
fn filled(out: &mut fmt::Formatter<'_>, template: Packed, values: &[u64], name: &dyn Display) -> fmt::Result {
    let template = text(format_args!("{template}"));
    let mut values = values.iter();
    let mut rest = &*template;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'#' | b'@')) {
        let (text, behind) = rest.split_at_checked(at).unwrap_or_default();
        out.write_str(text)?;
        match behind.as_bytes().first() {
            Some(b'#') => values.next().copied().unwrap_or_default().fmt(out)?,
            _ => name.fmt(out)?,
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    out.write_str(rest)
}

fn failed(out: &mut fmt::Formatter<'_>, what: &str, errno: Errno) -> fmt::Result {
    write!(out, "{what}: {errno}")
}

fn named(out: &mut fmt::Formatter<'_>, symbol: &Option<Name>) -> fmt::Result {
    match symbol {
        Some(symbol) => write!(out, " against `{symbol}'"),
        None => Ok(()),
    }
}

fn versioned(out: &mut fmt::Formatter<'_>, symbol: &[u8], version: &Option<Name>) -> fmt::Result {
    crate::event::Versioned(symbol, version.as_ref().map(Name::bytes)).fmt(out)
}

impl Kind {
    /// The code that stands for this failure, in brackets after `lode`. That of a broken rule is the rule's.
    pub fn code(&self) -> Code {
        match self {
            Kind::Malformed { rule, .. } | Kind::Relocation { rule, .. } => rule.code(),
            _ => Code(CODES.get(self.place()).copied().unwrap_or_default()),
        }
    }

    /// A line that is printed as it is. That of a broken rule is the rule's.
    #[inline(never)]
    fn line(&self, part: Part) -> Packed {
        match self {
            Kind::Malformed { .. } | Kind::Relocation { .. } if matches!(part, Part::Fact) => Packed::NOTHING,
            Kind::Malformed { rule, .. } | Kind::Relocation { rule, .. } => rule.line(part),
            Kind::NotElf { is_short: true, .. } if matches!(part, Part::Summary) => Rule::HeaderTruncated.line(part),
            _ => TEXTS.line(self.place() * 3 + part as usize),
        }
    }

    /// What [`Part::Fact`] is filled with.
    fn values(&self) -> ([u64; 6], &'static str) {
        use crate::elf::header::{machine_of_class, osabi_name};
        let (a, b, name) = match *self {
            Kind::WrongClass { class, machine } => (class.into(), machine.into(), machine_of_class(machine, class)),
            Kind::WrongMachine(machine) => (machine.into(), 0, machine_of_class(machine, 2)),
            Kind::WrongData(data) => (data.into(), 0, ""),
            Kind::WrongOsAbi(osabi) => (osabi.into(), 0, osabi_name(osabi)),
            Kind::WrongAbiVersion {
                osabi,
                version,
                supported,
            } => {
                let values = [version, osabi, supported, 0, 0, 0].map(u64::from);
                return (values, osabi_name(osabi));
            }
            Kind::WrongSystem(os) => (os.into(), 0, crate::elf::note::system_name(os)),
            Kind::KernelTooOld { needed, have } => {
                let [a, b, c] = [2, 1, 0].map(|place| needed.number(place));
                let [d, e, f] = [2, 1, 0].map(|place| have.number(place));
                return ([a, b, c, d, e, f], "");
            }
            Kind::CpuTooOld { needed, have, .. } => (needed.into(), have.into(), ""),
            Kind::StaticTls { needed, free, .. } => (needed, free, ""),
            _ => (0, 0, ""),
        };
        ([a, b, 0, 0, 0, 0], name)
    }

    /// What is known beyond the summary, one fact a line.
    fn detail(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fact = self.line(Part::Fact);
        if !fact.is_empty() {
            let (values, name) = self.values();
            filled(out, fact, &values, &name)?;
            if let Kind::CpuTooOld { lacks, .. } = *self
                && lacks.0 != 0
            {
                write!(out, " and lacks{lacks}")?;
            }
            out.write_str("\n")?;
        }
        match *self {
            Kind::Malformed {
                rule: Rule::TagTwin,
                value,
                limit,
            } => {
                writeln!(out, "  {} stands without {}", tag_name(value), tag_name(limit))
            }
            Kind::NotElf { ref start, .. } => writeln!(out, "  starts with \"{}\"", Lossy(start)),
            Kind::Malformed { value: 0, limit: 0, .. } => Ok(()),
            Kind::Malformed { value, limit, .. } => {
                write!(out, "  found {value:#x}")?;
                match limit {
                    0 => out.write_str("\n"),
                    limit => writeln!(out, ", limit {limit:#x}"),
                }
            }
            Kind::Relocation { ref entry, .. } => {
                write!(out, "  entry {} of {}", entry.index, tag_name(entry.table))?;
                if let Some(number) = entry.segment {
                    write!(out, "; its place is in segment {}", number as u64)?;
                }
                match entry.count {
                    0 => out.write_str("\n"),
                    count => writeln!(out, "; there are {count} of the kind"),
                }
            }
            Kind::Missing { ref tried, .. } => {
                for one in tried {
                    match &one.why {
                        Rejected::Os(errno) => writeln!(out, "  tried {}: {}", one.path, *errno)?,
                        Rejected::Unfit(kind) => {
                            writeln!(out, "  tried {}: {}", one.path, **kind)?;
                            if kind.is_unfit() {
                                out.write_str("  ")?;
                                kind.detail(out)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            Kind::Overflow {
                at,
                value,
                is_distance,
                ref target,
                ..
            } => {
                write!(out, "  the value {value:#x} at {at} does not fit into its field")?;
                if is_distance {
                    let away = value.cast_signed().unsigned_abs() >> 20;
                    write!(out, "; the target is {away} MiB away")?;
                }
                match target {
                    Some(file) => writeln!(out, "; the symbol is that of {file}"),
                    None => out.write_str("\n"),
                }
            }
            Kind::NeedsIndirectAccess(ref symbol) => {
                writeln!(
                    out,
                    "  other files have to go through their GOT to its protected symbol `{symbol}'"
                )
            }
            Kind::NoVersion(ref list) => {
                for one in list {
                    if !one.symbols.is_empty() {
                        writeln!(out, "  {} is asked for by {}", one.version, one.symbols)?;
                    }
                }
                Ok(())
            }
            Kind::StaticTls { ref held, .. } => {
                for (holder, bytes) in held {
                    writeln!(out, "  {bytes} bytes held by {holder}")?;
                }
                Ok(())
            }
            Kind::UnknownLibc { ref why, .. } => {
                for line in why.bytes().split(|byte| *byte == b'\n') {
                    writeln!(out, "  {}", Lossy(line))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Error {
    /// What musl's loader and its `dlerror` say. What it has no words for is as under glibc.
    #[inline(never)]
    fn in_musl_words(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let culprit = &self.culprit;
        match &self.kind {
            Kind::Undefined(list) => match list.first() {
                Some(one) => write!(out, "Error relocating {}: {}: symbol not found", one.module, one.symbol),
                None => Ok(()),
            },
            Kind::NoSymbol { symbol, .. } => write!(out, "Symbol not found: {}", Lossy(symbol)),
            Kind::InvalidHandle(handle) => write!(out, "Invalid library handle {handle:#x}"),
            Kind::Unsupported(what) if self.stage == Stage::Call => out.write_str(what),
            Kind::Usage(text) if self.stage == Stage::Call => text.fmt(out),
            kind => {
                match self.stage {
                    Stage::Start | Stage::Map | Stage::Call => write!(out, "Error loading shared library {culprit}: ")?,
                    _ => write!(out, "Error relocating {culprit}: ")?,
                }
                match kind {
                    Kind::Missing { tried, .. } => match tried.as_slice() {
                        [
                            Tried {
                                why: Rejected::Os(errno),
                                ..
                            },
                        ] => errno.fmt(out)?,
                        _ => Errno::ENOENT.fmt(out)?,
                    },
                    Kind::Os { errno, .. } => errno.fmt(out)?,
                    Kind::NotElf { .. }
                    | Kind::Malformed {
                        rule: Rule::HeaderTruncated,
                        ..
                    } => Errno::ENOEXEC.fmt(out)?,
                    kind => kind.fmt(out)?,
                }
                match &self.asked_by {
                    Some(asker) if self.stage == Stage::Map && !asker.is_empty() => write!(out, " (needed by {asker})"),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The fix, if there is one, with what stands around it. Its `@` is the culprit.
    #[inline(never)]
    fn fix(&self, out: &mut fmt::Formatter<'_>, before: &str, behind: &str) -> fmt::Result {
        let fix = match (self.kind.line(Part::Fix), &self.kind) {
            (fix, Kind::Malformed { .. } | Kind::Relocation { .. }) if fix.is_empty() => {
                Rule::HeaderTruncated.line(Part::Fix)
            }
            (fix, _) if fix.is_empty() => return Ok(()),
            (fix, _) => fix,
        };
        // A name that a shell would not take as it is has to be put in by hand.
        let is_plain = |byte: &u8| matches!(byte, b'+'..=b'9' | b'A'..=b'Z' | b'_' | b'a'..=b'z');
        let is_plain = self.culprit.bytes().iter().all(is_plain);
        out.write_str(before)?;
        filled(out, fix, &[], if is_plain { &self.culprit } else { &"FILE" })?;
        out.write_str(behind)
    }

    /// The summary without the culprit's name, as the line about an ignored preload has it.
    pub fn short(&self) -> Short<'_> {
        Short(self)
    }

    /// The status that a failed start ends with: 127; 126 when the program may not be executed, as in a shell; 1 when a version is missing, as
    /// under glibc.
    pub fn exit_status(&self) -> i32 {
        match self.kind {
            Kind::NoVersion(_) => 1,
            Kind::NotExecutable | Kind::NoExecMount if self.asked_by.is_none() => 126,
            _ => 127,
        }
    }

    /// The text that stands on stderr when a start fails: the familiar line, then code, cause and fix.
    pub fn report<'a>(&'a self, program: &'a [u8]) -> Report<'a> {
        Report { error: self, program }
    }
}

/// See [`Error::short`].
pub struct Short<'a>(&'a Error);

impl fmt::Display for Short<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Os { what, .. } => out.write_str(what),
            Kind::Missing { .. } => out.write_str(CANNOT_OPEN),
            kind => kind.fmt(out),
        }
    }
}

/// See [`Error::report`].
pub struct Report<'a> {
    error: &'a Error,
    program: &'a [u8],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error;
        let program = Lossy(self.program);
        let is_musl = FOR_MUSL.load(Ordering::Relaxed);
        match &error.kind {
            Kind::Usage(text) => return writeln!(out, "{program}: {text}\nTry 'ld-lode --help'."),
            Kind::Undefined(list) => {
                for one in list {
                    match is_musl {
                        true => writeln!(out, "Error relocating {}: {}: symbol not found", one.module, one.symbol)?,
                        false => writeln!(out, "{program}: symbol lookup error: {}: {one}", one.module)?,
                    }
                }
            }
            Kind::NoVersion(list) => {
                for one in list {
                    writeln!(out, "{program}: {}: {one}", one.provider)?;
                }
            }
            _ if is_musl => writeln!(out, "{error}")?,
            _ => writeln!(out, "{program}: error while loading shared libraries: {error}")?,
        }
        write!(out, "lode[{}]: {}", error.kind.code(), error.culprit)?;
        match &error.asked_by {
            Some(asker) if !asker.is_empty() => writeln!(out, ", needed by {asker}")?,
            _ => writeln!(out)?,
        }
        error.kind.detail(out)?;
        error.fix(out, "  fix: ", "\n")
    }
}
