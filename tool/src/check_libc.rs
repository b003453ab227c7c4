//! `lode-tool check-libc`: the slow proof that lode fills what a libc reads. `ld-lode --check-libc` is the quick question before a start.

use std::path::Path;
use std::process::ExitCode;

use scan::Failure;

use crate::elf::recognise;
use crate::report::say;

/// Prints every member of the loader's structures that a libc.so.6 and its siblings use, and what lode does about it. The status is 1 if lode
/// refuses the libc or leaves a member unset that is read.
///
/// # Errors
/// A file cannot be read.
pub fn run(libc: &Path) -> anyhow::Result<ExitCode> {
    recognise::regular(libc)?;
    match scan::check(libc) {
        Ok(report) => {
            say(format_args!("{report}\n"))?;
            let is_proven = report.faults().next().is_none();
            Ok(if is_proven {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Err(Failure::Refused(why)) => {
            say(format_args!("{}: not supported: {why}\n", libc.display()))?;
            Ok(ExitCode::FAILURE)
        }
        Err(Failure::Unreadable(error)) => Err(error),
    }
}
