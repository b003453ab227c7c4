//! Tables for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::time;
use crate::comparison::Comparison;
use crate::loader::{Mode, Role};
use crate::outcome::{Figures, Outcome, Verdict};
use crate::row::{Against, Group};

/// Everything, in the order in which it is read.
pub fn page(comparison: &Comparison) -> String {
    let mut text = head(comparison);
    text += &format!("\nprice of elementary operations\n{}\n", prices(comparison));
    let _ = writeln!(text, "\nrows\n{}", rows(comparison));
    if !comparison.slopes.is_empty() {
        let _ = writeln!(text, "\none more library\n{}", slopes(comparison));
    }
    let _ = writeln!(text, "\ncounts of one start\n{}", counts(comparison));
    text + &tail(comparison)
}

fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Machine, loaders, settings, noise.
pub fn head(comparison: &Comparison) -> String {
    let machine = &comparison.machine;
    let mode = match comparison.plan.mode {
        Mode::Interp => "PT_INTERP of a copy of each program",
        Mode::Command => "LOADER PROGRAM",
    };
    let mut text = format!(
        "{} x {}, Linux {}: {}\nhuge pages: {}; load before: {}; {} rounds; started by {mode}\n",
        machine.processors,
        machine.processor,
        machine.kernel,
        machine.class,
        machine.huge_pages,
        machine.load,
        comparison.plan.rounds
    );
    for loader in comparison.loaders.iter().filter(|loader| loader.role != Role::Copy) {
        let _ = writeln!(
            text,
            "{:8} {} ({} bytes): {}",
            loader.name,
            loader.path.display(),
            loader.size,
            loader.version
        );
    }
    match comparison.noise.ratio {
        Some(ratio) => {
            let _ = writeln!(
                text,
                "noise: the first loader against a copy of itself {:.3} [{:.3}-{:.3}]",
                ratio.median, ratio.q1, ratio.q3
            );
        }
        None => text += "noise: the first loader does not run\n",
    }
    if !comparison.noise.is_quiet {
        text += "TOO NOISY: two equal loaders differ by more than 5 %; no goal is judged\n";
    }
    text
}

fn prices(comparison: &Comparison) -> Table {
    let mut table = table(&["operation", "price"], 1);
    for price in &comparison.prices {
        table.add_row([price.name.clone(), time(price.nanoseconds / 1000.0)]);
    }
    table
}

/// The columns of the rows.
pub const HEADER: [&str; 11] = [
    "row",
    "loader",
    "wall",
    "least",
    "CPU",
    "faults",
    "peak kB",
    "ratio",
    "quartiles",
    "goal",
    "bound",
];

/// One line for each contender of each row.
fn rows(comparison: &Comparison) -> Table {
    let mut table = table(&HEADER, 2);
    for outcome in &comparison.rows {
        for (index, figures) in outcome.contenders.iter().enumerate() {
            table.add_row(cells(outcome, figures, index == 0));
        }
    }
    table
}

/// The line of one contender; the row's name only stands in the first.
pub fn cells(outcome: &Outcome, figures: &Figures, is_first: bool) -> Vec<String> {
    let name = if is_first { title(outcome) } else { String::new() };
    let mut cells = vec![name, figures.name.clone()];
    match &figures.refused {
        Some(why) => cells.push(format!("- {why}")),
        None => cells.extend(measured(outcome, figures)),
    }
    cells
}

/// The row's name, with what its program needs.
fn title(outcome: &Outcome) -> String {
    match (outcome.group, outcome.libraries) {
        (Group::Closure, libraries) if libraries > 0 => {
            format!(
                "{} [{libraries} libraries, {} relocations]",
                outcome.name, outcome.relocations
            )
        }
        _ => outcome.name.clone(),
    }
}

