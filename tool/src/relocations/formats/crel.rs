//! CREL: a header, then for each entry the differences from the one before it, as LEB128 numbers (LLVM, SHT_CREL; the tag for a loader's table is
//! not standardised).

use super::leb128::{Reader, put, put_signed};
use super::{Encoded, Entry, Format, MOST, Relative, Target, places};
use crate::elf::words::Words;

pub const FORMAT: Format = Format {
    name: "CREL",
    encode,
    decode: |bytes, target| places(&decode(bytes, target.words)?, target),
};

/// In the header: entries have addends.
const ADDENDS: u64 = 4;
/// In an entry's first byte: another symbol, another number, another addend follows.
const SYMBOL: u8 = 1;
const KIND: u8 = 2;
const ADDEND: u8 = 4;

/// Writes the form without addends.
fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    if relocations.is_empty() {
        return Encoded::default();
    }
    // The header says how many low bits all places lack.
    let all = relocations.iter().fold(8, |all, one| all | one.place);
    let shift = all.trailing_zeros().min(3);
    let mut bytes = Vec::new();
    put(&mut bytes, relocations.len() as u64 * 8 + u64::from(shift));
    let mut before = Relative { place: 0, addend: 0 };
    let mut kind = 0;
    for relocation in relocations {
        let distance = relocation.place.wrapping_sub(before.place) >> shift;
        let flags = if kind == target.relative { 0 } else { KIND };
        put_first(&mut bytes, distance, flags);
        if flags != 0 {
            put_signed(&mut bytes, i64::from(target.relative) - i64::from(kind));
        }
        (before, kind) = (*relocation, target.relative);
    }
    Encoded::whole(bytes)
}

/// A LEB128 number whose lowest two bits are flags and whose others are a distance, which may have 64 bits itself.
fn put_first(bytes: &mut Vec<u8>, distance: u64, flags: u8) {
    let low = (distance as u8 & 0x1f) << 2 | flags;
    match distance >> 5 {
        0 => bytes.push(low),
        more => {
            bytes.push(low | 0x80);
            put(bytes, more);
        }
    }
}

/// Reads a table of either form; `None` when it is damaged.
pub fn decode(bytes: &[u8], words: Words) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    if bytes.is_empty() {
        return Some(entries);
    }
    let mut reader = Reader::new(bytes);
    let header = reader.number()?;
    // An entry has a byte at least.
    let count = Some(header / 8).filter(|count| *count <= MOST && *count <= bytes.len() as u64)?;
    let (has_addends, shift) = (header & ADDENDS != 0, header % ADDENDS);
    let flag_bits = if has_addends { 3 } else { 2 };
    let (mut place, mut symbol, mut kind, mut addend) = (0u64, 0u32, 0u32, 0u64);
    for _ in 0..count {
        let first = reader.byte()?;
        let mut distance = u64::from(first & 0x7f) >> flag_bits;
        if first & 0x80 != 0 {
            distance |= reader.number()? << (7 - flag_bits);
        }
        place = place.wrapping_add(distance);
        if first & SYMBOL != 0 {
            symbol = symbol.wrapping_add(reader.signed()? as u32);
        }
        if first & KIND != 0 {
            kind = kind.wrapping_add(reader.signed()? as u32);
        }
        if has_addends && first & ADDEND != 0 {
            addend = addend.wrapping_add(reader.signed()? as u64);
        }
        entries.push(Entry {
            place: words.cut(place << shift),
            symbol,
            kind,
            addend: has_addends.then_some(addend),
        });
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_differences_and_keep_what_does_not_change() {
        // Three entries with addends, places without shift: +0x10 symbol 3 number 1 addend -4; +8 addend the same; +0x1000 number 2.
        let mut bytes = vec![3 * 8 + 4, 0x80 | 7, 1, 3, 1, 0x7c, 8 << 3, 0x80 | 2];
        put(&mut bytes, 0x1000 >> 4);
        put_signed(&mut bytes, 1);
        let words = Words {
            bits: 64,
            little_endian: true,
        };
        let entry = |place, kind| Entry {
            place,
            symbol: 3,
            kind,
            addend: Some(-4i64 as u64),
        };
        assert_eq!(
            decode(&bytes, words).unwrap(),
            [entry(0x10, 1), entry(0x18, 1), entry(0x1018, 2)]
        );
        for length in 1..bytes.len() {
            assert_eq!(decode(&bytes[..length], words), None);
        }
    }
}
