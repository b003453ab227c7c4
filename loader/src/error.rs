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
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::elf::Vaddr;

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
            let mut rest = chunk.valid();
            while let Some((plain, control)) = split_at_control(rest) {
                out.write_str(plain)?;
                write!(out, "\\x{:02x}", control as u32)?;
                rest = rest
                    .get(plain.len().saturating_add(control.len_utf8())..)
                    .unwrap_or_default();
            }
            out.write_str(rest)?;
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The text before the first control character, and that character.
fn split_at_control(text: &str) -> Option<(&str, char)> {
    let (at, control) = text.char_indices().find(|(_, c)| c.is_control())?;
    Some((text.get(..at)?, control))
}

/// A system error number (errno(3)), positive.
pub use crt::Errno;
pub use crt::line;

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
}

/// The result of everything that can fail with a culprit. Boxed: the error path is cold, the `Ok` path is not.
pub type Result<T> = core::result::Result<T, Box<Error>>;

/// Declares the rules: name, stable code, and the rule as a sentence.
macro_rules! rules {
    ($($rule:ident = $code:literal, $text:literal;)*) => {
        /// A rule of the file format that lode checks before it uses the field. See [`Rule::text`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // each rule is documented by its text
        pub enum Rule {
            $($rule,)*
        }

        /// Two lines for each rule. One text is smaller than a table of texts, which needs an address for each.
        const RULES: &str = concat!($($code, "\n", $text, "\n",)*);
    };
}

rules! {
    HeaderTruncated = "header-truncated", "the file is shorter than an ELF header";
    ElfVersion = "elf-version", "the ELF version is not 1";
    HeaderFlags = "header-flags", "e_flags has bits that this machine does not define";
    HeaderType = "header-type", "the file is neither an executable (ET_EXEC) nor a shared object (ET_DYN)";
    PhentSize = "phentsize", "e_phentsize is not the size of a program header";
    NoProgramHeaders = "no-program-headers", "the file has no program headers";
    ProgramHeadersOutsideFile = "phdr-outside-file", "the program header table ends after the end of the file";
    NoLoadSegment = "no-load-segment", "no PT_LOAD segment: there is nothing to map";
    SegmentOutsideFile = "segment-outside-file", "a segment ends after the end of the file (is the file truncated?)";
    SegmentFileSize = "segment-file-size", "a segment has more bytes in the file than in memory";
    SegmentOrder = "segment-order", "PT_LOAD segments overlap or are not in ascending order";
    SegmentAddress = "segment-address", "a segment does not fit into the address space";
    SegmentAlign = "segment-align", "p_align is not a power of two";
    SegmentCongruence = "segment-congruence", "p_vaddr and p_offset differ modulo the page size, so the segment cannot be mapped";
    SegmentTwice = "segment-twice", "a segment type that may stand once stands twice";
    SegmentWritableExecutable = "segment-wx", "a segment is both writable and executable";
    DynamicMissing = "dynamic-missing", "the file has no dynamic section";
    DynamicOutside = "dynamic-outside", "the dynamic section is not inside a mapped segment";
    DynamicUnterminated = "dynamic-unterminated", "the dynamic section has no DT_NULL entry";
    RelroOutside = "relro-outside", "PT_GNU_RELRO is not inside a writable segment";
    TlsOutside = "tls-outside", "the TLS image is not inside a mapped segment";
    TlsSize = "tls-size", "the TLS segment has more bytes in the file than in memory, or is too large";
    TlsAlign = "tls-align", "the TLS alignment is not a power of two, or is too large";
    InterpreterPath = "interpreter-path", "PT_INTERP is not a path that ends in NUL";
    TagTwin = "tag-twin", "a dynamic tag stands without the tag that belongs to it";
    TagEntrySize = "tag-entry-size", "an entry size in the dynamic section is not the size of the entry";
    TagTableSize = "tag-table-size", "a table's size is not a whole number of entries";
    TagTableOutside = "tag-table-outside", "a table named by the dynamic section is not inside a mapped segment";
    TagPltRel = "tag-pltrel", "DT_PLTREL is neither DT_REL nor DT_RELA";
    StringTable = "string-table", "the string table is empty or does not end in NUL";
    StringOffset = "string-offset", "a name lies outside the string table";
    HashTable = "hash-table", "the SysV hash table does not fit where it stands";
    HashBuckets = "hash-buckets", "a hash table without buckets, or with a bloom filter whose size is no power of two";
    GnuHashTable = "gnu-hash-table", "the GNU hash table does not fit where it stands";
    SymbolIndex = "symbol-index", "a symbol index lies outside the symbol table";
    SymbolValue = "symbol-value", "a symbol's value lies outside the module";
    VersionNeed = "version-need", "the version requirements (DT_VERNEED) are damaged";
    VersionDefinition = "version-definition", "the version definitions (DT_VERDEF) are damaged";
    VersionIndex = "version-index", "a symbol has a version index that nothing defines";
    RelrBitmapFirst = "relr-bitmap-first", "a RELR stream starts with a bitmap";
    RelrOutside = "relr-outside", "a RELR entry does not lie in a writable segment of this module";
    RelocationOutside = "relocation-outside", "a relocation's target does not lie in this module";
    RelocationReadOnly = "relocation-readonly", "a relocation's target lies in a segment that is not writable";
    RelativeCount = "relative-count", "DT_RELACOUNT counts relocations that are not relative";
    AndroidRelocations = "android-relocations", "the packed relocations (APS2) are damaged";
    TextRelocations = "text-relocations", "the file asks to relocate read-only segments (DT_TEXTREL)";
    EntryOutside = "entry-outside", "the entry point is not in an executable segment";
    ArraySize = "array-size", "an init or fini array is not a whole number of addresses";
    CodeOutside = "code-outside", "a function that the file wants called (entry of an init or fini array, resolver) is not in an executable segment";
    FileTruncated = "file-truncated", "the program's file ends before its last segment does";
}

