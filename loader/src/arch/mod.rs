//! Machines as tables: the numbers of each psABI, and what they ask for.
//!
//! All machines are compiled everywhere, so that a file of any of them can be looked at and each table is tested on every host. Instructions are
//! not here but in `sys`, which also says which machine is the running one.
#![forbid(unsafe_code)]

pub mod aarch64;
pub mod x86_64;

/// What lode has to know of a machine to read and relocate its files.
#[derive(Debug)]
pub struct Machine {
    /// Its name as in `uname -m`
    pub name: &'static str,
    /// `e_machine`
    pub elf_machine: u16,
    /// `EI_CLASS`
    pub class: u8,
    /// `EI_DATA`
    pub data: u8,
    /// The bits of `e_flags` that have a meaning; others are refused.
    pub flags_known: u32,
    /// Bytes of a page, in any configuration of its kernel
    pub page_sizes: &'static [u64],
    /// Where static TLS lies
    pub tls: TlsVariant,
    /// What a relocation number asks for; `None` when lode does not know it in a dynamic table.
    pub relocation: fn(u32) -> Option<Relocation>,
}

/// Every machine that lode has a table for.
pub static MACHINES: &[&Machine] = &[&x86_64::MACHINE, &aarch64::MACHINE];

/// The machine with an `e_machine` number.
pub fn machine(elf_machine: u16) -> Option<&'static Machine> {
    MACHINES
        .iter()
        .copied()
        .find(|machine| machine.elf_machine == elf_machine)
}

/// Where static TLS lies as seen from the thread pointer (TLS ABI, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVariant {
    /// Above it, behind a head of the thread control block of so many bytes.
    One {
        /// Bytes from the thread pointer to the end of the head
        head: u64,
    },
    /// Below it.
    Two,
}

/// A relocation as a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Its name in the psABI
    pub name: &'static str,
    /// What it asks for
    pub ask: Ask,
}

/// What a relocation asks to be stored. *S* is the symbol's run-time address, *A* the addend, *P* the place, *B* the load bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing
    Nothing,
    /// B + A
    Relative,
    /// S, plus A if `addend`, minus P if `pc_relative`
    Value {
        /// How it is stored
        field: Field,
        /// Minus P
        pc_relative: bool,
        /// Plus A
        addend: bool,
    },
    /// S: a slot of the GOT
    GlobDat,
    /// S: a function's slot, which may be bound at the first call
    JumpSlot,
    /// The symbol's data, copied from the library that defines it
    Copy,
    /// The symbol's size + A
    Size(Field),
    /// The TLS number of the symbol's module
    TlsModule,
    /// The symbol's offset in its module's TLS block + A
    TlsModuleOffset(Field),
    /// The symbol's offset from the thread pointer + A
    ThreadOffset(Field),
    /// Two words: code that finds the offset from the thread pointer, and its argument
    TlsDescriptor,
    /// The answer of the resolver at B + A
    Indirect,
}

impl Ask {
    /// How what it asks for is stored; of a descriptor, each of its words.
    pub fn field(self) -> Field {
        match self {
            Ask::Value { field, .. } | Ask::Size(field) | Ask::TlsModuleOffset(field) | Ask::ThreadOffset(field) => {
                field
            }
            _ => Field::Word64,
        }
    }

    /// Whether it can hold any address.
    pub fn is_address(self) -> bool {
        let is_distance = matches!(self, Ask::Value { pc_relative: true, .. });
        self.field() == Field::Word64 && !is_distance
    }

    /// Whether it is a distance that does not reach everywhere.
    pub fn is_short_distance(self) -> bool {
        matches!(
            self,
            Ask::Value {
                field: Field::Signed32,
                pc_relative: true,
                ..
            }
        )
    }
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 8 bytes
    Word64,
    /// 4 bytes that are read zero-extended
    Word32,
    /// 4 bytes that are read sign-extended
    Signed32,
}

impl Field {
    /// Whether the field gives back all of `value` (in two's complement) when it is read.
    #[inline]
    pub fn holds(self, value: u64) -> bool {
        match self {
            Field::Word64 => true,
            Field::Word32 => u32::try_from(value).is_ok(),
            Field::Signed32 => i32::try_from(value as i64).is_ok(),
        }
    }

    /// Bytes stored.
    #[inline]
    pub fn size(self) -> u64 {
        match self {
            Field::Word64 => 8,
            Field::Word32 | Field::Signed32 => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_field_holds_what_it_gives_back() {
        assert!(Field::Word64.holds(u64::MAX));
        assert!(Field::Word32.holds(0xffff_ffff));
        assert!(!Field::Word32.holds(0x1_0000_0000));
        assert!(!Field::Word32.holds(-1i64 as u64));
        assert!(Field::Signed32.holds(0x7fff_ffff));
        assert!(!Field::Signed32.holds(0x8000_0000));
        assert!(Field::Signed32.holds(-0x8000_0000i64 as u64));
        assert!(!Field::Signed32.holds(-0x8000_0001i64 as u64));
    }

    #[test]
    fn machines_are_found_by_number() {
        assert_eq!(machine(62).map(|machine| machine.name), Some("x86_64"));
        assert_eq!(machine(183).map(|machine| machine.name), Some("aarch64"));
        assert!(machine(3).is_none());
    }

    #[test]
    fn relocation_names_start_as_their_psabi_says_and_stand_once() {
        for (machine, prefix) in [(&x86_64::MACHINE, "R_X86_64_"), (&aarch64::MACHINE, "R_AARCH64_")] {
            let mut names: Vec<&str> = (0..2048)
                .filter(|kind| *kind != 256) // aarch64 has two numbers for NONE
                .filter_map(machine.relocation)
                .map(|known| known.name)
                .collect();
            assert!(names.iter().all(|name| name.starts_with(prefix)));
            let total = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), total);
        }
    }
}
