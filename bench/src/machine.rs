//! The machine, and what a loader's elementary operations cost on it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::measure::Start;
use crate::subject;

/// The price of one operation.
#[derive(Debug, Clone, Serialize)]
pub struct Price {
    /// What it is.
    pub name: String,
    /// Nanoseconds for one.
    pub nanoseconds: f64,
}

/// What a reader has to know of the machine to judge figures.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the processor, as the kernel names it.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// `bare metal`, or what kind of guest.
    pub class: String,
    /// The choice of /sys/kernel/mm/transparent_hugepage/enabled.
    pub huge_pages: String,
    /// Load average of the last minute, before the first row.
    pub load: String,
}

/// Above this price of a page's first write, in nanoseconds, a guest's faults leave the guest. With nested paging they cost about what they do without a hypervisor, half of this.
const DEAR_PAGE: f64 = 1200.0;

impl Machine {
    /// Asks the kernel.
    pub fn new(prices: &[Price]) -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(": ").map_or("unknown", |(_, value)| value).to_owned()
        };
        let is_guest = field("flags").split(' ').any(|flag| flag == "hypervisor");
        let setting = read("/sys/kernel/mm/transparent_hugepage/enabled");
        let chosen = setting.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        Machine {
            processor: field("model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            class: class(is_guest, prices).to_owned(),
            huge_pages: chosen.map_or("unknown", |(word, _)| word).to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// What kind of machine it is, by the kernel's flag and the price of a page.
fn class(is_guest: bool, prices: &[Price]) -> &'static str {
    let page = prices.iter().find(|price| price.name == "page of a file, first write");
    match (is_guest, page) {
        (false, _) => "bare metal",
        (true, Some(page)) if page.nanoseconds > DEAR_PAGE => {
            "guest with dear page faults (shadow paging, or a busy host)"
        }
        (true, _) => "guest with nested paging",
    }
}

/// Measures the prices, in `folder`.
///
/// # Errors
/// There is no compiler, or the folder cannot be written.
pub fn prices(inputs: &Path, folder: &Path) -> Result<Vec<Price>> {
    let program = subject::compiled(
        inputs,
        "primitives",
        include_str!("../programs/primitives.c"),
        "gcc",
        &[],
    )?;
    let start = Start {
        program,
        arguments: vec![folder.join("prices").into()],
        now: true,
        variables: Vec::new(),
    };
    let (output, status) = start.output()?;
    ensure!(status.success(), "the program of prices failed: {status}");
    let text = String::from_utf8(output)?;
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once('\t').context("a price without a tab")?;
            Ok(Price {
                name: name.to_owned(),
                nanoseconds: value.parse()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_told_by_the_price_of_a_page() {
        let price = |nanoseconds| {
            [Price {
                name: "page of a file, first write".to_owned(),
                nanoseconds,
            }]
        };
        assert_eq!(class(false, &price(9000.0)), "bare metal");
        assert!(class(true, &price(2000.0)).contains("dear"));
        assert!(class(true, &price(500.0)).contains("nested"));
    }
}
