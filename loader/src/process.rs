//! argv, envp and auxv become [`Options`]: what was asked of lode.
//!
//! The first decision is whether the process is *secure* ([`is_secure`]): whether it runs with rights that its user does not have
//! (ld.so(8), "secure-execution mode"). It is made from the auxiliary vector alone, before any variable is looked at. In a
//! secure process most variables are neither read nor left in the environment ([`is_unsecure`]).
//!
//! Wishes come from three places; the later one wins, and lists of preloads add up:
//!
//! 1. the variables that glibc's loader knows (`LD_LIBRARY_PATH`, `LD_PRELOAD`, `LD_DEBUG` …);
//! 2. `LODE_OPTIONS`, a comma list, because the interpreter of a program has no command line;
//! 3. the command line, when lode was started as a command.
//!
//! [`SWITCHES`] is the one table behind the command line, `LODE_OPTIONS` and the help text.
//!
//! The tables here are the text that is printed, and are read as that text: in a table of structures each word would take an address.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::fmt;

use crt::packed;
use crt::packed::Packed;

use crate::error::{Kind, Lossy, Name, Result, Stage, has_byte};
use crate::event::Interest;

/// The auxiliary vector's entry that says whether the process is secure (getauxval(3)).
const AT_SECURE: u64 = 23;

/// What `--version` prints.
pub const VERSION: &str = concat!(
    "ld-lode ",
    env!("CARGO_PKG_VERSION"),
    ", an ELF program interpreter for Linux\n"
);

/// A name in `LD_PRELOAD` that is longer is not taken in a secure process (glibc: `SECURE_NAME_LIMIT`).
const SECURE_NAME_LIMIT: usize = 255;

/// Variables that are removed from a secure process's environment, so that programs which it starts, and which are not
/// secure themselves, do not obey them: what glibc's loader removes (`unsecvars.h`; the list has grown from release
/// to release, and this is the union), what else addresses a loader or malloc, and lode's own.
pub const UNSECURE: &str = "\
GCONV_PATH
GETCONF_DIR
GLIBC_TUNABLES
HOSTALIASES
LD_BIND_NOT
LD_BIND_NOW
LD_DEBUG
LD_DEBUG_OUTPUT
LD_DYNAMIC_WEAK
LD_HWCAP_MASK
LD_LIBRARY_PATH
LD_ORIGIN_PATH
LD_PRELOAD
LD_SHOW_AUXV
LD_TRACE_LOADED_OBJECTS
LD_VERBOSE
LD_WARN
LOCALDOMAIN
LOCPATH
LODE_OPTIONS
MALLOC_ARENA_MAX
MALLOC_ARENA_TEST
MALLOC_CHECK_
MALLOC_MMAP_MAX_
MALLOC_MMAP_THRESHOLD_
MALLOC_PERTURB_
MALLOC_TCACHE_COUNT_
MALLOC_TOP_PAD_
MALLOC_TRACE
MALLOC_TRIM_THRESHOLD_
NIS_PATH
NLSPATH
RESOLV_HOST_CONF
RES_OPTIONS
TMPDIR
TZDIR";

/// Variables of ld.so(8) that lode knows and does not obey: each is a warning. They are removed from a secure process's environment too.
///
/// Auditing and profiling are not supported. The others are void in newer releases of glibc: prelinking and the kernel's version count since
/// 2.36 and 2.37 no longer, the low addresses are a tunable since 2.38, and the pointer guard cannot be turned off since 2.23.
pub const IGNORED: &str = "\
LD_ASSUME_KERNEL
LD_AUDIT
LD_POINTER_GUARD
LD_PREFER_MAP_32BIT_EXEC
LD_PROFILE
LD_PROFILE_OUTPUT
LD_TRACE_PRELINKING
LD_USE_LOAD_BIAS";

/// Whether the process runs with rights that its user does not have: AT_SECURE is not 0, or is not there.
///
/// `auxiliary` looks up a kind in the auxiliary vector. Call this before anything else is read.
pub fn is_secure(auxiliary: impl Fn(u64) -> Option<u64>) -> bool {
    auxiliary(AT_SECURE) != Some(0)
}

/// Whether an entry of the environment with these first two bytes may be one that lode or its libc's tunables obey: `LD_`, `LODE_`, `GLIBC_` and `MALLOC_`.
pub fn may_matter(first: [u8; 2]) -> bool {
    matches!(&first, b"LD" | b"LO" | b"GL" | b"MA")
}

/// Whether an entry of the environment, with or without `=`, is to be removed from a secure process. All entries
/// have to be asked: a name may stand more than once.
pub fn is_unsecure(entry: &[u8]) -> bool {
    let name = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
    [UNSECURE, IGNORED].iter().any(|names| row(names, name).is_some())
}

/// What the kernel handed over, without pointers.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    /// argv.
    pub arguments: &'a [&'a [u8]],
    /// envp.
    pub environment: &'a [&'a [u8]],
    /// The answer of [`is_secure`].
    pub secure: bool,
    /// Whether lode was started as a command (AT_ENTRY is its own entry) and not by the kernel for a program.
    pub as_command: bool,
}

bitflags::bitflags! {
    /// What is done though lode refuses it otherwise. Their words are those of [`ALLOWED`], in this order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Allow: u8 {
        /// Relocations of read-only segments
        const TEXTREL = 1;
        /// 32-bit distances in code to functions that a resolver chooses
        const IFUNC_NOPLT = 2;
        /// As a command, a program that the user may not execute
        const NOEXEC = 4;
        /// A libc of musl's from before 1.1.24
        const OLD_MUSL = 8;
    }
}

/// The words of `--allow`, a line each.
const ALLOWED: &str = "textrel\nifunc-noplt\nnoexec\nold-musl\n";

/// The words of `--resolver`, a line each, in the order of the numbers of [`Options::resolver`].
const RESOLVERS: &str = "adaptive\nwalk\nindex";

/// What to do with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Start it.
    #[default]
    Run,
    /// List what it needs and where that is, as ldd(1) does.
    List,
    /// Say by the exit status whether lode could start it.
    Verify,
    /// Say whether lode has what a libc asks of its loader; the program is that libc, and is not started.
    CheckLibc,
    /// Give the loader that lode replaced its name back.
    Restore,
    /// Print [`Help`].
    Help,
    /// Print [`VERSION`].
    Version,
    /// List what `GLIBC_TUNABLES` may set.
    ListTunables,
    /// List what lode knows of the machine and the process.
    ListDiagnostics,
}

