//! Mach-O's rebase opcodes (`<mach-o/loader.h>`, LC_DYLD_INFO): a small machine that walks through segments and rebases words as it goes.

use super::leb128::{Reader, put};
use super::{Encoded, Format, MOST, Relative, Target, runs};

pub const FORMAT: Format = Format {
    name: "Mach-O rebase",
    encode,
    decode,
};

/// An opcode is the upper half of a byte; the lower is its small number.
const DONE: u8 = 0x00;
const SET_TYPE: u8 = 0x10;
const SET_SEGMENT_AND_OFFSET: u8 = 0x20;
const ADD_ADDRESS: u8 = 0x30;
const ADD_ADDRESS_IN_WORDS: u8 = 0x40;
const REBASE_TIMES: u8 = 0x50;
const REBASE_TIMES_LONG: u8 = 0x60;
const REBASE_AND_ADD: u8 = 0x70;
const REBASE_TIMES_SKIPPING: u8 = 0x80;

/// The type "pointer".
const POINTER: u8 = 1;
/// The largest number in an opcode's own byte.
const SMALL: u64 = 15;

/// Writes the program that `ld64` would: runs by count, single words that stand at even distances by one opcode for all of them.
fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    let size = target.words.size();
    let segment = |place: u64| target.segments.iter().position(|segment| segment.contains(&place));
    let can = |place: u64| segment(place).is_some_and(|number| number as u64 <= SMALL);
    let (inside, left): (Vec<Relative>, Vec<Relative>) = relocations.iter().partition(|one| can(one.place));
    if inside.is_empty() {
        return Encoded {
            bytes: Vec::new(),
            left,
        };
    }
    let mut bytes = vec![SET_TYPE | POINTER];
    let mut at: Option<(usize, u64)> = None;
    let all = runs(&inside, size);
    let mut rest = all.as_slice();
    while let Some((start, count)) = rest.first().copied() {
        let number = segment(start).unwrap_or_default();
        let base = target.segments.get(number).map_or(0, |segment| segment.start);
        match at {
            Some((same, from)) if same == number => put_distance(&mut bytes, start.wrapping_sub(from), size),
            _ => {
                bytes.push(SET_SEGMENT_AND_OFFSET | number as u8);
                put(&mut bytes, start - base);
            }
        }
        let (taken, end) = match pattern(rest, |place| segment(place) == Some(number)) {
            Some((repeats, step)) => {
                bytes.push(REBASE_TIMES_SKIPPING);
                put(&mut bytes, repeats);
                put(&mut bytes, step - size);
                (repeats as usize, start + repeats * step)
            }
            None => {
                put_times(&mut bytes, count);
                (1, start + count * size)
            }
        };
        at = Some((number, end));
        rest = rest.get(taken..).unwrap_or_default();
    }
    bytes.push(DONE);
    Encoded { bytes, left }
}

/// Single words at one distance from each other, three or more of them: how many, and the distance.
fn pattern(runs: &[(u64, u64)], same_segment: impl Fn(u64) -> bool) -> Option<(u64, u64)> {
    let [(first, 1), (second, 1), ..] = runs else {
        return None;
    };
    let step = second - first;
    let expected = |index: usize| first.checked_add(step.checked_mul(index as u64)?);
    let fits =
        |(index, run): &(usize, &(u64, u64))| run.1 == 1 && expected(*index) == Some(run.0) && same_segment(run.0);
    let repeats = runs.iter().enumerate().take_while(fits).count() as u64;
    (repeats > 2).then_some((repeats, step))
}

fn put_distance(bytes: &mut Vec<u8>, distance: u64, size: u64) {
    if distance == 0 {
        return;
    }
    // One opcode of a byte, if the distance is small and in words.
    if distance.is_multiple_of(size) && distance / size <= SMALL {
        bytes.push(ADD_ADDRESS_IN_WORDS | (distance / size) as u8);
    } else {
        bytes.push(ADD_ADDRESS);
        put(bytes, distance);
    }
}

fn put_times(bytes: &mut Vec<u8>, count: u64) {
    if count <= SMALL {
        bytes.push(REBASE_TIMES | count as u8);
    } else {
        bytes.push(REBASE_TIMES_LONG);
        put(bytes, count);
    }
}

/// Runs the program; `None` when it is none.
fn decode(bytes: &[u8], target: &Target) -> Option<Vec<u64>> {
    let size = target.words.size();
    let mut reader = Reader::new(bytes);
    let mut places = Vec::new();
    let mut at = 0u64;
    while !reader.is_empty() {
        let byte = reader.byte()?;
        let small = u64::from(byte & 0xf);
        // How often to rebase, and how many bytes to skip behind each word.
        let (times, skip) = match byte & 0xf0 {
            DONE => break,
            SET_TYPE if small == u64::from(POINTER) => (0, 0),
            SET_SEGMENT_AND_OFFSET => {
                let start = target.segments.get(small as usize)?.start;
                at = start.wrapping_add(reader.number()?);
                (0, 0)
            }
            ADD_ADDRESS => {
                at = at.wrapping_add(reader.number()?);
                (0, 0)
            }
            ADD_ADDRESS_IN_WORDS => {
                at = at.wrapping_add(small * size);
                (0, 0)
            }
            REBASE_TIMES => (small, 0),
            REBASE_TIMES_LONG => (reader.number()?, 0),
            REBASE_AND_ADD => (1, reader.number()?),
            REBASE_TIMES_SKIPPING => (reader.number()?, reader.number()?),
            _ => return None,
        };
        if times > MOST - places.len() as u64 {
            return None;
        }
        for _ in 0..times {
            places.push(at);
            at = at.wrapping_add(size).wrapping_add(skip);
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::words::Words;

    #[test]
    fn every_opcode_does_what_its_name_says() {
        let target = Target {
            words: Words {
                bits: 64,
                little_endian: true,
            },
            relative: 8,
            segments: vec![0..0x1000, 0x4000..0x5000],
        };
        let program = [
            0x11, 0x21, 0x10, // pointers; segment 1, offset 16
            0x52, 0x42, 0x60, 1, // two words, two passed over, one
            0x30, 0x80, 1, 0x70, 0x18, // 128 bytes on, one word and 24 bytes on
            0x80, 2, 8, 0x00, // two words with one between them
        ];
        assert_eq!(
            decode(&program, &target).unwrap(),
            [0x4010, 0x4018, 0x4030, 0x40b8, 0x40d8, 0x40e8]
        );
        assert_eq!(decode(&[0x25, 0], &target), None);
        assert_eq!(decode(&[0xf0], &target), None);
    }
}
