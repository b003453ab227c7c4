//! Bytes to values: everything the ELF documents define, and nothing that lode decides.
//!
//! Each file decodes one structure of the gABI ("System V Application Binary Interface", chapters 4
//! and 5) or of the GNU extensions. Decoders take bytes that somebody else has bounded, return values,
//! and never touch memory by themselves.
#![forbid(unsafe_code)]

use core::fmt;

pub mod aps2;
pub mod dynamic;
pub mod hash;
pub mod header;
pub mod note;
pub mod reloc;
pub mod relr;
pub mod segment;
pub mod symbol;
pub mod version;

/// A link-time address: what the file says (`p_vaddr`, `st_value`, `r_offset`, `d_ptr`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Vaddr(pub u64);

/// A run-time address: where the byte is in this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub u64);

/// Run-time address of link-time address 0 of one module, modulo 2^64 (gABI: "base address").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Bias(pub u64);

/// An offset in a file, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileOffset(pub u64);

/// An index into a module's dynamic symbol table; 0 is "no symbol" (`STN_UNDEF`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SymbolIndex(pub u32);

impl Vaddr {
    /// Where this link-time address is at run time in a module loaded with `bias`.
    #[inline]
    pub fn at(self, bias: Bias) -> Address {
        Address(self.0.wrapping_add(bias.0))
    }
    /// The address `bytes` further on, or `None` past the end of the address space.
    #[inline]
    pub fn plus(self, bytes: u64) -> Option<Vaddr> {
        self.0.checked_add(bytes).map(Vaddr)
    }
}

impl Address {
    /// The link-time address of this run-time address in a module loaded with `bias`.
    #[inline]
    pub fn in_image(self, bias: Bias) -> Vaddr {
        Vaddr(self.0.wrapping_sub(bias.0))
    }
}

macro_rules! prints_as_hexadecimal {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:#x}", self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:#x}", self.0)
            }
        }
    )*};
}
prints_as_hexadecimal!(Vaddr, Address, Bias, FileOffset);

impl fmt::Debug for SymbolIndex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "#{}", self.0)
    }
}
impl fmt::Display for SymbolIndex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "#{}", self.0)
    }
}

/// A field that was read as little-endian 64-bit words at a fixed place, or `None` past the end.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let end = at.checked_add(8)?;
    let field: [u8; 8] = bytes.get(at..end)?.try_into().ok()?;
    Some(u64::from_le_bytes(field))
}

/// As [`u64_at`], 32 bits.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    let field: [u8; 4] = bytes.get(at..end)?.try_into().ok()?;
    Some(u32::from_le_bytes(field))
}

/// As [`u64_at`], 16 bits.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let end = at.checked_add(2)?;
    let field: [u8; 2] = bytes.get(at..end)?.try_into().ok()?;
    Some(u16::from_le_bytes(field))
}
