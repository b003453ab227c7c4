//! A page with plots, which needs nothing but itself.

use anyhow::Result;
use minijinja::{AutoEscape, Environment, context};

use super::{plot, text, time};
use crate::comparison::Comparison;
use crate::loader::Role;
use crate::outcome::{Figures, Outcome};

/// The page.
///
/// # Errors
/// The template does not fit what it is given.
pub fn page(comparison: &Comparison) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let template = environment.template_from_str(include_str!("page.html"))?;
    let prices: Vec<_> = comparison
        .prices
        .iter()
        .map(|price| [price.name.clone(), time(price.nanoseconds / 1000.0)])
        .collect();
    Ok(template.render(context! {
        head => text::head(comparison),
        tail => text::tail(comparison),
        is_quiet => comparison.noise.is_quiet,
        ticks => plot::ticks(),
        bars => plot::bars(comparison),
        curves => plot::curves(comparison),
        width => plot::WIDTH,
        height => plot::HEIGHT,
        rows => comparison.rows.iter().flat_map(lines).collect::<Vec<_>>(),
        header => text::HEADER,
        prices,
    })?)
}

/// The lines of a row in the table: cells, and a class for each line.
fn lines(outcome: &Outcome) -> Vec<(&'static str, Vec<String>)> {
    let line = |(index, figures): (usize, &Figures)| (class(figures), text::cells(outcome, figures, index == 0));
    outcome.contenders.iter().enumerate().map(line).collect()
}

fn class(figures: &Figures) -> &'static str {
    let is = |met| figures.verdicts.iter().any(|verdict| verdict.met == Some(met));
    match figures.role {
        Role::Judged if figures.refused.is_some() || is(false) => "missed",
        Role::Judged if is(true) => "met",
        Role::Bound | Role::HugeBound => "bound",
        _ => "",
    }
}
