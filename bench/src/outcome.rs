//! Figures of the rows, ratios and verdicts.

use serde::Serialize;

use crate::counts::Counts;
use crate::loader::Role;
use crate::measure::Sample;
use crate::rounds::Run;
use crate::row::{Against, Goal, Group};
use crate::statistics::{self, Spread};

/// By how much two equal loaders may differ for goals to be judged.
pub const NOISE_LIMIT: f64 = 0.05;

/// A goal and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verdict {
    /// Against whom the goal is.
    pub against: Against,
    /// The largest ratio that is wanted of this loader.
    pub limit: f64,
    /// The median of the ratios.
    pub ratio: f64,
    /// Whether it is met; `None` where the run judges no goal.
    pub met: Option<bool>,
}

/// What one contender did in one row.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Why it was not timed.
    pub refused: Option<String>,
    /// What ratios are made of, by round: microseconds of CPU time, or nanoseconds of a service.
    pub values: Vec<f64>,
    /// The median of these.
    pub value: Option<f64>,
    /// Median of the wall time, in microseconds; not of services.
    pub wall: Option<f64>,
    /// The least wall time.
    pub wall_least: Option<f64>,
    /// Median of minor page faults.
    pub faults: Option<f64>,
    /// Ratio to the yardstick, round by round.
    pub ratio: Option<Spread>,
    /// Goals.
    pub verdicts: Vec<Verdict>,
    /// What was counted in a start of its own.
    pub counts: Option<Counts>,
}

/// One row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its part of the table.
    pub group: Group,
    /// Libraries that are mapped for its program; 0 where nobody looked.
    pub libraries: usize,
    /// Entries of their tables DT_RELA and DT_JMPREL.
    pub relocations: u64,
    /// Who took part.
    pub contenders: Vec<Figures>,
}

impl Outcome {
    /// The row of programs that ran.
    pub fn of_starts(name: &str, group: Group, runs: &[Run], goals: &[Goal]) -> Outcome {
        let values = |run: &Run| run.samples.iter().map(|sample| sample.cpu).collect();
        outcome(name, group, runs, goals, &values)
    }

    /// The row of one service, from runs that had several.
    pub fn of_service(name: &str, service: &str, runs: &[Run], goals: &[Goal]) -> Outcome {
        let values = |run: &Run| {
            let found = run.services.iter().find(|(known, _)| known == service);
            found.map_or_else(Vec::new, |(_, values)| values.clone())
        };
        outcome(name, Group::Service, runs, goals, &values)
    }

    /// The figures of the first contender with a role.
    pub fn of(&self, role: Role) -> Option<&Figures> {
        self.contenders.iter().find(|figures| figures.role == role)
    }
}

fn outcome(name: &str, group: Group, runs: &[Run], goals: &[Goal], values: &dyn Fn(&Run) -> Vec<f64>) -> Outcome {
    let by_role = |role| {
        runs.iter()
            .find(|run| run.role == role && run.refused.is_none())
            .map(values)
            .unwrap_or_default()
    };
    let (yardstick, musl) = (by_role(Role::Yardstick), by_role(Role::Musl));
    let contenders = runs.iter().map(|run| {
        let own = if run.refused.is_none() { values(run) } else { Vec::new() };
        let verdict = |goal: &Goal| {
            let other = match goal.against {
                Against::Yardstick => &yardstick,
                Against::Musl => &musl,
            };
            let ratio = statistics::ratio(&own, other)?.median;
            let limit = goal
                .with_huge_pages
                .filter(|_| run.has_huge_pages)
                .unwrap_or(goal.limit);
            Some(Verdict {
                against: goal.against,
                limit,
                ratio,
                met: Some(ratio <= limit),
            })
        };
        let of = |field: fn(&Sample) -> f64| -> Vec<f64> { run.samples.iter().map(field).collect() };
        let walls = if run.refused.is_none() {
            of(|sample| sample.wall)
        } else {
            Vec::new()
        };
        Figures {
            name: run.name.clone(),
            role: run.role,
            refused: run.refused.clone(),
            value: statistics::median(&own),
            wall: statistics::median(&walls),
            wall_least: statistics::least(&walls),
            faults: statistics::median(&of(|sample| sample.faults)),
            ratio: statistics::ratio(&own, &yardstick),
            verdicts: if run.role == Role::Judged {
                goals.iter().filter_map(verdict).collect()
            } else {
                Vec::new()
            },
            counts: None,
            values: own,
        }
    });
    Outcome {
        name: name.to_owned(),
        group,
        libraries: 0,
        relocations: 0,
        contenders: contenders.collect(),
    }
}

