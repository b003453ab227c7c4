//! lode-tool: answers questions about ELF files as a loader sees them, and puts lode in the place of a tree's loader and takes it away again.
//!
//! | part | what it is for |
//! |---|---|
//! | `ask` | the questions, one command a file |
//! | `elf` | one file as values, whatever its class and machine |
//! | `contents` | what a file puts into memory, and what stands there at last |
//! | `relocations` | relocations in all forms |
//! | `closure` | all files that a start brings together |
//! | `lookup` | who defines a symbol, for any machine |
//! | `rehearsal` | a start without a process, by the loader's own stages |
//! | `report` | answers as text, as JSON, and as a status |
//! | `spelling` | names of files, which are bytes, as text |
//! | `image` | container images and trees with lode as the only loader |
//! | `tree`, `files` | paths in a tree that need not be the running system |
//! | `installation`, `debian`, `check_libc` | lode in the loader's place |

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

mod ask;
mod check_libc;
mod closure;
mod contents;
mod debian;
mod elf;
mod files;
mod image;
mod installation;
mod lookup;
mod rehearsal;
mod relocations;
mod report;
mod spelling;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

use report::Format;

use installation::{Build, Health, Installation};

/// Answers questions about ELF files as a loader sees them; puts lode in the place of a tree's loader, and takes it away again.
///
/// Questions end with status 0 if all is well, 1 if something is worth a look, 2 if the command line is wrong, 3 if the
/// program would not start or a file cannot be read.
#[derive(Parser)]
#[command(name = "lode-tool", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bindings(ask::bindings::Arguments),
    Check(ask::check::Arguments),
    Compat(ask::compat::Arguments),
    Effective(ask::effective::Arguments),
    Explain(ask::explain::Arguments),
    ExplainCode(ask::explain_code::Arguments),
    Features(ask::features::Arguments),
    Harden(ask::harden::Arguments),
    Image(image::Arguments),
    Needs(ask::needs::Arguments),
    Plan(ask::plan::Arguments),
    Probes(ask::probes::Arguments),
    RelocationSizes(ask::relocation_sizes::Arguments),
    Strict(ask::strict::Arguments),
    Tree(ask::tree::Arguments),
    Why(ask::why::Arguments),
    WhyNot(ask::why_not::Arguments),
    /// Put lode in the loader's place; the original is kept beside it
    Install {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        build: Loader,
        /// In a Debian tree: let updates of libc6 replace lode by their loader
        #[arg(long)]
        no_divert: bool,
    },
    /// Put the original back, and remove what `install` left beside it
    Uninstall {
        #[command(flatten)]
        place: Place,
        /// Even if the original is not the file that was kept
        #[arg(long)]
        force: bool,
    },
    /// Say how things are; the status is 0 if lode is installed, 3 if not, 4 if something is wrong
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Replace an installed lode by another build
    Upgrade {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        build: Loader,
    },
    /// Disassemble a libc.so.6, and list what it reads of its loader and whether lode fills it; the status is 1 if lode does not
    CheckLibc {
        /// The libc.so.6; libm.so.6 and others of the same glibc are looked for beside it
        file: PathBuf,
    },
}

/// Which loader of which tree.
#[derive(Args)]
struct Place {
    /// The root folder of the tree
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The loader's name in /lib64; musl's is in /lib, and its libc keeps the name that programs need
    #[arg(long = "as", value_name = "NAME", default_value = installation::NAMES[0], value_parser = installation::NAMES)]
    name: String,
    /// Also if it is the loader that the running system uses
    #[arg(long)]
    yes_really: bool,
}

/// Which build of lode.
#[derive(Args)]
struct Loader {
    /// The build of lode [default: ld-lode-x86_64.so.1 beside lode-tool]
    #[arg(long, value_name = "FILE")]
    loader: Option<PathBuf>,
}

impl Place {
    fn find(&self) -> Result<Installation> {
        Installation::find(&self.root, &self.name)
    }

    /// As `find`, to change something.
    fn change(&self) -> Result<Installation> {
        let installation = self.find()?;
        if installation.is_running_system() && !self.yes_really {
            bail!(
                "{} is the loader of the running system; --yes-really is needed to replace it",
                installation.loader().display()
            );
        }
        Ok(installation)
    }
}

