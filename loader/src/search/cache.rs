//! `/etc/ld.so.cache`: where `ldconfig` saw each library the last time it ran.
//!
//! The file is a header, a table of fixed-size entries and their strings. Two forms are read:
//!
//! * the *new* form, which starts with `glibc-ld.so.cache1.1` (the default since glibc 2.32);
//! * the *compatible* form, which starts with `ld.so-1.7.0`, holds an older table first and the whole new form
//!   behind it, at the next multiple of 8. Debian 11 writes it. The older table is skipped.
//!
//! Entries stand in descending order of [`compare`], so a look-up is a binary search. Since glibc 2.33 an entry may come
//! from a `glibc-hwcaps` subdirectory: its hwcap field then has bit 62 set and holds, in the low half, an index
//! into a list of subdirectory names, which is found through the extension directory at the end of the file.
//!
//! The facts are those of glibc's `dl-cache.h` (structure `cache_file_new` and what follows it). The
//! file is read as hostile: each access is checked, nothing is believed but what fits.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::hwcaps::Hwcaps;
use crate::elf::{u32_at, u64_at};

const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
/// Size of the older header: magic, padding to 12, the number of its entries.
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
/// The new header is aligned to its strictest member, a 64-bit word of its entries.
const NEW_ALIGNMENT: usize = 8;

// The new header: magic 20 bytes, then these fields.
const ENTRY_COUNT: usize = 20;
const BYTE_ORDER: usize = 28;
const EXTENSION_OFFSET: usize = 32;
const NEW_HEADER: usize = 48;

// An entry: flags, key, value, osversion (all 32 bits), hwcap (64 bits).
const ENTRY: usize = 24;
const KEY: usize = 4;
const VALUE: usize = 8;
const HWCAP: usize = 16;

/// `byte order` values; files from before glibc 2.33 have 0 there.
const UNSTATED: u8 = 0;
const LITTLE_ENDIAN: u8 = 2;

const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const EXTENSION_HEADER: usize = 8;
const SECTION: usize = 16;
/// The tag of the section that lists the names of glibc-hwcaps subdirectories.
const HWCAPS_TAG: u32 = 1;

/// Bit 62 of the hwcap field: the low half is an index of a subdirectory name.
const NAMED: u32 = 1 << 30;
/// Bits 32 to 41: the ISA level of the file, which its own property note says too.
const ISA_LEVEL: u32 = (1 << 10) - 1;

/// Why a cache is not used. The search then goes on without it, as if the file did not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Neither of the two forms.
    Unknown,
    /// Written for a machine of the other byte order.
    ByteOrder,
    /// The table of entries ends after the end of the file.
    Truncated,
}

/// A cache file whose entry table is known to lie inside the file.
#[derive(Clone, Copy, Debug)]
pub struct Cache<'c> {
    /// The whole file; the extension's offsets count from its start.
    file: &'c [u8],
    /// The new form's part; string offsets count from its start.
    data: &'c [u8],
    entries: &'c [u8],
}

/// Orders names as `ldconfig` sorts them: bytes as signed characters, but runs of digits by their value, so that
/// `libc.so.6` comes before `libc.so.10`. Both end at a NUL or at the end of the slice.
///
/// The value of a run is a 32-bit integer that wraps, as in the program that sorted the file.
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (Cursor(left), Cursor(right));
    loop {
        let (a, b) = (left.peek(), right.peek());
        let order = match (a.is_ascii_digit(), b.is_ascii_digit()) {
            (true, true) => {
                let difference = left.number().wrapping_sub(right.number());
                difference.cmp(&0)
            }
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ if a != b || a == 0 => return a.cast_signed().cmp(&b.cast_signed()),
            _ => {
                left.skip();
                right.skip();
                Ordering::Equal
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The rest of a string in which everything after the end is NUL.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn peek(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }
    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }
    fn number(&mut self) -> i32 {
        let mut value = 0i32;
        while self.peek().is_ascii_digit() {
            let digit = i32::from(self.peek() & 0xf);
            value = value.wrapping_mul(10).wrapping_add(digit);
            self.skip();
        }
        value
    }
}

/// One entry of the table.
#[derive(Clone, Copy)]
struct Entry<'c>(&'c [u8]);

impl Entry<'_> {
    fn flags(&self) -> Option<u32> {
        u32_at(self.0, 0)
    }
    fn key(&self) -> Option<usize> {
        u32_at(self.0, KEY).map(|offset| offset as usize)
    }
    fn value(&self) -> Option<usize> {
        u32_at(self.0, VALUE).map(|offset| offset as usize)
    }
    fn hwcap(&self) -> Option<u64> {
        u64_at(self.0, HWCAP)
    }
}

