//! One row: verification first, then rounds in which every contender is started once (A B C, A B C, ...).

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context, Result};

use crate::loader::{Loader, Role, Stage};
use crate::measure::{Sample, Start};
use crate::row::{Row, Subject};
use crate::subject::{Check, Ready};

/// Everything that a contender did in one row.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name in the table.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Whether it may put data into huge pages.
    pub has_huge_pages: bool,
    /// How it was started; for counts.
    pub start: Option<Start>,
    /// One for each round.
    pub samples: Vec<Sample>,
    /// For services: name and nanoseconds for each round.
    pub services: Vec<(String, Vec<f64>)>,
    /// Why it was not timed, or not to the end.
    pub refused: Option<String>,
}

impl Run {
    fn new(name: &str, role: Role) -> Run {
        Run {
            name: name.to_owned(),
            role,
            has_huge_pages: false,
            start: None,
            samples: Vec::new(),
            services: Vec::new(),
            refused: None,
        }
    }

    /// Adds the lines of a service to the rounds; gives the checksum among them.
    fn add(&mut self, output: &[u8]) -> Option<u64> {
        let mut sum = None;
        for line in String::from_utf8_lossy(output).lines() {
            let Some((name, value)) = line.split_once('\t') else {
                continue;
            };
            if name == "checksum" {
                sum = value.parse().ok();
            } else if let Ok(value) = value.parse() {
                match self.services.iter_mut().find(|(known, _)| known == name) {
                    Some((_, values)) => values.push(value),
                    None => self.services.push((name.to_owned(), vec![value])),
                }
            }
        }
        sum
    }
}

/// The programs that show the least that is to be done.
pub struct Oracle {
    /// The compiled program.
    pub program: PathBuf,
    /// Where the lists of libraries are written.
    pub folder: PathBuf,
}

impl Oracle {
    fn start(&self, libraries: &[PathBuf], huge: bool) -> Result<Start> {
        let list = self.folder.join("libraries");
        let text: String = libraries.iter().map(|path| format!("{}\n", path.display())).collect();
        std::fs::write(&list, text)?;
        Ok(Start {
            program: self.program.clone(),
            arguments: vec![if huge { "huge" } else { "plain" }.into(), list.into()],
            now: false,
            variables: Vec::new(),
        })
    }
}

/// How rows are run.
pub struct Course<'a> {
    /// Who takes part.
    pub loaders: &'a [Loader],
    /// The bound, unless it could not be compiled.
    pub oracle: Option<&'a Oracle>,
    /// How many rounds.
    pub rounds: usize,
    /// Whether all functions are bound at the start.
    pub now: bool,
    /// Whether this is the row of noise: all loaders are verified, and only the yardstick and its copy are timed.
    pub is_noise: bool,
}

