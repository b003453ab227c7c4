//! What the kernel says of a running process: its mappings with what they allow and whether they are sealed (proc_pid_smaps(5)).

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::facts::PT_GNU_RELRO;
use crate::elf::Binary;

/// Bytes of a page: the smallest of the machines that lode-tool runs on.
const PAGE: u64 = 4096;

/// A process as it is now.
#[derive(Debug, Serialize)]
pub struct Process {
    pid: u32,
    /// Whether /proc/PID/smaps says which mappings are sealed: Linux 6.10, where the machine can seal
    knows_seal: bool,
    mappings: Vec<Mapping>,
    /// Mappings of ELF files that nobody can write to, and how many of them are sealed
    stay: usize,
    sealed: usize,
    /// Pages of RELRO, and how many of them are read-only
    relro_pages: u64,
    relro_read_only: u64,
    pub findings: Vec<String>,
}

/// A line of /proc/PID/smaps, with the flags that follow it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Mapping {
    start: u64,
    end: u64,
    /// `r-x`; what is private or shared is left out
    access: String,
    /// The file or, in brackets, what it is; empty for memory of nobody
    name: String,
    /// Whether it is sealed; `None` where the kernel does not say
    is_sealed: Option<bool>,
    /// Whether it belongs to an ELF file
    is_elf: bool,
}

impl Process {
    /// Looks at one.
    ///
    /// # Errors
    /// There is no such process, or it is somebody else's.
    pub fn look(pid: u32) -> Result<Process> {
        let place = format!("/proc/{pid}/smaps");
        let text = fs::read_to_string(&place).context(place)?;
        let root = format!("/proc/{pid}/root");
        Ok(Process::of(pid, &text, &|path| {
            let inside = Path::new(&root).join(path.trim_start_matches('/'));
            Binary::open(&inside).ok().map(|binary| Span::of(&binary))
        }))
    }

    /// What `text`, of /proc/PID/smaps, says. `open` reads the ELF file of a path.
    fn of(pid: u32, text: &str, open: &dyn Fn(&str) -> Option<Span>) -> Process {
        let mut mappings = read(text);
        let mut process = Process {
            pid,
            knows_seal: mappings.iter().any(|mapping| mapping.is_sealed == Some(true)),
            mappings: Vec::new(),
            stay: 0,
            sealed: 0,
            relro_pages: 0,
            relro_read_only: 0,
            findings: Vec::new(),
        };
        let mut starts: BTreeMap<String, u64> = BTreeMap::new();
        for mapping in mappings.iter().filter(|mapping| mapping.name.starts_with('/')) {
            starts.entry(mapping.name.clone()).or_insert(mapping.start);
        }
        for (file, start) in starts {
            if let Some(span) = open(&file) {
                process.take(&file, &span, start, &mut mappings);
            }
        }
        let is_both = |mapping: &&Mapping| mapping.access.contains("wx");
        for mapping in mappings.iter().filter(is_both) {
            let name = if mapping.name.is_empty() {
                "memory"
            } else {
                &mapping.name
            };
            let finding = format!("{name} at {:#x} is writable and executable", mapping.start);
            process.findings.push(finding);
        }
        process.mappings = mappings;
        process
    }

    /// Counts what belongs to one file, whose first mapping is at `start`.
    fn take(&mut self, file: &str, span: &Span, start: u64, mappings: &mut [Mapping]) {
        let base = start.wrapping_sub(span.first);
        let end = base.wrapping_add(span.end);
        let of_file = |mapping: &Mapping| start <= mapping.start && mapping.start < end;
        for mapping in mappings.iter_mut().filter(|mapping| of_file(mapping)) {
            mapping.is_elf = true;
            if mapping.access.starts_with("r-") {
                self.stay += 1;
                self.sealed += usize::from(mapping.is_sealed == Some(true));
            }
        }
        let (from, to) = (base.wrapping_add(span.relro.0), base.wrapping_add(span.relro.1));
        let mut writable = 0;
        for mapping in mappings.iter().filter(|mapping| mapping.access.contains('w')) {
            writable += mapping.end.min(to).saturating_sub(mapping.start.max(from)) / PAGE;
        }
        let pages = to.saturating_sub(from) / PAGE;
        self.relro_pages += pages;
        self.relro_read_only += pages.saturating_sub(writable);
        if writable != 0 {
            self.findings
                .push(format!("{writable} pages of RELRO of {file} are writable"));
        }
    }
}

