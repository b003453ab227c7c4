//! The relocations of a file, in whatever form they stand there.
//!
//! | part | what it is for |
//! |---|---|
//! | this | the tables that a loader reads, and those of an object file |
//! | `machines` | what a number asks for, also on machines that lode has no loader for |
//! | `formats` | the forms of relative relocations, read and written |

pub mod formats;
pub mod machines;

use std::ops::Range;

use lode::arch::Ask;
use lode::elf::dynamic::tag;

use crate::elf::{Binary, Section};
use formats::{Entry, Target, aps2, crel, rel, rela, relr};

/// `SHT_RELA`, `SHT_REL` and LLVM's `SHT_CREL`
pub const SHT_RELA: u32 = 4;
pub const SHT_REL: u32 = 9;
pub const SHT_CREL: u32 = 0x4000_0014;

/// The form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// DT_RELR, DT_ANDROID_RELR
    Relr,
    /// DT_REL, or a section of that type
    Rel,
    /// DT_RELA, or a section of that type
    Rela,
    /// DT_ANDROID_REL
    PackedRel,
    /// DT_ANDROID_RELA
    PackedRela,
    /// SHT_CREL
    Crel,
    /// DT_JMPREL
    Plt,
}

impl Form {
    /// Its name, as its tag has it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Relr => "RELR",
            Form::Rel => "REL",
            Form::Rela => "RELA",
            Form::PackedRel => "ANDROID_REL",
            Form::PackedRela => "ANDROID_RELA",
            Form::Crel => "CREL",
            Form::Plt => "JMPREL",
        }
    }
}

/// One relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Link-time address of the place; in an object file the offset in its section
    pub place: u64,
    /// The symbol's index, 0 for none
    pub symbol: u32,
    /// The relocation's number; `None` in RELR, which has only one
    pub kind: Option<u32>,
    /// The addend in two's complement; `None` when it stands at the place
    pub addend: Option<u64>,
    /// The form that it stands in
    pub form: Form,
}

impl Relocation {
    /// What it asks for; `None` when that is not known.
    pub fn ask(&self, machine: u16) -> Option<Ask> {
        match self.kind {
            None => Some(Ask::Relative),
            Some(kind) => machines::meaning(machine, kind).map(|meaning| meaning.ask),
        }
    }

    /// Its name in the psABI, or its number.
    pub fn name(&self, machine: u16) -> String {
        match self.kind {
            None => "RELR".to_owned(),
            Some(kind) => machines::name(machine, kind),
        }
    }
}

/// A table as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its form
    pub form: Form,
    /// Its bytes in the file
    pub size: u64,
    /// How many entries it has
    pub count: usize,
}

/// All that a loader is asked to relocate.
#[derive(Clone, Debug, Default)]
pub struct Relocations {
    /// The relocations, in the order in which loaders go through the tables: RELR, then the others, the PLT's last
    pub all: Vec<Relocation>,
    /// The tables
    pub tables: Vec<Table>,
    /// What could not be read, in words
    pub damage: Vec<String>,
}

impl Relocations {
    /// The relocations that the dynamic section leads to.
    pub fn of(binary: &Binary) -> Relocations {
        let mut relocations = Relocations::default();
        let plt_is_rela = binary.dynamic_value(tag::PLTREL) != Some(tag::REL);
        let plt = if plt_is_rela { Form::Rela } else { Form::Rel };
        for (form, at, size) in [
            (Form::Relr, tag::RELR, tag::RELRSZ),
            (Form::Relr, tag::ANDROID_RELR, tag::ANDROID_RELRSZ),
            (Form::PackedRel, tag::ANDROID_REL, tag::ANDROID_RELSZ),
            (Form::PackedRela, tag::ANDROID_RELA, tag::ANDROID_RELASZ),
            (Form::Rel, tag::REL, tag::RELSZ),
            (Form::Rela, tag::RELA, tag::RELASZ),
            (Form::Plt, tag::JMPREL, tag::PLTRELSZ),
        ] {
            let (Some(at), Some(size)) = (binary.dynamic_value(at), binary.dynamic_value(size)) else {
                continue;
            };
            if size == 0 {
                continue;
            }
            let read = if form == Form::Plt { plt } else { form };
            let bytes = binary.at(at, size);
            relocations.add(form, size, bytes.and_then(|bytes| read_table(read, bytes, binary)));
        }
        relocations
    }

