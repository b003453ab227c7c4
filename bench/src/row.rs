//! The rows of the comparison and their goals.

use serde::Serialize;

/// Against whom a goal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The first loader.
    Yardstick,
    /// musl's loader.
    Musl,
}

/// The largest ratio that is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Against whom.
    pub against: Against,
    /// The median of the ratios must not be larger.
    pub limit: f64,
    /// The same for a loader that may put data into huge pages, if that is another.
    pub with_huge_pages: Option<f64>,
}

/// What a row starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    /// A generated workload, by its name.
    Generated(&'static str),
    /// A C program that says hello.
    Hello,
    /// The same, linked against musl.
    HelloOfMusl,
    /// A program that needs the libraries of an installed one, and ends at once.
    Closure(&'static str),
    /// An installed program with its arguments.
    Program(&'static str, &'static [&'static str]),
    /// Services for a running program; each start gives several rows.
    Service(Service),
}

/// What a program asks of its loader while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Opens that many libraries, opens them again, closes them.
    Open(usize),
    /// Asks for addresses and names among that many.
    Ask(usize),
    /// Looks names up in one library.
    Look,
    /// Throws an exception through that many libraries.
    Throw(usize),
}

/// In which part of the table a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Programs without a C library.
    Generated,
    /// Start-up of the libraries of real programs.
    Closure,
    /// Real programs.
    Program,
    /// Services for a running program.
    Service,
}

/// A row, or for a service what gives several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it starts.
    pub subject: Subject,
    /// Functions are bound at their first call, also where the user asks for nothing.
    pub lazy: bool,
    /// Short enough for `--quick`.
    pub quick: bool,
    /// The goal against the yardstick, if it has one of its own.
    pub limit: f64,
    /// The goal against musl.
    pub musl: Option<f64>,
    /// The goal against the yardstick with huge pages.
    pub huge: Option<f64>,
}

/// The goal of a row that has no other: nothing may be slower than the yardstick by more than the noise.
pub const NOT_SLOWER: f64 = 1.05;

const fn row(name: &'static str, subject: Subject, limit: f64) -> Row {
    Row {
        name,
        subject,
        lazy: false,
        quick: false,
        limit,
        musl: None,
        huge: None,
    }
}

const fn generated(name: &'static str, limit: f64) -> Row {
    row(name, Subject::Generated(name), limit)
}

impl Row {
    const fn quick(self) -> Row {
        Row { quick: true, ..self }
    }

    const fn lazy(self) -> Row {
        Row { lazy: true, ..self }
    }

    const fn musl(self, limit: f64) -> Row {
        Row {
            musl: Some(limit),
            ..self
        }
    }

    const fn huge(self, limit: f64) -> Row {
        Row {
            huge: Some(limit),
            ..self
        }
    }

    /// In which part of the table it stands.
    pub fn group(&self) -> Group {
        match self.subject {
            Subject::Generated(_) => Group::Generated,
            Subject::Hello | Subject::HelloOfMusl | Subject::Closure(_) => Group::Closure,
            Subject::Program(..) => Group::Program,
            Subject::Service(_) => Group::Service,
        }
    }

    /// All its goals.
    pub fn goals(&self) -> Vec<Goal> {
        let goal = |against, limit| Goal {
            against,
            limit,
            with_huge_pages: if against == Against::Yardstick { self.huge } else { None },
        };
        // The yardstick does not run a program of musl.
        let own = (self.subject != Subject::HelloOfMusl).then_some(goal(Against::Yardstick, self.limit));
        own.into_iter()
            .chain(self.musl.map(|limit| goal(Against::Musl, limit)))
            .collect()
    }
}

