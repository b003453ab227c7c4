//! `lode-tool relocation-sizes`: what a file's relative relocations cost, and what they would cost in every form that has been used.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

use super::Output;
use crate::elf::Binary;
use crate::relocations::formats::FORMATS;
use crate::relocations::{Relocations, target};
use crate::report::{Answer, give};

/// Show what relative relocations cost in a file, or in all files of a directory, and what they would cost in other forms
///
/// Every form is really written, not estimated. The forms other than RELA leave addends in the places, which cost nothing there.
#[derive(clap::Args)]
pub struct Arguments {
    /// Programs, libraries, or directories with them
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// What comes first
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Sort {
    /// The file that RELR saves most in
    #[default]
    Saved,
    /// The path
    Name,
}

/// Answers.
///
/// # Errors
/// A file that was named cannot be read or is no ELF file. Other files of a directory are passed over.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut sizes = Sizes::default();
    for path in &arguments.paths {
        if path.is_dir() {
            sizes.walk(path)?;
        } else {
            sizes.count(path, &Binary::open(path)?);
        }
    }
    match arguments.sort {
        Sort::Saved => sizes.files.sort_by_key(|row| (-row.saved, row.path.clone())),
        Sort::Name => sizes.files.sort_by_key(|row| row.path.clone()),
    }
    sizes.total = sizes.sum();
    give(&sizes, arguments.output.format)
}

#[derive(Default, Serialize)]
struct Sizes {
    files: Vec<Row>,
    /// How many ELF files have no relative relocation
    without: u64,
    /// What is true of all files together
    total: Option<Row>,
    /// Files of which something could not be read, so that there may be more relocations
    notes: Vec<String>,
}

/// The sizes of one file, in bytes.
#[derive(Clone, Serialize)]
struct Row {
    path: String,
    file_size: u64,
    /// Relative relocations, each place once
    count: u64,
    /// In which form they stand there, and how many in each
    present: BTreeMap<&'static str, u64>,
    /// What they take there
    now: u64,
    /// What they would take
    forms: BTreeMap<&'static str, u64>,
    /// How many RELR cannot say, because their places are odd; they stay what they are
    not_in_relr: u64,
    /// What RELR would save
    saved: i64,
}

impl Row {
    /// `None` when there is nothing to relocate by the load bias.
    fn of(path: &Path, binary: &Binary) -> Option<Row> {
        let target = target(binary)?;
        let relocations = Relocations::of(binary);
        let relative = relocations.relative(binary);
        if relative.is_empty() {
            return None;
        }
        let (present, now) = present(binary, &relocations);
        let mut forms = BTreeMap::new();
        let mut not_in_relr = 0;
        // What a form cannot say stays as it would be without the form: an entry of RELA.
        let entry = target.words.size() * 3;
        for format in FORMATS {
            let encoded = (format.encode)(&relative, &target);
            let left = encoded.left.len() as u64;
            forms.insert(format.name, encoded.bytes.len() as u64 + left * entry);
            if format.name == "RELR" {
                not_in_relr = left;
            }
        }
        let relr = forms.get("RELR").copied().unwrap_or_default();
        Some(Row {
            path: path.display().to_string(),
            file_size: binary.bytes.len() as u64,
            count: relative.len() as u64,
            present,
            now,
            forms,
            not_in_relr,
            saved: now as i64 - relr as i64,
        })
    }

    /// A share of the file in percent.
    fn share(&self, bytes: i64) -> f64 {
        bytes as f64 * 100.0 / (self.file_size.max(1)) as f64
    }
}

/// In which forms the relative relocations of a file stand, and the bytes that they take. Packed tables are shared with other relocations, so
/// that their bytes are divided by count.
fn present(binary: &Binary, relocations: &Relocations) -> (BTreeMap<&'static str, u64>, u64) {
    let mut present = BTreeMap::new();
    let mut bytes = 0;
    for table in &relocations.tables {
        let is_relative = |form, ask| form == table.form && ask == Some(lode::arch::Ask::Relative);
        let count = relocations
            .all
            .iter()
            .filter(|one| is_relative(one.form, one.ask(binary.header.machine)))
            .count() as u64;
        if count != 0 {
            present.insert(table.form.name(), count);
            bytes += table.size.saturating_mul(count) / (table.count as u64).max(1);
        }
    }
    (present, bytes)
}

