//! The command: `cargo xtask bench` builds the loader and runs this.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bench::comparison::{self, Binding, Comparison, Plan};
use bench::loader::{Mode, Named};
use bench::{gates, report, row};
use clap::Parser;

/// Compare dynamic loaders on generated workloads and on installed programs.
///
/// Each program is started under every loader in turn, round by round; a ratio is that of one round, and the table has its median. docs/bench.md says what
/// rows and columns mean.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Only rows whose name contains one of these words
    rows: Vec<String>,
    /// A loader that takes part, with variables that programs have under it; the first is the yardstick [default: glibc's, lode's (LODE_LOADER, or what `cargo xtask build` left), and musl's if there is one]
    #[arg(long = "loader", value_name = "NAME=PATH[;VARIABLE=VALUE...]")]
    loaders: Vec<Named>,
    /// How often each row is run [default: 21, with --quick 5]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Only short rows, a few rounds
    #[arg(long)]
    quick: bool,
    /// How programs come under a loader
    #[arg(long, value_enum, default_value = "interp")]
    mode: Mode,
    /// When functions are bound
    #[arg(long, value_enum, default_value = "now")]
    binding: Binding,
    /// Where generated files are kept between runs [default: target/lode/bench]
    #[arg(long, value_name = "FOLDER")]
    inputs: Option<PathBuf>,
    /// Count the instructions in each loader too (valgrind; takes minutes)
    #[arg(long)]
    instructions: bool,
    /// Write all figures, those of each round too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Count only what has no noise, hold it against the gates, and fail if one is missed
    #[arg(long, conflicts_with_all = ["json", "html", "instructions"])]
    gates: bool,
    /// List the rows and stop
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let rows = row::chosen(&arguments.rows, arguments.quick);
    ensure!(!rows.is_empty(), "no row has such a name");
    if arguments.list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return Ok(ExitCode::SUCCESS);
    }
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 5 } else { 21 });
    ensure!(rounds > 0, "no rounds, no figures");
    let inputs = arguments
        .inputs
        .clone()
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/lode/bench")));
    std::fs::create_dir_all(&inputs).with_context(|| format!("cannot make {}", inputs.display()))?;
    let plan = Plan {
        loaders: arguments.loaders.clone(),
        rows,
        rounds,
        mode: arguments.mode,
        binding: arguments.binding,
        instructions: arguments.instructions,
        inputs: inputs.canonicalize()?,
    };
    if arguments.gates {
        return counted(&plan);
    }
    let comparison: Comparison = comparison::compare(plan)?;
    write(arguments.json.as_deref(), || {
        Ok(serde_json::to_string_pretty(&comparison)? + "\n")
    })?;
    write(arguments.html.as_deref(), || report::html::page(&comparison))?;
    print!("{}", report::text::page(&comparison));
    Ok(if comparison.unsound.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes a report, if it was asked for.
fn write(file: Option<&Path>, report: impl FnOnce() -> Result<String>) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, report()?).with_context(|| format!("cannot write {}", file.display()))
}

/// Counts, and fails where a gate is missed.
fn counted(plan: &Plan) -> Result<ExitCode> {
    let gates = gates::count(plan, gates::GATES)?;
    print!("{}", gates::text(&gates));
    let is_missed = gates.iter().any(gates::Gate::is_missed);
    Ok(if is_missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
