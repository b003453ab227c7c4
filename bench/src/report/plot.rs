//! Coordinates of the page's plots.

use serde::Serialize;

use crate::comparison::Comparison;
use crate::loader::Role;
use crate::outcome::{Figures, Outcome};
use crate::row::Against;

/// Width of the plot of ratios, without its words, in units of the SVG.
pub const WIDTH: f64 = 480.0;
/// The ratios at its ends; the scale between them is logarithmic, so that twice as fast and twice as slow are equally far from 1.
const RATIOS: (f64, f64) = (0.05, 5.0);

/// Where a ratio is; beyond the ends at the end.
fn place(ratio: f64) -> f64 {
    let (least, most) = RATIOS;
    (ratio.clamp(least, most) / least).ln() / (most / least).ln() * WIDTH
}

/// One loader in one row.
#[derive(Debug, Serialize)]
pub struct Bar {
    row: String,
    loader: String,
    /// For a style of its own: the role's name.
    kind: &'static str,
    q1: f64,
    median: f64,
    q3: f64,
    goal: Option<f64>,
    bound: Option<f64>,
    /// What a reader sees who points at it.
    words: String,
}

/// A line across the plot.
#[derive(Debug, Serialize)]
pub struct Tick {
    at: f64,
    text: String,
}

/// Lines at ratios that a reader knows.
pub fn ticks() -> Vec<Tick> {
    let tick = |ratio: f64| Tick {
        at: place(ratio),
        text: ratio.to_string(),
    };
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0].map(tick).into()
}

/// The loaders that are compared with the yardstick, row by row.
pub fn bars(comparison: &Comparison) -> Vec<Bar> {
    let has_bar = |figures: &&Figures| matches!(figures.role, Role::Judged | Role::Musl);
    let of_row = |outcome: &Outcome| -> Vec<Bar> {
        outcome
            .contenders
            .iter()
            .filter(has_bar)
            .filter_map(|figures| bar(outcome, figures))
            .collect()
    };
    comparison.rows.iter().flat_map(of_row).collect()
}

fn bar(outcome: &Outcome, figures: &Figures) -> Option<Bar> {
    let ratio = figures.ratio?;
    let goal = figures
        .verdicts
        .iter()
        .find(|verdict| verdict.against == Against::Yardstick);
    let goal = goal.map(|verdict| verdict.limit);
    let bound = outcome
        .of(Role::Bound)
        .and_then(|bound| bound.ratio)
        .map(|ratio| ratio.median);
    let mut words = format!(
        "{}, {}: {:.3} [{:.3}-{:.3}]",
        outcome.name, figures.name, ratio.median, ratio.q1, ratio.q3
    );
    words += &goal.map(|goal| format!(", goal {goal:.2}")).unwrap_or_default();
    words += &bound.map(|bound| format!(", bound {bound:.3}")).unwrap_or_default();
    Some(Bar {
        row: outcome.name.clone(),
        loader: figures.name.clone(),
        kind: if figures.role == Role::Musl { "musl" } else { "judged" },
        q1: place(ratio.q1),
        median: place(ratio.median),
        q3: place(ratio.q3),
        goal: goal.map(place),
        bound: bound.map(place),
        words,
    })
}

/// One loader's time over the number of libraries, both logarithmic.
#[derive(Debug, Serialize)]
pub struct Curve {
    loader: String,
    /// The points of a polyline.
    points: String,
    /// Where it ends.
    end: (f64, f64),
    /// The height of its name, which keeps clear of the others.
    label: f64,
    /// Its colour, an angle.
    hue: usize,
}

/// Height of that plot.
pub const HEIGHT: f64 = 260.0;

/// The rows `small-10`, `small-100`, `small-1000` as a curve for each loader; none without all three.
pub fn curves(comparison: &Comparison) -> Vec<Curve> {
    let rows: Option<Vec<&Outcome>> = ["small-10", "small-100", "small-1000"]
        .iter()
        .map(|name| comparison.rows.iter().find(|row| row.name == *name))
        .collect();
    let Some(rows) = rows else { return Vec::new() };
    let values = |name: &str| -> Option<Vec<f64>> {
        let value = |row: &&Outcome| row.contenders.iter().find(|figures| figures.name == name)?.value;
        rows.iter().map(value).collect()
    };
    let named: Vec<(&str, Vec<f64>)> = rows
        .first()
        .into_iter()
        .flat_map(|row| &row.contenders)
        .filter_map(|figures| Some((figures.name.as_str(), values(&figures.name)?)))
        .collect();
    let all = || named.iter().flat_map(|(_, values)| values.iter().copied());
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let height = |value: f64| HEIGHT - (value / least).ln() / (most / least).ln().max(f64::EPSILON) * HEIGHT;
    let curve = |(name, values): &(&str, Vec<f64>)| {
        let points: Vec<(f64, f64)> = values
            .iter()
            .enumerate()
            .map(|(index, value)| (index as f64 / 2.0 * WIDTH, height(*value)))
            .collect();
        Some(Curve {
            loader: (*name).to_owned(),
            end: *points.last()?,
            label: points.last()?.1,
            hue: 0,
            points: points.iter().map(|(x, y)| format!("{x:.1},{y:.1} ")).collect(),
        })
    };
    let mut curves: Vec<Curve> = named.iter().filter_map(curve).collect();
    spread_labels(&mut curves);
    curves
}

/// Gives each curve a colour, and its name a line of its own from the top down.
fn spread_labels(curves: &mut [Curve]) {
    const LINE: f64 = 15.0;
    curves.sort_by(|one, other| one.end.1.total_cmp(&other.end.1));
    let mut next = f64::NEG_INFINITY;
    for (index, curve) in curves.iter_mut().enumerate() {
        curve.label = curve.end.1.max(next);
        next = curve.label + LINE;
        // Steps of the golden angle: neighbours differ, however many there are.
        curve.hue = index * 137 % 360;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_fast_and_twice_as_slow_are_equally_far() {
        let (half, one, two) = (place(0.5), place(1.0), place(2.0));
        assert!((one - half - (two - one)).abs() < 1e-9);
        assert_eq!((place(0.001), place(100.0)), (0.0, WIDTH));
    }
}
