//! One relocation from the file to the running process: the bytes before, the formula with its values, the bytes after.

use std::fmt::{self, Display};

use anyhow::{Context, Result, bail};
use lode::arch::Ask;
use scan::hex;
use serde::Serialize;

use super::start::{Module, Start, short};
use super::tables::Relocation;
use super::watch::Process;
use crate::elf::Binary;

/// One relocated word.
#[derive(Debug, Serialize)]
pub struct Word {
    /// The file
    pub file: String,
    /// Its number, in the order of `readelf -r`
    pub number: usize,
    /// The type's name
    pub kind: String,
    /// The formula
    pub formula: &'static str,
    /// The symbol, with its version
    pub symbol: Option<String>,
    /// The file that defines it
    pub provider: Option<String>,
    /// What the letters of the formula are
    pub values: Vec<(char, u64)>,
    /// Run-time address of the place
    pub place: u64,
    /// Where that is in the file: section, segment, symbol
    pub location: String,
    /// Where its bytes stand in the file, if they do
    pub offset: Option<u64>,
    /// The eight bytes in the file; zeros where it has none
    pub before: [u8; 8],
    /// The eight bytes in the process
    pub after: Option<[u8; 8]>,
    /// What the formula gives; `None` where code of the process decides
    pub computed: Option<u64>,
}

/// Which word is meant: `N`, or `FILE:N` with the name or path of a library.
#[derive(Clone, Debug)]
pub struct Which {
    file: Option<String>,
    number: usize,
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Which, String> {
        let (file, number) = match text.rsplit_once(':') {
            Some((file, number)) => (Some(file.to_owned()), number),
            None => (None, text),
        };
        let number = number.parse().map_err(|_| "not a number; N, or FILE:N".to_owned())?;
        Ok(Which { file, number })
    }
}

impl Word {
    /// Looks at a word in a process that has been relocated.
    ///
    /// # Errors
    /// There is no such file, or it has no such relocation.
    pub fn of(which: &Which, start: &Start, process: &Process) -> Result<Word> {
        let module = match &which.file {
            None => start.program(),
            Some(name) => start
                .modules
                .iter()
                .find(|module| module.mapped.name == *name || module.short() == name),
        };
        let module = module.with_context(|| format!("no file {} was mapped", which.file.as_deref().unwrap_or("")))?;
        let file = module.file.as_ref().context("the file cannot be read")?;
        let Some(relocation) = file.relocations.get(which.number) else {
            bail!(
                "{} has {} relocations; the first is number 0",
                module.mapped.name,
                file.relocations.len()
            );
        };
        let place = module.mapped.base.wrapping_add(relocation.at);
        let after = process.memory(place, 8).and_then(|bytes| bytes.try_into().ok());
        let before = file.binary.at(relocation.at, 8).and_then(|bytes| bytes.try_into().ok());
        let mut word = Word {
            file: module.mapped.name.clone(),
            number: which.number,
            kind: relocation.name(),
            formula: relocation.formula(),
            symbol: None,
            provider: None,
            values: Vec::new(),
            place,
            location: location(&file.binary, relocation.at),
            offset: file.binary.file_offset(relocation.at),
            before: before.unwrap_or_default(),
            after,
            computed: None,
        };
        word.compute(relocation, module, start);
        Ok(word)
    }

