//! `lode-tool check-libc`: the slow proof that lode fills what a libc reads. `ld-lode --check-libc` is the quick question before a start.

use std::path::Path;
use std::process::ExitCode;

use scan::Failure;

use crate::elf::recognise;

/// Prints every member of the loader's structures that a libc.so.6 and its siblings use, and what lode does about it. The status is 1 if lode
/// refuses the libc or leaves a member unset that is read.
///
/// # Errors
/// A file cannot be read.
pub fn run(libc: &Path) -> anyhow::Result<ExitCode> {
    recognise::regular(libc)?;
    match scan::check(libc) {
        Ok(report) => {
            println!("{report}");
            let is_proven = report.faults().next().is_none();
            Ok(if is_proven {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Err(Failure::Refused(why)) => {
            println!("{}: not supported: {why}", libc.display());
            Ok(ExitCode::FAILURE)
        }
        Err(Failure::Unreadable(error)) => Err(error),
    }
}