impl Loader {
    fn read(&self) -> Result<Build> {
        match &self.loader {
            Some(path) => Build::read(path),
            None => {
                let own = std::env::current_exe().context("cannot find out where lode-tool is")?;
                Build::read(&own.with_file_name("ld-lode-x86_64.so.1"))
            }
        }
    }
}

fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Bindings(arguments) => return ask::bindings::run(arguments),
        Command::Check(arguments) => return ask::check::run(arguments),
        Command::Compat(arguments) => return ask::compat::run(arguments),
        Command::Effective(arguments) => return ask::effective::run(arguments),
        Command::Explain(arguments) => return ask::explain::run(arguments),
        Command::ExplainCode(arguments) => return ask::explain_code::run(arguments),
        Command::Features(arguments) => return ask::features::run(arguments),
        Command::Harden(arguments) => return ask::harden::run(arguments),
        Command::Image(arguments) => return image::run(arguments),
        Command::Needs(arguments) => return ask::needs::run(arguments),
        Command::Plan(arguments) => return ask::plan::run(arguments),
        Command::Probes(arguments) => return ask::probes::run(arguments),
        Command::RelocationSizes(arguments) => return ask::relocation_sizes::run(arguments),
        Command::Strict(arguments) => return ask::strict::run(arguments),
        Command::Tree(arguments) => return ask::tree::run(arguments),
        Command::Why(arguments) => return ask::why::run(arguments),
        Command::WhyNot(arguments) => return ask::why_not::run(arguments),
        Command::Install {
            place,
            build,
            no_divert,
        } => {
            let installation = place.change()?;
            let changed = installation.install(&build.read()?, !no_divert)?;
            say(
                installation.loader(),
                if changed {
                    "is lode now"
                } else {
                    "is this build of lode already"
                },
            )?;
        }
        Command::Uninstall { place, force } => {
            let installation = place.change()?;
            let changed = installation.uninstall(*force)?;
            say(
                installation.loader(),
                if changed {
                    "is the original again"
                } else {
                    "is not lode"
                },
            )?;
        }
        Command::Upgrade { place, build } => {
            let installation = place.change()?;
            let changed = installation.upgrade(&build.read()?)?;
            say(
                installation.loader(),
                if changed {
                    "is the new build now"
                } else {
                    "is this build of lode already"
                },
            )?;
        }
        Command::CheckLibc { file } => return check_libc::run(file),
        Command::Status { place } => {
            return Ok(match place.find()?.status()? {
                Health::Whole => ExitCode::SUCCESS,
                Health::Absent => ExitCode::from(3),
                Health::Damaged => ExitCode::from(4),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(loader: &Path, what: &str) -> Result<()> {
    report::say(format_args!("{} {what}\n", loader.display()))
}

impl Command {
    /// The name of a question about a file, and the form that its answer has to have.
    fn question(&self) -> Option<(&'static str, Format)> {
        Some(match self {
            Command::Bindings(one) => ("bindings", one.output.format),
            Command::Check(one) => ("check", one.output.format),
            Command::Compat(one) => ("compat", one.output.format),
            Command::Effective(one) => ("effective", one.output.format),
            Command::Explain(one) => ("explain", one.output.format),
            Command::ExplainCode(one) => ("explain-code", one.output.format),
            Command::Features(one) => ("features", one.output.format),
            Command::Harden(one) => ("harden", one.output.format),
            Command::Image(one) => ("image", one.answer.format),
            Command::Needs(one) => ("needs", one.output.format),
            Command::Plan(one) => ("plan", one.output.format),
            Command::Probes(one) => ("probes", one.output.format),
            Command::RelocationSizes(one) => ("relocation-sizes", one.output.format),
            Command::Strict(one) => ("strict", one.output.format),
            Command::Tree(one) => ("tree", one.output.format),
            Command::Why(one) => ("why", one.output.format),
            Command::WhyNot(one) => ("why-not", one.output.format),
            Command::Install { .. }
            | Command::Uninstall { .. }
            | Command::Status { .. }
            | Command::Upgrade { .. }
            | Command::CheckLibc { .. } => return None,
        })
    }
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    match (run(&command), command.question()) {
        (Ok(status), _) => status,
        (Err(error), Some((question, format))) => report::fail(question, &error, format),
        (Err(error), None) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}
