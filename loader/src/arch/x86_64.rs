//! x86-64 (psABI: "System V Application Binary Interface, AMD64 Architecture Processor Supplement", table "Relocation Types").
#![forbid(unsafe_code)]

use super::{Ask, Field, Machine, Relocation, TlsVariant};

/// The machine's table.
pub static MACHINE: Machine = Machine {
    name: "x86_64",
    elf_machine: 62,
    class: 2,
    data: 1,
    flags_known: 0,
    page_sizes: &[4096],
    tls: TlsVariant::Two,
    relocation,
};

/// What each number asks for. Numbers that only a link editor resolves (GOTPCREL, GOTTPOFF …) are unknown here.
fn relocation(kind: u32) -> Option<Relocation> {
    let value = |field, pc_relative| Ask::Value {
        field,
        pc_relative,
        addend: true,
    };
    let (name, ask) = match kind {
        0 => ("R_X86_64_NONE", Ask::Nothing),
        1 => ("R_X86_64_64", value(Field::Word64, false)),
        2 => ("R_X86_64_PC32", value(Field::Signed32, true)),
        // In a dynamic table there is no PLT entry to name, so it is the distance to the function itself.
        4 => ("R_X86_64_PLT32", value(Field::Signed32, true)),
        5 => ("R_X86_64_COPY", Ask::Copy),
        6 => ("R_X86_64_GLOB_DAT", Ask::GlobDat),
        7 => ("R_X86_64_JUMP_SLOT", Ask::JumpSlot),
        8 => ("R_X86_64_RELATIVE", Ask::Relative),
        10 => ("R_X86_64_32", value(Field::Word32, false)),
        11 => ("R_X86_64_32S", value(Field::Signed32, false)),
        16 => ("R_X86_64_DTPMOD64", Ask::TlsModule),
        17 => ("R_X86_64_DTPOFF64", Ask::TlsModuleOffset(Field::Word64)),
        18 => ("R_X86_64_TPOFF64", Ask::ThreadOffset(Field::Word64)),
        24 => ("R_X86_64_PC64", value(Field::Word64, true)),
        32 => ("R_X86_64_SIZE32", Ask::Size(Field::Word32)),
        33 => ("R_X86_64_SIZE64", Ask::Size(Field::Word64)),
        36 => ("R_X86_64_TLSDESC", Ask::TlsDescriptor),
        37 => ("R_X86_64_IRELATIVE", Ask::Indirect),
        // For x32, where a word that moves is wider than an address; with 64-bit addresses it is RELATIVE.
        38 => ("R_X86_64_RELATIVE64", Ask::Relative),
        _ => return None,
    };
    Some(Relocation { name, ask })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn each_number_means_what_the_psabi_says() {
        let name = |kind| relocation(kind).map(|known| known.name);
        let all: Vec<(u32, &str)> = (0..256).filter_map(|kind| Some((kind, name(kind)?))).collect();
        assert_eq!(
            all,
            [
                (0, "R_X86_64_NONE"),
                (1, "R_X86_64_64"),
                (2, "R_X86_64_PC32"),
                (4, "R_X86_64_PLT32"),
                (5, "R_X86_64_COPY"),
                (6, "R_X86_64_GLOB_DAT"),
                (7, "R_X86_64_JUMP_SLOT"),
                (8, "R_X86_64_RELATIVE"),
                (10, "R_X86_64_32"),
                (11, "R_X86_64_32S"),
                (16, "R_X86_64_DTPMOD64"),
                (17, "R_X86_64_DTPOFF64"),
                (18, "R_X86_64_TPOFF64"),
                (24, "R_X86_64_PC64"),
                (32, "R_X86_64_SIZE32"),
                (33, "R_X86_64_SIZE64"),
                (36, "R_X86_64_TLSDESC"),
                (37, "R_X86_64_IRELATIVE"),
                (38, "R_X86_64_RELATIVE64"),
            ]
        );
    }

    #[test]
    fn distances_are_signed_and_absolute_words_of_32_bits_are_not() {
        let field = |kind| match relocation(kind).unwrap().ask {
            Ask::Value { field, pc_relative, .. } => (field, pc_relative),
            other => panic!("{other:?}"),
        };
        assert_eq!(field(1), (Field::Word64, false));
        assert_eq!(field(2), (Field::Signed32, true));
        assert_eq!(field(10), (Field::Word32, false));
        assert_eq!(field(11), (Field::Signed32, false));
        assert_eq!(field(24), (Field::Word64, true));
    }
}
