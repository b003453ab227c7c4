//! Who is to blame when a process dies before the jump: the function that was running.

use std::fmt::Write as _;

use lode::error::Code;
use serde::Serialize;

use super::narrate::{plural, resolver_name};
use super::start::{Call, Start, short};
use super::watch::Ending;

/// A death inside code of the program that the loader had called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// The page of docs/errors
    pub code: String,
    /// One line
    pub line: String,
    /// Facts
    pub facts: Vec<String>,
}

/// The page of docs/errors.
const CODE: Code = Code(601);

/// Signals by number (signal(7), x86-64).
const SIGNALS: &[(i32, &str)] = &[
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
    (31, "SIGSYS"),
];

/// How a process ended, in words.
pub fn ending(ending: Ending) -> String {
    match ending {
        Ending::Status(status) => format!("ended with status {status}"),
        Ending::Signal(number) => match SIGNALS.iter().find(|(one, _)| *one == number) {
            Some((_, name)) => format!("was killed by {name}"),
            None => format!("was killed by signal {number}"),
        },
        Ending::Held => "was ended before it was entered".to_owned(),
        Ending::Interrupted(_) => "was interrupted".to_owned(),
    }
}

/// Who it was; `None` if no function of the program was running.
pub fn blame(start: &Start, end: Ending) -> Option<Blame> {
    if start.entered.is_some() || end == Ending::Held {
        return None;
    }
    let (what, facts) = running(start)?;
    Some(Blame {
        code: CODE.to_string(),
        line: format!("the process {} in {what}", ending(end)),
        facts,
    })
}

/// The function of the program that was called and has not returned, with facts about it.
pub fn running(start: &Start) -> Option<(String, Vec<String>)> {
    let call = start.unfinished()?;
    let is_resolver = start.resolvers.iter().any(|one| one.begin == call.begin);
    let (what, mut facts) = if is_resolver {
        let owner = start.owner(call.function)?;
        let inside = call.function.wrapping_sub(owner.mapped.base);
        (
            format!(
                "the resolver of {} in {} (+{inside:#x})",
                resolver_name(start, call.function),
                owner.mapped.name
            ),
            Vec::new(),
        )
    } else {
        constructor(start, call)
    };
    facts.push(format!("the function is at {:#x}", call.function));
    Some((what, facts))
}

/// `DT_INIT_ARRAY[2] of libfoo.so (foo_ctor, +0x1139)`
fn constructor(start: &Start, call: &Call) -> (String, Vec<String>) {
    let place = start.named(&call.module).and_then(|module| {
        let binary = &module.file.as_ref()?.binary;
        place(binary, &start.constructors, call, module.mapped.base)
    });
    let name = start
        .owner(call.function)
        .map_or_else(String::new, |module| module.name_of(call.function));
    let what = format!(
        "{} of {} ({name})",
        place.unwrap_or_else(|| "a constructor".to_owned()),
        call.module
    );
    let ready = start.initialised.len().saturating_sub(1) as u64;
    // Every module that is relocated is initialised; a glibc program's own constructors are libc's to call.
    let last = start.initialised.iter().rev().nth(1).map(|span| short(&span.name));
    let mut fact = format!(
        "{} of {} had been initialised",
        ready,
        plural(start.relocated.len() as u64, "module")
    );
    if let Some(last) = last {
        let _ = write!(fact, ", {last} as the last");
    }
    (what, vec![fact])
}

/// Which entry a constructor is.
fn place(binary: &crate::elf::Binary, all: &[Call], call: &Call, base: u64) -> Option<String> {
    const INIT: u64 = 12;
    const INIT_ARRAY: u64 = 25;
    if binary
        .dynamic_value(INIT)
        .is_some_and(|at| base.wrapping_add(at) == call.function)
    {
        return Some("DT_INIT".to_owned());
    }
    binary.dynamic_value(INIT_ARRAY)?;
    let of_module = all
        .iter()
        .filter(|one| one.module == call.module && one.begin < call.begin);
    let init = binary.dynamic_value(INIT).map(|at| base.wrapping_add(at));
    let before = of_module.filter(|one| Some(one.function) != init).count();
    Some(format!("DT_INIT_ARRAY[{before}]"))
}