impl<'c> Cache<'c> {
    /// Finds the table of the new form in the bytes of a cache file.
    ///
    /// # Errors
    /// The file is not a cache, is for the other byte order, or is cut within its table. Strings are checked
    /// when they are read.
    pub fn parse(file: &'c [u8]) -> Result<Cache<'c>, Unusable> {
        let start = if file.starts_with(OLD_MAGIC) {
            let count = u32_at(file, OLD_HEADER - 4).ok_or(Unusable::Truncated)? as usize;
            count
                .checked_mul(OLD_ENTRY)
                .and_then(|table| table.checked_add(OLD_HEADER))
                .and_then(|end| end.checked_next_multiple_of(NEW_ALIGNMENT))
                .ok_or(Unusable::Truncated)?
        } else {
            0
        };
        let data = file.get(start..).ok_or(Unusable::Truncated)?;
        if !data.starts_with(NEW_MAGIC) {
            return Err(Unusable::Unknown);
        }
        let order = data.get(BYTE_ORDER).ok_or(Unusable::Truncated)? & 3;
        if order != UNSTATED && order != LITTLE_ENDIAN {
            return Err(Unusable::ByteOrder);
        }
        let count = u32_at(data, ENTRY_COUNT).ok_or(Unusable::Truncated)? as usize;
        let entries = count
            .checked_mul(ENTRY)
            .and_then(|length| length.checked_add(NEW_HEADER))
            .and_then(|end| data.get(NEW_HEADER..end))
            .ok_or(Unusable::Truncated)?;
        Ok(Cache { file, data, entries })
    }

    /// How many entries the table has.
    pub fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Whether the table has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The paths that are known for the library `name`, the preferred one first: entries of the best usable
    /// `glibc-hwcaps` subdirectory, then entries of plain directories. Entries with other `flags` (another
    /// machine or ABI), of subdirectories that `hwcaps` does not name, and with the bits of the platform
    /// subdirectories that glibc gave up in 2.37 are left out.
    pub fn lookup(&self, name: &[u8], flags: u32, hwcaps: &Hwcaps) -> Vec<&'c [u8]> {
        let mut found = Vec::new();
        let run = self.run(name);
        // Within one rank the table's order is the preference.
        for rank in 0..=hwcaps.names().len() {
            for entry in run.chunks_exact(ENTRY).map(Entry) {
                if entry.flags() == Some(flags)
                    && entry.key().and_then(|at| self.string(at)) == Some(name)
                    && entry.hwcap().and_then(|hwcap| self.rank(hwcap, hwcaps)) == Some(rank)
                    && let Some(path) = entry.value().and_then(|at| self.string(at))
                {
                    found.push(path);
                }
            }
        }
        found
    }

