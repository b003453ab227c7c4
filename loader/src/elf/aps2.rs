//! Relocations as Android packs them (DT_ANDROID_REL, DT_ANDROID_RELA), called APS2 after their first four bytes.
//!
//! No specification has the format; its facts are those of Android's linker, which reads it, and of lld (`--pack-dyn-relocs=android`), which writes it.
//! Behind the signature everything is a number in SLEB128 (DWARF 5, section 7.6): how many relocations there are, an offset to begin with,
//! and groups. A group starts with its size and its flags; what its flags say to be the same in all of its relocations follows, and then comes what
//! is left of each relocation. Offsets and addends are differences from the relocation before. A linker may leave zeros behind the last group.
#![forbid(unsafe_code)]

use super::reloc::Rela;
use crate::error::{Fault, Kind, Rule};

/// One `r_info` for the group.
const SAME_INFO: u64 = 1;
/// One distance between offsets for the group.
const SAME_DISTANCE: u64 = 2;
/// One addend for the group.
const SAME_ADDEND: u64 = 4;
/// The relocations have addends; without it these are 0, or stand at the place.
const HAS_ADDENDS: u64 = 8;

/// Gives each relocation to `take`, in one pass. A group whose flags leave nothing to say of its relocations is as long as it claims, so more than `most` are
/// refused: as many as the module has bytes.
///
/// # Errors
/// [`Rule::AndroidRelocations`] with the number of relocations before the damage; what `take` returns.
pub fn for_each(
    bytes: &mut dyn Iterator<Item = u8>,
    with_addends: bool,
    most: u64,
    take: &mut dyn FnMut(&Rela) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut count = 0;
    let mut fault = None;
    let mut take = |relocation: &Rela| {
        count += 1;
        take(relocation).map_err(|refused| fault = Some(refused)).ok()
    };
    match groups(bytes, with_addends, most, &mut take) {
        Some(()) => Ok(()),
        None => Err(fault.unwrap_or_else(|| Kind::malformed(Rule::AndroidRelocations, count, 0))),
    }
}

/// `None` where the stream is damaged, or `take` does not go on.
fn groups(
    bytes: &mut dyn Iterator<Item = u8>,
    with_addends: bool,
    most: u64,
    take: &mut dyn FnMut(&Rela) -> Option<()>,
) -> Option<()> {
    for expected in *b"APS2" {
        bytes.next().filter(|byte| *byte == expected)?;
    }
    let mut left = number(bytes).filter(|count| *count <= most)?;
    let mut relocation = Rela {
        offset: number(bytes)?,
        ..Rela::default()
    };
    while left != 0 {
        let size = number(bytes).filter(|size| *size != 0)?;
        left = left.checked_sub(size)?;
        let flags = number(bytes)?;
        let has = |flag: u64| flags & flag != 0;
        if flags > 15 || has(HAS_ADDENDS) && !with_addends {
            return None;
        }
        let distance = if has(SAME_DISTANCE) { number(bytes)? } else { 0 };
        if has(SAME_INFO) {
            relocation.info = number(bytes)?;
        }
        if !has(HAS_ADDENDS) {
            relocation.addend = 0;
        } else if has(SAME_ADDEND) {
            relocation.addend = relocation.addend.wrapping_add(number(bytes)?);
        }
        for _ in 0..size {
            let distance = if has(SAME_DISTANCE) { distance } else { number(bytes)? };
            relocation.offset = relocation.offset.wrapping_add(distance);
            if !has(SAME_INFO) {
                relocation.info = number(bytes)?;
            }
            if flags & (HAS_ADDENDS | SAME_ADDEND) == HAS_ADDENDS {
                relocation.addend = relocation.addend.wrapping_add(number(bytes)?);
            }
            take(&relocation)?;
        }
    }
    Some(())
}