    fn compute(&mut self, relocation: &Relocation, module: &Module, start: &Start) {
        let in_place = u64::from_le_bytes(self.before);
        let addend = relocation.addend.unwrap_or(in_place);
        let base = module.mapped.base;
        let found = self.find(relocation, module, start);
        // What a resolver answers stands for the function that it is the resolver of.
        let answer = |resolver| {
            let calls = start.resolvers.iter();
            calls
                .filter(|call| call.function == resolver)
                .find_map(|call| call.answer)
        };
        let value = match &found {
            Found::At {
                address,
                is_resolver: true,
            } => answer(*address),
            Found::At { address, .. } => Some(*address),
            Found::Nowhere => Some(0),
            Found::Unknown => None,
        };
        let owner = self.provider.as_deref().unwrap_or(&module.mapped.name);
        let tls = start.tls.iter().find(|(name, _, _)| name == owner);
        let offset = match (relocation.symbol, &found) {
            (0, _) => Some(0),
            (_, Found::At { address, .. }) => start.named(owner).map(|owner| address.wrapping_sub(owner.mapped.base)),
            _ => None,
        };
        let below = tls.map(|(_, _, below)| *below);
        let sum = |value: u64| value.wrapping_add(addend);
        let (computed, letters) = match relocation.ask() {
            Ask::Relative => (Some(sum(base)), "BA"),
            Ask::Value { pc_relative: true, .. } => (value.map(|value| sum(value).wrapping_sub(self.place)), "SAP"),
            Ask::Value { addend: true, .. } => (value.map(sum), "SA"),
            Ask::GlobDat | Ask::JumpSlot | Ask::Value { .. } => (value, "S"),
            Ask::Indirect => (answer(sum(base)), "BA"),
            Ask::TlsModule => (tls.map(|(_, number, _)| *number), ""),
            Ask::TlsModuleOffset(_) => (offset.map(sum), "A"),
            Ask::ThreadOffset(_) => (
                offset.zip(below).map(|(offset, below)| sum(offset).wrapping_sub(below)),
                "AT",
            ),
            _ => (None, ""),
        };
        // lode's own function stands for libc's, which takes a lock that a child of fork would wait for.
        let is_substituted = self
            .symbol
            .as_deref()
            .is_some_and(|name| name.starts_with("dl_iterate_phdr"));
        self.computed = computed.filter(|_| !is_substituted);
        for letter in letters.chars() {
            let known = match letter {
                'B' => Some(base),
                'A' => Some(addend),
                'P' => Some(self.place),
                'T' => below,
                _ => value,
            };
            self.values.extend(known.map(|value| (letter, value)));
        }
    }

    /// What the symbol was bound to; notes its name and who has it.
    fn find(&mut self, relocation: &Relocation, module: &Module, start: &Start) -> Found {
        let symbols = module.file.as_ref().map_or(&[][..], |file| &file.binary.symbols);
        let Some(reference) = symbols
            .get(relocation.symbol as usize)
            .filter(|_| relocation.symbol != 0)
        else {
            return Found::Unknown;
        };
        self.symbol = Some(reference.full_name());
        match start.definition(&module.mapped.name, &reference.name, reference.version.as_deref()) {
            Some(bound) => {
                self.provider = Some(bound.to.clone());
                start
                    .symbol(bound)
                    .map_or(Found::Unknown, |(address, symbol, _)| Found::At {
                        address,
                        is_resolver: symbol.kind == IFUNC,
                    })
            }
            None if reference.is_weak() => Found::Nowhere,
            None => Found::Unknown,
        }
    }
}

/// `STT_GNU_IFUNC`
const IFUNC: u8 = 10;

/// Where the symbol of a relocation is.
enum Found {
    /// At an address of the process
    At { address: u64, is_resolver: bool },
    /// A weak reference that nothing satisfies
    Nowhere,
    /// There is none, or its file cannot be read
    Unknown,
}

/// `.got, in a segment rw-, stdout`
fn location(binary: &Binary, at: u64) -> String {
    let section = binary.section_at(at).map_or("no section", |section| &section.name);
    let segment = binary.loads().find(|segment| segment.spans(at));
    let access = segment.map_or_else(
        || "no segment".to_owned(),
        |segment| format!("a segment {}", segment.access()),
    );
    match binary.symbol_at(at) {
        Some(symbol) => format!("in {section}, in {access}, in {}", symbol.full_name()),
        None => format!("in {section}, in {access}"),
    }
}

impl Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\nRelocation {} of {}: {}", self.number, self.file, self.kind)?;
        if let Some(symbol) = &self.symbol {
            let provider = self.provider.as_deref().map_or("nobody", short);
            writeln!(out, "  symbol  {symbol}, defined by {provider}")?;
        }
        writeln!(out, "  place   {:#x}, {}", self.place, self.location)?;
        match self.offset {
            Some(offset) => writeln!(
                out,
                "  before  {}  (in the file, at {offset:#x})",
                hex(&self.before, " ")
            )?,
            None => writeln!(out, "  before  {}  (not in the file: zeros)", hex(&self.before, " "))?,
        }
        let values: Vec<String> = self
            .values
            .iter()
            .map(|(letter, value)| format!("{letter} = {value:#x}"))
            .collect();
        writeln!(out, "  formula {}   {}", self.formula, values.join(", "))?;
        match self.computed {
            Some(value) => writeln!(out, "  gives   {value:#x}")?,
            None => writeln!(out, "  gives   what code of the process decides")?,
        }
        match self.after {
            Some(after) => writeln!(out, "  after   {}  (in the process)", hex(&after, " ")),
            None => writeln!(out, "  after   cannot be read"),
        }
    }
}
