//! The two symbol hash tables: DT_HASH (gABI, "Hash Table Section") and DT_GNU_HASH.

use crate::Bytes;

/// The hash of the gABI.
pub fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// The hash of DT_GNU_HASH: h * 33 + c, from 5381.
pub fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    })
}

/// A DT_HASH table over all symbols; the first, empty one is on no chain.
pub fn sysv_table(names: &[&str]) -> Vec<u8> {
    let count = names.len();
    let buckets = (count / 2).max(1);
    let mut bucket = vec![0u32; buckets];
    let mut chain = vec![0u32; count];
    for (index, name) in names.iter().enumerate().skip(1) {
        let at = sysv_hash(name) as usize % buckets;
        chain[index] = bucket[at];
        bucket[at] = u32::try_from(index).unwrap();
    }
    let mut table = Bytes::default();
    table
        .u32(u32::try_from(buckets).unwrap())
        .u32(u32::try_from(count).unwrap());
    for word in bucket.into_iter().chain(chain) {
        table.u32(word);
    }
    table.0
}

/// How many buckets a DT_GNU_HASH table of `count` symbols has here.
pub fn gnu_buckets(count: usize) -> usize {
    (count / 2).max(1)
}

/// A DT_GNU_HASH table. The symbols from `first` on are in it and must be in the order of their buckets.
pub fn gnu_table(names: &[&str], first: usize) -> Vec<u8> {
    const BLOOM_SHIFT: u32 = 6;
    let hashed: Vec<u32> = names.iter().skip(first).map(|name| gnu_hash(name)).collect();
    let buckets = gnu_buckets(hashed.len());
    let words = hashed.len().div_ceil(8).next_power_of_two();
    let mut bloom = vec![0u64; words];
    let mut bucket = vec![0u32; buckets];
    for (index, hash) in hashed.iter().enumerate() {
        let word = (hash / 64) as usize % words;
        bloom[word] |= 1 << (hash % 64) | 1 << ((hash >> BLOOM_SHIFT) % 64);
        let slot = &mut bucket[*hash as usize % buckets];
        if *slot == 0 {
            *slot = u32::try_from(first + index).unwrap();
        }
    }
    let mut table = Bytes::default();
    table
        .u32(u32::try_from(buckets).unwrap())
        .u32(u32::try_from(first).unwrap());
    table.u32(u32::try_from(words).unwrap()).u32(BLOOM_SHIFT);
    for word in bloom {
        table.u64(word);
    }
    for word in bucket {
        table.u32(word);
    }
    for (index, hash) in hashed.iter().enumerate() {
        let next = hashed.get(index + 1);
        let last = next.is_none_or(|next| *next as usize % buckets != *hash as usize % buckets);
        table.u32(hash & !1 | u32::from(last));
    }
    table.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_published_ones() {
        // The examples of the gABI and of the description of DT_GNU_HASH.
        assert_eq!(sysv_hash("printf"), 0x077905a6);
        assert_eq!(sysv_hash("exit"), 0x0006cf04);
        assert_eq!(gnu_hash("printf"), 0x156b2bb8);
        assert_eq!(gnu_hash(""), 5381);
    }
}
