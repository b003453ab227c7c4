//! Versions that a file needs of a library which does not have them.

use std::path::Path;

use lode::error::{Kind, MissingVersion};
use lode::stages::link::MARKERS;

use super::finding::{Finding, Severity};
use crate::closure::{Closure, Object, Surroundings, file_name};
use crate::elf::{Binary, VersionNeed};
use crate::spelling;

/// How many symbols are named.
const SHOWN: usize = 6;

/// One finding for each pair of a file and a library that lacks versions.
pub fn missing(closure: &Closure, program: &Path, preloads: &[String], surroundings: &Surroundings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, object) in closure.objects.iter().enumerate() {
        if Some(index) == closure.interpreter {
            continue;
        }
        for need in &object.binary.version_needs {
            let Some(provider) = closure.by_name(&need.file).map(|provider| &closure.objects[provider]) else {
                continue;
            };
            let lacks = lacking(need, &provider.binary);
            if !lacks.is_empty() {
                let mut finding = finding(object, provider, &lacks);
                if finding.severity == Severity::Error {
                    let survey = || Closure::survey(program, preloads, surroundings).ok();
                    hidden_copy(&mut finding, provider, &lacks, survey, surroundings);
                }
                findings.push(finding);
            }
        }
    }
    findings
}

/// The versions of a need that a library does not define. A library without any versions counts as one that has them all.
fn lacking<'a>(need: &'a VersionNeed, provider: &Binary) -> Vec<&'a str> {
    if provider.version_definitions.is_empty() {
        return Vec::new();
    }
    let versions = need
        .versions
        .iter()
        .filter(|(version, is_weak)| !is_weak && !provider.version_definitions.contains(version));
    let mut lacks: Vec<&str> = versions.map(|(version, _)| version.as_str()).collect();
    if !lacks.iter().all(is_marker) {
        lacks.retain(|version| !is_marker(version));
    }
    lacks
}

/// Whether a version says what glibc's loader can do, which lode can do with any libc.
fn is_marker(version: &&str) -> bool {
    MARKERS.lines().any(|marker| marker == *version)
}

fn finding(object: &Object, provider: &Object, lacks: &[&str]) -> Finding {
    let line = format!(
        "needs {} of {}, which does not have {}",
        lacks.join(", "),
        provider.path,
        if lacks.len() == 1 { "it" } else { "them" }
    );
    let mut finding =
        Finding::error(Kind::NoVersion(Vec::<MissingVersion>::new()).code(), &object.path, line).because(format!(
            "the file was linked against a newer {} than this one",
            file_name(&provider.path)
        ));
    if lacks.iter().all(is_marker) {
        finding.severity = Severity::Warning;
        finding.cause = Some(
            "the version stands for something that glibc's loader can do from some release on, and lode with any libc"
                .to_owned(),
        );
    }
    for version in lacks {
        let wanted = object
            .binary
            .symbols
            .iter()
            .filter(|symbol| symbol.is_wanted() && symbol.version.as_deref() == Some(version));
        let names: Vec<&str> = wanted.map(|symbol| symbol.name.as_str()).collect();
        if !names.is_empty() {
            let more = if names.len() > SHOWN { ", …" } else { "" };
            let shown = names[..names.len().min(SHOWN)].join(", ");
            finding = finding.seen(format!("{version} for: {shown}{more}"));
        }
    }
    let prefix = lacks[0]
        .split(|one: char| one.is_ascii_digit())
        .next()
        .unwrap_or_default();
    let same = provider.binary.version_definitions.iter().filter(|version| {
        version
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|one: char| one.is_ascii_digit()))
    });
    if let Some(highest) = same.max_by_key(|version| numbers(version)) {
        finding = finding.seen(format!("{} has versions up to {highest}", provider.path));
    }
    if finding.severity == Severity::Warning {
        return finding;
    }
    finding.fix(format!(
        "install a newer {}, or build the file on a system as old as the oldest that it has to run on",
        file_name(&provider.path)
    ))
}

/// Another copy of the library that has the versions, further down the lists.
fn hidden_copy(
    finding: &mut Finding,
    provider: &Object,
    lacks: &[&str],
    survey: impl Fn() -> Option<Closure>,
    surroundings: &Surroundings,
) {
    let Some(survey) = survey() else { return };
    let edges = survey.edges.iter().filter(|edge| {
        edge.target
            .is_some_and(|target| survey.objects[target].real == provider.real)
    });
    for attempt in edges
        .flat_map(|edge| &edge.later)
        .filter(|attempt| attempt.refused.is_none())
    {
        let Ok(real) = surroundings.tree.resolve(&spelling::path(&attempt.path)) else {
            continue;
        };
        let Ok(copy) = Binary::open(&surroundings.tree.outside(&real)) else {
            continue;
        };
        let has_all = lacks
            .iter()
            .all(|version| copy.version_definitions.iter().any(|one| one == version));
        if real != provider.real && has_all {
            finding.evidence.push(format!(
                "{} has what is needed, but {} ({}) comes first",
                attempt.path, provider.path, provider.rule
            ));
            let folder = |path: &str| path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
            let (first, other) = (folder(&provider.path), folder(&attempt.path));
            let fix = format!("take {first} out of {}, or put {other} before it", provider.rule);
            finding.fix.insert(0, fix);
            return;
        }
    }
}

/// The numbers of a version, so that 2.10 is more than 2.9.
pub fn numbers(version: &str) -> Vec<u32> {
    let parts = version
        .split(|one: char| !one.is_ascii_digit())
        .filter(|part| !part.is_empty());
    parts.filter_map(|part| part.parse().ok()).collect()
}