    /// The entries whose key compares equal to `name`. In a table that is not sorted they may be missed.
    fn run(&self, name: &[u8]) -> &'c [u8] {
        // Keys descend.
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.compared(middle, name) == Some(Ordering::Greater) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        // They are few, and looked at one by one anyway.
        while self.compared(high, name) == Some(Ordering::Equal) {
            high = high.saturating_add(1);
        }
        let run = self.entries.get(low.saturating_mul(ENTRY)..high.saturating_mul(ENTRY));
        run.unwrap_or_default()
    }

    /// How the key of an entry compares with `name`; `None` when there is no such entry.
    #[inline(never)]
    fn compared(&self, index: usize, name: &[u8]) -> Option<Ordering> {
        let key = self.entry(index)?.key();
        let text = key.and_then(|at| self.data.get(at..)).unwrap_or_default();
        Some(compare(text, name))
    }

    fn entry(&self, index: usize) -> Option<Entry<'c>> {
        let start = index.checked_mul(ENTRY)?;
        let end = start.checked_add(ENTRY)?;
        self.entries.get(start..end).map(Entry)
    }

    /// The string at an offset, without its NUL; `None` when it does not end inside the file.
    fn string(&self, at: usize) -> Option<&'c [u8]> {
        let rest = self.data.get(at..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest.get(..end)
    }

    /// The preference of an entry, 0 being the best; `None` when this machine does not use it.
    fn rank(&self, hwcap: u64, hwcaps: &Hwcaps) -> Option<usize> {
        if hwcap == 0 {
            return Some(hwcaps.names().len());
        }
        let (kind, index) = ((hwcap >> 32) as u32, hwcap as u32);
        if kind & !ISA_LEVEL != NAMED {
            return None;
        }
        hwcaps.rank(self.subdirectory(index)?)
    }

    /// The name of a `glibc-hwcaps` subdirectory by its index.
    fn subdirectory(&self, index: u32) -> Option<&'c [u8]> {
        let (offset, size) = self.section(HWCAPS_TAG)?;
        let at = (index as usize).checked_mul(4)?;
        if at.checked_add(4)? > size {
            return None;
        }
        let name = u32_at(self.file, offset.checked_add(at)?)?;
        self.string(name as usize)
    }

    /// Offset in the file and size of the extension section `tag`.
    fn section(&self, tag: u32) -> Option<(usize, usize)> {
        let start = u32_at(self.data, EXTENSION_OFFSET)? as usize;
        if start == 0 || u32_at(self.file, start)? != EXTENSION_MAGIC {
            return None;
        }
        let count = u32_at(self.file, start.checked_add(4)?)? as usize;
        let table = self.file.get(start.checked_add(EXTENSION_HEADER)?..)?;
        table
            .chunks_exact(SECTION)
            .take(count)
            .find(|section| u32_at(section, 0) == Some(tag))
            .and_then(|section| {
                let (offset, size) = (u32_at(section, 8)?, u32_at(section, 12)?);
                Some((offset as usize, size as usize))
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {

    extern crate std;

    use super::*;
    use alloc::collections::BTreeSet;

    const X86_64: u32 = 0x0303;
    const I386: u32 = 0x0003;
    const LEVELS: [&str; 3] = ["x86-64-v4", "x86-64-v3", "x86-64-v2"];

    /// Flags, key, value and hwcap of an entry.
    type Forged = (u32, &'static str, &'static str, u64);

    /// In the order in which ldconfig would write them.
    const ENTRIES: [Forged; 8] = [
        (X86_64, "libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1", 0),
        (X86_64, "libm.so.10", "/opt/libm.so.10", 0),
        (X86_64, "libm.so.6", "/v2/libm.so.6", 1 << 62),
        (X86_64, "libm.so.6", "/v3/libm.so.6", (1 << 62) | (2 << 32) | 1),
        (X86_64, "libm.so.6", "/haswell/libm.so.6", 1 << 2),
        (X86_64, "libm.so.6", "/lib/x86_64-linux-gnu/libm.so.6", 0),
        (X86_64, "libm.so.6", "/usr/lib/libm.so.6", 0),
        (I386, "libm.so.6", "/lib32/libm.so.6", 0),
    ];

    /// A file of the new form.
    fn forge(entries: &[Forged], names: &[&str]) -> Vec<u8> {
        forge_behind(Vec::new(), entries, names)
    }

    /// The new form behind what is there already: string offsets count from its own start, the others from the file's.
    fn forge_behind(mut file: Vec<u8>, entries: &[Forged], names: &[&str]) -> Vec<u8> {
        let base = file.len();
        let mut strings: Vec<u8> = Vec::new();
        let mut string = |text: &str| {
            let at = NEW_HEADER + entries.len() * ENTRY + strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at as u32
        };
        let mut table = Vec::new();
        for (flags, key, value, hwcap) in entries {
            table.extend_from_slice(&flags.to_le_bytes());
            table.extend_from_slice(&string(key).to_le_bytes());
            table.extend_from_slice(&string(value).to_le_bytes());
            table.extend_from_slice(&0u32.to_le_bytes());
            table.extend_from_slice(&hwcap.to_le_bytes());
        }
        let names: Vec<u32> = names.iter().map(|name| string(name)).collect();
        while !(base + NEW_HEADER + table.len() + strings.len()).is_multiple_of(4) {
            strings.push(0);
        }
        let extension = base + NEW_HEADER + table.len() + strings.len();
        file.extend_from_slice(NEW_MAGIC);
        file.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        file.extend_from_slice(&(strings.len() as u32).to_le_bytes());
        file.extend_from_slice(&[LITTLE_ENDIAN, 0, 0, 0]);
        file.extend_from_slice(&(extension as u32).to_le_bytes());
        file.extend_from_slice(&[0; 12]);
        file.extend_from_slice(&table);
        file.extend_from_slice(&strings);
        let list = extension + EXTENSION_HEADER + SECTION;
        for word in [EXTENSION_MAGIC, 1, HWCAPS_TAG, 0, list as u32, 4 * names.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        for name in names {
            file.extend_from_slice(&name.to_le_bytes());
        }
        file
    }

    /// A file as Debian 11 writes it: the older table with `count` entries, then the new form.
    fn forge_compatible(count: u32) -> Vec<u8> {
        let mut file = OLD_MAGIC.to_vec();
        file.push(0);
        file.extend_from_slice(&count.to_le_bytes());
        file.resize(OLD_HEADER + count as usize * OLD_ENTRY, 0x55);
        file.resize(file.len().next_multiple_of(NEW_ALIGNMENT), 0);
        forge_behind(file, &ENTRIES, &["x86-64-v2", "x86-64-v3"])
    }

    fn lookup<'c>(file: &'c [u8], name: &str, level: u8) -> Vec<&'c str> {
        let hwcaps = Hwcaps::new(&LEVELS[4 - usize::from(level)..], None, None);
        let paths = Cache::parse(file).unwrap().lookup(name.as_bytes(), X86_64, &hwcaps);
        paths.iter().map(|path| core::str::from_utf8(path).unwrap()).collect()
    }

    fn sorted(left: &str, right: &str) -> Ordering {
        compare(left.as_bytes(), right.as_bytes())
    }

    #[test]
    fn digits_compare_by_their_value() {
        assert_eq!(sorted("libc.so.6", "libc.so.10"), Ordering::Less);
        assert_eq!(sorted("libc.so.10", "libc.so.9"), Ordering::Greater);
        assert_eq!(sorted("lib01.so", "lib1.so"), Ordering::Equal);
    }

    #[test]
    fn a_digit_is_above_everything_else() {
        assert_eq!(sorted("lib1", "liba"), Ordering::Greater);
        assert_eq!(sorted("liba", "lib1"), Ordering::Less);
        assert_eq!(sorted("lib1", "lib"), Ordering::Greater);
        assert_eq!(sorted("lib", "lib1"), Ordering::Less);
    }

    #[test]
    fn other_bytes_compare_as_signed_characters() {
        assert_eq!(sorted("liba", "libb"), Ordering::Less);
        assert_eq!(sorted("lib", "liba"), Ordering::Less);
        assert_eq!(compare(b"lib\xff", b"liba"), Ordering::Less);
        assert_eq!(compare(b"lib\xff", b"lib"), Ordering::Less);
        assert_eq!(compare(b"lib\0x", b"lib"), Ordering::Equal);
    }

    #[test]
    fn a_run_of_digits_that_overflows_wraps() {
        assert_eq!(sorted("l4294967297", "l1"), Ordering::Equal);
    }

    #[test]
    fn a_plain_entry_is_found() {
        let file = forge(&ENTRIES, &["x86-64-v2", "x86-64-v3"]);
        assert_eq!(lookup(&file, "libz.so.1", 1), ["/lib/x86_64-linux-gnu/libz.so.1"]);
        assert_eq!(lookup(&file, "libm.so.10", 4), ["/opt/libm.so.10"]);
    }

    #[test]
    fn the_best_usable_level_comes_first_and_then_plain_entries_in_order() {
        let file = forge(&ENTRIES, &["x86-64-v2", "x86-64-v3"]);
        let plain = ["/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib/libm.so.6"];
        assert_eq!(
            lookup(&file, "libm.so.6", 4),
            ["/v3/libm.so.6", "/v2/libm.so.6", plain[0], plain[1]]
        );
        assert_eq!(lookup(&file, "libm.so.6", 2), ["/v2/libm.so.6", plain[0], plain[1]]);
        assert_eq!(lookup(&file, "libm.so.6", 1), plain);
    }

    #[test]
    fn another_machine_and_old_platform_bits_are_left_out() {
        let file = forge(&ENTRIES, &["x86-64-v2", "x86-64-v3"]);
        let found = lookup(&file, "libm.so.6", 4);
        assert!(!found.contains(&"/lib32/libm.so.6"));
        assert!(!found.contains(&"/haswell/libm.so.6"));
    }

    #[test]
    fn names_that_are_not_there_are_not_found() {
        let file = forge(&ENTRIES, &[]);
        for name in ["liba.so", "libm.so.7", "libzz.so", "", "libm.so.06"] {
            assert!(lookup(&file, name, 1).is_empty(), "{name}");
        }
    }

    #[test]
    fn an_entry_whose_level_has_no_name_is_left_out() {
        let file = forge(&ENTRIES, &["x86-64-v2"]);
        assert!(!lookup(&file, "libm.so.6", 4).contains(&"/v3/libm.so.6"));
    }

    #[test]
    fn the_table_behind_the_older_one_is_found_at_both_alignments() {
        for count in 0..5 {
            let file = forge_compatible(count);
            assert_eq!(lookup(&file, "libm.so.6", 3).first(), Some(&"/v3/libm.so.6"), "{count}");
            assert_eq!(lookup(&file, "libz.so.1", 3).len(), 1, "{count}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_never_panics_and_never_invents_a_path() {
        let hwcaps = Hwcaps::new(&LEVELS, None, None);
        for whole in [forge(&ENTRIES, &["x86-64-v2", "x86-64-v3"]), forge_compatible(3)] {
            let paths: Vec<&[u8]> = ENTRIES.iter().map(|entry| entry.2.as_bytes()).collect();
            for length in 0..whole.len() {
                let Ok(cache) = Cache::parse(&whole[..length]) else {
                    continue;
                };
                for (_, name, ..) in ENTRIES {
                    for found in cache.lookup(name.as_bytes(), X86_64, &hwcaps) {
                        assert!(paths.contains(&found));
                    }
                }
            }
        }
    }

    #[test]
    fn a_file_with_any_byte_changed_never_panics() {
        let hwcaps = Hwcaps::new(&LEVELS, None, None);
        for whole in [forge(&ENTRIES, &["x86-64-v2", "x86-64-v3"]), forge_compatible(3)] {
            for at in 0..whole.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut file = whole.clone();
                    file[at] = value;
                    if let Ok(cache) = Cache::parse(&file) {
                        for (_, name, ..) in ENTRIES {
                            let _ = cache.lookup(name.as_bytes(), X86_64, &hwcaps);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_cache_is_refused() {
        assert_eq!(Cache::parse(b"").unwrap_err(), Unusable::Unknown);
        assert_eq!(Cache::parse(b"ELF").unwrap_err(), Unusable::Unknown);
        assert_eq!(Cache::parse(b"glibc-ld.so.cache1.1").unwrap_err(), Unusable::Truncated);
        let mut only_old = b"ld.so-1.7.0\0\0\0\0\0".to_vec();
        assert_eq!(Cache::parse(&only_old).unwrap_err(), Unusable::Unknown);
        only_old[12] = 200;
        assert_eq!(Cache::parse(&only_old).unwrap_err(), Unusable::Truncated);
    }

    #[test]
    fn the_other_byte_order_is_refused_and_an_unstated_one_is_taken() {
        let mut file = forge(&ENTRIES, &[]);
        file[BYTE_ORDER] = 3;
        assert_eq!(Cache::parse(&file).unwrap_err(), Unusable::ByteOrder);
        file[BYTE_ORDER] = UNSTATED;
        assert!(Cache::parse(&file).is_ok());
    }

    #[test]
    fn more_entries_than_the_file_holds_are_refused() {
        let mut file = forge(&ENTRIES, &[]);
        file[ENTRY_COUNT..ENTRY_COUNT + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Cache::parse(&file).unwrap_err(), Unusable::Truncated);
    }

    #[test]
    fn the_binary_search_finds_what_a_scan_of_this_systems_cache_finds() {
        let Ok(file) = std::fs::read("/etc/ld.so.cache") else {
            return;
        };
        let Ok(cache) = Cache::parse(&file) else {
            return;
        };
        let hwcaps = Hwcaps::new(&LEVELS, None, None);
        let entries = || (0..cache.len()).filter_map(|index| cache.entry(index));
        let name = |entry: &Entry<'_>| entry.key().and_then(|at| cache.string(at));
        let names: BTreeSet<&[u8]> = entries().filter_map(|entry| name(&entry)).collect();
        for wanted in names {
            let mut scan: Vec<(usize, &[u8])> = entries()
                .filter(|entry| name(entry) == Some(wanted) && entry.flags() == Some(X86_64))
                .filter_map(|entry| {
                    let rank = cache.rank(entry.hwcap()?, &hwcaps)?;
                    Some((rank, cache.string(entry.value()?)?))
                })
                .collect();
            scan.sort_by_key(|(rank, _)| *rank);
            let scan: Vec<&[u8]> = scan.into_iter().map(|(_, path)| path).collect();
            assert_eq!(cache.lookup(wanted, X86_64, &hwcaps), scan);
        }
    }
}
