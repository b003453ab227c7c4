//! The two hash functions of symbol tables, and the headers of their tables (gABI, "Hash Table"; GNU hash).
#![forbid(unsafe_code)]

use crate::error::{Fault, Kind, Rule};

const STEP: u32 = 33;
const STEP_2: u32 = STEP * STEP;
const STEP_4: u32 = STEP_2 * STEP_2;
const STEP_8: u32 = STEP_4.wrapping_mul(STEP_4);
/// What so many bytes multiply a hash by.
const STEPS: [u32; 8] = {
    let mut steps = [1; 8];
    let mut count = 1;
    while count < steps.len() {
        steps[count] = STEP.wrapping_mul(steps[count - 1]);
        count += 1;
    }
    steps
};
/// What the hash begins with.
const START: u32 = 5381;

/// The hash that `.gnu.hash` tables are made with: Bernstein's, `h * 33 + byte`, from 5381.
#[inline(never)]
pub fn gnu_hash(name: &[u8]) -> u32 {
    let (words, rest) = name.as_chunks::<8>();
    let hash = words
        .iter()
        .fold(START, |hash, word| eight(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| one(hash, *byte))
}

/// The length of the string that `bytes` begin with, without its NUL, and its [`gnu_hash`]. `None` when no NUL ends it.
#[inline(never)]
pub fn gnu_hash_of_string(bytes: &[u8]) -> Option<(usize, u32)> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let mut hash = START;
    let mut length = 0;
    for word in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*word);
        // Taking one off sets the upper bit of a byte that is 0. It stays set in one that is not ASCII.
        let marks = word.wrapping_sub(ONES) & (ONES << 7);
        if marks != 0 && marks & !word != 0 {
            let bits = (marks & !word).trailing_zeros() & !7;
            // The bytes before the first one that is 0, moved to the upper end: those that come to stand below them are 0 and add nothing.
            let moved = word.unbounded_shl(64 - bits);
            let count = bits as usize / 8;
            return Some((
                length + count,
                hash.wrapping_mul(*STEPS.get(count)?).wrapping_add(alone(moved)),
            ));
        }
        hash = eight(hash, word);
        length += 8;
    }
    for byte in bytes.get(length..)? {
        if *byte == 0 {
            return Some((length, hash));
        }
        hash = one(hash, *byte);
        length += 1;
    }
    None
}

#[inline(always)]
fn one(hash: u32, byte: u8) -> u32 {
    hash.wrapping_mul(STEP).wrapping_add(u32::from(byte))
}

/// What eight bytes add to a hash, the first one lowest: neighbours are put together in pairs, pairs in fours, side by side in one word, so that no product
/// waits for more than two others.
#[inline(always)]
fn alone(word: u64) -> u32 {
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    const PAIRS: u64 = 0x0000_ffff_0000_ffff;
    let pairs = (word & BYTES) * STEP as u64 + (word >> 8 & BYTES);
    let fours = (pairs & PAIRS) * STEP_2 as u64 + (pairs >> 16 & PAIRS);
    // The upper half of the product is the lower four bytes' times that, plus the upper four.
    (fours.wrapping_mul((STEP_4 as u64) << 32 | 1) >> 32) as u32
}

/// Eight bytes in one step.
#[inline(always)]
fn eight(hash: u32, word: u64) -> u32 {
    hash.wrapping_mul(STEP_8).wrapping_add(alone(word))
}

/// The hash that DT_HASH tables and versions are made with (gABI, "Hash Table"): 28 bits.
#[inline]
pub fn sysv_hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0;
    for byte in name {
        // The four bits that leave at the top come back in at bit 4.
        hash = hash.wrapping_mul(16).wrapping_add(u32::from(*byte));
        hash = (hash ^ ((hash >> 24) & 0xf0)) & 0x0fff_ffff;
    }
    hash
}

/// The four words at the start of a `.gnu.hash` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GnuHashHeader {
    /// Number of buckets; not 0
    pub buckets: u32,
    /// The first symbol that the table finds
    pub first_symbol: u32,
    /// Number of 64-bit words in the Bloom filter; a power of two
    pub bloom_size: u32,
    /// Distance in bits between the two hash functions of the Bloom filter; below 32
    pub bloom_shift: u32,
}

impl GnuHashHeader {
    /// Size in bytes.
    pub const SIZE: u64 = 16;

    /// Checks the four words.
    ///
    /// # Errors
    /// [`Rule::HashBuckets`] without buckets or with a filter whose size is no power of two; [`Rule::GnuHashTable`] when the shift is
    /// as wide as the hash.
    pub fn decode(words: [u32; 4]) -> Result<GnuHashHeader, Fault> {
        let [buckets, first_symbol, bloom_size, bloom_shift] = words;
        if buckets == 0 {
            return Err(Kind::malformed(Rule::HashBuckets, 0, 1));
        }
        if !bloom_size.is_power_of_two() {
            return Err(Kind::malformed(Rule::HashBuckets, bloom_size.into(), 0));
        }
        if bloom_shift > 31 {
            return Err(Kind::malformed(Rule::GnuHashTable, bloom_shift.into(), 31));
        }
        Ok(GnuHashHeader {
            buckets,
            first_symbol,
            bloom_size,
            bloom_shift,
        })
    }

    /// Where the buckets start, in bytes from the start of the table.
    pub fn buckets_offset(&self) -> u64 {
        GnuHashHeader::SIZE + u64::from(self.bloom_size) * 8
    }

    /// Where the chains start, in bytes from the start of the table.
    pub fn chains_offset(&self) -> u64 {
        self.buckets_offset() + u64::from(self.buckets) * 4
    }
}

