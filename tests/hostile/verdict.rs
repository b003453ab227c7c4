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
    /// The program's own code crashed, did not end, or filled the stack.
    ObjectCrashed,
    /// The kernel did not take the program.
    NotTaken,
    /// The kernel entered the program without mapping lode, because the damage hides PT_INTERP from it: nothing of lode ran.
    WithoutLoader,
    /// What must not be, in words.
    Bad(&'static str),
}

/// What the program or the library writes when nothing is left for the loader to do.
pub const MARKER: char = 'E';
/// What lode says, with status 127, of a resolver that calls the function for which it is asked, where damage leads to another resolver or into the middle of code.
const CYCLE: &str = "a function was called whose resolver (IFUNC) has not run yet: a resolver depends on it in a cycle";
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
        _ if mode == Mode::Interpreted && !run.has_loader => Verdict::WithoutLoader,
        End::Hang(Place::Object) if entered => Verdict::ObjectCrashed,
        End::Hang(_) => Verdict::Bad("hang"),
        End::Signal(..) if mode.is_question() => Verdict::Bad("crash"),
        End::Signal(_, Place::LoaderCalled) if entered => Verdict::ObjectCrashed,
        End::Signal(_, Place::Loader | Place::LoaderCalled) | End::Signal(Signal::SIGABRT, _) => {
            Verdict::Bad("crash in the loader")
        }
        End::Signal(_, Place::Nowhere) if !entered => Verdict::Bad("jump to a bad address"),
        End::Signal(..) => Verdict::ObjectCrashed,
        End::Status(status) if mode.is_question() => answered(mode, status, run, whole),
        End::Status(status) => ended(mode, status, entered, run, whole),
    }
}

/// Whether another loader did with a damaged file what it does with the whole one.
pub fn ran(run: &Run, whole: &Run) -> bool {
    (run.end, &run.output) == (whole.end, &whole.output)
}

/// `lode-tool` says what is wrong as an answer: with a status (docs/tool.md), and what keeps a file from being started with the file's name and a code.
fn answered(mode: Mode, status: i32, run: &Run, whole: &Run) -> Verdict {
    let said = [run.output.as_str(), &run.errors].concat();
    match (status, code(&said)) {
        _ if whole.end == End::Status(status) => Verdict::Ran,
        (1 | 3, Some(code)) if names_the_file(&said) => Verdict::Refused(code.to_owned()),
        // Worth a look, by a number in the plan.
        (1, None) if mode == Mode::Plan && names_the_file(&said) => Verdict::Other,
        (1 | 3, _) if said.is_empty() => Verdict::Bad("silent end"),
        (1 | 3, _) => Verdict::Bad("a refusal without a code or without a file"),
        _ => Verdict::Bad("a status that no question has"),
    }
}

/// The first code of a text, in brackets: `lode[E0101]`, `error[E0101]`.
fn code(text: &str) -> Option<&str> {
    let starts = text.match_indices('[').map(|(at, _)| &text[at + 1..]);
    let words = starts.filter_map(|rest| rest.split_once(']')).map(|(word, _)| word);
    words.into_iter().find(|word| {
        let digits = word.strip_prefix(['E', 'W']).unwrap_or_default();
        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn names_the_file(text: &str) -> bool {
    ["prog", "libspec.so"].iter().any(|name| text.contains(name))
}

fn ended(mode: Mode, status: i32, entered: bool, run: &Run, whole: &Run) -> Verdict {
    let same_output = match mode {
        // Addresses differ.
        Mode::List => run.output.lines().count() == whole.output.lines().count(),
        _ => run.output == whole.output,
    };
    let names_the_file = names_the_file(&run.errors);
    // The other loader's words, which name only the library that is missing: by a name that the damage made.
    let names_what_is_missing = run.errors.contains("cannot open shared object file");
    match (code(&run.errors), status) {
        _ if whole.end == End::Status(status) && same_output => Verdict::Ran,
        // A text of dlerror is one line in the words of the other loader, so it has no code.
        (None, FAILED) if mode == Mode::Dlopen && (names_the_file || names_what_is_missing) => {
            Verdict::Refused("dlerror".to_owned())
        }
        (None, 127) if run.errors.trim_end().ends_with(CYCLE) => Verdict::ObjectCrashed,
        (Some(_), _) if mode == Mode::Dlopen => Verdict::Bad("a process that dlopen ended"),
        _ if entered => Verdict::Other,
        (Some(code), 1..) if names_the_file => Verdict::Refused(code.to_owned()),
        // ld.so(8): `--verify` answers by its status.
        (None, 1 | 2) if mode == Mode::Verify => Verdict::Refused("status".to_owned()),
        // A warning, in the other loader's words: they name the file and have no code. The list beside it is an answer.
        (None, 0) if mode == Mode::List && names_the_file && !run.output.is_empty() => Verdict::Other,
        _ if run.errors.is_empty() && run.output.is_empty() => Verdict::Bad("silent end"),
        _ if run.errors.is_empty() => Verdict::Other,
        _ => Verdict::Bad("a refusal without a code or without a file"),
    }
}
