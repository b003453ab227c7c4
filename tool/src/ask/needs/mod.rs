//! `lode-tool needs`: the oldest glibc or musl that would run a file, and what in the file says so.

mod glibc;
mod musl;
mod release;

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::{Output, Search};
use crate::closure::{Closure, Flavour, file_name};
use crate::elf::{Binary, Symbol};
use crate::report::{Answer, give};
use glibc::Reason;
pub use release::Release;

/// How many symbols of one release are named in the text.
const SHOWN: usize = 8;

/// Say which glibc or musl is the oldest that would run a file, and which of its symbols want that
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    file: PathBuf,
    /// Count also what its libraries need, but for libc's own
    #[arg(long)]
    closure: bool,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// The file cannot be read or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let closure = arguments.search.closure(&arguments.file)?;
    give(&Needs::of(&closure, arguments.closure), arguments.output.format)
}

/// The newest release of glibc that a file needs by itself, and what needs it.
pub fn newest_glibc(binary: &Binary) -> Option<(Release, Vec<String>)> {
    let newest = glibc::needs(binary)?.reasons.into_iter().next()?;
    Some((newest.release, newest.what))
}

/// Whether one of the libcs would do.
#[derive(Serialize)]
struct Libc {
    /// Whether some release would do
    runs: bool,
    /// The oldest that does; `None` if the file asks for nothing that has a release
    oldest: Option<Release>,
    /// Whether it may be older than `oldest`, which is the oldest that was looked at
    or_older: bool,
    /// What says so: for each file, the newest release first
    because: Vec<Because>,
    /// What keeps it from running, or nobody can tell
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Because {
    file: String,
    #[serde(flatten)]
    reason: Reason,
}

/// What `needs` answers.
#[derive(Serialize)]
struct Needs {
    file: String,
    /// Whether it needs no libc because it has all that it uses
    is_static: bool,
    /// The oldest Linux, if the file says so (NT_GNU_ABI_TAG)
    linux: Option<String>,
    glibc: Libc,
    musl: Libc,
    /// What of the file could not be read, so that more may be needed
    notes: Vec<String>,
}

impl Needs {
    fn of(closure: &Closure, with_libraries: bool) -> Needs {
        let program = &closure.objects[0];
        let count = if with_libraries { closure.objects.len() } else { 1 };
        let objects = closure.objects.iter().enumerate().take(count);
        let counted: Vec<(&str, &Binary)> = objects
            .filter(|(index, object)| *index == 0 || (Some(*index) != closure.interpreter && !is_libc(&object.binary)))
            .map(|(_, object)| (object.path.as_str(), &object.binary))
            .collect();
        Needs {
            file: program.path.clone(),
            is_static: program.binary.needed.is_empty() && program.binary.interpreter.is_none(),
            linux: linux(&program.binary),
            glibc: of_glibc(closure, &counted),
            musl: of_musl(closure, &counted),
            notes: program.binary.damage.clone(),
        }
    }
}

fn of_glibc(closure: &Closure, counted: &[(&str, &Binary)]) -> Libc {
    let mut libc = Libc {
        runs: closure.flavour == Flavour::Glibc,
        oldest: None,
        or_older: false,
        because: Vec::new(),
        notes: Vec::new(),
    };
    if closure.flavour == Flavour::Musl {
        libc.notes.push("built for musl".to_owned());
        return libc;
    }
    for (file, binary) in counted {
        let Some(needs) = glibc::needs(binary) else { continue };
        libc.oldest = libc.oldest.max(needs.reasons.first().map(|reason| reason.release));
        libc.because.extend(needs.reasons.into_iter().map(|reason| Because {
            file: (*file).to_owned(),
            reason,
        }));
        libc.notes.extend(
            needs
                .notes
                .into_iter()
                .map(|note| format!("{} {note}", file_name(file))),
        );
    }
    libc.because
        .sort_by_key(|because| std::cmp::Reverse(because.reason.release));
    libc
}

fn of_musl(closure: &Closure, counted: &[(&str, &Binary)]) -> Libc {
    let (oldest, newest) = musl::range();
    let mut libc = Libc {
        runs: true,
        oldest: Some(oldest),
        or_older: true,
        because: Vec::new(),
        notes: Vec::new(),
    };
    // What another library of the program defines is not for libc. A missing library may define anything.
    let others: HashSet<&str> = closure
        .objects
        .iter()
        .filter(|object| !is_libc(&object.binary))
        .flat_map(|object| object.binary.symbols.iter())
        .filter(|symbol| symbol.is_defined())
        .map(|symbol| symbol.name.as_str())
        .collect();
    let missing = closure
        .missing()
        .map(|edge| edge.name.as_str())
        .filter(|name| !is_libcs_name(name));
    let missing: Vec<&str> = missing.collect();
    let is_libcs = |symbol: &Symbol| match &symbol.from {
        Some(library) => is_libcs_name(library),
        None => missing.is_empty() && !others.contains(symbol.name.as_str()),
    };
    if closure.flavour == Flavour::Glibc && counted.iter().any(|(_, binary)| glibc::needs(binary).is_some()) {
        libc.notes.push(
            "built for glibc: musl's loader has another name, and libc.so.6 has to be there (gcompat has one)"
                .to_owned(),
        );
        libc.runs = false;
    }
    for (file, binary) in counted {
        let needs = musl::needs(binary, is_libcs);
        libc.runs &= needs.lacks.is_empty() && needs.obstacles.is_empty();
        if let Some(reason) = needs.reasons.first() {
            libc.oldest = libc.oldest.max(Some(reason.release));
            libc.or_older = false;
        }
        libc.because.extend(needs.reasons.into_iter().map(|reason| Because {
            file: (*file).to_owned(),
            reason,
        }));
        let name = file_name(file);
        libc.notes
            .extend(needs.obstacles.into_iter().map(|obstacle| format!("{name} {obstacle}")));
        if !needs.lacks.is_empty() {
            libc.notes.push(format!(
                "{name} uses what musl {newest} does not have: {}",
                some(&needs.lacks)
            ));
        }
    }
    if !missing.is_empty() {
        libc.notes.push(format!(
            "not found, so that some symbols were not judged: {}",
            missing.join(", ")
        ));
    }
    if !libc.runs {
        libc.oldest = None;
        libc.or_older = false;
    }
    libc
}

/// Whether a library is a part of libc.
fn is_libc(binary: &Binary) -> bool {
    let defines = binary
        .version_definitions
        .iter()
        .any(|version| version.starts_with("GLIBC_"));
    defines
        || binary
            .soname
            .as_deref()
            .is_some_and(|name| is_libcs_name(name) && name.starts_with("libc."))
}

/// Whether this is the name of a part of glibc, or of musl.
fn is_libcs_name(name: &str) -> bool {
    const PARTS: &[&str] = &[
        "libc.",
        "libm.",
        "libmvec.",
        "libpthread.",
        "librt.",
        "libdl.",
        "libutil.",
        "libresolv.",
        "libanl.",
        "libcrypt.so.1",
        "ld-linux",
        "ld64",
        "ld-musl-",
    ];
    PARTS.iter().any(|part| name.starts_with(part))
}

/// The oldest kernel, by the note that glibc's start files bring (LSB, "ABI note tag").
fn linux(binary: &Binary) -> Option<String> {
    let notes = binary.notes();
    let note = notes
        .iter()
        .find(|note| note.owner == "GNU" && note.kind == 1 && note.content.len() >= 16)?;
    let word = |at| binary.words().word(note.content, at);
    // The first word is the system: 0 is Linux.
    (word(0)? == 0).then_some(())?;
    Some(format!("{}.{}.{}", word(4)?, word(8)?, word(12)?))
}

fn some(names: &[String]) -> String {
    let more = if names.len() > SHOWN {
        format!(" and {} more", names.len() - SHOWN)
    } else {
        String::new()
    };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

impl Libc {
    fn write(&self, name: &str, single: bool, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.runs, self.oldest) {
            (false, _) => writeln!(out, "{name}: no")?,
            (true, None) => writeln!(out, "{name}: any")?,
            (true, Some(oldest)) if self.or_older => writeln!(out, "{name} {oldest} or older")?,
            (true, Some(oldest)) => writeln!(out, "{name} >= {oldest}")?,
        }
        let newest = self
            .because
            .iter()
            .filter(|because| Some(because.reason.release) == self.oldest);
        for because in newest {
            match single {
                true => writeln!(out, "  because of {}", some(&because.reason.what))?,
                false => writeln!(out, "  because of {} in {}", some(&because.reason.what), because.file)?,
            }
        }
        for note in &self.notes {
            writeln!(out, "  {note}")?;
        }
        let second = self
            .because
            .iter()
            .find(|because| Some(because.reason.release) < self.oldest);
        if let (true, Some(second)) = (self.runs, second) {
            writeln!(
                out,
                "  without that, {}: {}",
                second.reason.release,
                some(&second.reason.what)
            )?;
        }
        Ok(())
    }
}

impl Display for Needs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.file)?;
        if self.is_static {
            writeln!(out, "no libc: it is statically linked")?;
        } else {
            let files = |libc: &Libc| {
                libc.because
                    .iter()
                    .map(|because| because.file.clone())
                    .collect::<HashSet<_>>()
            };
            self.glibc.write("glibc", files(&self.glibc).len() < 2, out)?;
            self.musl.write("musl", files(&self.musl).len() < 2, out)?;
        }
        if let Some(linux) = &self.linux {
            writeln!(out, "Linux >= {linux}")?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}; more may be needed")?;
        }
        Ok(())
    }
}

impl Answer for Needs {
    const COMMAND: &'static str = "needs";
}