impl Rule {
    /// The stable code of the rule, and the rule as a sentence. `value` and `limit` of [`Kind::Malformed`] are printed after it.
    #[inline(never)]
    pub fn text(self) -> (&'static str, &'static str) {
        let first = self as usize * 2;
        (line(RULES, first), line(RULES, first + 1))
    }
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

/// One version that its provider does not define.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingVersion {
    /// The module that requires it.
    pub module: Name,
    /// The module that should define it.
    pub provider: Name,
    /// The version.
    pub version: Name,
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
    NotElf,
    /// 32-bit file, or a class that does not exist (`EI_CLASS`).
    WrongClass(u8),
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
    /// A rule of the format is broken.
    Malformed {
        /// Which.
        rule: Rule,
        /// What the file says.
        value: u64,
        /// What it may say at most, or must equal; 0 when that has no meaning.
        limit: u64,
    },
    /// The CPU lacks what the file was built for (GNU_PROPERTY_X86_ISA_1_NEEDED): x86-64-v`needed`, this CPU has v`have`.
    CpuTooOld {
        /// Needed level, 1 to 4.
        needed: u8,
        /// Level of this CPU.
        have: u8,
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
        value: i64,
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
    /// Static TLS is full.
    StaticTls {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The libc is one that lode has no layout for.
    UnknownLibc {
        /// Its version string, if it has one.
        version: Name,
        /// What did not match, one line for each candidate row.
        why: Name,
    },
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
        /// The symbol.
        symbol: Name,
        /// The version asked for.
        version: Option<Name>,
    },
    /// A handle that `dlopen` did not return.
    InvalidHandle,
    /// lode is busy: the call came from a signal handler or a resolver.
    Busy,
    /// Memory ran out.
    OutOfMemory,
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
    pub fn of(self, stage: Stage, culprit: &Name) -> Box<Error> {
        Fault::from(self).of(stage, culprit)
    }

    /// Whether a path search goes on after a candidate with this fault: the file is for something else, not damaged.
    pub fn is_unfit(&self) -> bool {
        matches!(
            self,
            Kind::WrongClass(1) | Kind::WrongMachine(_) | Kind::CpuTooOld { .. }
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
        Box::new(Error {
            stage,
            culprit: culprit.clone(),
            asked_by: None,
            kind: self.kind(),
        })
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

/// One line in the familiar words, without the name of the program: what `dlerror` returns.
impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::InvalidHandle | Kind::Busy | Kind::OutOfMemory | Kind::Usage(_) => {}
            _ if self.culprit.is_empty() => {}
            _ => write!(out, "{}: ", self.culprit)?,
        }
        self.kind.fmt(out)
    }
}

/// What is wrong, in the words that glibc has for it where it has any.
impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Os { what, errno } => write!(out, "{what}: {errno}"),
            Kind::NotRegular => out.write_str("cannot read file data: not a regular file"),
            Kind::NotElf => out.write_str("invalid ELF header"),
            Kind::WrongClass(1) => out.write_str("wrong ELF class: ELFCLASS32"),
            Kind::WrongClass(class) => write!(out, "wrong ELF class: {class}"),
            Kind::WrongData(_) => out.write_str("ELF file data encoding not little-endian"),
            Kind::WrongOsAbi(_) => out.write_str("ELF file OS ABI invalid"),
            Kind::WrongAbiVersion { .. } => out.write_str("ELF file ABI version invalid"),
            Kind::WrongMachine(machine) => write!(
                out,
                "ELF file is for another machine: {}",
                crate::elf::header::machine_name(*machine)
            ),
            Kind::Malformed { rule, .. } => match rule {
                Rule::HeaderTruncated => out.write_str("file too short"),
                Rule::ElfVersion => out.write_str("ELF file version does not match current one"),
                Rule::HeaderType => out.write_str("only ET_DYN and ET_EXEC can be loaded"),
                Rule::PhentSize => out.write_str("ELF file's phentsize not the expected size"),
                Rule::DynamicMissing => out.write_str("object file has no dynamic section"),
                Rule::NoLoadSegment => out.write_str("object file has no loadable segments"),
                _ => out.write_str(rule.text().1),
            },
            Kind::CpuTooOld { .. } => out.write_str("CPU ISA level is lower than required"),
            Kind::Missing { tried, .. } => {
                let errno = tried.iter().rev().find_map(|tried| match &tried.why {
                    Rejected::Os(errno) => Some(*errno),
                    Rejected::Unfit(_) => None,
                });
                let unfit = tried.iter().find_map(|tried| match &tried.why {
                    Rejected::Unfit(kind) => Some(kind),
                    Rejected::Os(_) => None,
                });
                match (unfit, tried.len()) {
                    (Some(kind), 1) => kind.fmt(out),
                    _ if tried.len() == 1 && errno == Some(Errno::EISDIR) => {
                        write!(out, "cannot read file data: {}", Errno::EISDIR)
                    }
                    _ => write!(
                        out,
                        "cannot open shared object file: {}",
                        errno.filter(|_| tried.len() == 1).unwrap_or(Errno::ENOENT)
                    ),
                }
            }
            Kind::Undefined(list) => match list.first() {
                Some(first) => {
                    let version = first.version.as_ref().map(Name::bytes);
                    write!(
                        out,
                        "undefined symbol: {}",
                        crate::event::Versioned(first.symbol.bytes(), version)
                    )
                }
                None => out.write_str("undefined symbol"),
            },
            Kind::NoVersion(list) => match list.first() {
                Some(first) => write!(
                    out,
                    "version `{}' not found (required by {})",
                    first.version, first.module
                ),
                None => out.write_str("version not found"),
            },
            Kind::UnknownRelocation { kind, at, symbol } => {
                write!(out, "unexpected reloc type {kind:#04x} at {at}")?;
                named(out, symbol)
            }
            Kind::Overflow {
                relocation,
                at,
                symbol,
                value,
            } => {
                write!(out, "{relocation} at {at}")?;
                named(out, symbol)?;
                write!(
                    out,
                    " does not reach its target: the value {value:#x} does not fit into its field"
                )
            }
            Kind::CopySize { symbol, here, there } => write!(
                out,
                "copy relocation of `{symbol}': {here} bytes in the program, {there} in the library, not all of them mapped"
            ),
            Kind::NotThreadLocal(symbol) => {
                write!(out, "a thread-local reference to `{symbol}', which is not thread-local")
            }
            Kind::StaticTls { .. } => out.write_str("cannot allocate memory in static TLS block"),
            Kind::UnknownLibc { version, .. } => {
                write!(out, "this build of glibc ({version}) is not one that lode knows")
            }
            Kind::Unsupported(what) => out.write_str(what),
            Kind::Untrusted => out.write_str("cannot open shared object file: not trusted in a secure process"),
            Kind::NotToBeOpened => out.write_str("shared object cannot be dlopen()ed"),
            Kind::Usage(text) => write!(out, "{text}"),
            Kind::RunsItself => out.write_str("lode was asked to run itself"),
            Kind::NoSymbol { symbol, version } => {
                let version = version.as_ref().map(Name::bytes);
                write!(
                    out,
                    "undefined symbol: {}",
                    crate::event::Versioned(symbol.bytes(), version)
                )
            }
            Kind::InvalidHandle => out.write_str("invalid handle"),
            Kind::Busy => out.write_str("the loader is busy in this thread"),
            Kind::OutOfMemory => out.write_str("cannot allocate memory"),
        }
    }
}

