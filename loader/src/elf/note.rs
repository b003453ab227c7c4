//! Notes (gABI, "Note Section"): build-id, ABI tag, and the properties of `.note.gnu.property`.
#![forbid(unsafe_code)]

use core::fmt;

use super::u32_at;
use crate::error::{KernelVersion, line};

/// NT_GNU_ABI_TAG
const ABI_TAG: u32 = 1;
/// NT_GNU_BUILD_ID
const BUILD_ID: u32 = 3;
/// NT_GNU_PROPERTY_TYPE_0
const PROPERTIES: u32 = 5;

/// GNU_PROPERTY_1_NEEDED: what a file needs of its loader on any machine (Linux gABI extensions, "Program Property")
pub const NEEDED_1: u32 = 0xb000_8000;
/// GNU_PROPERTY_1_NEEDED_INDIRECT_EXTERN_ACCESS, a bit of [`NEEDED_1`]
pub const INDIRECT_EXTERN_ACCESS: u32 = 1;
/// GNU_PROPERTY_MEMORY_SEAL, without content: the file is to be sealed when it is in place (GNU ld, `-z memory-seal`)
pub const MEMORY_SEAL: u32 = 3;
/// GNU_PROPERTY_X86_ISA_1_NEEDED: levels that the CPU must have (x86-64 psABI, "Program Property"): bit 0 baseline, bit 1 x86-64-v2, bit 2 v3, bit 3 v4
pub const X86_ISA_1_NEEDED: u32 = 0xc000_8002;

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// Who defines the kind, with its NUL: `GNU\0`
    pub owner: &'a [u8],
    /// What it says; numbers are the owner's.
    pub kind: u32,
    /// The content
    pub content: &'a [u8],
}

/// The notes of one PT_NOTE segment. Ends at the first note that does not fit.
#[derive(Clone, Debug)]
pub struct Notes<'a> {
    rest: &'a [u8],
    align: usize,
}

impl<'a> Notes<'a> {
    /// The notes in `bytes`, padded to `align` bytes: 8 where `p_align` is 8 (`.note.gnu.property`), else 4.
    pub fn new(bytes: &'a [u8], align: u64) -> Notes<'a> {
        Notes {
            rest: bytes,
            align: if align == 8 { 8 } else { 4 },
        }
    }
}

impl<'a> Iterator for Notes<'a> {
    type Item = Note<'a>;

    fn next(&mut self) -> Option<Note<'a>> {
        let bytes = self.rest;
        self.rest = &[];
        let owner_size = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let content_size = usize::try_from(u32_at(bytes, 4)?).ok()?;
        let kind = u32_at(bytes, 8)?;
        let owner_end = 12usize.checked_add(owner_size)?;
        let content_start = owner_end.checked_next_multiple_of(self.align)?;
        let content_end = content_start.checked_add(content_size)?;
        let note = Note {
            owner: bytes.get(12..owner_end)?,
            kind,
            content: bytes.get(content_start..content_end)?,
        };
        // The last note may lack its padding.
        let next = content_end.checked_next_multiple_of(self.align)?;
        self.rest = bytes.get(next..).unwrap_or(&[]);
        Some(note)
    }
}

#[inline(never)]
fn find_gnu(bytes: &[u8], align: u64, kind: u32) -> Option<&[u8]> {
    Notes::new(bytes, align)
        .find(|note| note.owner == b"GNU\0" && note.kind == kind)
        .map(|note| note.content)
}

/// The build-id among 4-aligned notes: the linker's digest of the file, usually 20 bytes.
pub fn build_id(bytes: &[u8]) -> Option<&[u8]> {
    find_gnu(bytes, 4, BUILD_ID).filter(|id| !id.is_empty())
}

/// The oldest system that a file was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbiTag {
    /// See [`system_name`].
    pub os: u32,
    /// The oldest kernel
    pub version: KernelVersion,
}

/// [`AbiTag::os`] of Linux.
pub const LINUX: u32 = 0;