/// The two words at the start of a DT_HASH table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysvHashHeader {
    /// Number of buckets; not 0
    pub buckets: u32,
    /// Number of chain words, which is the number of symbols
    pub chains: u32,
}

impl SysvHashHeader {
    /// Size in bytes.
    pub const SIZE: u64 = 8;

    /// Checks the two words.
    ///
    /// # Errors
    /// [`Rule::HashBuckets`] without buckets.
    pub fn decode(words: [u32; 2]) -> Result<SysvHashHeader, Fault> {
        let [buckets, chains] = words;
        if buckets == 0 {
            return Err(Kind::malformed(Rule::HashBuckets, 0, 1));
        }
        Ok(SysvHashHeader { buckets, chains })
    }

    /// Where the chains start, in bytes from the start of the table.
    pub fn chains_offset(&self) -> u64 {
        SysvHashHeader::SIZE + u64::from(self.buckets) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: byte after byte.
    fn reference(name: &[u8]) -> u32 {
        name.iter().fold(5381, |hash: u32, byte| {
            hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
        })
    }

    /// The gABI's listing with its branch, in 32 bits.
    fn sysv_reference(name: &[u8]) -> u32 {
        let mut hash: u32 = 0;
        for byte in name {
            hash = (hash << 4).wrapping_add(u32::from(*byte));
            let top = hash & 0xf000_0000;
            if top != 0 {
                hash ^= top >> 24;
            }
            hash &= !top;
        }
        hash
    }

    #[test]
    fn gnu_hashes_are_those_that_linkers_write() {
        for (name, hash) in [
            ("", 0x0000_1505),
            ("printf", 0x156b_2bb8),
            ("exit", 0x7c96_7e3f),
            ("syscall", 0xbac2_12a0),
            ("flapenguin.me", 0x8ae9_f18e),
        ] {
            assert_eq!(gnu_hash(name.as_bytes()), hash, "{name}");
        }
    }

    #[test]
    fn sysv_hashes_are_those_that_linkers_write() {
        for (name, hash) in [
            ("", 0),
            ("printf", 0x0779_05a6),
            ("exit", 0x0006_cf04),
            ("syscall", 0x0b09_985c),
            ("GLIBC_2.2.5", 0x0969_1a75),
            ("GLIBC_2.34", 0x0696_91b4),
        ] {
            assert_eq!(sysv_hash(name.as_bytes()), hash, "{name}");
        }
    }

    #[test]
    fn eight_bytes_a_step_give_what_one_gives() {
        let mut state = 1u32;
        let bytes: [u8; 257] = core::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        for length in 0..bytes.len() {
            assert_eq!(gnu_hash(&bytes[..length]), reference(&bytes[..length]));
            assert_eq!(sysv_hash(&bytes[..length]), sysv_reference(&bytes[..length]));
        }
        assert_eq!(gnu_hash(&[0xff; 255]), reference(&[0xff; 255]));
    }

    #[test]
    fn a_string_is_measured_while_it_is_hashed() {
        let bytes: [u8; 300] = core::array::from_fn(|place| (place * 7 % 255) as u8 + 1);
        for start in 0..9 {
            for length in 0..64 {
                let mut table = bytes;
                table[start + length] = 0;
                let expected = Some((length, reference(&bytes[start..start + length])));
                assert_eq!(gnu_hash_of_string(&table[start..]), expected);
                // Up to the last byte of the table.
                assert_eq!(gnu_hash_of_string(&table[start..=start + length]), expected);
            }
        }
        // A byte before the end that differs from 0 by its upper bit only, or by the lowest.
        assert_eq!(
            gnu_hash_of_string(&[0x80, 1, 0, 1, 0, 0, 0, 0]),
            Some((2, reference(&[0x80, 1])))
        );
        assert_eq!(gnu_hash_of_string(&bytes[..40]), None);
        assert_eq!(gnu_hash_of_string(&[]), None);
    }

    #[test]
    fn a_gnu_table_has_buckets_and_a_filter_that_is_a_power_of_two() {
        let header = GnuHashHeader::decode([3, 1, 2, 26]).unwrap();
        assert_eq!((header.buckets_offset(), header.chains_offset()), (32, 44));
        let refused = |words| match GnuHashHeader::decode(words).map_err(Fault::kind) {
            Err(Kind::Malformed { rule, .. }) => Some(rule),
            _ => None,
        };
        assert_eq!(refused([0, 1, 2, 26]), Some(Rule::HashBuckets));
        assert_eq!(refused([3, 1, 0, 26]), Some(Rule::HashBuckets));
        assert_eq!(refused([3, 1, 3, 26]), Some(Rule::HashBuckets));
        assert_eq!(refused([3, 1, 2, 32]), Some(Rule::GnuHashTable));
        assert_eq!(refused([u32::MAX, u32::MAX, 1 << 31, 31]), None);
    }

    #[test]
    fn the_largest_table_has_offsets_that_do_not_overflow() {
        let header = GnuHashHeader::decode([u32::MAX, 0, 1 << 31, 0]).unwrap();
        assert_eq!(header.chains_offset(), 16 + (8 << 31) + 4 * 0xffff_ffff);
    }

    #[test]
    fn a_sysv_table_has_buckets() {
        let header = SysvHashHeader::decode([3, 7]).unwrap();
        assert_eq!((header.chains, header.chains_offset()), (7, 20));
        assert_eq!(
            SysvHashHeader::decode([0, 7]),
            Err(Kind::malformed(Rule::HashBuckets, 0, 1))
        );
    }
}
