//! ELF images byte by byte: what no linker would make, and what every linker makes, without a linker.
//!
//! [`Module`] collects what an object has (names, symbols, versions, relocations, data) and writes a valid x86-64
//! shared object or program; [`Forged`] is the result, whose header fields, segments and dynamic entries can then be
//! made odd or broken one at a time. All numbers are 64-bit little-endian.
//!
//! ```ignore
//! let mut library = Module::library("libb.so");
//! let place = library.data(&[0; 8]);
//! let symbol = library.undefined("answer", Binding::Weak);
//! library.relocation(place, 1, Some(symbol), 4);
//! let bytes = library.forge().bytes;
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "forging is for tests: what cannot be written panics")]

mod forged;
mod hash;
mod module;
#[cfg(test)]
mod tests;
mod version;

pub use forged::{Forged, HeaderField, SegmentField};
pub use hash::{gnu_hash, sysv_hash};
pub use module::{Binding, HashStyle, Kind, Module, SymbolId, Visibility};
pub use version::Version;

/// Address of the executable bytes of a forged module, before its load bias.
pub const TEXT: u64 = 0x10_0000;
/// Address of the relocated, then read-only data.
pub const RELRO: u64 = 0x20_0000;
/// Address of the writable data.
pub const DATA: u64 = 0x30_0000;

/// Bytes of little-endian tables in the making.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Zeros up to a multiple of `alignment`.
    fn align(&mut self, alignment: usize) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(alignment), 0);
        self
    }
}

/// A string table, which starts with the empty string.
struct Strings(Vec<u8>);

impl Strings {
    fn new() -> Strings {
        Strings(vec![0])
    }

    /// The offset of `text`, added when it is new.
    fn offset(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let wanted = [text.as_bytes(), b"\0"].concat();
        // The tail of another string serves, too, as linkers have it.
        let at = self.0.windows(wanted.len()).position(|window| window == wanted);
        let at = at.unwrap_or_else(|| {
            let end = self.0.len();
            self.0.extend(&wanted);
            end
        });
        u32::try_from(at).unwrap()
    }
}
