//! Symbol table entries (gABI, "Symbol Table").
#![forbid(unsafe_code)]

use super::{u16_at, u32_at, u64_at};

/// Size of a 64-bit symbol in bytes (DT_SYMENT).
pub const SYMBOL_SIZE: usize = 24;

/// Binding: seen inside its module only.
pub const STB_LOCAL: u8 = 0;
/// Binding: seen everywhere.
pub const STB_GLOBAL: u8 = 1;
/// Binding: as global; without a definition it is 0 and no error.
pub const STB_WEAK: u8 = 2;
/// Binding: one definition serves the whole process (GNU).
pub const STB_GNU_UNIQUE: u8 = 10;

/// Kind: not said.
pub const STT_NOTYPE: u8 = 0;
/// Kind: data.
pub const STT_OBJECT: u8 = 1;
/// Kind: a function.
pub const STT_FUNC: u8 = 2;
/// Kind: a section.
pub const STT_SECTION: u8 = 3;
/// Kind: a source file's name.
pub const STT_FILE: u8 = 4;
/// Kind: data of a common block.
pub const STT_COMMON: u8 = 5;
/// Kind: thread-local data; the value is an offset into the module's TLS block.
pub const STT_TLS: u8 = 6;
/// Kind: a resolver, whose answer is the address (GNU).
pub const STT_GNU_IFUNC: u8 = 10;

/// Visibility: as the binding says.
pub const STV_DEFAULT: u8 = 0;
/// Visibility: as hidden.
pub const STV_INTERNAL: u8 = 1;
/// Visibility: not seen by other modules.
pub const STV_HIDDEN: u8 = 2;
/// Visibility: seen by other modules; references from its own module are to itself.
pub const STV_PROTECTED: u8 = 3;

/// Section index: defined elsewhere.
pub const SHN_UNDEF: u16 = 0;
/// Section index: the value is no address and does not move with the module.
pub const SHN_ABS: u16 = 0xfff1;
/// Section index: a common block that no linker placed.
pub const SHN_COMMON: u16 = 0xfff2;

/// One entry of a symbol table, as it stands in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Symbol {
    /// `st_name`: offset into the string table; 0 is no name.
    pub name: u32,
    /// `st_info`: binding and kind
    pub info: u8,
    /// `st_other`: visibility, and bits of the machine
    pub other: u8,
    /// `st_shndx`
    pub section: u16,
    /// `st_value`: a link-time address; an offset for [`STT_TLS`]; a number for [`SHN_ABS`]
    pub value: u64,
    /// `st_size`, bytes; 0 when not known
    pub size: u64,
}

impl Symbol {
    /// Decodes one entry from its 24 bytes; `None` when there are fewer.
    pub fn decode(bytes: &[u8]) -> Option<Symbol> {
        Some(Symbol {
            name: u32_at(bytes, 0)?,
            info: bytes.get(4).copied()?,
            other: bytes.get(5).copied()?,
            section: u16_at(bytes, 6)?,
            value: u64_at(bytes, 8)?,
            size: u64_at(bytes, 16)?,
        })
    }

    /// One of the `STB_` constants.
    #[inline]
    pub fn binding(&self) -> u8 {
        self.info >> 4
    }

    /// One of the `STT_` constants.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.info & 15
    }

    /// One of the `STV_` constants.
    #[inline]
    pub fn visibility(&self) -> u8 {
        self.other & 3
    }

    /// Whether the symbol stands in its module. An undefined one may still have a value: the address of a PLT entry that serves as the
    /// function's address in the whole process.
    #[inline]
    pub fn is_defined(&self) -> bool {
        self.section != SHN_UNDEF
    }

    /// Whether the value is a number that does not move with the module.
    #[inline]
    pub fn is_absolute(&self) -> bool {
        self.section == SHN_ABS
    }

    /// Whether a missing definition is no error.
    #[inline]
    pub fn is_weak(&self) -> bool {
        self.binding() == STB_WEAK
    }

    /// Whether a reference of another module may be bound to it: global, weak or unique; visible outside its module; and code, data or
    /// thread-local data. Locals stand in the table, but no hash table finds them; sections and files are names of something else.
    #[inline]
    pub fn is_linkable(&self) -> bool {
        const BINDINGS: u16 = 1 << STB_GLOBAL | 1 << STB_WEAK | 1 << STB_GNU_UNIQUE;
        const KINDS: u16 =
            1 << STT_NOTYPE | 1 << STT_OBJECT | 1 << STT_FUNC | 1 << STT_COMMON | 1 << STT_TLS | 1 << STT_GNU_IFUNC;
        const VISIBLE: u8 = 1 << STV_DEFAULT | 1 << STV_PROTECTED;
        BINDINGS >> self.binding() & 1 != 0 && KINDS >> self.kind() & 1 != 0 && VISIBLE >> self.visibility() & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 24] = [
        0x11, 0x22, 0, 0, 0x2a, 0x83, 0xf1, 0xff, 1, 0, 0, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn an_entry_is_decoded_field_by_field() {
        let symbol = Symbol::decode(&BYTES).unwrap();
        assert_eq!(
            symbol,
            Symbol {
                name: 0x2211,
                info: 0x2a,
                other: 0x83,
                section: SHN_ABS,
                value: 0x8000_0000_0000_0001,
                size: 8
            }
        );
        assert_eq!(symbol.binding(), STB_WEAK);
        assert_eq!(symbol.kind(), STT_GNU_IFUNC);
        assert_eq!(symbol.visibility(), STV_PROTECTED);
        assert!(symbol.is_defined() && symbol.is_absolute() && symbol.is_weak());
    }

    #[test]
    fn every_truncated_prefix_is_none() {
        for length in 0..24 {
            assert_eq!(Symbol::decode(&BYTES[..length]), None);
        }
    }

    #[test]
    fn only_code_and_data_of_global_binding_is_linkable() {
        let linkable = |binding: u8, kind: u8| {
            Symbol {
                info: binding << 4 | kind,
                ..Symbol::default()
            }
            .is_linkable()
        };
        for kind in 0..16 {
            assert!(!linkable(STB_LOCAL, kind));
            assert!(!linkable(13, kind));
            let expected = [0, 1, 2, 5, 6, 10].contains(&kind);
            for binding in [STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE] {
                assert_eq!(linkable(binding, kind), expected);
            }
        }
    }
}