impl Course<'_> {
    /// Runs one row.
    ///
    /// # Errors
    /// A program cannot be started at all.
    pub fn run(&self, stage: &mut Stage, row: &Row, ready: &Ready, tick: &dyn Fn()) -> Result<Vec<Run>> {
        let mut runs = self.contenders(row);
        let mut wanted = None;
        for run in &mut runs {
            let Some(loader) = self.loaders.iter().find(|loader| loader.name == run.name) else {
                continue;
            };
            let start = stage.start(loader, &ready.program, &ready.arguments, self.now)?;
            run.has_huge_pages = loader.has_huge_pages();
            match self.verify(stage, loader, ready, &start, &mut wanted)? {
                None => run.start = Some(start),
                Some(why) => run.refused = Some(why),
            }
        }
        runs.extend(self.bounds(row, ready)?);
        // What the first start reads from the disk, the others find in memory.
        for round in 0..=self.rounds {
            for run in runs
                .iter_mut()
                .filter(|run| run.refused.is_none() && self.is_timed(run.role))
            {
                turn(run, matches!(ready.check, Check::Lines(_)), round > 0)?;
            }
            tick();
        }
        Ok(runs)
    }

    /// Whether contenders of a role are timed.
    fn is_timed(&self, role: Role) -> bool {
        !self.is_noise || matches!(role, Role::Yardstick | Role::Copy)
    }

    /// The loaders that can run the row's program.
    fn contenders(&self, row: &Row) -> Vec<Run> {
        let fits = |loader: &&Loader| match loader.role {
            Role::Copy => self.is_noise,
            Role::Musl => matches!(row.subject, Subject::Generated(_) | Subject::HelloOfMusl),
            Role::Yardstick => row.subject != Subject::HelloOfMusl,
            Role::Judged | Role::Bound | Role::HugeBound => true,
        };
        let mut runs: Vec<Run> = self
            .loaders
            .iter()
            .filter(fits)
            .map(|loader| Run::new(&loader.name, loader.role))
            .collect();
        // The first says what the program's output has to be.
        runs.sort_by_key(|run| row.subject == Subject::HelloOfMusl && run.role != Role::Musl);
        runs
    }

    /// The bound, if the row has one.
    fn bounds(&self, row: &Row, ready: &Ready) -> Result<Vec<Run>> {
        let Some(oracle) = self.oracle.filter(|_| !ready.libraries.is_empty() && !self.is_noise) else {
            return Ok(Vec::new());
        };
        let is_dense = row.name.starts_with("rel") && row.name.ends_with('m') || row.name == "clang";
        let kinds = [("bound", Role::Bound, false), ("bound (huge)", Role::HugeBound, true)];
        let mut runs = Vec::new();
        for (name, role, huge) in kinds.into_iter().filter(|(_, _, huge)| !huge || is_dense) {
            let mut run = Run::new(name, role);
            run.start = Some(oracle.start(&ready.libraries, huge)?);
            runs.push(run);
        }
        Ok(runs)
    }

    /// Why `loader` must not be timed, if its program does not do what it should.
    fn verify(
        &self,
        stage: &mut Stage,
        loader: &Loader,
        ready: &Ready,
        start: &Start,
        wanted: &mut Option<Vec<u8>>,
    ) -> Result<Option<String>> {
        match &ready.check {
            Check::Checksum(program, expected) => {
                let start = stage.start(loader, program, &[], self.now)?;
                let (output, status) = start.output()?;
                Ok(wrong(&output, status, &expected.to_le_bytes()))
            }
            Check::Output => {
                let (output, status) = start.output()?;
                let wanted = wanted.get_or_insert_with(|| output.clone());
                Ok(wrong(&output, status, wanted))
            }
            Check::Lines(expected) => {
                let (output, status) = start.output()?;
                let sum = Run::new("", loader.role).add(&output);
                let is_right = expected.is_none() || *expected == sum;
                Ok(wrong(if is_right { &[] } else { b"?" }, status, &[]))
            }
        }
    }
}

/// Says how a verification failed, if it did.
fn wrong(output: &[u8], status: ExitStatus, expected: &[u8]) -> Option<String> {
    match (status.signal(), status.code()) {
        (Some(signal), _) => Some(format!("ended by signal {signal}")),
        (None, Some(0)) if output == expected => None,
        (None, Some(0)) => Some("wrong result: it has not relocated everything".to_owned()),
        (None, code) => Some(format!("status {}", code.unwrap_or_default())),
    }
}

/// One start of one contender; kept if `counts`.
fn turn(run: &mut Run, is_service: bool, counts: bool) -> Result<()> {
    let start = run.start.clone().context("a contender has a program")?;
    if is_service {
        let (output, status) = start.output()?;
        run.refused = wrong(&[], status, &[]);
        if counts && run.refused.is_none() {
            run.add(&output);
        }
        return Ok(());
    }
    let (sample, status) = start.timed()?;
    run.refused = wrong(&[], status, &[]);
    if counts {
        run.samples.push(sample);
    }
    Ok(())
}

/// Compiles the oracle.
///
/// # Errors
/// There is no compiler.
pub fn oracle(inputs: &Path, folder: &Path) -> Result<Oracle> {
    let source = include_str!("../programs/oracle.c");
    let switches = ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"];
    Ok(Oracle {
        program: crate::subject::compiled(inputs, "oracle", source, "gcc", &switches)?,
        folder: folder.to_owned(),
    })
}