/// What was asked of lode. The strings belong to the process's stack, which the program may overwrite once it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// Whether the process is secure.
    pub secure: bool,
    /// What to do.
    pub mode: Mode,
    /// Whether the list was asked for by `LD_TRACE_LOADED_OBJECTS`: ldd(1) does that, and wants a missing library as a
    /// line of the list ("not found") where `--list` ends with an error.
    pub trace_loaded_objects: bool,
    /// Whether lode was started as a command.
    pub as_command: bool,
    /// The program, when lode was started as a command.
    pub program: Option<&'a [u8]>,
    /// How many entries of argv stand before the program's own argv\[0\].
    pub consumed: usize,
    /// What the program gets as argv\[0\] in place of its path.
    pub argv0: Option<&'a [u8]>,
    /// Directories, separated by colons or semicolons; never empty.
    pub library_path: Option<&'a [u8]>,
    /// Libraries to load before those that the program needs, in order.
    pub preload: Vec<&'a [u8]>,
    /// Whether preloads have to come from a default directory and have the set-user-ID bit (ld.so(8), `LD_PRELOAD`).
    pub preload_trusted_only: bool,
    /// Whether `/etc/ld.so.cache` is not used.
    pub inhibit_cache: bool,
    /// Names of modules, separated by colons or spaces, whose DT_RPATH and DT_RUNPATH are not used. The empty name is the program's.
    pub inhibit_rpath: Option<&'a [u8]>,
    /// Names of additional `glibc-hwcaps` subdirectories, separated by colons.
    pub hwcaps_prepend: Option<&'a [u8]>,
    /// Names of the built-in `glibc-hwcaps` subdirectories that may be used, separated by colons.
    pub hwcaps_mask: Option<&'a [u8]>,
    /// Whether function slots are bound before the program starts.
    pub bind_now: bool,
    /// The musl libc that the program runs with.
    pub libc: Option<&'a [u8]>,
    /// What is refused otherwise, and allowed.
    pub allow: Allow,
    /// Whether a file with DT_RELR that needs glibc has to say so, as under glibc.
    pub relr_lockout: bool,
    /// `--strict`: a file with anything unusual is refused
    pub strict: bool,
    /// Whether everything that is there at the start, or stays for good, is sealed; a secure process has that.
    pub seal: bool,
    /// Whether function slots that are bound at a call stay as they are, so that the next call is bound again.
    pub bind_not: bool,
    /// Whether a weak definition gives way to one that is not weak and comes later.
    pub dynamic_weak: bool,
    /// Whether large segments that are relocated nearly everywhere are put into huge pages.
    pub huge_pages: bool,
    /// How definitions are found: the number of a word of `--resolver`.
    pub resolver: u8,
    /// The directory of a program whose own path cannot be had from the kernel.
    pub origin_path: Option<&'a [u8]>,
    /// Whether the auxiliary vector is shown first.
    pub show_auxv: bool,
    /// Whether the list of `LD_TRACE_LOADED_OBJECTS` is followed by symbols that nothing defines.
    pub warn: bool,
    /// Whether the list of `LD_TRACE_LOADED_OBJECTS` is followed by the versions that files require.
    pub verbose: bool,
    /// What to report while loading.
    pub debug: Interest,
    /// Whether the list of words for `LD_DEBUG` was asked for: print [`DebugHelp`] and exit with status 0.
    pub debug_help: bool,
    /// The tree in which [`Mode::Restore`] works; the running system when there is none.
    pub root: Option<&'a [u8]>,
    /// Where the event stream goes: the number of a descriptor, or a file.
    pub events: Option<&'a [u8]>,
    /// The file to report to, to which a dot and the process number are appended.
    pub debug_output: Option<&'a [u8]>,
    /// What was asked and is not done.
    pub warnings: Vec<Warning<'a>>,
}

