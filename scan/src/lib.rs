//! What the machine code of a glibc reads of its loader's structures, and whether lode fills it.
//!
//! libc.so.6 has the offsets of its loader's private members in its code. The rows of `loader/src/abi/glibc/layout/` say which members lode knows;
//! a member that libc reads and lode leaves unset would be a silent mistake. So [`check`] disassembles a whole library ([`file`], [`flow`]), finds
//! every use of `_rtld_global`, `_rtld_global_ro`, a link_map or a thread's head, adds what libthread_db reads for debuggers, and compares it with
//! the row that the loader picks for the libc and with what is known of lode ([`reviewed`]). It is the slow proof behind the quick recognition that
//! a start makes.
//!
//! A use is found where the address comes from a slot, the thread pointer, a list of the loader or a call, and goes through registers and the
//! stack; not where it passes through other memory, as in the arguments that one function leaves in a structure for another.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

pub mod file;
pub mod flow;
pub mod members;
pub mod reviewed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use lode::abi::glibc::layout::{Layout, Row};

use file::Library;
use members::{InRow, Part};
use reviewed::{Directions, Reviewed, Verdict};

/// A structure that libc and its loader share, or a part of one that is looked at by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Structure {
    /// `_rtld_global_ro`.
    RtldGlobalRo,
    /// Its `_dl_x86_cpu_features`.
    Processor,
    /// `_rtld_global`.
    RtldGlobal,
    /// An element of its `_dl_ns`.
    Namespace,
    /// `struct link_map`.
    LinkMap,
    /// `struct pthread`, which is at the thread pointer.
    Thread,
    /// `struct libname_list`.
    Libname,
    /// `struct r_scope_elem`.
    Scope,
    /// `struct dtv_slotinfo_list`.
    SlotInfo,
    /// An array of pointers to link_maps.
    Maps,
    /// An array of pointers to scopes.
    Scopes,
}

impl Structure {
    /// The objects whose addresses libc has in slots.
    pub const ROOTS: [Self; 2] = [Self::RtldGlobalRo, Self::RtldGlobal];

    /// Its name, for people: of an object its symbol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RtldGlobalRo => "_rtld_global_ro",
            Self::Processor => "_rtld_global_ro._dl_x86_cpu_features",
            Self::RtldGlobal => "_rtld_global",
            Self::Namespace => "_rtld_global._dl_ns",
            Self::LinkMap => "link_map",
            Self::Thread => "pthread",
            Self::Libname => "libname_list",
            Self::Scope => "r_scope_elem",
            Self::SlotInfo => "dtv_slotinfo_list",
            Self::Maps => "link_map *[]",
            Self::Scopes => "r_scope_elem *[]",
        }
    }
}

/// A member that libraries of a glibc use.
#[derive(Debug)]
pub struct Member {
    /// Where it is, in which structure, and what it is called.
    pub part: Part,
    /// What lode does about it.
    pub verdict: Verdict,
    /// Whether libc reads it or stores to it.
    pub directions: Directions,
    /// The functions that use it.
    pub functions: BTreeSet<String>,
}

impl Member {
    /// Functions that are named; the others are only counted.
    const NAMED: usize = 3;
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.part.offset)?;
        match (self.part.member, self.part.neighbours) {
            (Some(member), _) => write!(f, " {member}")?,
            (None, (before, "")) => write!(f, "-{:#x} (behind {before})", self.part.end)?,
            (None, (before, behind)) => write!(f, "-{:#x} (between {before} and {behind})", self.part.end)?,
        }
        match self.verdict {
            Verdict::Filled => write!(f, ": filled")?,
            Verdict::Left(why) => write!(f, ": left ({why})")?,
            Verdict::Stored => write!(f, ": not filled, nor read")?,
            Verdict::Unfilled => write!(f, ": NOT FILLED")?,
            Verdict::Unknown => write!(f, ": NOT IN THE ROW")?,
        }
        let what = match self.directions {
            Directions { is_read: false, .. } => "stored by",
            Directions { is_stored: true, .. } => "read and stored by",
            _ => "read by",
        };
        for (index, function) in self.functions.iter().take(Self::NAMED).enumerate() {
            match index {
                0 => write!(f, "; {what} {function}")?,
                _ => write!(f, ", {function}")?,
            }
        }
        match self.functions.len().saturating_sub(Self::NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The result of a scan.
#[derive(Debug)]
pub struct Report {
    /// The libc.so.6.
    pub libc: PathBuf,
    /// What lode takes it for.
    pub row: &'static Row,
    /// The files that were looked at, and the number of their instructions.
    pub scanned: Vec<(PathBuf, usize)>,
    /// Every member that is used.
    pub members: Vec<Member>,
}

impl Report {
    /// The members that are used and that lode does not fill.
    pub fn faults(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.verdict.is_fault())
    }

    /// What was found, in a line; and each fault in one.
    pub fn summary(&self) -> String {
        let instructions: usize = self.scanned.iter().map(|scanned| scanned.1).sum();
        let mut text = format!(
            "{} ({}): {} members in {instructions} instructions of {} files, ",
            self.libc.display(),
            self.row,
            self.members.len(),
            self.scanned.len(),
        );
        match self.faults().count() {
            0 => text.push_str("all filled or rightly left"),
            faults => text.push_str(&format!("{faults} NOT FILLED")),
        }
        for fault in self.faults() {
            text.push_str(&format!("\n  {} {fault}", fault.part.structure.name()));
        }
        text
    }
}