/// Where an ELF file is, by link-time addresses.
struct Span {
    /// First page, and the end
    first: u64,
    end: u64,
    /// RELRO in whole pages: from, to
    relro: (u64, u64),
}

impl Span {
    fn of(binary: &Binary) -> Span {
        let down = |address: u64| address & !(PAGE - 1);
        let end_of = |segment: &crate::elf::Segment| segment.address.saturating_add(segment.memory_size);
        let relro = binary.segments.iter().find(|segment| segment.kind == PT_GNU_RELRO);
        Span {
            first: binary.loads().next().map_or(0, |first| down(first.address)),
            end: binary.loads().map(end_of).max().unwrap_or(0),
            relro: relro.map_or((0, 0), |relro| (down(relro.address), down(end_of(relro)))),
        }
    }
}

/// The mappings of a text of /proc/PID/smaps.
fn read(text: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            if let Some(mapping) = mappings.last_mut() {
                mapping.is_sealed = Some(flags.split_whitespace().any(|flag| flag == "sl"));
            }
            continue;
        }
        // Five words, then the name, which may have blanks.
        let mut words = line.splitn(6, ' ');
        let range = words.next().and_then(|range| range.split_once('-'));
        let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
        let Some((start, end)) = range.and_then(|(start, end)| Some((number(start)?, number(end)?))) else {
            continue;
        };
        let access = words.next().unwrap_or_default();
        mappings.push(Mapping {
            start,
            end,
            access: access.get(..3).unwrap_or_default().to_owned(),
            name: words.nth(3).unwrap_or_default().trim().to_owned(),
            is_sealed: None,
            is_elf: false,
        });
    }
    mappings
}

impl Display for Process {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "process {}", self.pid)?;
        for mapping in &self.mappings {
            let sealed = if mapping.is_sealed == Some(true) { "sealed" } else { "" };
            let line = format!(
                "  {:012x}-{:012x} {} {sealed:<6} {}",
                mapping.start, mapping.end, mapping.access, mapping.name
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(
            out,
            "  RELRO: {} of {} pages are read-only",
            self.relro_read_only, self.relro_pages
        )?;
        writeln!(
            out,
            "  sealed: {} of {} mappings of files that nobody can write to",
            self.sealed, self.stay
        )?;
        for finding in &self.findings {
            writeln!(out, "  ! {finding}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7000-8000 r--p 00000000 fe:00 12                         /opt/my program
Size:                  4 kB
VmFlags: rd mr mw me sl
8000-9000 r-xp 00001000 fe:00 12                         /opt/my program
VmFlags: rd ex mr mw me sl
9000-a000 r--p 00002000 fe:00 12                         /opt/my program
VmFlags: rd mr mw me ac
a000-b000 rw-p 00003000 fe:00 12                         /opt/my program
VmFlags: rd wr mr mw me ac
b000-c000 rwxp 00000000 00:00 0
VmFlags: rd wr ex mr mw me ac
";

    fn span(relro: (u64, u64)) -> Span {
        Span {
            first: 0,
            end: 0x4000,
            relro,
        }
    }

    #[test]
    fn what_stays_is_counted_and_what_could_be_better_is_found() {
        let process = Process::of(1, SMAPS, &|_| Some(span((0x2000, 0x3000))));
        assert_eq!((process.sealed, process.stay), (2, 3));
        assert_eq!((process.relro_read_only, process.relro_pages), (1, 1));
        assert_eq!(process.findings, ["memory at 0xb000 is writable and executable"]);
        assert_eq!(process.mappings[0].name, "/opt/my program");
        assert!(process.knows_seal);
    }

    #[test]
    fn relro_that_is_writable_is_found() {
        let process = Process::of(1, SMAPS, &|_| Some(span((0x2000, 0x4000))));
        assert_eq!((process.relro_read_only, process.relro_pages), (1, 2));
        assert_eq!(process.findings[0], "1 pages of RELRO of /opt/my program are writable");
    }

    #[test]
    fn what_is_no_elf_file_is_not_counted() {
        let process = Process::of(1, SMAPS, &|_| None);
        assert_eq!((process.sealed, process.stay), (0, 0));
    }

    #[test]
    fn a_kernel_that_says_nothing_of_seals_leaves_it_open() {
        let process = Process::of(1, "7000-8000 r--p 00000000 fe:00 12 /opt/p\nnonsense\n", &|_| None);
        assert_eq!(process.mappings.len(), 1);
        assert_eq!(process.mappings[0].is_sealed, None);
    }
}
