//! The ways in which relative relocations have been written down, each with an encoder and a decoder.
//!
//! | format | where it comes from | bytes of one entry, 64-bit |
//! |---|---|---|
//! | [`rel`] | gABI, `Elf64_Rel` | 16 |
//! | [`rela`] | gABI, `Elf64_Rela` | 24 |
//! | [`bare`] | a list of addresses (the first proposal on the way to RELR) | 8 |
//! | [`elfhack`] | Firefox's elfhack: an address and a number of words | 8 for a run |
//! | [`aps2`] | Android's packed relocations, DT_ANDROID_REL(A) | varies |
//! | [`relr`] | gABI, DT_RELR | varies |
//! | [`crel`] | LLVM's CREL, SHT_CREL | varies |
//! | [`rebase`] | Mach-O, LC_DYLD_INFO's rebase opcodes | varies |
//!
//! All but RELA leave the addend at the place.

pub mod aps2;
pub mod bare;
pub mod crel;
pub mod elfhack;
mod leb128;
pub mod rebase;
pub mod rel;
pub mod rela;
pub mod relr;

use std::ops::Range;

use crate::elf::words::Words;

/// A relative relocation: the word at `place` becomes the load bias plus `addend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relative {
    /// Link-time address
    pub place: u64,
    /// What the bias is added to, in two's complement
    pub addend: u64,
}

/// An entry of the formats that say more than relative relocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `r_offset`
    pub place: u64,
    /// The symbol's index, 0 for none
    pub symbol: u32,
    /// The relocation's number
    pub kind: u32,
    /// The addend in two's complement; `None` when it stands at the place
    pub addend: Option<u64>,
}

/// What a table is encoded for.
#[derive(Clone, Debug)]
pub struct Target {
    /// Class and byte order
    pub words: Words,
    /// The number of the machine's relative relocation
    pub relative: u32,
    /// The mapped segments, as link-time addresses: Mach-O counts from their starts
    pub segments: Vec<Range<u64>>,
}

/// A table in one of the formats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The table
    pub bytes: Vec<u8>,
    /// What the format cannot say, in order
    pub left: Vec<Relative>,
}

impl Encoded {
    /// A table that says all.
    fn whole(bytes: Vec<u8>) -> Encoded {
        Encoded {
            bytes,
            left: Vec::new(),
        }
    }
}

/// A format.
pub struct Format {
    /// Its name
    pub name: &'static str,
    /// Writes relocations that are in ascending order, each place once.
    pub encode: fn(&[Relative], &Target) -> Encoded,
    /// Reads a table's places; `None` when it is damaged. The encoders' tests need it.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "the proof that an encoding says what it should")
    )]
    pub decode: fn(&[u8], &Target) -> Option<Vec<u64>>,
}

/// All formats, in the order of a table of sizes.
pub const FORMATS: [Format; 8] = [
    rel::FORMAT,
    rela::FORMAT,
    bare::FORMAT,
    elfhack::FORMAT,
    aps2::FORMAT,
    relr::FORMAT,
    crel::FORMAT,
    rebase::FORMAT,
];

/// The most entries that a table is read to. The largest libraries have a few million; a damaged table of a few bytes may claim any number.
const MOST: u64 = if cfg!(test) { 1 << 14 } else { 1 << 26 };

impl Words {
    /// Appends the low bytes of `value` in the file's order.
    fn put(self, bytes: &mut Vec<u8>, value: u64, length: usize) {
        let little = value.to_le_bytes();
        let low = little.get(..length).unwrap_or(&little);
        if self.little_endian {
            bytes.extend_from_slice(low);
        } else {
            bytes.extend(low.iter().rev());
        }
    }

    /// Appends an address.
    fn put_address(self, bytes: &mut Vec<u8>, value: u64) {
        self.put(bytes, value, usize::from(self.bits / 8));
    }

    /// `r_info` (gABI, "Relocation").
    fn info(self, symbol: u32, kind: u32) -> u64 {
        match self.bits {
            64 => u64::from(symbol) << 32 | u64::from(kind),
            _ => u64::from(symbol) << 8 | u64::from(kind & 0xff),
        }
    }

    /// The symbol and the number in an `r_info`.
    pub fn parts(self, info: u64) -> (u32, u32) {
        match self.bits {
            64 => ((info >> 32) as u32, info as u32),
            _ => ((info >> 8) as u32 & 0x00ff_ffff, info as u32 & 0xff),
        }
    }

    /// The value cut to an address.
    pub fn cut(self, value: u64) -> u64 {
        match self.bits {
            64 => value,
            _ => value & u64::from(u32::MAX),
        }
    }
}

/// The places of entries, all of which are relative.
fn places(entries: &[Entry], target: &Target) -> Option<Vec<u64>> {
    let place = |entry: &Entry| (entry.kind == target.relative && entry.symbol == 0).then_some(entry.place);
    entries.iter().map(place).collect()
}