impl Sizes {
    /// All ELF files of a directory and those below it. Links are names of files that come by themselves.
    fn walk(&mut self, folder: &Path) -> Result<()> {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
            for entry in entries.flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() && is_elf(&entry.path()) => self.add(&entry.path()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path) {
        let Ok(binary) = Binary::open(path) else { return };
        if !matches!(binary.header.kind, 2 | 3) {
            return;
        }
        self.count(path, &binary);
    }

    fn count(&mut self, path: &Path, binary: &Binary) {
        let note = |damage: &String| format!("{}: {damage}", path.display());
        self.notes.extend(binary.damage.iter().map(note));
        match Row::of(path, binary) {
            Some(row) => self.files.push(row),
            None => self.without += 1,
        }
    }

    fn sum(&self) -> Option<Row> {
        let mut total = self.files.first()?.clone();
        total.path = format!("all {} files", self.files.len());
        for row in self.files.iter().skip(1) {
            total.file_size += row.file_size;
            total.count += row.count;
            total.now += row.now;
            total.not_in_relr += row.not_in_relr;
            total.saved += row.saved;
            for (name, bytes) in &row.forms {
                *total.forms.entry(name).or_default() += bytes;
            }
            for (name, count) in &row.present {
                *total.present.entry(name).or_default() += count;
            }
        }
        Some(total)
    }
}

/// Whether a file starts as an ELF file does; the whole of other files is not read.
fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 4];
    fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"\x7fELF"
}

impl Display for Sizes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.files.as_slice() {
            [] => writeln!(out, "no relative relocations")?,
            [row] => row.detail(out)?,
            rows => table(rows, self.total.as_ref(), out)?,
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        match self.without {
            0 => Ok(()),
            without if self.files.is_empty() => writeln!(out, "({without} ELF files)"),
            without => writeln!(out, "{without} more ELF files have no relative relocation"),
        }
    }
}

impl Row {
    fn detail(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.path)?;
        let present: Vec<String> = self
            .present
            .iter()
            .map(|(name, count)| format!("{count} in {name}"))
            .collect();
        writeln!(
            out,
            "  {} relative relocations: {}; {} bytes of {}, {:.2} %",
            self.count,
            present.join(", "),
            self.now,
            self.file_size,
            self.share(self.now as i64)
        )?;
        writeln!(
            out,
            "  {:<15} {:>10} {:>10} {:>14}",
            "form", "bytes", "% of file", "bits for each"
        )?;
        for format in FORMATS {
            let bytes = self.forms.get(format.name).copied().unwrap_or_default();
            writeln!(
                out,
                "  {:<15} {bytes:>10} {:>10.3} {:>14.1}",
                format.name,
                self.share(bytes as i64),
                bytes as f64 * 8.0 / self.count as f64
            )?;
        }
        if self.not_in_relr != 0 {
            writeln!(
                out,
                "  {} places are odd, which RELR cannot say: they are counted as RELA there",
                self.not_in_relr
            )?;
        }
        writeln!(out, "  {}", self.verdict())
    }

    fn verdict(&self) -> String {
        let is_relr = self.present.len() == 1 && self.present.contains_key("RELR");
        match self.saved {
            0 if is_relr => "RELR is what the file has".to_owned(),
            0 => "RELR would save nothing".to_owned(),
            saved if saved > 0 => format!("RELR would save {saved} bytes, {:.2} % of the file", self.share(saved)),
            more => format!("RELR would take {} bytes more", -more),
        }
    }
}

/// A line for each file, as the tables of articles about RELR have it.
fn table(rows: &[Row], total: Option<&Row>, out: &mut Formatter<'_>) -> fmt::Result {
    write!(out, "{:>10} {:>8} {:>9} {:>6}", "file", "count", "now", "%")?;
    for format in FORMATS {
        write!(out, " {:>9}", short(format.name))?;
    }
    writeln!(out, " {:>9} {:>6}", "saved", "%")?;
    for row in rows.iter().chain(total) {
        write!(
            out,
            "{:>10} {:>8} {:>9} {:>6.2}",
            row.file_size,
            row.count,
            row.now,
            row.share(row.now as i64)
        )?;
        for format in FORMATS {
            write!(out, " {:>9}", row.forms.get(format.name).copied().unwrap_or_default())?;
        }
        writeln!(out, " {:>9} {:>6.2}  {}", row.saved, row.share(row.saved), row.path)?;
    }
    Ok(())
}

fn short(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

impl Answer for Sizes {
    const COMMAND: &'static str = "relocation-sizes";
}