/// How a loader's time grows with the number of libraries.
#[derive(Debug, Clone, Serialize)]
pub struct Slope {
    /// The loader.
    pub name: String,
    /// What is repeated for each library.
    pub what: String,
    /// Microseconds for one more library, from few libraries to some.
    pub few: f64,
    /// The same from some to many.
    pub many: f64,
}

/// The slopes of the rows `small-10`, `small-100` and `small-1000`.
pub fn slopes(outcomes: &[Outcome]) -> Vec<Slope> {
    let value = |row: &str, name: &str| {
        let outcome = outcomes.iter().find(|outcome| outcome.name == row)?;
        outcome.contenders.iter().find(|figures| figures.name == name)?.value
    };
    let Some(largest) = outcomes.iter().find(|outcome| outcome.name == "small-1000") else {
        return Vec::new();
    };
    let slope = |figures: &Figures| {
        let (ten, hundred) = (value("small-10", &figures.name)?, value("small-100", &figures.name)?);
        Some(Slope {
            name: figures.name.clone(),
            what: "a small library at the start".to_owned(),
            few: (hundred - ten) / 90.0,
            many: (figures.value? - hundred) / 900.0,
        })
    };
    let mut slopes: Vec<Slope> = largest.contenders.iter().filter_map(slope).collect();
    if let Some(opened) = outcomes.iter().find(|outcome| outcome.name == "dlopen-1000") {
        slopes.extend(opened.contenders.iter().filter_map(|figures| {
            Some(Slope {
                name: figures.name.clone(),
                what: "dlopen of one of 100, and of 1,000".to_owned(),
                few: value("dlopen-100", &figures.name)? / 1000.0,
                many: figures.value? / 1000.0,
            })
        }));
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, role: Role, cpu: &[f64]) -> Run {
        Run {
            name: name.to_owned(),
            role,
            has_huge_pages: false,
            start: None,
            samples: cpu
                .iter()
                .map(|cpu| Sample {
                    cpu: *cpu,
                    ..Sample::default()
                })
                .collect(),
            services: Vec::new(),
            refused: None,
        }
    }

    const GOALS: &[Goal] = &[
        Goal {
            against: Against::Yardstick,
            limit: 0.5,
            with_huge_pages: Some(0.3),
        },
        Goal {
            against: Against::Musl,
            limit: 0.5,
            with_huge_pages: Some(0.3),
        },
    ];

    #[test]
    fn goals_are_judged_for_judged_loaders_only_and_against_whom_they_name() {
        let runs = [
            run("glibc", Role::Yardstick, &[10.0, 10.0]),
            run("lode", Role::Judged, &[4.0, 4.0]),
            run("musl", Role::Musl, &[5.0, 5.0]),
        ];
        let outcome = Outcome::of_starts("row", Group::Generated, &runs, GOALS);
        let met: Vec<Option<bool>> = outcome.contenders[1]
            .verdicts
            .iter()
            .map(|verdict| verdict.met)
            .collect();
        assert_eq!(met, [Some(true), Some(false)]);
        assert!(outcome.contenders[0].verdicts.is_empty() && outcome.contenders[2].verdicts.is_empty());
    }

    #[test]
    fn with_huge_pages_the_goal_is_another() {
        let mut runs = [
            run("glibc", Role::Yardstick, &[10.0]),
            run("lode", Role::Judged, &[4.0]),
        ];
        runs[1].has_huge_pages = true;
        let verdict = Outcome::of_starts("row", Group::Generated, &runs, &GOALS[..1]).contenders[1].verdicts[0];
        assert_eq!((verdict.limit, verdict.met), (0.3, Some(false)));
    }

    #[test]
    fn who_was_refused_has_no_figures_and_nobody_is_compared_with_it() {
        let mut runs = [
            run("glibc", Role::Yardstick, &[10.0]),
            run("lode", Role::Judged, &[1.0]),
        ];
        runs[1].refused = Some("status 1".to_owned());
        let outcome = Outcome::of_starts("row", Group::Generated, &runs, GOALS);
        assert!(outcome.contenders[1].value.is_none() && outcome.contenders[1].verdicts.is_empty());
        runs[0].refused = Some("status 1".to_owned());
        runs[1].refused = None;
        assert!(
            Outcome::of_starts("row", Group::Generated, &runs, GOALS).contenders[1]
                .ratio
                .is_none()
        );
    }

    #[test]
    fn a_slope_is_the_time_of_one_more_library() {
        let outcomes: Vec<Outcome> = [("small-10", 10.0), ("small-100", 100.0), ("small-1000", 1900.0)]
            .map(|(row, cpu)| Outcome::of_starts(row, Group::Generated, &[run("glibc", Role::Yardstick, &[cpu])], &[]))
            .into();
        let slope = &slopes(&outcomes)[0];
        assert_eq!((slope.few, slope.many), (1.0, 2.0));
    }
}
