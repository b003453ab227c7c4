//! Relative relocations in the compact form (gABI, "Relative Relocation Table"; DT_RELR).
//!
//! A stream of words. An even word is the address of a place, and the place behind it becomes the base. An odd word
//! is a bitmap: if bit `i` is set (counted from 1), the word `i - 1` words behind the base is a place too. After a
//! bitmap the base moves on by as many words as it has such bits: 63, or 31 where words have 32 bits. An odd address
//! cannot be written.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::Vaddr;
use crate::error::{Fault, Kind, Rule};

/// Size of an entry in bytes (DT_RELRENT).
pub const RELR_SIZE: u64 = 8;

/// Gives each place of a 64-bit stream to `place` and returns their number.
///
/// # Errors
/// [`Rule::RelrBitmapFirst`] when no address stands before the first bitmap; [`Rule::RelrOutside`] with the place for which `place`
/// answered `None`, and as its limit the number of its word.
#[inline]
pub fn for_each(words: impl Iterator<Item = u64>, place: &mut impl FnMut(Vaddr) -> Option<()>) -> Result<u64, Fault> {
    for_each_of_size::<8>(words, place)
}

/// As [`for_each`], for words of `SIZE` bytes: 8, or 4 in 32-bit files. Words come zero-extended.
///
/// # Errors
/// As [`for_each`].
#[inline]
pub fn for_each_of_size<const SIZE: u64>(
    words: impl Iterator<Item = u64>,
    place: &mut impl FnMut(Vaddr) -> Option<()>,
) -> Result<u64, Fault> {
    runs::<SIZE>(words, &mut |start, bits| each_of::<SIZE>(start, bits, place))
}

/// Gives each place of a run to `place`: a bit stands for the word as many words behind `start`.
///
/// # Errors
/// The place for which `place` answered `None`.
#[inline]
pub fn each_of<const SIZE: u64>(
    start: Vaddr,
    mut bits: u64,
    place: &mut impl FnMut(Vaddr) -> Option<()>,
) -> Result<(), Vaddr> {
    while bits != 0 {
        let at = Vaddr(start.0.wrapping_add(u64::from(bits.trailing_zeros()) * SIZE));
        place(at).ok_or(at)?;
        bits &= bits - 1;
    }
    Ok(())
}

/// Gives each word of a stream to `run` as what it asks for: a first place, and a bit for each place, which is as many words behind it. Returns the number of
/// places. Sums wrap: a place that comes round the end of the address space is judged by `run` like any other.
///
/// # Errors
/// [`Rule::RelrBitmapFirst`] when no address stands before the first bitmap; [`Rule::RelrOutside`] with the place that `run` answered, and as its limit
/// the number of its word.
#[inline]
pub fn runs<const SIZE: u64>(
    words: impl Iterator<Item = u64>,
    run: &mut impl FnMut(Vaddr, u64) -> Result<(), Vaddr>,
) -> Result<u64, Fault> {
    let bitmap_places = SIZE * 8 - 1;
    let mut count = 0u64;
    let mut base = None;
    for (index, word) in words.enumerate() {
        let (start, bits, places) = match (word & 1, base) {
            (0, _) => (word, 1, 1),
            (_, Some(base)) => (base, word >> 1, bitmap_places),
            (_, None) => return Err(Kind::malformed(Rule::RelrBitmapFirst, word, 0)),
        };
        run(Vaddr(start), bits).map_err(|at| outside(at.0, index))?;
        count += u64::from(bits.count_ones());
        base = Some(start.wrapping_add(places * SIZE));
    }
    Ok(count)
}

#[cold]
fn outside(at: u64, index: usize) -> Fault {
    Kind::malformed(Rule::RelrOutside, at, index as u64)
}

/// Whether `at` is a place of a 64-bit stream.
pub fn holds(words: impl Iterator<Item = u64>, at: Vaddr) -> bool {
    const STEP: u64 = 63 * RELR_SIZE;
    let mut base = 0u64;
    for word in words {
        if word & 1 == 0 {
            if word == at.0 {
                return true;
            }
            base = word.wrapping_add(RELR_SIZE);
            continue;
        }
        let into = at.0.wrapping_sub(base);
        if into < STEP && into.is_multiple_of(RELR_SIZE) && word >> (into / RELR_SIZE + 1) & 1 != 0 {
            return true;
        }
        base = base.wrapping_add(STEP);
    }
    false
}

/// How the words of a stream stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordForm {
    /// ELFCLASS64: 8 bytes, else 4
    pub is_64_bit: bool,
    /// ELFDATA2MSB
    pub is_big_endian: bool,
}

