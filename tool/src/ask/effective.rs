//! `lode-tool effective`: what words of a file hold once it is relocated.
//!
//! A dump of a file's bytes does not show that: where a linker writes RELA, the place of a pointer may hold zero and the address stands in the
//! relocation; with REL and RELR it stands at the place; a word that needs a symbol stands nowhere.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;

use super::Output;
use crate::contents::{By, Contents, Named, STT_FUNC, Value, Word, signed_sum, with_offset};
use crate::elf::Binary;
use crate::report::{Answer, NoSuch, give};

/// Show what words of a file hold once it is relocated, whatever form its relocations have
///
/// Words are shown by name, so that two files of the same source can be compared with diff, whoever linked them. An object file (.o) is shown
/// as far as it is decided.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program, library or object file
    file: PathBuf,
    /// What to show: SYMBOL, SECTION or ADDRESS, then +OFFSET and ..LENGTH in bytes, if wanted. Without a length, the rest of a symbol, or one word
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<String>,
    /// Go through pointers into this file, so many levels deep
    #[arg(long, value_name = "DEPTH", default_value_t = 0, default_missing_value = "1", num_args = 0..=1, require_equals = true)]
    follow: u8,
    /// Show link-time addresses, what the file stores, and the relocations
    #[arg(long)]
    addresses: bool,
    /// Add this load bias to addresses, and show them
    #[arg(long, value_name = "BIAS", value_parser = number, default_value = "0", hide_default_value = true)]
    base: u64,
    #[command(flatten)]
    pub output: Output,
}

/// The most bytes shown of one place.
const MOST: u64 = 1 << 20;

/// The most blocks shown on the way through pointers.
const MOST_FOLLOWED: usize = 1000;

/// Answers.
///
/// # Errors
/// The file cannot be read, is no ELF file, or has no such place.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let binary = Binary::open(&arguments.file)?;
    let contents = Contents::of(&binary);
    let mut walk = Walk {
        contents: &contents,
        seen: BTreeSet::new(),
    };
    let mut blocks = Vec::new();
    for place in &arguments.places {
        let ranges = find(&contents, place)
            .map_err(|error| NoSuch(format!("{error:#}")))
            .with_context(|| arguments.file.display().to_string())?;
        for (start, length) in ranges {
            walk.seen.clear();
            blocks.push(walk.block(start, length, arguments.follow));
        }
    }
    let view = View {
        shows_addresses: arguments.addresses || arguments.base != 0,
        base: arguments.base,
    };
    let effective = Effective {
        blocks,
        notes: contents.damage.clone(),
        base: arguments.base,
        view,
    };
    give(&effective, arguments.output.format)
}

/// A number as people write it.
///
/// # Errors
/// It is none.
pub fn number(text: &str) -> Result<u64> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| anyhow!("{text} is not a number; 12 and 0xc are"))
}

/// The ranges that a place means: one, unless several local symbols have the name.
fn find(contents: &Contents<'_>, place: &str) -> Result<Vec<(u64, u64)>> {
    let (rest, length) = match place.rsplit_once("..") {
        Some((rest, length)) => (rest, Some(number(length)?)),
        None => (place, None),
    };
    let exact = find_start(contents, rest);
    let (starts, offset) = match rest.rsplit_once('+') {
        Some((name, offset)) if exact.is_empty() => match number(offset) {
            Ok(offset) => (find_start(contents, name), offset),
            Err(_) => (exact, 0),
        },
        _ => (exact, 0),
    };
    if starts.is_empty() {
        bail!("{}", unknown(contents, rest));
    }
    let word = contents.binary.words().size();
    let mut ranges = Vec::new();
    for (start, size) in starts {
        let start = start.wrapping_add(offset);
        if !contents.holds(start) {
            bail!("{place}: nothing of the file is in memory at {start:#x}");
        }
        let rest = size.saturating_sub(offset);
        let length = length.unwrap_or(if rest == 0 { word } else { rest });
        if length > MOST {
            bail!("{place}: {length} bytes are more than can be shown; ..LENGTH takes up to {MOST}");
        }
        ranges.push((start, length));
    }
    Ok(ranges)
}

/// Where a symbol, a section or an address is, and its size; a section and an address have none, so that one word is shown.
fn find_start(contents: &Contents<'_>, name: &str) -> Vec<(u64, u64)> {
    let plain = name.split('@').next().unwrap_or(name);
    let range = |named: &Named| (named.address, named.size);
    let symbols: Vec<(u64, u64)> = contents
        .names
        .iter()
        .filter(|named| named.name == name || named.name == plain)
        .map(range)
        .collect();
    if !symbols.is_empty() {
        return symbols;
    }
    if let Some((start, _)) = contents.section(name) {
        return vec![(start, 0)];
    }
    let is_object = contents.binary.header.kind == 1;
    number(name)
        .ok()
        .filter(|_| !is_object)
        .map(|address| (address, 0))
        .into_iter()
        .collect()
}

/// What to say of a name that is not there.
fn unknown(contents: &Contents<'_>, name: &str) -> String {
    let near = contents
        .names
        .iter()
        .map(|named| (strsim::damerau_levenshtein(&named.name, name), &named.name))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let hint = match near {
        Some((_, near)) => format!("; there is {near}"),
        None if contents.names.is_empty() => "; the file has no symbols, so ask for an address".to_owned(),
        None => String::new(),
    };
    format!("no symbol, section or address {name}{hint}")
}

/// Goes through pointers.
struct Walk<'a> {
    contents: &'a Contents<'a>,
    seen: BTreeSet<u64>,
}