/// The name of [`AbiTag::os`].
pub fn system_name(os: u32) -> &'static str {
    match os {
        LINUX => "Linux",
        1 => "Hurd",
        2 => "Solaris",
        3 => "FreeBSD",
        4 => "NetBSD",
        _ => "unknown",
    }
}

/// The ABI tag among 4-aligned notes (LSB core, "Note Section").
pub fn abi_tag(bytes: &[u8]) -> Option<AbiTag> {
    let content = find_gnu(bytes, 4, ABI_TAG)?;
    let mut version = 0;
    for at in [4, 8, 12] {
        version = version << KernelVersion::BITS | u64::from(u32_at(content, at)?);
    }
    Some(AbiTag {
        os: u32_at(content, 0)?,
        version: KernelVersion(version),
    })
}

/// The features that the x86-64 levels add, as the psABI spells them ("Micro-Architecture Levels"), one a line.
const FEATURES: &str = "\
CMOV\nCX8\nFXSR\nMMX\nSSE\nSSE2\n\
CMPXCHG16B\nLAHF-SAHF\nPOPCNT\nSSE3\nSSSE3\nSSE4_1\nSSE4_2\n\
AVX\nAVX2\nBMI1\nBMI2\nF16C\nFMA\nLZCNT\nMOVBE\n\
AVX512F\nAVX512BW\nAVX512CD\nAVX512DQ\nAVX512VL";

/// A set of these features: a bit for each in the order of the levels, and within a level of the psABI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelFeatures(pub u32);

impl LevelFeatures {
    /// Those that a level and the levels below it have.
    pub fn up_to(self, level: u8) -> LevelFeatures {
        let count = match level {
            1 => 6,
            2 => 13,
            3 => 21,
            _ => 26,
        };
        LevelFeatures(self.0 & ((1 << count) - 1))
    }

    /// The highest level that lacks none of these, 1 to 4; 0 if the first does.
    pub fn level(self) -> u8 {
        let reached = (1..5).take_while(|level| self.up_to(*level) == LevelFeatures(0));
        reached.last().unwrap_or(0)
    }
}

/// Each name behind a blank.
impl fmt::Display for LevelFeatures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while rest != 0 {
            out.write_str(" ")?;
            out.write_str(line(FEATURES, rest.trailing_zeros() as usize))?;
            rest &= rest - 1;
        }
        Ok(())
    }
}

/// The word of a property in the content of PT_GNU_PROPERTY; 1 of a property without content, which only says that it is there; 0 where the
/// file is silent about it, or damaged before it.
#[inline(never)]
pub fn property(bytes: &[u8], wanted: u32) -> u32 {
    // GNU ld leaves notes side by side that it does not know how to merge.
    for note in Notes::new(bytes, 8).filter(|note| note.owner == b"GNU\0" && note.kind == PROPERTIES) {
        let mut rest = note.content;
        while let Some((kind, content, behind)) = next_property(rest) {
            if kind == wanted && content.len() <= 4 {
                return u32_at(content, 0).unwrap_or(1);
            }
            rest = behind;
        }
    }
    0
}

