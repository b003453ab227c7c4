//! Gates: what a start may cost at most in numbers that have no noise.

use std::fmt::Write as _;

use anyhow::Result;
use temp_dir::TempDir;

use crate::comparison::Plan;
use crate::loader::{self, Loader, Role, Stage};
use crate::measure::Start;
use crate::row::Row;
use crate::{counts, generate, instructions, subject};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Instructions in the loader.
    Instructions,
    /// System calls.
    Calls,
    /// System calls that fail.
    Failed,
    /// Minor page faults.
    Faults,
    /// Memory of its own at the end, in kB.
    PrivateDirty,
    /// Bytes of the loader's file.
    Size,
}

impl What {
    /// The words for it in a line.
    fn words(self) -> &'static str {
        match self {
            What::Instructions => "instructions",
            What::Calls => "system calls",
            What::Failed => "failing calls",
            What::Faults => "faults",
            What::PrivateDirty => "kB of its own",
            What::Size => "bytes of file",
        }
    }
}

/// The gates by row.
pub const GATES: &[(&str, What, u64)] = &[
    ("empty", What::Instructions, 15_000),
    ("empty", What::Size, 215_000),
    ("hello", What::Instructions, 60_000),
    ("hello", What::Calls, 22),
    ("hello", What::Faults, 40),
    ("hello", What::PrivateDirty, 84),
    ("bash", What::Instructions, 150_000),
    ("gdb", What::Instructions, 14_000_000),
    ("clang", What::Instructions, 24_000_000),
    ("inkscape", What::Instructions, 55_000_000),
    ("ffmpeg", What::Instructions, 30_000_000),
    ("syms-100x1k", What::Instructions, 100_000_000),
    ("syms-500x200", What::Instructions, 105_000_000),
    ("small-1000", What::Instructions, 30_000_000),
    ("small-1000", What::Calls, 6_500),
    ("rela-1m", What::Instructions, 7_000_000),
    ("relr-1m", What::Instructions, 2_500_000),
    ("runpath-60", What::Failed, 200),
];

/// What lode took when it was last made cheaper, with a twentieth more for other processors and paths: the change tier keeps it from getting dearer while the gates are not
/// met. Who makes it cheaper lowers these.
pub const HELD: &[(&str, What, u64)] = &[
    ("empty", What::Instructions, 131_000),
    ("small-10", What::Instructions, 867_000),
    ("tree-127", What::Instructions, 6_330_000),
    ("hello", What::Instructions, 476_000),
    ("hello", What::Calls, 33),
];

/// A gate and what was counted.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The loader.
    pub loader: String,
    /// The row.
    pub row: String,
    /// What is counted.
    pub what: What,
    /// At most this.
    pub limit: u64,
    /// What it is; or why it could not be counted.
    pub counted: Result<u64, String>,
}

impl Gate {
    /// Whether it was counted and is too much.
    pub fn is_missed(&self) -> bool {
        self.counted.as_ref().is_ok_and(|counted| *counted > self.limit)
    }
}

/// Counts what `limits` says for every loader that has goals, in the rows of the plan.
///
/// # Errors
/// There is no such loader, or no place for files.
pub fn count(plan: &Plan, limits: &[(&str, What, u64)]) -> Result<Vec<Gate>> {
    let _alone = generate::lock(&plan.inputs)?;
    let folder = TempDir::with_prefix("lode-bench-")?;
    let loaders = loader::all(&plan.loaders, folder.path())?;
    let mut stage = Stage::new(plan.mode, &plan.inputs)?;
    let mut gates = Vec::new();
    for (name, what, limit) in limits {
        let Some(row) = plan.rows.iter().find(|row| row.name == *name) else {
            continue;
        };
        for loader in loaders.iter().filter(|loader| loader.role == Role::Judged) {
            let counted = start(plan, &mut stage, row, loader).and_then(|start| one(&start, *what, loader, &folder));
            gates.push(Gate {
                loader: loader.name.clone(),
                row: row.name.to_owned(),
                what: *what,
                limit: *limit,
                counted: counted.map_err(|why| format!("{why:#}")),
            });
        }
    }
    Ok(gates)
}

fn start(plan: &Plan, stage: &mut Stage, row: &Row, loader: &Loader) -> Result<Start> {
    let ready = subject::ready(&plan.inputs, row.subject)?;
    stage.start(loader, &ready.program, &ready.arguments, true)
}

fn one(start: &Start, what: What, loader: &Loader, folder: &TempDir) -> Result<u64> {
    Ok(match what {
        What::Instructions => instructions::count(start, &loader.path, folder.path())?,
        What::Size => loader.size,
        What::Calls => counts::counts(start)?.calls,
        What::Failed => counts::counts(start)?.failed,
        What::PrivateDirty => counts::counts(start)?.private_dirty,
        What::Faults => {
            // The second time, everything is in the page cache.
            start.timed()?;
            start.timed()?.0.faults as u64
        }
    })
}

/// The gates as lines.
pub fn text(gates: &[Gate]) -> String {
    let mut text = String::new();
    for gate in gates {
        let what = gate.what.words();
        let _ = match &gate.counted {
            Ok(counted) => {
                let verdict = if gate.is_missed() { "MISSED" } else { "met" };
                writeln!(
                    text,
                    "{:8} {:14} {what:14} {counted:>12}  at most {:>12}  {verdict}",
                    gate.loader, gate.row, gate.limit
                )
            }
            Err(why) => writeln!(text, "{:8} {:14} {what:14} not counted: {why}", gate.loader, gate.row),
        };
    }
    let missed = gates.iter().filter(|gate| gate.is_missed()).count();
    text + &format!("{} gates, {missed} missed\n", gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ROWS;

    #[test]
    fn each_gate_is_of_a_row() {
        assert!(
            GATES
                .iter()
                .all(|(name, _, _)| ROWS.iter().any(|row| row.name == *name))
        );
    }

    #[test]
    fn what_could_not_be_counted_is_not_missed() {
        let gate = |counted| Gate {
            loader: "lode".to_owned(),
            row: "empty".to_owned(),
            what: What::Calls,
            limit: 10,
            counted,
        };
        assert!(gate(Ok(11)).is_missed() && !gate(Ok(10)).is_missed() && !gate(Err("no".to_owned())).is_missed());
    }
}
