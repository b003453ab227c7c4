//! `lode-tool probes`: the static probes that a file brings, in both forms that tracers know.

mod dof;
mod stapsdt;

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::Output;
use crate::contents::Contents;
use crate::elf::Binary;
use crate::report::{Answer, give};

/// Show the static probes of a file, with their addresses after relocation
///
/// Those of SystemTap's sys/sdt.h (.note.stapsdt), and those of DTrace as `dtrace -G` leaves them (DOF in .SUNW_dof).
#[derive(clap::Args)]
pub struct Arguments {
    /// The program or library
    file: PathBuf,
    /// Add this load bias to addresses
    #[arg(long, value_name = "BIAS", value_parser = super::effective::number, default_value = "0", hide_default_value = true)]
    base: u64,
    #[command(flatten)]
    pub output: Output,
}

/// Answers.
///
/// # Errors
/// The file cannot be read or is no ELF file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let binary = Binary::open(&arguments.file)?;
    let contents = Contents::of(&binary);
    let mut notes = contents.damage.clone();
    let mut probes = stapsdt::read(&binary, &mut notes);
    probes.extend(dof::read(&contents, &mut notes));
    for probe in &mut probes {
        probe.section = contents
            .section_at(probe.address)
            .map(|(section, _)| section.name.clone());
        for address in [Some(&mut probe.address), probe.semaphore.as_mut()]
            .into_iter()
            .flatten()
        {
            *address = binary.words().cut(address.wrapping_add(arguments.base));
        }
    }
    probes.sort_by(|one, other| {
        (&one.provider, &one.name, one.address).cmp(&(&other.provider, &other.name, other.address))
    });
    give(&Probes { probes, notes }, arguments.output.format)
}

/// A place that a tracer can stop at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Probe {
    /// Where it is described
    form: &'static str,
    provider: String,
    name: String,
    /// Where it is, with the load bias that was given
    address: u64,
    /// The section that it is in
    section: Option<String>,
    /// The counter that a tracer raises as long as it looks (stapsdt)
    semaphore: Option<u64>,
    /// What the probe tells: where operands are (stapsdt), or types (DTrace)
    arguments: Vec<String>,
    /// The function that it stands in (DTrace)
    function: Option<String>,
    /// Whether it asks if anybody looks, instead of telling something (DTrace)
    is_enabled: bool,
}

#[derive(Serialize)]
struct Probes {
    probes: Vec<Probe>,
    /// What could not be read
    notes: Vec<String>,
}

impl Display for Probes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.probes.is_empty() {
            writeln!(out, "no static probes")?;
        }
        for probe in &self.probes {
            write!(
                out,
                "{} {}:{} at {:#x}",
                probe.form, probe.provider, probe.name, probe.address
            )?;
            if let Some(function) = &probe.function {
                write!(out, " in {function}")?;
            }
            if probe.is_enabled {
                write!(out, ", asks whether it is watched")?;
            }
            if let Some(semaphore) = probe.semaphore {
                write!(out, ", semaphore at {semaphore:#x}")?;
            }
            match probe.arguments.as_slice() {
                [] => writeln!(out)?,
                arguments => writeln!(out, ", arguments {}", arguments.join(" "))?,
            }
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

impl Answer for Probes {
    const COMMAND: &'static str = "probes";
}