    /// The relocations of a section of an object file, with places in it.
    pub fn of_section(binary: &Binary, section: usize) -> Relocations {
        let mut relocations = Relocations::default();
        let tables = binary.sections.iter().filter(|table| table.info as usize == section);
        for table in tables {
            let form = match table.kind {
                SHT_RELA => Form::Rela,
                SHT_REL => Form::Rel,
                SHT_CREL => Form::Crel,
                _ => continue,
            };
            let bytes = content(binary, table);
            relocations.add(
                form,
                table.size,
                bytes.and_then(|bytes| read_table(form, bytes, binary)),
            );
        }
        relocations
    }

    fn add(&mut self, form: Form, size: u64, entries: Option<Vec<Relocation>>) {
        let Some(entries) = entries else {
            self.damage
                .push(format!("the table of {} relocations is damaged", form.name()));
            return;
        };
        self.tables.push(Table {
            form,
            size,
            count: entries.len(),
        });
        self.all
            .extend(entries.into_iter().map(|relocation| Relocation { form, ..relocation }));
    }

    /// The relative relocations among them, by place, each place once.
    pub fn relative(&self, binary: &Binary) -> Vec<formats::Relative> {
        let machine = binary.header.machine;
        let relative = self.all.iter().filter(|one| one.ask(machine) == Some(Ask::Relative));
        let mut relative: Vec<formats::Relative> = relative
            .map(|one| formats::Relative {
                place: one.place,
                addend: one
                    .addend
                    .or_else(|| {
                        let size = binary.words().size();
                        binary.words().address(binary.at(one.place, size)?, 0)
                    })
                    .unwrap_or_default(),
            })
            .collect();
        relative.sort_unstable();
        relative.dedup_by_key(|one| one.place);
        relative
    }
}

/// The bytes of a section in the file.
pub fn content<'a>(binary: &'a Binary, section: &Section) -> Option<&'a [u8]> {
    /// `SHT_NOBITS`
    const NO_BITS: u32 = 8;
    if section.kind == NO_BITS {
        return None;
    }
    let from = usize::try_from(section.offset).ok()?;
    let end = from.checked_add(usize::try_from(section.size).ok()?)?;
    binary.bytes.get(from..end)
}

fn read_table(form: Form, bytes: &[u8], binary: &Binary) -> Option<Vec<Relocation>> {
    let words = binary.words();
    let entries = match form {
        Form::Relr => {
            let places = relr::decode(bytes, words)?;
            let relocation = |place| Relocation {
                place,
                symbol: 0,
                kind: None,
                addend: None,
                form,
            };
            return Some(places.into_iter().map(relocation).collect());
        }
        Form::Rel => rel::decode(bytes, words)?,
        Form::Rela | Form::Plt => rela::decode(bytes, words)?,
        Form::PackedRel | Form::PackedRela => aps2::decode(bytes, words)?,
        Form::Crel => crel::decode(bytes, words)?,
    };
    let relocation = |entry: Entry| Relocation {
        place: entry.place,
        symbol: entry.symbol,
        kind: Some(entry.kind),
        addend: entry.addend,
        form,
    };
    Some(entries.into_iter().map(relocation).collect())
}

/// What the formats need to know of a file; `None` when the machine's relative relocation is not known.
pub fn target(binary: &Binary) -> Option<Target> {
    let segment = |segment: &crate::elf::Segment| -> Range<u64> {
        segment.address..segment.address.saturating_add(segment.memory_size)
    };
    Some(Target {
        words: binary.words(),
        relative: machines::relative(binary.header.machine)?,
        segments: binary.loads().map(segment).collect(),
    })
}