impl Walk<'_> {
    fn block(&mut self, start: u64, length: u64, depth: u8) -> Block {
        self.seen.insert(start);
        let words = self.contents.words(start, length);
        let lines = words.into_iter().map(|word| self.line(start, word, depth)).collect();
        let section = self.contents.section_at(start);
        Block {
            name: self.contents.place_name(start),
            section: section.map(|(section, _)| section.name.clone()),
            address: start,
            length,
            words: lines,
        }
    }

    fn line(&mut self, start: u64, word: Word, depth: u8) -> Line {
        let contents = self.contents;
        let (text, by, target) = match &word.value {
            Value::Number { number } => (self.number(*number, word.size), "", None),
            Value::Address { address, by } => {
                let by = match by {
                    By::Relative => "relative",
                    By::Fixed => "fixed",
                };
                (contents.place_name(*address), by, Some(*address))
            }
            Value::Symbol {
                name,
                addend,
                address,
                weak,
            } => {
                let by = if *weak { "by name, or 0" } else { "by name" };
                (signed_sum(name, *addend), by, *address)
            }
            Value::Other { text } => (text.clone(), "", None),
        };
        let follow = target.filter(|_| depth > 0).and_then(|at| self.follow(at, depth - 1));
        Line {
            offset: word.address - start,
            text,
            by,
            target,
            word,
            points_to: follow,
        }
    }

    /// A number: as one, or as the bytes that it is, if it is no whole word.
    fn number(&self, number: u64, size: u64) -> String {
        if matches!(size, 1 | 2 | 4 | 8) {
            return format!("{number:#x}");
        }
        let bytes: Vec<u8> = (0..size).map(|index| (number >> (8 * index)) as u8).collect();
        scan::hex(&bytes, " ")
    }

    fn follow(&mut self, address: u64, depth: u8) -> Option<Pointee> {
        let named = self.contents.symbol_at(address);
        if named.is_some_and(|named| named.kind == STT_FUNC) || !self.contents.holds(address) {
            return None;
        }
        if let Some(text) = self.contents.text(address) {
            return Some(Pointee::Text { text });
        }
        let start = named.map_or(address, |named| named.address);
        if self.seen.contains(&start) || self.seen.len() >= MOST_FOLLOWED {
            return Some(Pointee::Again);
        }
        let size = named.map_or(0, |named| named.size);
        let length = if size == 0 {
            self.contents.binary.words().size()
        } else {
            size.min(4096)
        };
        Some(Pointee::Block {
            block: Box::new(self.block(start, length, depth)),
        })
    }
}

#[derive(Serialize)]
struct Effective {
    /// What was asked for
    blocks: Vec<Block>,
    /// What could not be read
    notes: Vec<String>,
    /// What was to be added to addresses; the numbers here are without it
    base: u64,
    #[serde(skip)]
    view: View,
}

/// What of it is written as text.
#[derive(Clone, Copy)]
struct View {
    shows_addresses: bool,
    base: u64,
}

/// Words behind each other.
#[derive(Serialize)]
struct Block {
    /// Where they are, in words
    name: String,
    section: Option<String>,
    /// Link-time address; in an object file a made-up one
    address: u64,
    /// In bytes
    length: u64,
    words: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    /// From the start of the block
    offset: u64,
    /// The value in words
    text: String,
    /// How it came about: `relative`, `by name`, `fixed`, or nothing for what stands in the file
    by: &'static str,
    /// The link-time address that it is
    target: Option<u64>,
    #[serde(flatten)]
    word: Word,
    /// What is there
    points_to: Option<Pointee>,
}

/// What a pointer leads to.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Pointee {
    Text { text: String },
    Block { block: Box<Block> },
    Again,
}

impl Block {
    fn write(&self, out: &mut Formatter<'_>, view: View, indent: usize) -> fmt::Result {
        let pad = indent * 2;
        write!(out, "{:pad$}{}: {} bytes", "", self.name, self.length)?;
        if let Some(section) = &self.section {
            write!(out, " in {section}")?;
        }
        if view.shows_addresses {
            write!(out, " at {:#x}", self.address.wrapping_add(view.base))?;
        }
        writeln!(out)?;
        for line in &self.words {
            line.write(out, view, indent + 1)?;
        }
        Ok(())
    }
}

impl Line {
    fn write(&self, out: &mut Formatter<'_>, view: View, indent: usize) -> fmt::Result {
        let pad = indent * 2;
        let offset = with_offset("", self.offset);
        let offset = if offset.is_empty() { "+0x0" } else { offset.as_str() };
        let mut text = format!("{:pad$}{offset:<7} {:<32} {}", "", self.text, self.by);
        if view.shows_addresses {
            text = format!("{text:<52}");
            if let Some(target) = self.target {
                text += &format!(" = {:#x}", target.wrapping_add(view.base));
            }
            if let (Some(name), table) = (&self.word.relocation, self.word.table.unwrap_or_default()) {
                let width = self.word.size as usize * 2 + 2;
                let table = if table.is_empty() || table == name {
                    String::new()
                } else {
                    format!(", {table}")
                };
                text += &format!(" [{name}{table}; stored {:#0width$x}]", self.word.stored);
            }
        }
        writeln!(out, "{}", text.trim_end())?;
        match &self.points_to {
            Some(Pointee::Text { text }) if *text != self.text => writeln!(out, "{:pad$}  -> {text}", ""),
            Some(Pointee::Block { block }) => block.write(out, view, indent + 1),
            Some(Pointee::Again) => writeln!(out, "{:pad$}  -> (again)", ""),
            _ => Ok(()),
        }
    }
}

impl Display for Effective {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for block in &self.blocks {
            block.write(out, self.view, 0)?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

impl Answer for Effective {
    const COMMAND: &'static str = "effective";
}
