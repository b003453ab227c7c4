//! Instructions that a start executes in its loader, counted by valgrind's callgrind: the same number each time, on any machine.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::measure::Start;

/// Counts the instructions of one start that lie in the file of the loader. The library that valgrind has every program load is part of what the loader does.
///
/// # Errors
/// valgrind is not installed, or it does not get to the program's end.
pub fn count(start: &Start, loader: &Path, folder: &Path) -> Result<u64> {
    let file = folder.join("callgrind");
    let timed = start.command();
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()));
    command.arg(timed.get_program()).args(timed.get_args());
    command
        .env_clear()
        .envs(timed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().context("valgrind is not installed")?;
    ensure!(status.success(), "valgrind failed: {status}");
    let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
    Ok(inside(&text, |object| Path::new(object) == loader))
}

/// The cost of all lines whose object `is_loader` (Callgrind Format Specification).
fn inside(profile: &str, is_loader: impl Fn(&str) -> bool) -> u64 {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut counts, mut is_of_call, mut sum) = (false, false, 0);
    for line in profile.lines() {
        // A name is written out once, as in `ob=(2) /lib/ld.so`; after that its number stands for it.
        if let Some(object) = line.strip_prefix("ob=").or_else(|| line.strip_prefix("cob=")) {
            let (number, name) = object.split_once(' ').unwrap_or((object, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if line.starts_with("ob=") {
                counts = names.get(number).is_some_and(|name| is_loader(name));
            }
        } else if line.starts_with("calls=") {
            // The next line is what the called function took, which is counted where it lies.
            is_of_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split_whitespace().last().and_then(|cost| cost.parse::<u64>().ok());
            sum += cost.filter(|_| counts && !is_of_call).unwrap_or_default();
            is_of_call = false;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_loader_count_and_calls_do_not() {
        let profile = "\
events: Ir
ob=(1) /lib/ld.so
fn=(1) main
16 100
+3 20
cob=(2) /lib/libc.so.6
cfn=(2) other
calls=1 50
* 7000
-2 3
ob=(2)
fn=(2)
20 5000
ob=(1)
fn=(3) third
30 1
totals: 12124
";
        assert_eq!(inside(profile, |object| object == "/lib/ld.so"), 124);
        assert_eq!(inside(profile, |object| object.ends_with("libc.so.6")), 5000);
    }
}