/// All places of a stream of any class and byte order, for tools that look at files of other machines.
///
/// # Errors
/// [`Rule::TagTableSize`] when `bytes` are not whole words, and those of [`for_each`]. With 32-bit words a place above 4 GiB is outside.
pub fn places(bytes: &[u8], form: WordForm) -> Result<Vec<Vaddr>, Fault> {
    let mut places = Vec::new();
    if form.is_64_bit {
        let words = words::<8>(bytes)?.iter().map(|word| match form.is_big_endian {
            true => u64::from_be_bytes(*word),
            false => u64::from_le_bytes(*word),
        });
        for_each_of_size::<8>(words, &mut |at| {
            places.push(at);
            Some(())
        })?;
    } else {
        let words = words::<4>(bytes)?.iter().map(|word| match form.is_big_endian {
            true => u32::from_be_bytes(*word).into(),
            false => u32::from_le_bytes(*word).into(),
        });
        for_each_of_size::<4>(words, &mut |at| {
            places.push(at);
            (at.0 <= u32::MAX.into()).then_some(())
        })?;
    }
    Ok(places)
}

fn words<const SIZE: usize>(bytes: &[u8]) -> Result<&[[u8; SIZE]], Fault> {
    match bytes.as_chunks::<SIZE>() {
        (words, []) => Ok(words),
        _ => Err(Kind::malformed(Rule::TagTableSize, bytes.len() as u64, SIZE as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const LITTLE_64: WordForm = WordForm {
        is_64_bit: true,
        is_big_endian: false,
    };
    const BIG_64: WordForm = WordForm {
        is_64_bit: true,
        is_big_endian: true,
    };
    const LITTLE_32: WordForm = WordForm {
        is_64_bit: false,
        is_big_endian: false,
    };
    const BIG_32: WordForm = WordForm {
        is_64_bit: false,
        is_big_endian: true,
    };

    /// The words as bytes of a form.
    fn bytes(words: &[u64], form: WordForm) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in words {
            match (form.is_64_bit, form.is_big_endian) {
                (true, false) => bytes.extend_from_slice(&word.to_le_bytes()),
                (true, true) => bytes.extend_from_slice(&word.to_be_bytes()),
                (false, false) => bytes.extend_from_slice(&(*word as u32).to_le_bytes()),
                (false, true) => bytes.extend_from_slice(&(*word as u32).to_be_bytes()),
            }
        }
        bytes
    }

    /// An independent reading of the gABI: a bit at a time.
    fn reference(words: &[u64], size: u64) -> Vec<Vaddr> {
        let mut places = Vec::new();
        let mut base = 0;
        for word in words {
            if word % 2 == 0 {
                places.push(Vaddr(*word));
                base = word + size;
                continue;
            }
            for bit in 1..size * 8 {
                if word & (1 << bit) != 0 {
                    places.push(Vaddr(base + (bit - 1) * size));
                }
            }
            base += (size * 8 - 1) * size;
        }
        places
    }

    fn addresses(words: &[u64]) -> Result<Vec<u64>, Fault> {
        let places = places(&bytes(words, LITTLE_64), LITTLE_64)?;
        Ok(places.iter().map(|place| place.0).collect())
    }

    #[test]
    fn an_address_is_a_place_and_a_bitmap_says_what_follows() {
        assert_eq!(addresses(&[]), Ok(vec![]));
        assert_eq!(addresses(&[0x1000]), Ok(vec![0x1000]));
        assert_eq!(addresses(&[0x1000, 0b1011]), Ok(vec![0x1000, 0x1008, 0x1018]));
        assert_eq!(addresses(&[0x1000, 0x2000, 0b11]), Ok(vec![0x1000, 0x2000, 0x2008]));
    }

    #[test]
    fn chained_bitmaps_go_on_where_the_last_one_ended() {
        assert_eq!(
            addresses(&[0x1000, 0b11, 0b11, 1 << 63 | 1]),
            Ok(vec![0x1000, 0x1008, 0x1008 + 63 * 8, 0x1008 + 126 * 8 + 62 * 8])
        );
        // A bitmap of nothing only moves on.
        assert_eq!(addresses(&[0x1000, 1, 1, 0b11]), Ok(vec![0x1000, 0x1008 + 126 * 8]));
    }

    #[test]
    fn a_run_of_full_bitmaps_is_every_word() {
        let expected: Vec<u64> = (0..1 + 3 * 63).map(|index| 0x1000 + index * 8).collect();
        assert_eq!(addresses(&[0x1000, u64::MAX, u64::MAX, u64::MAX]), Ok(expected));
    }

    #[test]
    fn forged_streams_decode_alike_in_every_form() {
        let mut state = 7u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 16
        };
        for _ in 0..200 {
            let mut words = vec![next() & 0xff_fff8];
            for _ in 0..next() % 20 {
                words.push(match next() % 4 {
                    0 => next() & 0xff_fff8,
                    1 => 0xffff_ffff,
                    _ => next() & 0xffff_ffff | 1,
                });
            }
            assert_eq!(places(&bytes(&words, LITTLE_32), LITTLE_32), Ok(reference(&words, 4)));
            assert_eq!(places(&bytes(&words, BIG_32), BIG_32), Ok(reference(&words, 4)));
            // The same with bitmaps of 63 bits.
            for word in &mut words {
                if *word & 1 != 0 {
                    *word |= next() << 32;
                }
            }
            assert_eq!(places(&bytes(&words, LITTLE_64), LITTLE_64), Ok(reference(&words, 8)));
            assert_eq!(places(&bytes(&words, BIG_64), BIG_64), Ok(reference(&words, 8)));
        }
    }

    #[test]
    fn words_of_32_bits_have_bitmaps_of_31() {
        assert_eq!(
            places(&bytes(&[0x1000, 0x8000_0003, 0b11], LITTLE_32), LITTLE_32),
            Ok(vec![
                Vaddr(0x1000),
                Vaddr(0x1004),
                Vaddr(0x1004 + 30 * 4),
                Vaddr(0x1004 + 31 * 4)
            ])
        );
        assert_eq!(
            places(&bytes(&[0xffff_fffc, 0b11], LITTLE_32), LITTLE_32),
            Err(outside(0x1_0000_0000, 1))
        );
    }

    #[test]
    fn what_a_stream_holds_is_what_it_is_decoded_to() {
        let words = [0x1000, 0b1011, 1 << 63 | 1, 0x4000, u64::MAX, 0b11];
        let places = addresses(&words).unwrap();
        for at in 0xff0..0x5000 {
            assert_eq!(holds(words.into_iter(), Vaddr(at)), places.contains(&at), "{at:#x}");
        }
        assert!(!holds([u64::MAX, 3].into_iter(), Vaddr(u64::MAX)));
    }

    #[test]
    fn a_stream_that_starts_with_a_bitmap_is_refused() {
        assert_eq!(addresses(&[1]), Err(Kind::malformed(Rule::RelrBitmapFirst, 1, 0)));
        assert_eq!(
            addresses(&[0x1001]),
            Err(Kind::malformed(Rule::RelrBitmapFirst, 0x1001, 0))
        );
    }

    #[test]
    fn a_place_that_is_not_taken_ends_the_stream_with_its_address() {
        let until = |limit: u64, words: &[u64]| for_each(words.iter().copied(), &mut |at| (at.0 < limit).then_some(()));
        assert_eq!(until(0x1000, &[0x1000]), Err(outside(0x1000, 0)));
        assert_eq!(until(0x1010, &[0x1000, 0b111]), Err(outside(0x1010, 1)));
        assert_eq!(until(0x1100, &[0x1000, u64::MAX]), Err(outside(0x1100, 1)));
        assert_eq!(until(0x1018, &[0x1000, 0b111]), Ok(3));
    }

    #[test]
    fn the_count_is_the_number_of_places() {
        let count = for_each([0x1000, u64::MAX, 0b101].into_iter(), &mut |_| Some(()));
        assert_eq!(count, Ok(1 + 63 + 1));
    }

    #[test]
    fn the_end_of_the_address_space_is_no_panic() {
        let words = [u64::MAX - 1, u64::MAX, 1, u64::MAX];
        assert_eq!(for_each(words.into_iter(), &mut |_| Some(())), Ok(127));
    }

    #[test]
    fn a_stream_that_is_not_whole_words_is_refused() {
        let whole = bytes(&[0x1000, 0b11], LITTLE_64);
        for length in 0..whole.len() {
            assert_eq!(places(&whole[..length], LITTLE_64).is_ok(), length % 8 == 0);
            assert_eq!(
                places(&whole[..length], BIG_32).is_err_and(|fault| {
                    matches!(
                        fault.kind(),
                        Kind::Malformed {
                            rule: Rule::TagTableSize,
                            ..
                        }
                    )
                }),
                length % 4 != 0
            );
        }
    }
}
