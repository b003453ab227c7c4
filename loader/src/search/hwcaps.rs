//! Which `glibc-hwcaps` subdirectories this machine uses, the best first.
//!
//! Each directory of a search may have copies of a library for newer CPUs in `glibc-hwcaps/NAME`. The names are
//! levels that the psABI defines (`x86-64-v2` to `x86-64-v4`); the user may add names of their own
//! (`--glibc-hwcaps-prepend`) and restrict the built-in ones (`--glibc-hwcaps-mask`).
#![forbid(unsafe_code)]

use alloc::vec::Vec;

/// The subdirectory names in use, in descending order of preference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hwcaps {
    names: Vec<&'static [u8]>,
}

impl Hwcaps {
    /// The names of `prepend`, then those of `levels` (best first) that `mask` lets through. `prepend` and `mask` are lists
    /// with colons; no mask lets everything through.
    pub fn new(levels: &[&'static str], prepend: Option<&[u8]>, mask: Option<&[u8]>) -> Hwcaps {
        let mut hwcaps = Hwcaps::default();
        for name in words(prepend.unwrap_or_default()) {
            if hwcaps.rank(name).is_none() {
                // The names are wanted for as long as the process lives.
                hwcaps.names.push(super::owned(name).leak());
            }
        }
        for level in levels {
            let level = level.as_bytes();
            let is_let_through = mask.is_none_or(|mask| words(mask).any(|word| word == level));
            if is_let_through && hwcaps.rank(level).is_none() {
                hwcaps.names.push(level);
            }
        }
        hwcaps
    }

    /// The names, best first.
    pub fn names(&self) -> &[&'static [u8]] {
        &self.names
    }

    /// The place of `name` in the order of preference, or `None` when it is not in use.
    pub fn rank(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }
}

fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b':').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [&str; 3] = ["x86-64-v4", "x86-64-v3", "x86-64-v2"];

    #[test]
    fn without_wishes_the_levels_of_the_cpu_are_used() {
        let hwcaps = Hwcaps::new(&LEVELS, None, None);
        assert_eq!(hwcaps.rank(b"x86-64-v4"), Some(0));
        assert_eq!(hwcaps.rank(b"x86-64-v2"), Some(2));
        assert_eq!(hwcaps.rank(b"power10"), None);
    }

    #[test]
    fn a_mask_restricts_the_built_in_names_only() {
        let hwcaps = Hwcaps::new(&LEVELS, Some(b"mine:"), Some(b"x86-64-v3:z15"));
        assert_eq!(hwcaps.names(), [b"mine".as_slice(), b"x86-64-v3"]);
    }

    #[test]
    fn an_empty_mask_lets_nothing_through() {
        assert!(Hwcaps::new(&LEVELS, None, Some(b"")).names().is_empty());
    }

    #[test]
    fn a_name_that_is_added_and_built_in_counts_once() {
        let hwcaps = Hwcaps::new(&LEVELS, Some(b"x86-64-v2"), None);
        assert_eq!(hwcaps.names().len(), 3);
        assert_eq!(hwcaps.rank(b"x86-64-v2"), Some(0));
    }
}
