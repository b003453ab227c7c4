//! Relocation entries (gABI, "Relocation"). What a number means is in [`crate::arch`].
#![forbid(unsafe_code)]

use super::{SymbolIndex, u64_at};

/// Size of an entry with addend in bytes (DT_RELAENT).
pub const RELA_SIZE: u64 = 24;
/// Size of an entry without addend in bytes (DT_RELENT).
pub const REL_SIZE: u64 = 16;

/// A relocation that brings its addend.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rela {
    /// `r_offset`: the link-time address of the place
    pub offset: u64,
    /// `r_info`: symbol and number
    pub info: u64,
    /// `r_addend`, in two's complement
    pub addend: u64,
}

/// A relocation whose addend stands at its place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rel {
    /// `r_offset`: the link-time address of the place
    pub offset: u64,
    /// `r_info`: symbol and number
    pub info: u64,
}

impl Rela {
    /// Decodes one entry from its 24 bytes; `None` when there are fewer.
    pub fn decode(bytes: &[u8]) -> Option<Rela> {
        Some(Rela {
            offset: u64_at(bytes, 0)?,
            info: u64_at(bytes, 8)?,
            addend: u64_at(bytes, 16)?,
        })
    }

    /// The symbol (ELF64_R_SYM).
    #[inline]
    pub fn symbol(&self) -> SymbolIndex {
        SymbolIndex((self.info >> 32) as u32)
    }

    /// The number of the relocation (ELF64_R_TYPE).
    #[inline]
    pub fn kind(&self) -> u32 {
        self.info as u32
    }
}

impl Rel {
    /// Decodes one entry from its 16 bytes; `None` when there are fewer.
    pub fn decode(bytes: &[u8]) -> Option<Rel> {
        Some(Rel {
            offset: u64_at(bytes, 0)?,
            info: u64_at(bytes, 8)?,
        })
    }

    /// The symbol (ELF64_R_SYM).
    #[inline]
    pub fn symbol(&self) -> SymbolIndex {
        SymbolIndex((self.info >> 32) as u32)
    }

    /// The number of the relocation (ELF64_R_TYPE).
    #[inline]
    pub fn kind(&self) -> u32 {
        self.info as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_of_the_info_is_the_symbol_and_the_lower_the_number() {
        let rela = Rela {
            offset: 0x1000,
            info: 0x0000_0007_0000_0006,
            addend: 0,
        };
        assert_eq!((rela.symbol(), rela.kind()), (SymbolIndex(7), 6));
        let rel = Rel {
            offset: 0x1000,
            info: 0xffff_ffff_8000_0001,
        };
        assert_eq!((rel.symbol(), rel.kind()), (SymbolIndex(u32::MAX), 0x8000_0001));
    }

    #[test]
    fn a_truncated_entry_is_none() {
        let bytes = [
            0x10, 0x20, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ];
        let whole = Rela {
            offset: 0x2010,
            info: 0x3_0000_0008,
            addend: u64::MAX,
        };
        assert_eq!(Rela::decode(&bytes), Some(whole));
        for length in 0..24 {
            assert_eq!(Rela::decode(&bytes[..length]), None);
            assert_eq!(Rel::decode(&bytes[..length]).is_some(), length >= 16);
        }
    }
}