/// The first property of an array: its kind, its content, and what is behind it.
fn next_property(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let kind = u32_at(bytes, 0)?;
    let size = usize::try_from(u32_at(bytes, 4)?).ok()?;
    let end = 8usize.checked_add(size)?;
    let content = bytes.get(8..end)?;
    let behind = bytes.get(end.checked_next_multiple_of(8)?..).unwrap_or(&[]);
    Some((kind, content, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn note(owner: &[u8], kind: u32, content: &[u8], align: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [owner.len() as u32, content.len() as u32, kind] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(owner);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A note of somebody else, a build-id of 5 bytes and an ABI tag.
    fn usual() -> Vec<u8> {
        let mut bytes = note(b"stapsdt\0", 3, b"probe", 4);
        bytes.extend(note(b"GNU\0", BUILD_ID, &[1, 2, 3, 4, 5], 4));
        bytes.extend(note(b"GNU\0", ABI_TAG, &words(&[0, 3, 2, 0]), 4));
        bytes
    }

    #[test]
    fn notes_are_found_by_owner_and_kind() {
        let bytes = usual();
        assert_eq!(Notes::new(&bytes, 4).count(), 3);
        assert_eq!(build_id(&bytes), Some(&[1, 2, 3, 4, 5][..]));
        assert_eq!(
            abi_tag(&bytes),
            Some(AbiTag {
                os: 0,
                version: KernelVersion(3 << 40 | 2 << 20)
            })
        );
    }

    #[test]
    fn every_truncated_prefix_ends_early() {
        let bytes = usual();
        let ends = [28, 28 + 24, 28 + 24 + 32];
        for length in 0..bytes.len() {
            let found = Notes::new(&bytes[..length], 4).count();
            // The padding of a note may be missing.
            let expected = ends.iter().filter(|end| length >= **end).count();
            assert!(found == expected || found == expected + 1, "{length}");
            assert_eq!(abi_tag(&bytes[..length]), None);
        }
    }

    #[test]
    fn sizes_that_overflow_end_the_notes() {
        for at in [0, 4] {
            let mut bytes = usual();
            bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
            assert_eq!(Notes::new(&bytes, 4).count(), 0);
        }
    }

    #[test]
    fn properties_are_read_with_their_padding() {
        const OTHER: u32 = 0xc000_0002;
        let mut content = words(&[OTHER, 4, 3, 0]);
        content.extend(words(&[1, 8, 0, 16]));
        content.extend(words(&[X86_ISA_1_NEEDED, 4, 0b111, 0, NEEDED_1, 4, 1, 0]));
        let bytes = note(b"GNU\0", PROPERTIES, &content, 8);
        assert_eq!(property(&bytes, X86_ISA_1_NEEDED), 0b111);
        assert_eq!(property(&bytes, NEEDED_1), 1);
        assert_eq!(property(&bytes, OTHER), 3);
        let mut two = bytes.clone();
        two.extend(note(b"GNU\0", PROPERTIES, &words(&[MEMORY_SEAL, 0]), 8));
        assert_eq!((property(&bytes, MEMORY_SEAL), property(&two, MEMORY_SEAL)), (0, 1));
        for length in 0..bytes.len() {
            assert_eq!(property(&bytes[..length], OTHER), 0);
        }
    }

    #[test]
    fn features_are_named_in_the_order_of_the_levels() {
        let all = LevelFeatures(u32::MAX);
        assert_eq!(all.up_to(1).to_string(), " CMOV CX8 FXSR MMX SSE SSE2");
        assert_eq!(all.up_to(3).to_string().split_whitespace().count(), 21);
        assert!(all.up_to(4).to_string().ends_with(" AVX512DQ AVX512VL"));
        assert_eq!(all.up_to(4), all.up_to(9));
        assert_eq!(LevelFeatures(0).to_string(), "");
    }

    #[test]
    fn a_property_without_content_says_that_it_is_there() {
        let bytes = note(
            b"GNU\0",
            PROPERTIES,
            &words(&[MEMORY_SEAL, 0, X86_ISA_1_NEEDED, 4, 1, 0]),
            8,
        );
        assert_eq!(property(&bytes, MEMORY_SEAL), 1);
        assert_eq!(property(&bytes, X86_ISA_1_NEEDED), 1);
        assert_eq!(property(&bytes, NEEDED_1), 0);
    }

    #[test]
    fn a_property_of_another_size_is_silent() {
        let content = words(&[X86_ISA_1_NEEDED, 8, 0b111, 0, NEEDED_1, 0xffff_fff0, 1, 0]);
        let bytes = note(b"GNU\0", PROPERTIES, &content, 8);
        assert_eq!(property(&bytes, X86_ISA_1_NEEDED), 0);
        assert_eq!(property(&bytes, NEEDED_1), 0);
    }
}