/// Runs of words that follow each other: the first place and their number.
fn runs(relocations: &[Relative], word: u64) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for Relative { place, .. } in relocations {
        match runs.last_mut() {
            Some((start, count)) if place.wrapping_sub(*start) == *count * word => *count += 1,
            _ => runs.push((*place, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Vec<Target> {
        let mut targets = Vec::new();
        for bits in [32, 64] {
            for little_endian in [true, false] {
                targets.push(Target {
                    words: Words { bits, little_endian },
                    relative: 8,
                    segments: vec![0x1000..0x9000, 0x1_0000..0x80_0000],
                });
            }
        }
        targets
    }

    /// A generator of numbers that is the same everywhere.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self, limit: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    fn relative(place: u64) -> Relative {
        Relative {
            place,
            addend: place ^ 0x40,
        }
    }

    /// Tables of many shapes: none, one, runs, gaps, odd places, a jump to another segment.
    fn tables(word: u64) -> Vec<Vec<Relative>> {
        let mut numbers = Numbers(3);
        let mut tables = vec![
            vec![],
            vec![relative(0x1_0000)],
            (0..2000).map(|index| relative(0x1_0000 + index * word)).collect(),
            (0..2000).map(|index| relative(0x1_0000 + index * word * 2)).collect(),
            (0..500).map(|index| relative(0x1_0000 + index * 0x1230)).collect(),
            vec![
                relative(0x1001),
                relative(0x1_0001),
                relative(0x1_0010),
                relative(0x1_0013),
            ],
            vec![relative(0x1000), relative(0x1_0000)],
        ];
        for _ in 0..60 {
            let mut place = 0x1_0000;
            let spread = 1 + numbers.next(300);
            let odd = numbers.next(4) == 0;
            tables.push(
                (0..numbers.next(400))
                    .map(|_| {
                        place += word * (1 + numbers.next(spread));
                        place += if odd { numbers.next(3) } else { 0 };
                        relative(place)
                    })
                    .collect(),
            );
        }
        tables
    }

    #[test]
    fn every_format_gives_back_what_was_encoded() {
        for target in targets() {
            for table in tables(target.words.size()) {
                for format in FORMATS {
                    let encoded = (format.encode)(&table, &target);
                    let decoded = (format.decode)(&encoded.bytes, &target);
                    let mut decoded = decoded.unwrap_or_else(|| panic!("{}: {table:x?}", format.name));
                    decoded.extend(encoded.left.iter().map(|left| left.place));
                    decoded.sort_unstable();
                    let expected: Vec<u64> = table.iter().map(|one| one.place).collect();
                    assert_eq!(decoded, expected, "{} {target:x?}", format.name);
                }
            }
        }
    }

    #[test]
    fn what_a_format_cannot_say_is_left_and_nothing_else() {
        let target = &targets()[2];
        let table = [relative(0x1_0000), relative(0x1_0009), relative(0x1_0018)];
        for format in FORMATS {
            let left = (format.encode)(&table, target).left;
            // A RELR address is even; elfhack and CREL, APS2, Mach-O count bytes.
            let expected = if format.name == "RELR" { vec![table[1]] } else { vec![] };
            assert_eq!(left, expected, "{}", format.name);
        }
    }

    #[test]
    fn sizes_of_a_table_of_pointers_are_what_the_formats_promise() {
        let target = &targets()[2];
        let table: Vec<Relative> = (0..1001).map(|index| relative(0x1_0000 + index * 8)).collect();
        let size = |name: &str| {
            let format = FORMATS.iter().find(|format| format.name == name).unwrap();
            (format.encode)(&table, target).bytes.len()
        };
        assert_eq!((size("REL"), size("RELA"), size("offsets")), (16016, 24024, 8008));
        assert_eq!(size("elfhack"), 8);
        // An address, and the other thousand in bitmaps of 63.
        assert_eq!(size("RELR"), 8 + 8 * 16);
        // A byte for each, three for the header and the first place.
        assert!(size("CREL") < 1001 + 10);
        assert!(size("APS2") < 32 && size("Mach-O rebase") < 16);
    }

    #[test]
    fn damaged_tables_are_read_without_a_fault() {
        let mut numbers = Numbers(17);
        for target in targets() {
            for table in tables(target.words.size()).into_iter().take(12) {
                for format in FORMATS {
                    let mut bytes = (format.encode)(&table, &target).bytes;
                    for _ in 0..20 {
                        if !bytes.is_empty() {
                            let at = numbers.next(bytes.len() as u64) as usize;
                            bytes[at] = numbers.next(256) as u8;
                        }
                        let most = (format.decode)(&bytes, &target).map_or(0, |places| places.len() as u64);
                        assert!(most <= MOST);
                    }
                    for length in 0..bytes.len().min(40) {
                        (format.decode)(&bytes[..length], &target);
                    }
                }
            }
        }
    }
}