fn measured(outcome: &Outcome, figures: &Figures) -> Vec<String> {
    let optional = |value: Option<f64>| value.map(time).unwrap_or_default();
    // Services are in nanoseconds.
    let unit = if outcome.group == Group::Service { 1000.0 } else { 1.0 };
    let bound = outcome
        .of(Role::Bound)
        .and_then(|bound| bound.ratio)
        .filter(|_| figures.role == Role::Judged);
    vec![
        optional(figures.wall),
        optional(figures.wall_least),
        optional(figures.value.map(|value| value / unit)),
        figures.faults.map(|faults| format!("{faults:.0}")).unwrap_or_default(),
        figures.counts.map(|counts| counts.peak.to_string()).unwrap_or_default(),
        figures
            .ratio
            .map(|ratio| format!("{:.3}", ratio.median))
            .unwrap_or_default(),
        figures
            .ratio
            .map(|ratio| format!("{:.3}-{:.3}", ratio.q1, ratio.q3))
            .unwrap_or_default(),
        figures.verdicts.iter().map(goal).collect::<Vec<_>>().join(", "),
        bound.map(|ratio| format!("{:.3}", ratio.median)).unwrap_or_default(),
    ]
}

/// A goal with its verdict: a plus if it is met.
fn goal(verdict: &Verdict) -> String {
    let mark = match verdict.met {
        Some(true) => "+",
        Some(false) => "MISSED",
        None => "?",
    };
    match verdict.against {
        Against::Yardstick => format!("{:.2} {mark}", verdict.limit),
        Against::Musl => format!("musl: {:.2} of {:.2} {mark}", verdict.ratio, verdict.limit),
    }
}

fn slopes(comparison: &Comparison) -> Table {
    let mut table = table(&["what", "loader", "few", "many", "many/few"], 2);
    for slope in &comparison.slopes {
        let growth = format!("{:.2}", slope.many / slope.few);
        table.add_row([
            slope.what.clone(),
            slope.name.clone(),
            time(slope.few),
            time(slope.many),
            growth,
        ]);
    }
    table
}

fn counts(comparison: &Comparison) -> Table {
    let header = [
        "row",
        "loader",
        "system calls",
        "failed",
        "instructions",
        "private dirty kB",
        "peak kB",
    ];
    let mut table = table(&header, 2);
    for outcome in &comparison.rows {
        let mut name = outcome.name.as_str();
        for figures in &outcome.contenders {
            let Some(counts) = figures.counts else { continue };
            let instructions = counts.instructions.map(|count| count.to_string()).unwrap_or_default();
            let numbers = [counts.calls, counts.failed].map(|count| count.to_string());
            let memory = [counts.private_dirty, counts.peak].map(|count| count.to_string());
            table.add_row(
                [
                    &[name.to_owned(), figures.name.clone()],
                    &numbers[..],
                    &[instructions],
                    &memory,
                ]
                .concat(),
            );
            name = "";
        }
    }
    table
}

/// What became of the goals, and what did not run.
pub fn tail(comparison: &Comparison) -> String {
    let verdicts = comparison.rows.iter().flat_map(|row| {
        row.contenders
            .iter()
            .flat_map(move |figures| figures.verdicts.iter().map(move |verdict| (row, figures, verdict)))
    });
    let judged: Vec<_> = verdicts.filter(|(_, _, verdict)| verdict.met.is_some()).collect();
    let missed: Vec<_> = judged
        .iter()
        .filter(|(_, _, verdict)| verdict.met == Some(false))
        .collect();
    let mut text = format!(
        "\ngoals: {} met, {} missed\n",
        judged.len() - missed.len(),
        missed.len()
    );
    for (row, figures, verdict) in missed {
        let musl = if verdict.against == Against::Musl {
            " of musl"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  missed: {} under {}: {:.3}{musl}, goal {:.2}",
            row.name, figures.name, verdict.ratio, verdict.limit
        );
    }
    for unsound in &comparison.unsound {
        let _ = writeln!(
            text,
            "NOT SOUND: {} ({}); none of its goals is judged",
            unsound.name, unsound.why
        );
    }
    for skipped in &comparison.skipped {
        let _ = writeln!(text, "skipped: {}: {}", skipped.name, skipped.why);
    }
    text
}
