//! Numbers of things that are found by a text, without a look at each of them.
//!
//! A hash leads to those that may be meant. It begins with an address, of which only the process knows, so that whoever writes files cannot choose names that all have
//! the same one.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

/// Numbers by the texts of what they stand for. The texts are their owner's.
#[derive(Debug, Default)]
pub struct Numbers {
    /// What a hash begins with.
    seed: u64,
    /// By the lowest bits of a hash: which entry comes first, counted from 1; 0 for none. As many as there may be entries, a power of two.
    first: Vec<u32>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    hash: u32,
    /// The next entry of those with the same lowest bits, as in [`Numbers::first`].
    next: u32,
    number: u32,
}

/// The golden ratio, which is odd and looks like no pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Numbers {
    /// No numbers.
    pub const fn new() -> Numbers {
        Numbers {
            seed: 0,
            first: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn hash(&self, text: &[u8]) -> u32 {
        // Both halves of the product: what is done to one word cannot be taken back by the next one.
        let mix = |hash: u64, word: u64| {
            let product = u128::from(hash ^ word) * u128::from(FACTOR);
            product as u64 ^ (product >> 64) as u64
        };
        let (words, rest) = text.as_chunks();
        let hash = words
            .iter()
            .fold(self.seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
        (hash ^ text.len() as u64) as u32
    }

    /// Which of [`Numbers::first`] a hash is in.
    fn place(&self, hash: u32) -> usize {
        hash as usize & self.first.len().wrapping_sub(1)
    }

    /// The number that was added with a text; `is_meant` says whether a number's text is that one.
    #[inline(never)]
    pub fn find(&self, text: &[u8], is_meant: &dyn Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash(text);
        let mut next = *self.first.get(self.place(hash))?;
        loop {
            let entry = self.entries.get(next.checked_sub(1)? as usize)?;
            if entry.hash == hash && is_meant(entry.number) {
                return Some(entry.number);
            }
            next = entry.next;
        }
    }

    /// Makes room for the numbers of one thing more; `false` where there is no memory.
    pub fn has_room(&mut self) -> bool {
        self.entries.try_reserve(4).is_ok()
    }

    /// Has a number found by a text that has none.
    #[inline(never)]
    pub fn add(&mut self, text: &[u8], number: u32) {
        if self.entries.len() >= self.first.len() {
            let length = self.first.len().saturating_mul(2).max(32);
            let mut first = Vec::new();
            // Where memory is short the chains grow longer.
            if first.try_reserve_exact(length).is_ok() {
                first.extend(core::iter::repeat_n(0, length));
                self.first = first;
                if self.entries.is_empty() {
                    self.seed = self.first.as_ptr().addr() as u64;
                }
                for index in 0..self.entries.len() {
                    self.link(index);
                }
            }
        }
        let (hash, next) = (self.hash(text), 0);
        self.entries.push(Entry { hash, next, number });
        self.link(self.entries.len().saturating_sub(1));
    }

    fn link(&mut self, index: usize) {
        let Some(hash) = self.entries.get(index).map(|entry| entry.hash) else {
            return;
        };
        let place = self.place(hash);
        if let (Some(first), Some(entry)) = (self.first.get_mut(place), self.entries.get_mut(index)) {
            entry.next = core::mem::replace(first, index as u32 + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn things_are_found_by_their_texts_however_many_they_are() {
        let texts: Vec<String> = (0..3000).map(|number| format!("/usr/lib/lib{number}.so")).collect();
        let find =
            |numbers: &Numbers, text: &str| numbers.find(text.as_bytes(), &|other| texts[other as usize] == text);
        let mut numbers = Numbers::new();
        for (number, text) in (0..).zip(&texts) {
            assert_eq!(find(&numbers, text), None);
            numbers.add(text.as_bytes(), number);
        }
        for (number, text) in (0..).zip(&texts) {
            assert_eq!(find(&numbers, text), Some(number));
        }
        assert_eq!(find(&numbers, "/usr/lib/lib3000.so"), None);
        assert_eq!(find(&numbers, ""), None);
    }

    #[test]
    fn texts_that_are_alike_have_different_hashes_and_another_seed_gives_others() {
        // The last two differ in the highest bits of neighbouring words, of which a product keeps the one and a sum the other.
        let texts: [&[u8]; 7] = [
            b"",
            b"\0",
            b"\0\0",
            b"aaaaaaaab",
            b"aaaaaaaac",
            b"aaaaaaaaaaaaaaaa",
            b"\xe1aaaaaaa\xe1aaaaaaa",
        ];
        for seed in [0x7f00_1234_5670, 0x5500_0000_1000] {
            let with = |seed| Numbers { seed, ..Numbers::new() };
            let hashes = texts.map(|text| with(seed).hash(text));
            for (index, hash) in hashes.iter().enumerate() {
                assert!(!hashes[index + 1..].contains(hash));
            }
            assert_ne!(with(seed).hash(texts[5]), with(seed + 16).hash(texts[5]));
        }
    }
}
