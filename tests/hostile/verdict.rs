//! What a run of a damaged file amounts to.

use nix::sys::signal::Signal;

use super::campaign::Mode;
use super::watched::{End, Place, Run};

/// What came of a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same as of the file that is whole.
    Ran,
    /// Refused for this reason.
    Refused(String),
    /// The program ran, and found something else: the damage says so, as a changed address of a symbol does.
    Other,
    /// The program's own code crashed or did not end.
    ObjectCrashed,
    /// The kernel did not take the program.
    NotTaken,
    /// What must not be, in words.
    Bad(&'static str),
}

/// What the program or the library writes when nothing is left for the loader to do.
const MARKER: char = 'E';
/// What `opener.c` ends with when `dlopen` or `dlsym` failed.
const FAILED: i32 = 3;

/// Judges lode or lode-tool.
pub fn judge(mode: Mode, run: &Run, whole: &Run) -> Verdict {
    if ["internal error", "panicked", "stack overflow"]
        .iter()
        .any(|words| run.errors.contains(words))
    {
        return Verdict::Bad("panic");
    }
    let entered = run.output.contains(MARKER);
    match run.end {
        End::NotTaken => Verdict::NotTaken,
        End::Hang(Place::Object) if entered => Verdict::ObjectCrashed,
        End::Hang(_) => Verdict::Bad("hang"),
        End::Signal(..) if mode.is_question() => Verdict::Bad("crash"),
        End::Signal(_, Place::Loader) | End::Signal(Signal::SIGABRT, _) => Verdict::Bad("crash in the loader"),
        End::Signal(_, Place::Nowhere) if !entered => Verdict::Bad("jump to a bad address"),
        End::Signal(..) => Verdict::ObjectCrashed,
        End::Status(status) if mode.is_question() => answered(status, run, whole),
        End::Status(status) => ended(mode, status, entered, run, whole),
    }
}

/// Whether another loader did with a damaged file what it does with the whole one.
pub fn ran(run: &Run, whole: &Run) -> bool {
    (run.end, &run.output) == (whole.end, &whole.output)
}

/// `lode-tool` says what is wrong as an answer.
fn answered(status: i32, run: &Run, whole: &Run) -> Verdict {
    match status {
        _ if whole.end == End::Status(status) => Verdict::Ran,
        0..=3 if run.output.is_empty() && run.errors.is_empty() => Verdict::Bad("silent end"),
        0..=3 => Verdict::Refused("answered".to_owned()),
        _ => Verdict::Bad("a status that no question has"),
    }
}

fn ended(mode: Mode, status: i32, entered: bool, run: &Run, whole: &Run) -> Verdict {
    let same_output = match mode {
        // Addresses differ.
        Mode::List => run.output.lines().count() == whole.output.lines().count(),
        _ => run.output == whole.output,
    };
    let names_the_file = ["prog", "libspec.so"].iter().any(|name| run.errors.contains(name));
    // The other loader's words, which name only the library that is missing: by a name that the damage made.
    let names_what_is_missing = run.errors.contains("cannot open shared object file");
    let code = run
        .errors
        .split_once("lode[")
        .and_then(|(_, rest)| rest.split_once(']'));
    match (code, status) {
        _ if whole.end == End::Status(status) && same_output => Verdict::Ran,
        // A text of dlerror is one line in the words of the other loader, so it has no code.
        (None, FAILED) if mode == Mode::Dlopen && (names_the_file || names_what_is_missing) => {
            Verdict::Refused("dlerror".to_owned())
        }
        (Some(_), _) if mode == Mode::Dlopen => Verdict::Bad("a process that dlopen ended"),
        _ if entered => Verdict::Other,
        (Some((code, _)), 1..) if names_the_file => Verdict::Refused(code.to_owned()),
        // ld.so(8): `--verify` answers by its status.
        (None, 1 | 2) if mode == Mode::Verify => Verdict::Refused("status".to_owned()),
        _ if run.errors.is_empty() && run.output.is_empty() => Verdict::Bad("silent end"),
        _ if run.errors.is_empty() => Verdict::Other,
        _ => Verdict::Bad("a refusal without a code or without a file"),
    }
}
