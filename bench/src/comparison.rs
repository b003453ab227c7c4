//! The whole comparison: noise first, then the rows, with counts; the result is what all reports are made of.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use temp_dir::TempDir;

use crate::counts;
use crate::generate;
use crate::instructions;
use crate::loader::{self, Loader, Mode, Named, Role, Stage};
use crate::machine::{self, Machine, Price};
use crate::measure::Start;
use crate::outcome::{self, NOISE_LIMIT, Outcome, Slope};
use crate::rounds::{self, Course, Oracle, Run};
use crate::row::{self, Against, Goal, NOISE, Row, Service, Subject};
use crate::statistics::Spread;
use crate::subject::{self, Ready};

/// Number of the JSON's form: it grows when a reader of the former form would read the new one wrongly.
pub const SCHEMA: u32 = 1;

/// When functions are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// All at the start (LD_BIND_NOW=1); rows whose goal is for the other way are lazy
    Now,
    /// At their first call
    Lazy,
    /// Each row in both ways
    Both,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Loaders by name; none for the default.
    #[serde(skip)]
    pub loaders: Vec<Named>,
    /// The rows.
    #[serde(skip)]
    pub rows: Vec<Row>,
    /// Rounds of each row.
    pub rounds: usize,
    /// How programs are started.
    pub mode: Mode,
    /// When functions are bound.
    pub binding: Binding,
    /// Whether instructions are counted.
    pub instructions: bool,
    /// Where generated files are kept.
    #[serde(skip)]
    pub inputs: PathBuf,
}

/// A row that did not run.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// The row.
    pub name: String,
    /// Why.
    pub why: String,
}

/// How quiet the machine was.
#[derive(Debug, Clone, Serialize)]
pub struct Noise {
    /// Ratio of the yardstick's copy to the yardstick.
    pub ratio: Option<Spread>,
    /// Whether that is near enough to 1 for goals to be judged.
    pub is_quiet: bool,
}

/// The result.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The machine.
    pub machine: Machine,
    /// What was asked for.
    pub plan: Plan,
    /// Who took part.
    pub loaders: Vec<Loader>,
    /// The row that tells the noise.
    pub noise: Noise,
    /// What elementary operations cost.
    pub prices: Vec<Price>,
    /// The rows.
    pub rows: Vec<Outcome>,
    /// What one more library costs.
    pub slopes: Vec<Slope>,
    /// Loaders that a row found not to do the work, with the row: none of their goals is judged.
    pub unsound: Vec<Skipped>,
    /// Rows that did not run.
    pub skipped: Vec<Skipped>,
}

/// Runs all rows of the plan.
///
/// # Errors
/// There is no yardstick or no place for files, or a program cannot be started. A row that cannot be made is skipped, which is no error.
pub fn compare(plan: Plan) -> Result<Comparison> {
    let _alone = generate::lock(&plan.inputs)?;
    let folder = TempDir::with_prefix("lode-bench-")?;
    let loaders = loader::all(&plan.loaders, folder.path())?;
    let mut desk = Desk::new(&plan, &loaders, folder.path())?;
    let prices = machine::prices(&plan.inputs, folder.path())?;
    let machine = Machine::new(&prices);
    let noise = desk.noise()?;
    let mut rows = Vec::new();
    for row in &plan.rows {
        let lazy = match plan.binding {
            Binding::Now => &[row.lazy][..],
            Binding::Lazy => &[true],
            Binding::Both => &[false, true],
        };
        for lazy in lazy {
            rows.extend(desk.row(row, *lazy)?);
        }
    }
    desk.bar.finish_and_clear();
    let mut comparison = Comparison {
        schema: SCHEMA,
        machine,
        slopes: outcome::slopes(&rows),
        unsound: std::mem::take(&mut desk.unsound),
        skipped: std::mem::take(&mut desk.skipped),
        noise,
        prices,
        rows,
        loaders: loaders.clone(),
        plan: plan.clone(),
    };
    comparison.judge();
    Ok(comparison)
}

impl Comparison {
    /// Takes back the verdicts that mean nothing: all where the machine is too noisy, and those of loaders that do not do the work.
    fn judge(&mut self) {
        for figures in self.rows.iter_mut().flat_map(|row| &mut row.contenders) {
            let is_sound = self.unsound.iter().all(|unsound| unsound.name != figures.name);
            if !self.noise.is_quiet || !is_sound {
                figures.verdicts.iter_mut().for_each(|verdict| verdict.met = None);
            }
        }
    }
}

/// Rounds of the row of noise: it decides about all others and is short.
fn noise_rounds(plan: &Plan) -> usize {
    plan.rounds.max(31)
}

/// What the rows have in common.
struct Desk<'a> {
    plan: &'a Plan,
    loaders: &'a [Loader],
    stage: Stage,
    oracle: Option<Oracle>,
    bar: ProgressBar,
    skipped: Vec<Skipped>,
    unsound: Vec<Skipped>,
}