/// Every member, structure by structure, and the summary.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut structure = None;
        for member in &self.members {
            if structure.replace(member.part.structure) != Some(member.part.structure) {
                writeln!(f, "{}", member.part.structure.name())?;
            }
            writeln!(f, "  {member}")?;
        }
        write!(f, "{}", self.summary())
    }
}

/// Bytes in hexadecimal, two digits each.
pub fn hex(bytes: &[u8], between: &str) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(between)
}

/// Libraries of glibc, beside libc.so.6, that may use the loader's structures.
const SIBLINGS: &[&str] = &[
    "libm.so.6",
    "libmvec.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "libthread_db.so.1",
    "libc_malloc_debug.so.0",
];

/// Why there is no report.
#[derive(Debug)]
pub enum Failure {
    /// lode refuses the libc; this is its text.
    Refused(String),
    /// A file cannot be read or understood.
    Unreadable(anyhow::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "lode does not support it: {why}"),
            Self::Unreadable(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What a glibc's libraries use of their loader's structures, before anybody asks whether lode fills it.
#[derive(Debug)]
pub struct Findings {
    libc: PathBuf,
    row: &'static Row,
    scanned: Vec<(PathBuf, usize)>,
    members: BTreeMap<Part, (Directions, BTreeSet<String>)>,
}

impl Findings {
    /// Scans a libc.so.6 and the libraries of its glibc that lie beside it.
    ///
    /// # Errors
    /// A file cannot be read, or lode refuses the libc.
    pub fn of(libc: &Path) -> Result<Self, Failure> {
        let unreadable = Failure::Unreadable;
        let library = Library::read(libc).map_err(unreadable)?;
        let row = library.row().map_err(Failure::Refused)?;
        let layout = Layout::of(row);
        let mut libraries = vec![library];
        for name in SIBLINGS {
            let path = libc.with_file_name(name);
            if path.exists() {
                libraries.push(Library::read(&path).map_err(unreadable)?);
            }
        }
        let mut findings = Self {
            libc: libc.to_owned(),
            row,
            scanned: Vec::new(),
            members: BTreeMap::new(),
        };
        for library in &libraries {
            findings.add(&layout, library);
        }
        // Bytes between members may be read and stored in pieces of other sizes.
        let stored = findings.members.iter().filter(|(_, used)| used.0.is_stored);
        let stored: Vec<Part> = stored.map(|(part, _)| part.clone()).collect();
        for (part, (directions, _)) in &mut findings.members {
            directions.is_stored |= stored.iter().any(|other| other.meets(part));
        }
        Ok(findings)
    }

    fn add(&mut self, layout: &Layout, library: &Library) {
        let uses = flow::uses(library, &InRow(layout));
        self.scanned.push((library.path.clone(), uses.instructions));
        for (used, places) in &uses.found {
            for part in members::parts(layout, used.structure, used.offset, used.size) {
                let (directions, functions) = self.members.entry(part).or_default();
                directions.is_read |= !used.is_store;
                directions.is_stored |= used.is_store;
                functions.extend(places.iter().map(|place| library.name_of(*place)));
            }
        }
        for (structure, offset, size) in library.read_by_debuggers() {
            for part in members::parts(layout, structure, offset, size) {
                let (directions, functions) = self.members.entry(part).or_default();
                directions.is_read = true;
                functions.insert("debuggers".to_owned());
            }
        }
    }

    /// What a lode of which `reviewed` is true does about each member.
    pub fn report(&self, reviewed: &Reviewed<'_>) -> Report {
        let member = |(part, (directions, functions)): (&Part, &(Directions, BTreeSet<String>))| Member {
            verdict: reviewed.verdict(part, *directions),
            part: part.clone(),
            directions: *directions,
            functions: functions.clone(),
        };
        Report {
            libc: self.libc.clone(),
            row: self.row,
            scanned: self.scanned.clone(),
            members: self.members.iter().map(member).collect(),
        }
    }
}

/// What this lode does about each member that a libc.so.6 and the libraries of its glibc beside it use.
///
/// # Errors
/// A file cannot be read, or lode refuses the libc.
pub fn check(libc: &Path) -> Result<Report, Failure> {
    Ok(Findings::of(libc)?.report(&reviewed::LODE))
}
