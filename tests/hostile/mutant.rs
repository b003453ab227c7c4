//! Damage to what a loader reads of a file: headers and tables. Code and data keep their bytes, so that what goes wrong is the loader's.

use std::fmt::Write as _;
use std::ops::Range;

use fastrand::Rng;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::{Endianness, elf};

/// What can be changed in a file.
pub struct Anatomy {
    bytes: Vec<u8>,
    tables: Vec<Table>,
    /// Where segments begin and end, in the file and in memory, and how long the file is.
    edges: Vec<u64>,
}

/// Records of one shape, one behind the other.
struct Table {
    name: String,
    /// How often it is chosen, in relation to the others.
    weight: u32,
    range: Range<usize>,
    /// How many bytes each field of a record has.
    fields: &'static [usize],
    kind: Kind,
}

/// What values a table's first or second field has, where it is a choice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Numbers,
    Segments,
    Dynamic,
    Relocations,
}

/// A damaged file, and how it was damaged.
pub struct Mutant {
    pub bytes: Vec<u8>,
    pub changes: String,
}

/// What sums and comparisons go wrong with.
const EDGES: [u64; 35] = [
    0,
    1,
    2,
    3,
    7,
    8,
    0xf,
    0x10,
    0x17,
    0x18,
    0x7f,
    0x80,
    0xff,
    0xfff,
    0x1000,
    0x1001,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    1 << 46,
    (1 << 47) - 0x1000,
    1 << 47,
    (1 << 48) - 1,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 0xfff,
    u64::MAX - 7,
    u64::MAX,
];

/// The tags of the gABI, GNU's, and those of filters, of Android and of CREL.
const TAGS: [Range<u64>; 6] = [
    0..42,
    0x6fff_fef5..0x6fff_fef8,
    0x6fff_fff0..0x7000_0000,
    0x6fff_fdf5..0x6fff_fe00,
    0x7fff_fffd..0x8000_0000,
    0x6000_000d..0x6000_0015,
];

/// SHT_ANDROID_RELA (bionic's linker): packed relocations with addends.
const ANDROID_RELA: u32 = 0x6000_0002;

const SEGMENT_TYPES: [u64; 14] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    0x6474_e550,
    0x6474_e551,
    0x6474_e552,
    0x6474_e553,
    0x6000_0000,
    0x7fff_ffff,
];

impl Anatomy {
    /// Of a file that a linker wrote.
    pub fn of(bytes: &[u8]) -> Anatomy {
        let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
        let endian = file.endian();
        let segments = file.elf_program_headers();
        let start = usize::try_from(file.elf_header().e_phoff(endian)).unwrap();
        let mut tables = vec![
            // The identity, without its padding, and the other fields.
            Table::new("header", 4, 0..9, &[4, 1, 1, 1, 1, 1], Kind::Numbers),
            Table::new(
                "header",
                6,
                16..64,
                &[2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2],
                Kind::Numbers,
            ),
            Table::new(
                "segment",
                22,
                start..start + 56 * segments.len(),
                &[4, 4, 8, 8, 8, 8, 8, 8],
                Kind::Segments,
            ),
        ];
        let sections = file.elf_section_table();
        for section in sections.iter() {
            let name = String::from_utf8_lossy(sections.section_name(endian, section).unwrap()).into_owned();
            let (weight, fields, kind): (_, &[usize], _) = match section.sh_type(endian) {
                elf::SHT_HASH => (4, &[4], Kind::Numbers),
                elf::SHT_GNU_HASH => (9, &[4], Kind::Numbers),
                elf::SHT_DYNSYM => (10, &[4, 1, 1, 2, 8, 8], Kind::Numbers),
                elf::SHT_STRTAB if name == ".dynstr" => (4, &[1], Kind::Numbers),
                elf::SHT_GNU_VERSYM => (2, &[2], Kind::Numbers),
                // Records of several shapes: all have halves before words, or words alone.
                elf::SHT_GNU_VERNEED | elf::SHT_GNU_VERDEF => (4, &[2, 2], Kind::Numbers),
                elf::SHT_RELA => (6, &[8, 4, 4, 8], Kind::Relocations),
                elf::SHT_RELR => (6, &[8], Kind::Numbers),
                ANDROID_RELA => (6, &[1], Kind::Numbers),
                elf::SHT_DYNAMIC => (24, &[8, 8], Kind::Dynamic),
                elf::SHT_NOTE => (2, &[4], Kind::Numbers),
                _ => continue,
            };
            let (offset, size) = section.file_range(endian).unwrap();
            let range = offset as usize..(offset + size) as usize;
            tables.push(Table::new(&name, weight, range, fields, kind));
        }
        tables.retain(|table| table.count() != 0);
        let mut edges = vec![bytes.len() as u64];
        for segment in segments {
            let (offset, size) = segment.file_range(endian);
            let at = segment.p_vaddr(endian);
            edges.extend([offset, offset + size, at, at + size, at + segment.p_memsz(endian)]);
        }
        Anatomy {
            bytes: bytes.to_vec(),
            tables,
            edges,
        }
    }

    /// A copy with one to four changes.
    pub fn mutant(&self, numbers: &mut Rng) -> Mutant {
        let mut mutant = Mutant {
            bytes: self.bytes.clone(),
            changes: String::new(),
        };
        let count = [1, 1, 1, 1, 1, 2, 2, 3, 4][numbers.usize(..9)];
        for _ in 0..count {
            match numbers.u32(..100) {
                0..84 => self.change_field(&mut mutant, numbers),
                84..95 => self.change_record(&mut mutant, numbers),
                _ => {
                    self.cut(&mut mutant, numbers);
                    break;
                }
            }
        }
        mutant
    }