/// A number in SLEB128, in two's complement. `None` at the end, and where it has more than 64 bits.
#[inline(never)]
fn number(bytes: &mut dyn Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0;
    let mut shift = 0;
    while shift < u64::BITS {
        let byte = bytes.next()?;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let sign = u64::from(byte & 0x40 != 0).wrapping_neg();
            return Some(value | sign.checked_shl(shift).unwrap_or(0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// A number as the format has it, in as few bytes as it takes.
    fn write(to: &mut Vec<u8>, number: i64) {
        let mut rest = number;
        loop {
            let low = (rest & 0x7f) as u8;
            rest >>= 7;
            if (rest == 0 && low & 0x40 == 0) || (rest == -1 && low & 0x40 != 0) {
                return to.push(low);
            }
            to.push(low | 0x80);
        }
    }

    fn stream(numbers: &[i64]) -> Vec<u8> {
        let mut bytes = b"APS2".to_vec();
        for number in numbers {
            write(&mut bytes, *number);
        }
        bytes
    }

    fn decode(bytes: &[u8], with_addends: bool) -> Result<Vec<(u64, u64, i64)>, Fault> {
        let mut all = Vec::new();
        for_each(&mut bytes.iter().copied(), with_addends, 1000, &mut |relocation| {
            all.push((relocation.offset, relocation.info, relocation.addend.cast_signed()));
            Ok(())
        })?;
        Ok(all)
    }

    fn damaged(count: u64) -> Fault {
        Kind::malformed(Rule::AndroidRelocations, count, 0)
    }

    #[test]
    fn numbers_are_signed_and_have_up_to_64_bits() {
        for number in [0, 1, -1, 63, 64, -64, -65, 0x7fff_ffff, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            assert_eq!(
                super::number(&mut bytes.iter().copied()),
                Some(number.cast_unsigned()),
                "{number}"
            );
            bytes.pop();
            assert_eq!(super::number(&mut bytes.iter().copied()), None, "{number}");
        }
        assert_eq!(super::number(&mut [0xff; 11].into_iter()), None);
    }

    #[test]
    fn each_flag_takes_one_number_out_of_each_relocation() {
        // Nothing is the same.
        let plain = stream(&[2, 0x1000, 2, 8, 8, 6, 5, -16, 1, 2]);
        assert_eq!(decode(&plain, true), Ok(vec![(0x1008, 6, 5), (0xff8, 1, 7)]));
        // Everything is.
        let same = stream(&[3, 0x1000, 3, 15, 8, 8, 0x20]);
        let expected = vec![(0x1008, 8, 0x20), (0x1010, 8, 0x20), (0x1018, 8, 0x20)];
        assert_eq!(decode(&same, true), Ok(expected));
        // An addend goes on from group to group, until a group has none.
        let groups = stream(&[4, 0, 1, 15, 8, 8, 0x20, 1, 15, 8, 8, 1, 1, 3, 8, 6, 1, 15, 8, 8, 2]);
        let expected = vec![(8, 8, 0x20), (16, 8, 0x21), (24, 6, 0), (32, 8, 2)];
        assert_eq!(decode(&groups, true), Ok(expected));
    }

    #[test]
    fn without_addends_no_group_may_have_them() {
        assert_eq!(decode(&stream(&[1, 0, 1, 3, 8, 6]), false), Ok(vec![(8, 6, 0)]));
        assert_eq!(decode(&stream(&[1, 0, 1, 11, 8, 6, 1]), false), Err(damaged(0)));
        assert_eq!(decode(&stream(&[1, 0, 1, 15, 8, 6, 1]), false), Err(damaged(0)));
    }

    #[test]
    fn zeros_may_follow_and_nothing_may_be_missing() {
        let whole = stream(&[3, 0x1000, 2, 11, 8, 8, 300, 400, 1, 8, 0x1000, 6, -1]);
        let all = decode(&whole, true).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(decode(&[&whole[..], &[0; 9]].concat(), true), Ok(all));
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], true).is_err(), "{length}");
        }
        assert_eq!(decode(&whole[..whole.len() - 1], true), Err(damaged(2)));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        assert_eq!(decode(b"APS1\0\0", true), Err(damaged(0)));
        assert_eq!(decode(&stream(&[0, 0]), true), Ok(vec![]));
        for numbers in [
            // More than there may be, a negative number of them, an empty group, a group that is too long, an unknown flag.
            &[1001, 0, 1001, 15, 8, 8, 0][..],
            &[-1, 0, 1, 15, 8, 8, 0],
            &[1, 0, 0, 0],
            &[1, 0, 2, 15, 8, 8, 0],
            &[1, 0, -1, 15, 8, 8, 0],
            &[1, 0, 1, 31, 8, 8, 0],
        ] {
            assert_eq!(decode(&stream(numbers), true), Err(damaged(0)), "{numbers:?}");
        }
    }

    #[test]
    fn who_takes_may_end_it() {
        let bytes = stream(&[1000, 0, 1000, 15, 8, 8, 0]);
        let mut taken = 0;
        let ended = for_each(&mut bytes.iter().copied(), true, 1000, &mut |_| {
            taken += 1;
            if taken == 7 {
                Err(Kind::OutOfMemory.into())
            } else {
                Ok(())
            }
        });
        assert_eq!((ended, taken), (Err(Kind::OutOfMemory.into()), 7));
    }
}