fn named(out: &mut fmt::Formatter<'_>, symbol: &Option<Name>) -> fmt::Result {
    match symbol {
        Some(symbol) => write!(out, " against `{symbol}'"),
        None => Ok(()),
    }
}

impl Kind {
    /// The stable word that stands for this failure, in brackets after `lode` and in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Kind::Os { .. } => "system-call",
            Kind::NotRegular => "not-regular",
            Kind::NotElf => "not-elf",
            Kind::WrongClass(_) => "wrong-class",
            Kind::WrongData(_) => "wrong-data",
            Kind::WrongOsAbi(_) => "wrong-osabi",
            Kind::WrongAbiVersion { .. } => "wrong-abiversion",
            Kind::WrongMachine(_) => "wrong-machine",
            Kind::Malformed { rule, .. } => rule.text().0,
            Kind::CpuTooOld { .. } => "cpu-too-old",
            Kind::Missing { .. } => "missing-library",
            Kind::Undefined(_) => "undefined-symbol",
            Kind::NoVersion(_) => "missing-version",
            Kind::UnknownRelocation { .. } => "unknown-relocation",
            Kind::Overflow { .. } => "relocation-overflow",
            Kind::CopySize { .. } => "copy-size",
            Kind::NotThreadLocal(_) => "not-thread-local",
            Kind::StaticTls { .. } => "static-tls",
            Kind::UnknownLibc { .. } => "unknown-libc",
            Kind::Unsupported(_) => "unsupported",
            Kind::Untrusted => "untrusted",
            Kind::NotToBeOpened => "not-to-be-opened",
            Kind::Usage(_) => "usage",
            Kind::RunsItself => "runs-itself",
            Kind::NoSymbol { .. } => "no-symbol",
            Kind::InvalidHandle => "invalid-handle",
            Kind::Busy => "busy",
            Kind::OutOfMemory => "out-of-memory",
        }
    }

    /// What can be done about it, if there is something.
    fn fix(&self) -> Option<&'static str> {
        Some(match self {
            Kind::Missing { .. } => {
                "install the library, or name its directory in LD_LIBRARY_PATH or in the RUNPATH of the file that needs it"
            }
            Kind::WrongOsAbi(_) | Kind::WrongAbiVersion { .. } => {
                "build the file for this system; lode runs what it knows how to honour and nothing else"
            }
            Kind::WrongClass(_) | Kind::WrongData(_) | Kind::WrongMachine(_) => {
                "use a file that was built for this machine"
            }
            Kind::NoVersion(_) => "the library is older than what the file was linked against: install a newer one",
            Kind::Undefined(_) => {
                "the library that should define it is another build than the one linked against, or is missing from DT_NEEDED"
            }
            Kind::UnknownLibc { .. } => {
                "add a row for this build with `cargo xtask tables DEBUGFILE`, where DEBUGFILE is the separate debug file of its ld.so"
            }
            Kind::StaticTls { .. } => {
                "load the library at the start (LD_PRELOAD), or build it without -ftls-model=initial-exec"
            }
            Kind::Overflow { .. } => "build the file with -fPIC, so that its references can reach every address",
            Kind::Malformed {
                rule: Rule::RelocationReadOnly,
                ..
            } => "link without -z notext; if the place is in .eh_frame, use pc-relative encodings (DW_EH_PE_pcrel)",
            Kind::Malformed {
                rule: Rule::SegmentWritableExecutable,
                ..
            } => "link with -z separate-code, or split the segment",
            Kind::Malformed {
                rule: Rule::SegmentOutsideFile | Rule::FileTruncated | Rule::HeaderTruncated,
                ..
            } => "copy the file again",
            Kind::RunsItself => "name a program: ld-lode PROGRAM ARGUMENTS",
            _ => return None,
        })
    }

    /// What is known beyond the summary, one fact a line.
    fn detail(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Kind::WrongClass(class) => writeln!(out, "  EI_CLASS is {class}; lode loads 2 (ELFCLASS64)"),
            Kind::WrongData(data) => writeln!(out, "  EI_DATA is {data}; lode loads 1 (little-endian)"),
            Kind::WrongOsAbi(osabi) => writeln!(
                out,
                "  EI_OSABI is {osabi} ({}); lode supports 0 (NONE) and 3 (GNU)",
                crate::elf::header::osabi_name(*osabi)
            ),
            Kind::WrongAbiVersion {
                osabi,
                version,
                supported,
            } => {
                let name = crate::elf::header::osabi_name(*osabi);
                write!(
                    out,
                    "  EI_ABIVERSION is {version} for EI_OSABI {osabi} ({name}); lode supports 0"
                )?;
                match supported {
                    0 => writeln!(out),
                    _ => writeln!(out, " to {supported}"),
                }
            }
            Kind::WrongMachine(machine) => writeln!(
                out,
                "  e_machine is {machine} ({}); lode loads 62 (x86-64)",
                crate::elf::header::machine_name(*machine)
            ),
            Kind::Malformed {
                rule: Rule::TagTwin,
                value,
                limit,
            } => {
                let name = |number| crate::elf::dynamic::tag::name(number).unwrap_or("unknown tag");
                writeln!(out, "  {} stands without {}", name(*value), name(*limit))
            }
            Kind::Malformed { rule, value, limit } => {
                writeln!(out, "  {}", rule.text().1)?;
                match (value, limit) {
                    (0, 0) => Ok(()),
                    (value, 0) => writeln!(out, "  found {value:#x}"),
                    (value, limit) => writeln!(out, "  found {value:#x}, limit {limit:#x}"),
                }
            }
            Kind::CpuTooOld { needed, have } => {
                writeln!(out, "  the file needs x86-64-v{needed}; this CPU has x86-64-v{have}")
            }
            Kind::Missing { tried, .. } => {
                for Tried { path, why } in tried {
                    match why {
                        Rejected::Os(errno) => writeln!(out, "  tried {path}: {errno}")?,
                        Rejected::Unfit(kind) => writeln!(out, "  tried {path}: {kind}")?,
                    }
                }
                Ok(())
            }
            Kind::NoVersion(list) => {
                for one in list {
                    writeln!(out, "  {} needs {} of {}", one.module, one.version, one.provider)?;
                }
                Ok(())
            }
            Kind::StaticTls { needed, free } => writeln!(out, "  {needed} bytes needed, {free} bytes free"),
            Kind::UnknownLibc { why, .. } => {
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
    /// The summary without the culprit's name, as the line about an ignored preload has it.
    pub fn short(&self) -> Short<'_> {
        Short(self)
    }

    /// The status that a failed start ends with: 127, but 1 when a version is missing, as under glibc.
    pub fn exit_status(&self) -> i32 {
        match self.kind {
            Kind::NoVersion(_) => 1,
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
            Kind::Missing { .. } => out.write_str("cannot open shared object file"),
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
        match &error.kind {
            Kind::Usage(text) => return writeln!(out, "{program}: {text}\nTry 'ld-lode --help'."),
            Kind::Undefined(list) => {
                for one in list {
                    let version = one.version.as_ref().map(Name::bytes);
                    writeln!(
                        out,
                        "{program}: symbol lookup error: {}: undefined symbol: {}",
                        one.module,
                        crate::event::Versioned(one.symbol.bytes(), version)
                    )?;
                }
            }
            Kind::NoVersion(list) => {
                for one in list {
                    writeln!(
                        out,
                        "{program}: {}: version `{}' not found (required by {})",
                        one.provider, one.version, one.module
                    )?;
                }
            }
            _ => writeln!(out, "{program}: error while loading shared libraries: {error}")?,
        }
        write!(out, "lode[{}]: {}", error.kind.code(), error.culprit)?;
        match &error.asked_by {
            Some(asker) if !asker.is_empty() => writeln!(out, ", needed by {asker}")?,
            _ => writeln!(out)?,
        }
        error.kind.detail(out)?;
        match error.kind.fix() {
            Some(fix) => writeln!(out, "  fix: {fix}"),
            None => Ok(()),
        }
    }
}
