//! An `/etc/ld.so.cache` for an image: the source's names files that the image has not, and without any, a library that only the cache leads to is not found.

use std::collections::BTreeMap;

use lode::search::cache::compare;

/// `FLAG_ELF_LIBC6 | FLAG_X8664_LIB64` (glibc's `ldconfig.h`)
const LIBRARY: u32 = 0x0303;
/// Bytes of the header and of an entry
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// The mark of a little-endian file
const LITTLE_ENDIAN: u32 = 2;

/// The cache with these libraries, name to path, in the form that glibc has written since 2.32: magic, numbers, entries in descending order, strings.
pub fn bytes(libraries: &BTreeMap<String, String>) -> Vec<u8> {
    let mut sorted: Vec<_> = libraries.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| compare(other.as_bytes(), one.as_bytes()));
    let mut strings = Vec::new();
    let start = HEADER + ENTRY * sorted.len();
    let mut string = |text: &str| {
        let at = start + strings.len();
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at as u32
    };
    let mut entries = Vec::new();
    for (name, path) in &sorted {
        // Flags, key, value, osversion, and the two words of hwcap.
        let words = [LIBRARY, string(name), string(path), 0, 0, 0];
        entries.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    let numbers = [sorted.len() as u32, strings.len() as u32, LITTLE_ENDIAN, 0, 0, 0, 0];
    bytes.extend(numbers.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(entries);
    bytes.extend(strings);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use lode::search::cache::Cache;

    #[test]
    fn the_loaders_own_reader_takes_it() {
        let libraries = ["libb.so.10", "libb.so.2", "liba.so"].map(|name| (name.to_owned(), format!("/opt/{name}")));
        let bytes = bytes(&libraries.iter().cloned().collect());
        Cache::parse(&bytes).unwrap();
    }
}