impl<'a> Desk<'a> {
    fn new(plan: &'a Plan, loaders: &'a [Loader], folder: &Path) -> Result<Desk<'a>> {
        let ways = if plan.binding == Binding::Both { 2 } else { 1 };
        let turns = plan.rows.len() * ways * (plan.rounds + 1) + noise_rounds(plan) + 1;
        let bar = ProgressBar::new(turns as u64);
        bar.set_style(ProgressStyle::with_template("{wide_bar} {percent}% {msg}")?);
        Ok(Desk {
            plan,
            loaders,
            stage: Stage::new(plan.mode, &plan.inputs)?,
            oracle: rounds::oracle(&plan.inputs, folder).ok(),
            bar,
            skipped: Vec::new(),
            unsound: Vec::new(),
        })
    }

    /// Compares the yardstick with its copy, and lets every loader prove that it relocates.
    fn noise(&mut self) -> Result<Noise> {
        self.bar.set_message("noise");
        let ready = subject::ready(&self.plan.inputs, NOISE.subject).context("the row of noise")?;
        // A loader that is measured elsewhere may still be unsound: this row shows it for all of them.
        let runs = self.runs(&NOISE, &ready, false, true)?;
        self.note_unsound(&NOISE, &runs);
        let outcome = Outcome::of_starts(NOISE.name, NOISE.group(), &runs, &[]);
        let ratio = outcome.of(Role::Copy).and_then(|figures| figures.ratio);
        Ok(Noise {
            is_quiet: ratio.is_some_and(|ratio| (ratio.median - 1.0).abs() <= NOISE_LIMIT),
            ratio,
        })
    }

    fn runs(&mut self, row: &Row, ready: &Ready, lazy: bool, is_noise: bool) -> Result<Vec<Run>> {
        let course = Course {
            loaders: self.loaders,
            oracle: self.oracle.as_ref(),
            rounds: if is_noise {
                noise_rounds(self.plan)
            } else {
                self.plan.rounds
            },
            now: !lazy,
            is_noise,
        };
        let bar = self.bar.clone();
        course.run(&mut self.stage, row, ready, &|| bar.inc(1))
    }

    /// Runs a row; gives the lines of the table that come of it.
    fn row(&mut self, row: &Row, lazy: bool) -> Result<Vec<Outcome>> {
        let name = if lazy {
            format!("{} (lazy)", row.name)
        } else {
            row.name.to_owned()
        };
        self.bar.set_message(name.clone());
        let ready = match subject::ready(&self.plan.inputs, row.subject) {
            Ok(ready) => ready,
            Err(why) => {
                self.bar.inc(self.plan.rounds as u64 + 1);
                self.skipped.push(Skipped {
                    name,
                    why: format!("{why:#}"),
                });
                return Ok(Vec::new());
            }
        };
        let runs = self.runs(row, &ready, lazy, false)?;
        self.note_unsound(row, &runs);
        if let Subject::Service(service) = row.subject {
            return Ok(services(service, &runs, lazy));
        }
        let mut outcome = Outcome::of_starts(&name, row.group(), &runs, &row.goals());
        outcome.libraries = ready.libraries.len();
        outcome.relocations = subject::relocations(&ready.libraries);
        for (figures, run) in outcome.contenders.iter_mut().zip(&runs) {
            let start = run.start.as_ref().filter(|_| run.refused.is_none());
            figures.counts = start.map(counts::counts).transpose()?;
            if let (true, Some(start), Some(counts)) = (self.plan.instructions, start, &mut figures.counts) {
                counts.instructions = self.instructions(start, &figures.name);
            }
        }
        Ok(vec![outcome])
    }

    /// Instructions of one start in the loader of that name; none for the bound, and where there is no valgrind.
    fn instructions(&self, start: &Start, name: &str) -> Option<u64> {
        let loader = self.loaders.iter().find(|loader| loader.name == name)?;
        let folder = TempDir::with_prefix("lode-bench-").ok()?;
        instructions::count(start, &loader.path, folder.path()).ok()
    }

    /// Notes who gave a wrong result where the right one is known.
    fn note_unsound(&mut self, row: &Row, runs: &[Run]) {
        for run in runs {
            let Some(why) = &run.refused else { continue };
            let is_known = self.unsound.iter().any(|unsound| unsound.name == run.name);
            if matches!(row.subject, Subject::Generated(_)) && run.role == Role::Judged && !is_known {
                self.unsound.push(Skipped {
                    name: run.name.clone(),
                    why: format!("{}: {why}", row.name),
                });
            }
        }
    }
}

/// One line of the table for each service that a program asked for.
fn services(service: Service, runs: &[Run], lazy: bool) -> Vec<Outcome> {
    let names = runs
        .iter()
        .find(|run| !run.services.is_empty())
        .map(|run| run.services.as_slice());
    let libraries = match service {
        Service::Open(libraries) | Service::Ask(libraries) | Service::Throw(libraries) => libraries,
        Service::Look => 0,
    };
    let outcome = |(name, _): &(String, Vec<f64>)| {
        let goals = [Goal {
            against: Against::Yardstick,
            limit: row::service_limit(name, libraries),
            with_huge_pages: None,
        }];
        let count = if libraries > 0 {
            format!("-{libraries}")
        } else {
            String::new()
        };
        let way = if lazy { " (lazy)" } else { "" };
        Outcome::of_service(&format!("{name}{count}{way}"), name, runs, &goals)
    };
    names.unwrap_or_default().iter().map(outcome).collect()
}