    /// A copy with another tag at the first dynamic entry of a tag.
    pub fn with_tag(&self, tag: u32, other: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let table = self.tables.iter().find(|table| table.kind == Kind::Dynamic).unwrap();
        let mut entries = bytes[table.range.clone()].chunks_exact_mut(table.size());
        let entry = entries
            .find(|entry| entry[..8] == u64::from(tag).to_le_bytes())
            .unwrap();
        entry[..8].copy_from_slice(&u64::from(other).to_le_bytes());
        bytes
    }

    fn table(&self, numbers: &mut Rng, suits: impl Fn(&&Table) -> bool) -> &Table {
        let all: u32 = self.tables.iter().filter(&suits).map(|table| table.weight).sum();
        let mut left = numbers.u32(..all);
        let chosen = self.tables.iter().filter(&suits).find(|table| {
            let found = left < table.weight;
            left = left.wrapping_sub(table.weight);
            found
        });
        chosen.unwrap()
    }

    fn change_field(&self, mutant: &mut Mutant, numbers: &mut Rng) {
        let table = self.table(numbers, |_| true);
        let (record, field) = (numbers.usize(..table.count()), numbers.usize(..table.fields.len()));
        let width = table.fields[field];
        let at = table.range.start + record * table.size() + table.fields[..field].iter().sum::<usize>();
        let place = &mut mutant.bytes[at..at + width];
        let mut word = [0; 8];
        word[..width].copy_from_slice(place);
        let old = u64::from_le_bytes(word);
        let new = match (table.kind, field) {
            (Kind::Dynamic, 0) if numbers.u32(..10) < 6 => {
                let group = TAGS[numbers.usize(..TAGS.len())].clone();
                numbers.u64(group)
            }
            (Kind::Segments, 0) if numbers.u32(..10) < 6 => SEGMENT_TYPES[numbers.usize(..SEGMENT_TYPES.len())],
            (Kind::Relocations, 1) if numbers.u32(..10) < 6 => numbers.u64(..45),
            _ => self.value(old, width, numbers),
        };
        place.copy_from_slice(&new.to_le_bytes()[..width]);
        let name = &table.name;
        write!(mutant.changes, "{name}[{record}].{field} {old:#x} to {new:#x}; ").unwrap();
    }

    fn value(&self, old: u64, width: usize, numbers: &mut Rng) -> u64 {
        let signed = |step: i64| old.wrapping_add_signed(step);
        match numbers.u32(..8) {
            0 | 1 => EDGES[numbers.usize(..EDGES.len())],
            2 => signed([1, -1, 8, -8, 0x1000, -0x1000][numbers.usize(..6)]),
            3 => old ^ 1 << numbers.usize(..8 * width),
            4 => old.wrapping_mul(2),
            5 => old.wrapping_neg(),
            6 => {
                let edge = self.edges[numbers.usize(..self.edges.len())];
                edge.wrapping_add_signed([0, 0, -1, 1, -8, 8][numbers.usize(..6)])
            }
            _ => numbers.u64(..),
        }
    }

    fn change_record(&self, mutant: &mut Mutant, numbers: &mut Rng) {
        let table = self.table(numbers, |table| table.size() > 8);
        let size = table.size();
        let mut record = || table.range.start + numbers.usize(..table.count()) * size;
        let (one, other) = (record(), record());
        let copy = mutant.bytes[other..other + size].to_vec();
        let name = &table.name;
        let done = ["swapped with", "overwritten by", "zeroed, not", "set to ones, not"][numbers.usize(..4)];
        match done.as_bytes()[0] {
            b's' if done.contains("with") => {
                mutant.bytes.copy_within(one..one + size, other);
                mutant.bytes[one..one + size].copy_from_slice(&copy);
            }
            b'o' => mutant.bytes[one..one + size].copy_from_slice(&copy),
            b'z' => mutant.bytes[one..one + size].fill(0),
            _ => mutant.bytes[one..one + size].fill(0xff),
        }
        write!(mutant.changes, "{name} at {one:#x} {done} {other:#x}; ").unwrap();
    }

    fn cut(&self, mutant: &mut Mutant, numbers: &mut Rng) {
        const HEADERS: [usize; 11] = [0, 1, 4, 16, 63, 64, 65, 120, 4095, 4096, 4097];
        let length = mutant.bytes.len();
        let at = match numbers.u32(..10) {
            0..3 => HEADERS[numbers.usize(..HEADERS.len())],
            3..7 => {
                let edge = self.edges[numbers.usize(..self.edges.len())] as usize;
                edge.wrapping_add_signed([0, 0, -1, 1][numbers.usize(..4)])
            }
            _ => numbers.usize(..length),
        };
        mutant.bytes.truncate(at.min(length));
        write!(mutant.changes, "cut to {}; ", mutant.bytes.len()).unwrap();
    }
}

impl Table {
    fn new(name: &str, weight: u32, range: Range<usize>, fields: &'static [usize], kind: Kind) -> Table {
        Table {
            name: name.to_owned(),
            weight,
            range,
            fields,
            kind,
        }
    }

    /// Bytes of a record.
    fn size(&self) -> usize {
        self.fields.iter().sum()
    }

    fn count(&self) -> usize {
        self.range.len() / self.size()
    }
}
