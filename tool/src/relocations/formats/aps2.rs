//! Android's packed relocations, DT_ANDROID_REL and DT_ANDROID_RELA: groups of entries that share what they can, as LEB128 numbers
//! with signs (bionic, "android relocation packer"; `APS2` are the first four bytes).

use super::leb128::{Reader, put_signed};
use super::{Encoded, Entry, Format, MOST, Relative, Target, places, runs};
use crate::elf::words::Words;

pub const FORMAT: Format = Format {
    name: "APS2",
    encode,
    decode: |bytes, target| places(&decode(bytes, target.words)?, target),
};

const MAGIC: &[u8] = b"APS2";

/// All entries of the group have one `r_info`.
const BY_INFO: i64 = 1;
/// All entries of the group are as far from the one before.
const BY_DISTANCE: i64 = 2;
/// All entries of the group have one addend.
const BY_ADDEND: i64 = 4;
/// The entries have addends.
const HAS_ADDEND: i64 = 8;

/// A run shorter than this is cheaper as entries of a mixed group: a group of its own costs four numbers or more.
const SHORT: u64 = 5;

/// Writes the form of DT_ANDROID_REL: runs as groups that share the distance, the others between them as groups of distances.
fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    if relocations.is_empty() {
        return Encoded::default();
    }
    let size = target.words.size();
    let info = target.words.info(0, target.relative) as i64;
    let mut bytes = MAGIC.to_vec();
    put_signed(&mut bytes, relocations.len() as i64);
    // The place before the first.
    put_signed(&mut bytes, 0);
    let mut before = 0u64;
    let mut mixed: Vec<i64> = Vec::new();
    let flush = |bytes: &mut Vec<u8>, mixed: &mut Vec<i64>| {
        if mixed.is_empty() {
            return;
        }
        for number in [mixed.len() as i64, BY_INFO, info] {
            put_signed(bytes, number);
        }
        mixed.drain(..).for_each(|distance| put_signed(bytes, distance));
    };
    for (start, count) in runs(relocations, size) {
        // The first of a run is reached by its own distance.
        mixed.push(start.wrapping_sub(before) as i64);
        let follow = count - 1;
        if follow < SHORT {
            mixed.extend((0..follow).map(|_| size as i64));
        } else {
            flush(&mut bytes, &mut mixed);
            for number in [follow as i64, BY_INFO | BY_DISTANCE, size as i64, info] {
                put_signed(&mut bytes, number);
            }
        }
        before = start.wrapping_add(follow * size);
    }
    flush(&mut bytes, &mut mixed);
    Encoded::whole(bytes)
}

/// Reads a table of either form; `None` when it is damaged.
pub fn decode(bytes: &[u8], words: Words) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    if bytes.is_empty() {
        return Some(entries);
    }
    let mut reader = Reader::new(bytes.strip_prefix(MAGIC)?);
    let count = u64::try_from(reader.signed()?).ok().filter(|count| *count <= MOST)?;
    let mut place = reader.signed()? as u64;
    let mut addend = 0u64;
    while (entries.len() as u64) < count {
        let group = Group::read(&mut reader, &mut addend)?;
        if group.size > count - entries.len() as u64 {
            return None;
        }
        for _ in 0..group.size {
            let distance = match group.distance {
                Some(distance) => distance,
                None => reader.signed()?,
            };
            place = words.cut(place.wrapping_add(distance as u64));
            let info = match group.info {
                Some(info) => info,
                None => reader.signed()?,
            };
            if group.flags & HAS_ADDEND != 0 && group.flags & BY_ADDEND == 0 {
                addend = addend.wrapping_add(reader.signed()? as u64);
            }
            let (symbol, kind) = words.parts(info as u64);
            entries.push(Entry {
                place,
                symbol,
                kind,
                addend: (group.flags & HAS_ADDEND != 0).then_some(addend),
            });
        }
    }
    Some(entries)
}

/// What the entries of a group share.
struct Group {
    size: u64,
    flags: i64,
    distance: Option<i64>,
    info: Option<i64>,
}

impl Group {
    fn read(reader: &mut Reader<'_>, addend: &mut u64) -> Option<Group> {
        // A group of none would let a few bytes claim for ever.
        let size = u64::try_from(reader.signed()?).ok().filter(|size| *size != 0)?;
        let flags = reader.signed()?;
        let mut shared = |flag: i64| {
            if flags & flag == 0 {
                return Some(None);
            }
            reader.signed().map(Some)
        };
        let distance = shared(BY_DISTANCE)?;
        let info = shared(BY_INFO)?;
        match flags & (HAS_ADDEND | BY_ADDEND) {
            0 | BY_ADDEND => *addend = 0,
            HAS_ADDEND => {}
            _ => *addend = addend.wrapping_add(reader.signed()? as u64),
        }
        Some(Group {
            size,
            flags,
            distance,
            info,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE_64: Words = Words {
        bits: 64,
        little_endian: true,
    };

    #[test]
    fn groups_share_what_their_flags_say() {
        let mut bytes = MAGIC.to_vec();
        for number in [
            5,
            0x1000, // five entries, the place before the first
            2,
            11,
            8,
            8,
            0x40,
            0x10, // two: info, distance and an addend each
            1,
            13,
            0x0000_0007_0000_0001,
            8,
            0x20, // one: info and addend shared
            2,
            0,
            0x100,
            6,
            8,
            7, // two without addends
        ] {
            put_signed(&mut bytes, number);
        }
        let entry = |place, symbol, kind, addend| Entry {
            place,
            symbol,
            kind,
            addend,
        };
        assert_eq!(
            decode(&bytes, LITTLE_64).unwrap(),
            [
                entry(0x1008, 0, 8, Some(0x40)),
                entry(0x1010, 0, 8, Some(0x50)),
                entry(0x1030, 7, 1, Some(0x58)),
                entry(0x1130, 0, 6, None),
                entry(0x1138, 0, 7, None),
            ]
        );
        assert_eq!(decode(b"APS1\0\0", LITTLE_64), None);
    }

    #[test]
    fn a_group_of_none_and_a_group_of_too_many_are_damage() {
        for size in [0, 2, -1] {
            let mut bytes = MAGIC.to_vec();
            for number in [1, 0, size, BY_INFO | BY_DISTANCE, 8, 8] {
                put_signed(&mut bytes, number);
            }
            assert_eq!(decode(&bytes, LITTLE_64), None);
        }
    }
}