/// Something that was asked and is not done. Each is a line that starts with `warning: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning<'a> {
    /// A word of `LD_DEBUG` that does not exist.
    DebugWord(&'a [u8]),
    /// A word of `LODE_OPTIONS` that does not exist.
    OptionsWord(&'a [u8]),
    /// A word of `LODE_OPTIONS` that needs a value and has none.
    OptionsValueMissing(&'a [u8]),
    /// A word of `LODE_OPTIONS` that takes no value and has one.
    OptionsValueUnused(&'a [u8]),
    /// A switch of the command line that a secure process does not obey.
    Secure(&'a [u8]),
    /// A variable or a switch that is known and not obeyed.
    Ignored(&'a [u8]),
    /// A value that its switch does not have.
    Value(&'a [u8]),
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, word, after) = match *self {
            Warning::DebugWord(word) => ("debug option `", word, "' unknown; try LD_DEBUG=help"),
            Warning::OptionsWord(word) => ("LODE_OPTIONS: word `", word, "' unknown; try LODE_OPTIONS=help"),
            Warning::OptionsValueMissing(word) => ("LODE_OPTIONS: `", word, "' needs a value: "),
            Warning::OptionsValueUnused(word) => ("LODE_OPTIONS: `", word, "' takes no value"),
            Warning::Secure(word) => ("--", word, " is ignored: the process is in secure-execution mode"),
            Warning::Ignored(word) => ("`", word, "' is not supported and has no effect"),
            Warning::Value(word) => ("value `", word, "' unknown; try --help"),
        };
        let word = Lossy(word);
        write!(out, "warning: {before}{word}{after}")?;
        match self {
            Warning::OptionsValueMissing(_) => write!(out, "{word}=…"),
            _ => Ok(()),
        }
    }
}

/// Declares a table of words: what each is called in this file, and its lines of the text.
macro_rules! table {
    ($(#[$about:meta])* $Word:ident, $order:ident, $(#[$what:meta])* $text:ident: $($word:ident $line:literal)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum $Word {
            $($word,)*
        }

        /// The words in the order of the text.
        const $order: &[$Word] = &[$($Word::$word,)*];

        $(#[$what])*
        pub const $text: &str = concat!($($line,)*);
    };
}

table! {
    /// A variable of the environment that lode obeys.
    Variable, VARIABLES,
    /// Their names, a line each.
    VARIABLE_NAMES:
    LibraryPath "LD_LIBRARY_PATH\n"
    Preload "LD_PRELOAD\n"
    BindNow "LD_BIND_NOW\n"
    BindNot "LD_BIND_NOT\n"
    DynamicWeak "LD_DYNAMIC_WEAK\n"
    OriginPath "LD_ORIGIN_PATH\n"
    Debug "LD_DEBUG\n"
    DebugOutput "LD_DEBUG_OUTPUT\n"
    ShowAuxv "LD_SHOW_AUXV\n"
    Trace "LD_TRACE_LOADED_OBJECTS\n"
    Verbose "LD_VERBOSE\n"
    Warn "LD_WARN\n"
    Options "LODE_OPTIONS\n"
}

table! {
    /// A switch: `--WORD` on the command line, `WORD` in `LODE_OPTIONS`.
    Switch, ORDER,
    /// All switches, as the help text has them: behind two dashes the word, then what the value is called if the switch takes
    /// one, both behind one space; then what the switch does.
    SWITCHES:
    List
"  --list                list the libraries that PROGRAM needs, and where they
                        are; nothing of it runs
"
    Verify
"  --verify              exit with 0 if PROGRAM is dynamic and names an
                        interpreter, 2 if it names none, 1 if it is not dynamic
"
    CheckLibc
"  --check-libc          exit with 0 if lode supports PROGRAM, a libc.so.6, or 1,
                        and say so; nothing of it runs
"
    Restore
"  --restore             put back the loader that lode replaced
"
    Root
"  --root DIR            the tree in which --restore works
"
    LibraryPath
"  --library-path PATH   look for libraries in PATH, not in LD_LIBRARY_PATH;
                        programs that PROGRAM starts do not inherit it
"
    Preload
"  --preload LIST        load these libraries first, after those of LD_PRELOAD
                        (separated by colons or spaces)
"
    Argv0
"  --argv0 STRING        what PROGRAM sees as its own name (argv[0])
"
    InhibitCache
"  --inhibit-cache       do not use /etc/ld.so.cache
"
    InhibitRpath
"  --inhibit-rpath LIST  do not use RPATH and RUNPATH of these files
                        (separated by colons; the empty name is PROGRAM's)
"
    HwcapsPrepend
"  --glibc-hwcaps-prepend LIST
                        look into these glibc-hwcaps subdirectories first
"
    HwcapsMask
"  --glibc-hwcaps-mask LIST
                        use only these of the built-in subdirectories
"
    BindNow
"  --bind-now            bind all functions before PROGRAM starts, as
                        LD_BIND_NOW does
"
    Libc
"  --libc FILE           the musl libc that PROGRAM runs with
"
    Allow
"  --allow WORD          run what is refused otherwise: textrel (relocations of
                        read-only segments), ifunc-noplt (calls without a PLT),
                        noexec (what you may not execute), old-musl (a musl
                        libc from before 1.1.24)
"
    RelrLockout
"  --relr-lockout WHOSE  glibc: refuse DT_RELR that no version announces; or off
"
    Strict
"  --strict              refuse files with anything unusual
"
    Seal
"  --seal                let nobody unmap code and read-only data, or write there
"
    HugePages
"  --hugepages           put large data that is full of relocations into huge
                        pages
"
    Resolver
"  --resolver HOW        for tests: find symbols by walk or index, or adaptive
"
    Debug
"  --debug WORDS         report what happens, as LD_DEBUG does: libs, files,
                        symbols, bindings, versions, reloc, scopes, statistics,
                        unused, all (separated by colons); help explains them
"
    DebugOutput
"  --debug-output FILE   report to FILE.PID, not to standard error
"
    Events
"  --events FD|FILE      write what happens up to the jump into PROGRAM as lines
                        for lode-tool explain
"
    Audit
"  --audit LIST          accepted for compatibility and ignored with a warning
"
    ListTunables
"  --list-tunables       list what GLIBC_TUNABLES may set in PROGRAM's libc, or
                        without PROGRAM in the newest that lode knows
"
    ListDiagnostics
"  --list-diagnostics    print what the kernel says of the process, and --version
"
    Help
"  --help                print this text
"
    Version
"  --version             print the version
"
}

impl Switch {
    /// The switch of this word, and what its value is called if it takes one.
    fn named(word: &[u8]) -> Option<(Switch, Option<&'static [u8]>)> {
        let (place, rest) = row(SWITCH_ROWS, word)?;
        Some((*ORDER.get(place)?, rest.get(1..)))
    }

    /// Whether a secure process obeys it. Those that choose what code is loaded, or where lode writes, are not obeyed.
    fn is_harmless(self) -> bool {
        use Switch::{
            Argv0, BindNow, CheckLibc, Help, InhibitCache, InhibitRpath, List, ListDiagnostics, ListTunables, Seal,
            Strict, Verify, Version,
        };
        matches!(
            self,
            List | Verify
                | CheckLibc
                | Argv0
                | InhibitCache
                | InhibitRpath
                | BindNow
                | Strict
                | Seal
                | ListTunables
                | ListDiagnostics
                | Help
                | Version
        )
    }
}

/// The words of `LD_DEBUG`, as the answer to `LD_DEBUG=help` has them: behind two spaces.
pub const DEBUG_WORDS: &str = "\
\x20 libs        where libraries are looked for
  reloc       whose relocations are applied
  files       files mapped, constructors and destructors run
  symbols     each file in which a symbol is looked up
  bindings    which definition each symbol gets
  versions    which versions are required of whom
  scopes      the files in which each file's symbols are looked up
  all         all of the above
  statistics  counts at the end of the start
  unused      in place of a list: libraries that PROGRAM needs for nothing
  help        print this text and exit
";

/// What each of [`DEBUG_WORDS`] stands for, but the last. `all` stands for those before it, as in glibc.
const INTERESTS: [Interest; 10] = [
    Interest::LIBS,
    Interest::RELOC,
    Interest::FILES,
    Interest::SYMBOLS,
    Interest::BINDINGS,
    Interest::VERSIONS,
    Interest::SCOPES,
    Interest::LIBS
        .union(Interest::RELOC)
        .union(Interest::FILES)
        .union(Interest::SYMBOLS)
        .union(Interest::BINDINGS)
        .union(Interest::VERSIONS)
        .union(Interest::SCOPES),
    Interest::STATISTICS,
    Interest::UNUSED,
];

/// What is printed, which the image has packed: the help, the switches in its middle, and the answer to `LD_DEBUG=help`.
const TEXTS: Packed = packed!(
    "Usage: ld-lode [OPTION]... [--] PROGRAM [ARGUMENT]...

Starts PROGRAM as the kernel would, with lode in place of the interpreter that
its file names: maps it and the libraries it needs, binds them, and runs it.

Options:
",
    SWITCHES,
    "
A program that names lode as its interpreter has no command line for it: put
the same words, without dashes and separated by commas, into LODE_OPTIONS.
A set-user-ID program ignores that variable, and most that start with LD_.

Examples:

What does ls need, and where is that?
    ld-lode --list /bin/ls
Start a server with its own libraries:
    ld-lode --library-path ./lib ./server --port 80
See where a program that uses lode looks for its libraries:
    LODE_OPTIONS=debug=libs,inhibit-cache ./program
",
    "Words for LD_DEBUG, separated by commas, colons or spaces:\n\n",
    DEBUG_WORDS,
    "\nThe report goes to standard error, or to the file LD_DEBUG_OUTPUT.PID.\n",
);

/// The rows of a table that is printed, as they are looked up: of each line that begins with `start` what follows it, up to two blanks.
macro_rules! rows {
    ($table:expr, $start:expr) => {{
        const ROWS: ([u8; $table.len()], usize) = copied($table.as_bytes(), $start.as_bytes());
        // A constant of its own, so that the image has no more than the rows.
        const BYTES: &[u8; ROWS.1] = match ROWS.0.first_chunk() {
            Some(rows) => &{ *rows },
            None => panic!("more rows than table"),
        };
        match str::from_utf8(BYTES) {
            Ok(rows) => rows,
            Err(_) => panic!("not text"),
        }
    }};
}

const SWITCH_ROWS: &str = rows!(SWITCHES, "  --");
const DEBUG_ROWS: &str = rows!(DEBUG_WORDS, "  ");

/// See [`rows!`]: the rows, and how many bytes they have.
const fn copied<const N: usize>(table: &[u8], start: &[u8]) -> ([u8; N], usize) {
    let mut rows = [b'\n'; N];
    let (mut at, mut to) = (0, 0);
    while at < table.len() {
        let mut same = 0;
        while same < start.len() && table[at + same] == start[same] {
            same += 1;
        }
        let is_row = same == start.len() && table[at + same] != b' ';
        at += same;
        while is_row && table[at] != b'\n' && !(table[at] == b' ' && table[at + 1] == b' ') {
            rows[to] = table[at];
            (at, to) = (at + 1, to + 1);
        }
        to += is_row as usize;
        while table[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    (rows, to)
}

/// In a table as text: the number of the row that begins with `word`, counted from 0, and what follows the word.
fn row(table: &'static str, word: &[u8]) -> Option<(usize, &'static [u8])> {
    for (place, row) in table.as_bytes().split(|byte| *byte == b'\n').enumerate() {
        let end = row.iter().position(|byte| *byte == b' ').unwrap_or(row.len());
        let (first, rest) = row.split_at_checked(end)?;
        if first == word {
            return Some((place, rest));
        }
    }
    None
}

impl<'a> Options<'a> {
    /// Reads what was asked.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the command line has an unknown switch, a switch without its value or with one that it does not
    /// take, or no program. What is wrong in a variable is a warning, because the program has to start.
    pub fn read(asked: &Arguments<'a>) -> Result<Options<'a>> {
        let mut options = Options {
            secure: asked.secure,
            as_command: asked.as_command,
            preload_trusted_only: asked.secure,
            seal: asked.secure,
            ..Options::default()
        };
        options.read_environment(asked.environment);
        if asked.as_command {
            let problem = options.read_command_line(asked.arguments);
            problem.map_err(|text| {
                let itself = asked.arguments.first().copied().unwrap_or(b"ld-lode");
                Kind::Usage(text).of(Stage::Start, &Name::new(itself))
            })?;
        }
        Ok(options)
    }

    fn read_environment(&mut self, environment: &[&'a [u8]]) {
        let mut words = None;
        for entry in environment {
            // All names of interest begin with one of these, few others do.
            if !entry.starts_with(b"LD_") && !entry.starts_with(b"LODE_") {
                continue;
            }
            let (name, Some(value)) = split_value(entry) else {
                continue;
            };
            if self.secure && name != b"LD_PRELOAD" {
                continue;
            }
            let set = !value.is_empty();
            let variable = row(VARIABLE_NAMES, name).and_then(|(place, _)| VARIABLES.get(place));
            match variable {
                Some(Variable::LibraryPath) => self.library_path = non_empty(value),
                Some(Variable::Preload) => {
                    self.preload.clear();
                    self.add_preloads(value);
                }
                Some(Variable::BindNow) => self.bind_now = set,
                Some(Variable::BindNot) => self.bind_not = set,
                Some(Variable::DynamicWeak) => self.dynamic_weak = true,
                Some(Variable::OriginPath) => self.origin_path = non_empty(value),
                Some(Variable::Debug) => self.add_debug_words(value),
                Some(Variable::DebugOutput) => self.debug_output = non_empty(value),
                Some(Variable::ShowAuxv) => self.show_auxv = true,
                Some(Variable::Trace) => {
                    self.mode = Mode::List;
                    self.trace_loaded_objects = true;
                }
                Some(Variable::Verbose) => self.verbose = set,
                Some(Variable::Warn) => self.warn = set,
                Some(Variable::Options) => words = Some(value),
                None if set && row(IGNORED, name).is_some() => self.warnings.push(Warning::Ignored(name)),
                None => {}
            }
        }
        if let Some(words) = words {
            self.read_words(words);
        }
    }

    /// Obeys a comma list of switches.
    fn read_words(&mut self, list: &'a [u8]) {
        for text in words(list, b",") {
            let (word, value) = split_value(text);
            let Some((switch, wanted)) = Switch::named(word) else {
                self.warnings.push(Warning::OptionsWord(word));
                continue;
            };
            match (wanted, value) {
                (Some(_), None) => self.warnings.push(Warning::OptionsValueMissing(word)),
                (None, Some(_)) => self.warnings.push(Warning::OptionsValueUnused(word)),
                (_, value) => self.obey(switch, word, value.unwrap_or_default()),
            }
        }
    }

    /// Obeys the switches before the program; says what is wrong with them otherwise.
    fn read_command_line(&mut self, arguments: &[&'a [u8]]) -> core::result::Result<(), Name> {
        let mut rest = arguments.iter().copied().enumerate().skip(1);
        let mut program = None;
        while let Some((index, argument)) = rest.next() {
            if argument == b"--" {
                program = rest.next();
                break;
            }
            let Some(text) = argument.strip_prefix(b"-").filter(|text| !text.is_empty()) else {
                program = Some((index, argument));
                break;
            };
            let (word, value) = split_value(text.strip_prefix(b"-").unwrap_or_default());
            let Some((switch, wanted)) = Switch::named(word) else {
                return Err(mistake(format_args!("unknown option `{}'", Lossy(argument))));
            };
            let value = match (wanted, value) {
                (None, None) => b"",
                (None, Some(_)) => return Err(mistake(format_args!("option `--{}' takes no value", Lossy(word)))),
                (Some(_), Some(value)) => value,
                (Some(kind), None) => match rest.next() {
                    Some((_, value)) => value,
                    None => {
                        let (word, kind) = (Lossy(word), Lossy(kind));
                        return Err(mistake(format_args!("option `--{word}' needs a value: {kind}")));
                    }
                },
            };
            self.obey(switch, word, value);
        }
        let prints_only =
            !matches!(self.mode, Mode::Run | Mode::List | Mode::Verify | Mode::CheckLibc) || self.debug_help;
        match program {
            Some((index, name)) => {
                self.program = Some(name);
                self.consumed = index;
                Ok(())
            }
            None if prints_only => Ok(()),
            None => Err(Name::from("no program given")),
        }
    }

    /// Obeys a switch, which was given as `word`, if the process may.
    fn obey(&mut self, switch: Switch, word: &'a [u8], value: &'a [u8]) {
        if self.secure && !switch.is_harmless() {
            self.warnings.push(Warning::Secure(word));
            return;
        }
        match switch {
            Switch::List => self.mode = Mode::List,
            Switch::Verify => self.mode = Mode::Verify,
            Switch::CheckLibc => self.mode = Mode::CheckLibc,
            Switch::Restore => self.mode = Mode::Restore,
            Switch::Root => self.root = non_empty(value),
            Switch::LibraryPath => self.library_path = non_empty(value),
            Switch::Preload => self.add_preloads(value),
            Switch::Argv0 => self.argv0 = Some(value),
            Switch::InhibitCache => self.inhibit_cache = true,
            Switch::InhibitRpath => self.inhibit_rpath = Some(value),
            Switch::HwcapsPrepend => self.hwcaps_prepend = non_empty(value),
            Switch::HwcapsMask => self.hwcaps_mask = Some(value),
            Switch::BindNow => self.bind_now = true,
            Switch::Libc => self.libc = non_empty(value),
            Switch::Allow => match row(ALLOWED, value) {
                Some((place, _)) => self.allow |= Allow::from_bits_truncate(1 << place),
                None => self.warnings.push(Warning::Value(value)),
            },
            Switch::RelrLockout => {
                self.relr_lockout = value == b"glibc";
                if !self.relr_lockout && value != b"off" {
                    self.warnings.push(Warning::Value(value));
                }
            }
            Switch::Resolver => match row(RESOLVERS, value) {
                Some((place, _)) => self.resolver = place as u8,
                None => self.warnings.push(Warning::Value(value)),
            },
            Switch::Strict => self.strict = true,
            Switch::Seal => self.seal = true,
            Switch::HugePages => self.huge_pages = true,
            Switch::Debug => self.add_debug_words(value),
            Switch::DebugOutput => self.debug_output = non_empty(value),
            Switch::Events => self.events = non_empty(value),
            Switch::Audit => self.warnings.push(Warning::Ignored(word)),
            Switch::ListTunables => self.mode = Mode::ListTunables,
            Switch::ListDiagnostics => self.mode = Mode::ListDiagnostics,
            Switch::Help => self.mode = Mode::Help,
            Switch::Version => self.mode = Mode::Version,
        }
    }

    /// Adds names as `LD_PRELOAD` has them: separated by colons or spaces.
    fn add_preloads(&mut self, list: &'a [u8]) {
        for name in words(list, b" :") {
            if !self.secure || may_be_preloaded(name) {
                self.preload.push(name);
            }
        }
    }

    /// Adds words as `LD_DEBUG` has them: separated by commas, colons or spaces.
    fn add_debug_words(&mut self, list: &'a [u8]) {
        for word in words(list, b" ,:") {
            match row(DEBUG_ROWS, word) {
                Some((place, _)) => match INTERESTS.get(place) {
                    Some(interest) => self.debug |= *interest,
                    None => self.debug_help = true,
                },
                None => self.warnings.push(Warning::DebugWord(word)),
            }
        }
    }
}

/// The words of a list, none of which is empty.
fn words<'a>(list: &'a [u8], separators: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    list.split(|byte| has_byte(separators, *byte))
        .filter(|word| !word.is_empty())
}

/// What is wrong with the command line.
#[cold]
fn mistake(text: fmt::Arguments<'_>) -> Name {
    Name::new(crate::error::text(text).as_bytes())
}

/// A word and what follows its first `=`.
#[inline(never)]
fn split_value(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at.saturating_add(1)..)),
        None => (text, None),
    }
}

/// A number of at most nine decimal digits.
pub fn number(text: &[u8]) -> Option<i32> {
    let mut number: i32 = 0;
    for byte in text.iter().filter(|_| text.len() < 10) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    (text.len() < 10).then_some(number)
}

fn non_empty(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then_some(value)
}

/// Whether a secure process may take a name from `LD_PRELOAD`: no path, no excess.
fn may_be_preloaded(name: &[u8]) -> bool {
    !has_byte(name, b'/') && name.len() < SECURE_NAME_LIMIT
}

/// The names in `/etc/ld.so.preload`: separated by white space or colons, up to a `#` in each line. The file is root's
/// own, so a secure process obeys it in full.
pub fn preload_file_names(contents: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = contents;
    core::iter::from_fn(move || {
        loop {
            let end = rest.iter().position(|byte| b" \t\r\n:\0#".contains(byte));
            let (name, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            rest = match after.first() {
                Some(b'#') => after
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .and_then(|end| after.get(end..)),
                _ => after.get(1..),
            }
            .unwrap_or_default();
            if !name.is_empty() {
                return Some(name);
            }
            if rest.is_empty() {
                return None;
            }
        }
    })
}

/// The text of `--help`.
pub struct Help;

impl fmt::Display for Help {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..3).try_for_each(|number| TEXTS.text(number).fmt(out))
    }
}

/// The answer to `LD_DEBUG=help`.
pub struct DebugHelp;

impl fmt::Display for DebugHelp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (3..6).try_for_each(|number| TEXTS.text(number).fmt(out))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {

    use super::*;
    use crate::scope::{INDEX, WALK};
    use alloc::string::{String, ToString};
    use alloc::{format, vec};

    fn asked<'a>(arguments: &'a [&'a [u8]], environment: &'a [&'a [u8]]) -> Arguments<'a> {
        Arguments {
            arguments,
            environment,
            secure: false,
            as_command: true,
        }
    }

    /// Reads a command line that has no mistakes.
    fn command<'a>(arguments: &'a [&'a [u8]]) -> Options<'a> {
        Options::read(&asked(arguments, &[])).unwrap()
    }

    /// What is wrong with a command line.
    fn mistake(arguments: &[&[u8]]) -> String {
        match Options::read(&asked(arguments, &[])).unwrap_err().kind {
            Kind::Usage(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn switch_words() -> impl Iterator<Item = &'static str> {
        let rows = SWITCHES.lines().filter_map(|line| line.strip_prefix("  --"));
        rows.filter_map(|row| row.split(' ').next())
    }

    /// Reads an environment as the interpreter of a program.
    fn interpreter<'a>(environment: &'a [&'a [u8]]) -> Options<'a> {
        Options::read(&Arguments {
            as_command: false,
            ..asked(&[b"prog", b"--list"], environment)
        })
        .unwrap()
    }

    /// As [`interpreter`], in a secure process.
    fn secure<'a>(environment: &'a [&'a [u8]]) -> Options<'a> {
        Options::read(&Arguments {
            as_command: false,
            secure: true,
            ..asked(&[b"prog"], environment)
        })
        .unwrap()
    }

    #[test]
    fn a_process_is_secure_unless_the_kernel_says_that_it_is_not() {
        assert!(!is_secure(|kind| (kind == 23).then_some(0)));
        assert!(is_secure(|kind| (kind == 23).then_some(1)));
        assert!(is_secure(|_| None));
    }

    #[test]
    fn the_program_is_the_first_argument_that_is_no_switch() {
        let options = command(&[b"ld-lode", b"--bind-now", b"/bin/ls", b"--list"]);
        assert_eq!(options.program, Some(b"/bin/ls".as_slice()));
        assert_eq!(options.consumed, 2);
        assert_eq!(options.mode, Mode::Run);
        assert!(options.bind_now && options.as_command);
    }

    #[test]
    fn two_dashes_end_the_switches() {
        let options = command(&[b"ld-lode", b"--list", b"--", b"--odd"]);
        assert_eq!(options.program, Some(b"--odd".as_slice()));
        assert_eq!((options.consumed, options.mode), (3, Mode::List));
    }

    #[test]
    fn a_value_follows_its_switch_or_an_equals_sign() {
        let options = command(&[b"ld-lode", b"--library-path", b"/a:/b", b"--argv0=x=y", b"p"]);
        assert_eq!(options.library_path, Some(b"/a:/b".as_slice()));
        assert_eq!(options.argv0, Some(b"x=y".as_slice()));
        assert_eq!(options.consumed, 4);
    }

    #[test]
    fn an_interpreter_has_no_command_line() {
        let options = interpreter(&[]);
        assert_eq!(options, Options::default());
    }

    #[test]
    fn mistakes_on_the_command_line_are_named() {
        assert_eq!(
            mistake(&[b"ld-lode", b"--libary-path", b"p"]),
            "unknown option `--libary-path'"
        );
        assert_eq!(mistake(&[b"ld-lode", b"-v", b"p"]), "unknown option `-v'");
        assert_eq!(mistake(&[b"ld-lode", b"--=x", b"p"]), "unknown option `--=x'");
        assert_eq!(
            mistake(&[b"ld-lode", b"--list=x", b"p"]),
            "option `--list' takes no value"
        );
        assert_eq!(
            mistake(&[b"ld-lode", b"--argv0"]),
            "option `--argv0' needs a value: STRING"
        );
        assert_eq!(mistake(&[b"ld-lode", b"--list"]), "no program given");
        assert_eq!(mistake(&[b"ld-lode", b"--"]), "no program given");
        assert_eq!(mistake(&[]), "no program given");
    }

    #[test]
    fn help_and_version_need_no_program() {
        assert_eq!(command(&[b"ld-lode", b"--help"]).mode, Mode::Help);
        assert_eq!(command(&[b"ld-lode", b"--version"]).mode, Mode::Version);
        assert!(command(&[b"ld-lode", b"--debug", b"help"]).debug_help);
    }

    #[test]
    fn restoring_needs_no_program_and_takes_a_tree() {
        let options = command(&[b"ld-lode", b"--restore", b"--root", b"/srv/tree"]);
        assert_eq!(options.mode, Mode::Restore);
        assert_eq!(options.root, Some(b"/srv/tree".as_slice()));
        assert_eq!(command(&[b"ld-lode", b"--restore"]).root, None);
    }

    #[test]
    fn a_secure_command_looks_at_a_libc_and_restores_nothing() {
        let read = |arguments| {
            Options::read(&Arguments {
                secure: true,
                ..asked(arguments, &[])
            })
        };
        let looks: &[&[u8]] = &[b"ld-lode", b"--check-libc", b"libc.so.6"];
        assert_eq!(read(looks).unwrap().mode, Mode::CheckLibc);
        let restores: &[&[u8]] = &[b"ld-lode", b"--restore"];
        assert!(read(restores).is_err());
    }

    #[test]
    fn the_command_line_wins_over_the_options_variable_and_that_over_the_others() {
        let environment: &[&[u8]] = &[b"LODE_OPTIONS=library-path=/2", b"LD_LIBRARY_PATH=/1"];
        assert_eq!(interpreter(environment).library_path, Some(b"/2".as_slice()));
        let arguments: &[&[u8]] = &[b"ld-lode", b"--library-path", b"/3", b"p"];
        let options = Options::read(&asked(arguments, environment)).unwrap();
        assert_eq!(options.library_path, Some(b"/3".as_slice()));
    }

    #[test]
    fn preloads_add_up_in_order() {
        let environment: &[&[u8]] = &[b"LD_PRELOAD=a.so b.so::c.so", b"LODE_OPTIONS=preload=d.so:e.so"];
        let arguments: &[&[u8]] = &[b"ld-lode", b"--preload", b"f.so", b"p"];
        let options = Options::read(&asked(arguments, environment)).unwrap();
        let expected: [&[u8]; 6] = [b"a.so", b"b.so", b"c.so", b"d.so", b"e.so", b"f.so"];
        assert_eq!(options.preload, expected);
        assert!(!options.preload_trusted_only);
    }

    #[test]
    fn every_switch_is_a_word_of_the_options_variable() {
        for word in switch_words() {
            let (_, value) = Switch::named(word.as_bytes()).unwrap();
            let value = match (word, value) {
                (_, None) => "",
                ("allow", _) => "=textrel",
                ("relr-lockout", _) => "=glibc",
                ("resolver", _) => "=index",
                _ => "=all",
            };
            let entry = format!("LODE_OPTIONS=,{word}{value},");
            let environment: [&[u8]; 1] = [entry.as_bytes()];
            let options = interpreter(&environment);
            assert_ne!(options, Options::default(), "{word}");
            let complains = !options.warnings.is_empty();
            assert_eq!(complains, word == "audit", "{word}");
        }
    }

    #[test]
    fn what_is_refused_otherwise_is_allowed_word_by_word() {
        let options = interpreter(&[
            b"LODE_OPTIONS=allow=noexec,allow=ifunc-noplt,allow=old-musl,relr-lockout=glibc,relr-lockout=off",
        ]);
        assert_eq!(options.allow, Allow::NOEXEC | Allow::IFUNC_NOPLT | Allow::OLD_MUSL);
        assert!(!options.relr_lockout);
        assert!(options.warnings.is_empty());
        let options = interpreter(&[b"LODE_OPTIONS=allow=wx,allow,relr-lockout=musl"]);
        assert_eq!(options.allow, Allow::empty());
        let texts: Vec<String> = options.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "warning: value `wx' unknown; try --help",
                "warning: LODE_OPTIONS: `allow' needs a value: allow=…",
                "warning: value `musl' unknown; try --help",
            ]
        );
        // A secure process is started as strictly as any, and as every other.
        assert_eq!(secure(&[b"LODE_OPTIONS=resolver=index"]).resolver, 0);
        assert_eq!(secure(&[b"LODE_OPTIONS=allow=noexec"]).allow, Allow::empty());
    }

    #[test]
    fn tests_choose_how_definitions_are_found() {
        for (word, number) in [("adaptive", 0), ("walk", WALK), ("index", INDEX)] {
            let entry = format!("LODE_OPTIONS=resolver={word}");
            let environment = [entry.as_bytes()];
            let options = interpreter(&environment);
            assert_eq!((options.resolver, options.warnings.len()), (number, 0), "{word}");
        }
        for entry in [&b"LODE_OPTIONS=resolver=fast"[..], b"LODE_OPTIONS=resolver="] {
            let environment = [entry];
            let options = interpreter(&environment);
            assert_eq!((options.resolver, options.warnings.len()), (0, 1));
        }
    }

    #[test]
    fn what_is_wrong_in_the_options_variable_is_a_warning() {
        let options = interpreter(&[b"LODE_OPTIONS=lits,list=1,argv0"]);
        let texts: Vec<String> = options.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "warning: LODE_OPTIONS: word `lits' unknown; try LODE_OPTIONS=help",
                "warning: LODE_OPTIONS: `list' takes no value",
                "warning: LODE_OPTIONS: `argv0' needs a value: argv0=…",
            ]
        );
        assert_eq!(options.mode, Mode::Run);
    }

    #[test]
    fn the_variables_of_the_system_loader_are_understood() {
        let options = interpreter(&[
            b"LD_BIND_NOW=1",
            b"LD_BIND_NOT=1",
            b"LD_WARN=1",
            b"LD_VERBOSE=1",
            b"LD_DYNAMIC_WEAK=",
            b"LD_SHOW_AUXV=",
            b"LD_TRACE_LOADED_OBJECTS=",
            b"LD_ORIGIN_PATH=/o",
            b"LD_DEBUG_OUTPUT=/tmp/log",
        ]);
        assert!(options.bind_now);
        assert!(options.trace_loaded_objects);
        assert_eq!(options.mode, Mode::List);
        assert_eq!(options.debug_output, Some(b"/tmp/log".as_slice()));
    }

    #[test]
    fn empty_values_ask_for_nothing() {
        let options = interpreter(&[
            b"LD_BIND_NOW=",
            b"LD_LIBRARY_PATH=",
            b"LD_PRELOAD= :",
            b"LD_DEBUG=",
            b"LD_AUDIT=",
            b"LODE_OPTIONS=",
            b"LD_WARN",
            b"",
            b"=",
        ]);
        assert_eq!(options, Options::default());
    }

    #[test]
    fn a_variable_that_stands_twice_counts_as_it_stands_last() {
        let options = interpreter(&[b"LD_LIBRARY_PATH=/a", b"LD_LIBRARY_PATH=/b"]);
        assert_eq!(options.library_path, Some(b"/b".as_slice()));
    }

    #[test]
    fn debug_words_are_separated_by_commas_colons_and_spaces() {
        let options = interpreter(&[b"LD_DEBUG=libs,files:reloc versions"]);
        let expected = Interest::LIBS | Interest::FILES | Interest::RELOC | Interest::VERSIONS;
        assert_eq!(options.debug, expected);
        let all = interpreter(&[b"LD_DEBUG=all"]).debug;
        assert!(all.contains(Interest::SCOPES | Interest::BINDINGS | Interest::SYMBOLS));
        assert!(!all.intersects(Interest::STATISTICS));
    }

    #[test]
    fn an_unknown_debug_word_is_reported_in_the_usual_words() {
        let options = interpreter(&[b"LD_DEBUG=foo,libs"]);
        assert_eq!(options.warnings, [Warning::DebugWord(b"foo")]);
        assert_eq!(
            options.warnings[0].to_string(),
            "warning: debug option `foo' unknown; try LD_DEBUG=help"
        );
        assert_eq!(options.debug, Interest::LIBS);
    }

    #[test]
    fn a_secure_process_obeys_no_variable_but_the_preload_of_plain_names() {
        let long = [b'x'; 300];
        let mut list = b"LD_PRELOAD=/tmp/evil.so:libok.so:../x:".to_vec();
        list.extend_from_slice(&long);
        let mut environment: Vec<&[u8]> = vec![
            b"LD_LIBRARY_PATH=/evil",
            b"LD_DEBUG=all,foo",
            b"LD_DEBUG_OUTPUT=/etc/x",
            b"LD_TRACE_LOADED_OBJECTS=1",
            b"LD_AUDIT=/evil.so",
            b"LD_BIND_NOT=1",
            b"LD_ORIGIN_PATH=/evil",
            b"LODE_OPTIONS=list,library-path=/evil,nonsense",
        ];
        environment.push(&list);
        assert_eq!(
            secure(&environment),
            Options {
                secure: true,
                preload_trusted_only: true,
                seal: true,
                preload: vec![b"libok.so"],
                ..Options::default()
            }
        );
    }

    #[test]
    fn a_secure_command_does_not_obey_switches_that_choose_code() {
        let arguments: &[&[u8]] = &[
            b"ld-lode",
            b"--library-path",
            b"/evil",
            b"--preload=x.so",
            b"--inhibit-cache",
            b"p",
        ];
        let options = Options::read(&Arguments {
            secure: true,
            ..asked(arguments, &[])
        })
        .unwrap();
        assert_eq!(options.library_path, None);
        assert!(options.preload.is_empty());
        assert!(options.inhibit_cache);
        assert_eq!(options.program, Some(b"p".as_slice()));
        assert_eq!(
            options.warnings,
            [Warning::Secure(b"library-path"), Warning::Secure(b"preload")]
        );
    }

    #[test]
    fn the_event_stream_goes_where_it_is_sent_but_for_a_secure_process() {
        let asks = [b"LODE_OPTIONS=events=7".as_slice()];
        assert_eq!(interpreter(&asks).events, Some(b"7".as_slice()));
        assert_eq!(secure(&asks).events, None);
        let options = Options::read(&Arguments {
            secure: true,
            ..asked(&[b"ld-lode", b"--events", b"/etc/x", b"p"], &[])
        })
        .unwrap();
        assert_eq!(
            (options.events, &*options.warnings),
            (None, &[Warning::Secure(b"events")][..])
        );
    }

    #[test]
    fn a_number_has_digits_and_nothing_else() {
        assert_eq!((number(b"17"), number(b"999999999")), (Some(17), Some(999_999_999)));
        for no_number in ["1000000000", "-1", "1x", "/7"] {
            assert_eq!(number(no_number.as_bytes()), None, "{no_number}");
        }
    }

    #[test]
    fn unsecure_entries_are_known_with_and_without_a_value() {
        assert!(is_unsecure(b"LD_PRELOAD=x"));
        assert!(is_unsecure(b"LD_PRELOAD="));
        assert!(is_unsecure(b"LD_PRELOAD"));
        assert!(is_unsecure(b"GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A"));
        assert!(is_unsecure(b"LODE_OPTIONS=list"));
        assert!(is_unsecure(b"MALLOC_CHECK_=3"));
    }

    #[test]
    fn other_entries_stay() {
        for entry in [
            "PATH=/bin",
            "LD_PRELOADED=x",
            "XLD_PRELOAD=x",
            "ld_preload=x",
            "",
            "=",
            "=LD_PRELOAD",
        ] {
            assert!(!is_unsecure(entry.as_bytes()), "{entry}");
        }
    }

    #[test]
    fn the_list_of_unsecure_names_has_no_name_twice() {
        let mut names: Vec<&str> = UNSECURE.lines().chain(IGNORED.lines()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_variable_without_effect_is_one_warning_that_names_it() {
        let options = interpreter(&[
            b"LD_ASSUME_KERNEL=2.4.1",
            b"LD_PROFILE=",
            b"LD_LIBRARY_VERSION=1",
            b"PATH=/",
        ]);
        assert_eq!(options.warnings, [Warning::Ignored(b"LD_ASSUME_KERNEL")]);
        let text = options.warnings[0].to_string();
        assert_eq!(text, "warning: `LD_ASSUME_KERNEL' is not supported and has no effect");
    }

    #[test]
    fn some_variables_count_when_they_are_there_and_some_when_they_say_something() {
        let empty: [&[u8]; 5] = [
            b"LD_SHOW_AUXV=",
            b"LD_DYNAMIC_WEAK=",
            b"LD_WARN=",
            b"LD_VERBOSE=",
            b"LD_BIND_NOT=",
        ];
        let options = interpreter(&empty);
        assert!(options.show_auxv && options.dynamic_weak);
        assert!(!options.warn && !options.verbose && !options.bind_not);
        let options = interpreter(&[b"LD_WARN=1", b"LD_VERBOSE=1", b"LD_BIND_NOT=1", b"LD_ORIGIN_PATH=/o"]);
        assert!(options.warn && options.verbose && options.bind_not);
        assert_eq!(options.origin_path, Some(b"/o".as_slice()));
        let options = secure(&empty);
        assert!(!options.show_auxv && !options.dynamic_weak);
    }

    #[test]
    fn lists_of_tunables_and_diagnostics_need_no_program() {
        for (word, mode) in [
            (b"--list-tunables".as_slice(), Mode::ListTunables),
            (b"--list-diagnostics", Mode::ListDiagnostics),
        ] {
            let line = [b"ld-lode", word];
            let options = command(&line);
            assert_eq!((options.mode, options.program), (mode, None));
        }
    }

    #[test]
    fn the_preload_file_has_comments_and_many_separators() {
        let contents = b"# all of it\n/lib/a.so b.so:c.so\t# rest\n\n d.so#x\ne.so";
        let names: Vec<&[u8]> = preload_file_names(contents).collect();
        let expected: [&[u8]; 5] = [b"/lib/a.so", b"b.so", b"c.so", b"d.so", b"e.so"];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_help_text_explains_every_switch_in_80_columns() {
        let help = Help.to_string();
        assert_eq!(switch_words().count(), ORDER.len());
        for word in switch_words() {
            assert!(help.contains(&format!("\n  --{word}")), "{word}");
        }
        for line in help.lines().chain(DebugHelp.to_string().lines()) {
            assert!(line.len() <= 80, "{line}");
        }
    }

    #[test]
    fn rows_are_looked_up_as_they_are_printed() {
        let words: Vec<&str> = SWITCH_ROWS.lines().filter_map(|row| row.split(' ').next()).collect();
        assert!(switch_words().eq(words));
        assert_eq!(row(SWITCH_ROWS, b"root"), Some((4, b" DIR".as_slice())));
        assert_eq!(row(SWITCH_ROWS, b"glibc-hwcaps-mask"), Some((11, b" LIST".as_slice())));
        assert_eq!(row(SWITCH_ROWS, b"list"), Some((0, b"".as_slice())));
        assert!(DEBUG_ROWS.starts_with("libs\nreloc\n") && DEBUG_ROWS.ends_with("\nhelp\n"));
    }

    #[test]
    fn the_debug_switch_explains_every_word() {
        let help = SWITCHES
            .split("  --")
            .find(|lines| lines.starts_with("debug "))
            .unwrap();
        for row in DEBUG_WORDS.lines() {
            let word = row.split_whitespace().next().unwrap();
            assert!(help.contains(word), "{word}");
        }
        assert_eq!(DEBUG_WORDS.lines().count(), INTERESTS.len() + 1);
    }
}