/// The row whose ratio of two equal loaders says whether the machine is quiet enough.
pub const NOISE: Row = row("syms-10x1k", Subject::Generated("syms-10x1k"), NOT_SLOWER);

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    generated("empty", 0.45).quick(),
    generated("syms-10x1k", 0.75).quick(),
    generated("syms-100x1k", 0.27).musl(0.20),
    generated("syms-500x200", 0.18).musl(0.20),
    generated("vtable-50x1k-dup5", 0.36).musl(0.15),
    generated("small-10", NOT_SLOWER).quick(),
    generated("small-100", NOT_SLOWER).quick(),
    generated("small-1000", 0.32).musl(0.35),
    generated("tree-127", 0.80).quick(),
    generated("runpath-60", 0.35).quick(),
    generated("tls-100x50", 0.72).quick(),
    generated("ifunc-10k", 0.60).quick(),
    generated("rela-sparse", 1.00).quick(),
    generated("rela-1m", 0.97).huge(0.70),
    generated("rela-10m", 0.97).huge(0.58),
    generated("relr-1m", 0.97).huge(0.50),
    generated("relr-10m", 0.97).huge(0.35),
    row("hello", Subject::Hello, 0.60).quick(),
    row("hello-musl", Subject::HelloOfMusl, NOT_SLOWER).musl(1.10).quick(),
    row("bash", Subject::Closure("bash"), 0.60).quick(),
    row("cc1plus", Subject::Closure("cc1plus"), 0.70).lazy(),
    row("gdb", Subject::Closure("gdb"), 0.60),
    row("qemu", Subject::Closure("qemu-system-x86_64"), 0.65),
    row("clang", Subject::Closure("clang"), 0.80).huge(0.68),
    row("ffmpeg", Subject::Closure("ffmpeg"), 0.42),
    row("inkscape", Subject::Closure("inkscape"), 0.52),
    row("true", Subject::Program("true", &[]), NOT_SLOWER).quick(),
    row("bash -c :", Subject::Program("bash", &["-c", ":"]), NOT_SLOWER),
    row("git --version", Subject::Program("git", &["--version"]), 0.95),
    row("perl -e 1", Subject::Program("perl", &["-e", "1"]), 0.95),
    row(
        "python3 -S -c pass",
        Subject::Program("/usr/bin/python3", &["-S", "-c", "pass"]),
        0.95,
    ),
    row(
        "cc1plus --version",
        Subject::Program("cc1plus", &["--version"]),
        NOT_SLOWER,
    ),
    row("gdb --version", Subject::Program("gdb", &["--version"]), NOT_SLOWER),
    row(
        "qemu --version",
        Subject::Program("qemu-system-x86_64", &["--version"]),
        0.80,
    ),
    row("clang --version", Subject::Program("clang", &["--version"]), 0.80),
    row("ffmpeg -version", Subject::Program("ffmpeg", &["-version"]), 0.60),
    row("inkscape --version", Subject::Program("inkscape", &["--version"]), 0.60),
    row("open-100", Subject::Service(Service::Open(100)), NOT_SLOWER).quick(),
    row("open-1000", Subject::Service(Service::Open(1000)), NOT_SLOWER),
    row("ask-100", Subject::Service(Service::Ask(100)), NOT_SLOWER).quick(),
    row("ask-1000", Subject::Service(Service::Ask(1000)), NOT_SLOWER),
    row("look-100k", Subject::Service(Service::Look), 0.95),
    row("throw-100", Subject::Service(Service::Throw(100)), 1.00),
];

/// The goal of one service among `libraries` libraries, against the yardstick. With few of them only slowness is judged.
pub fn service_limit(name: &str, libraries: usize) -> f64 {
    match name {
        "dlsym-hit" | "dlsym-miss" => 0.95,
        "throw" | "dl_iterate_phdr" => 1.00,
        _ if libraries < 1000 => NOT_SLOWER,
        "dlopen" => 0.35,
        "dlopen-again" | "dlsym-default" => 0.10,
        "dlclose" => 0.50,
        "dladdr" => 0.25,
        _ => NOT_SLOWER,
    }
}

/// The rows that the words ask for: for each word the row of that name, or else those whose name contains it; without words all. With `quick` only short ones.
pub fn chosen(words: &[String], quick: bool) -> Vec<Row> {
    let is_name = |word: &str| ROWS.iter().any(|row| row.name == word);
    let fits = |row: &Row, word: &str| row.name == word || (!is_name(word) && row.name.contains(word));
    let asked = |row: &&Row| words.is_empty() || words.iter().any(|word| fits(row, word));
    ROWS.iter()
        .filter(asked)
        .filter(|row| !quick || row.quick)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload;

    #[test]
    fn each_generated_row_has_its_workload() {
        for row in ROWS {
            if let Subject::Generated(name) = row.subject {
                assert!(workload::named(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn names_are_unique_and_filters_find_parts_of_them() {
        let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
        assert_eq!(chosen(&["relr".to_owned()], false).len(), 2);
        assert_eq!(chosen(&["relr".to_owned()], true).len(), 0);
        assert_eq!(chosen(&["small-10".to_owned()], false).len(), 1);
        assert_eq!(chosen(&[], false).len(), ROWS.len());
    }

    #[test]
    fn a_program_of_musl_is_judged_against_musl_only() {
        let row = ROWS.iter().find(|row| row.subject == Subject::HelloOfMusl).unwrap();
        assert_eq!(
            row.goals(),
            [Goal {
                against: Against::Musl,
                limit: 1.10,
                with_huge_pages: None
            }]
        );
    }
}
