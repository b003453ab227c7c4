//! AArch64 (psABI: "ELF for the Arm 64-bit Architecture", sections "Data relocations" and "Dynamic relocations").
#![forbid(unsafe_code)]

use super::{Ask, Field, Machine, Relocation, TlsVariant};

/// The machine's table.
pub static MACHINE: Machine = Machine {
    name: "aarch64",
    elf_machine: 183,
    class: 2,
    data: 1,
    flags_known: 0,
    page_sizes: &[4096, 16384, 65536],
    tls: TlsVariant::One { head: 16 },
    relocation,
};

/// What each number asks for.
fn relocation(kind: u32) -> Option<Relocation> {
    let value = |field, pc_relative| Ask::Value {
        field,
        pc_relative,
        addend: true,
    };
    let (name, ask) = match kind {
        // 256 was NONE in early releases of the ABI and is still to be read so.
        0 | 256 => ("R_AARCH64_NONE", Ask::Nothing),
        257 => ("R_AARCH64_ABS64", value(Field::Word64, false)),
        // The ABI lets 32-bit words be read either way. An address is never negative and a distance may be, so each is read the one way
        // in which it can be meant.
        258 => ("R_AARCH64_ABS32", value(Field::Word32, false)),
        260 => ("R_AARCH64_PREL64", value(Field::Word64, true)),
        261 => ("R_AARCH64_PREL32", value(Field::Signed32, true)),
        1024 => ("R_AARCH64_COPY", Ask::Copy),
        // S + A here, not S as on x86-64.
        1025 => ("R_AARCH64_GLOB_DAT", value(Field::Word64, false)),
        // S + A too, but linkers leave A zero: a PLT entry has no use for it.
        1026 => ("R_AARCH64_JUMP_SLOT", Ask::JumpSlot),
        1027 => ("R_AARCH64_RELATIVE", Ask::Relative),
        1028 => ("R_AARCH64_TLS_DTPMOD", Ask::TlsModule),
        1029 => ("R_AARCH64_TLS_DTPREL", Ask::TlsModuleOffset(Field::Word64)),
        1030 => ("R_AARCH64_TLS_TPREL", Ask::ThreadOffset(Field::Word64)),
        1031 => ("R_AARCH64_TLSDESC", Ask::TlsDescriptor),
        1032 => ("R_AARCH64_IRELATIVE", Ask::Indirect),
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
        let all: Vec<(u32, &str)> = (0..2048).filter_map(|kind| Some((kind, name(kind)?))).collect();
        assert_eq!(
            all,
            [
                (0, "R_AARCH64_NONE"),
                (256, "R_AARCH64_NONE"),
                (257, "R_AARCH64_ABS64"),
                (258, "R_AARCH64_ABS32"),
                (260, "R_AARCH64_PREL64"),
                (261, "R_AARCH64_PREL32"),
                (1024, "R_AARCH64_COPY"),
                (1025, "R_AARCH64_GLOB_DAT"),
                (1026, "R_AARCH64_JUMP_SLOT"),
                (1027, "R_AARCH64_RELATIVE"),
                (1028, "R_AARCH64_TLS_DTPMOD"),
                (1029, "R_AARCH64_TLS_DTPREL"),
                (1030, "R_AARCH64_TLS_TPREL"),
                (1031, "R_AARCH64_TLSDESC"),
                (1032, "R_AARCH64_IRELATIVE"),
            ]
        );
    }

    #[test]
    fn a_got_slot_has_an_addend() {
        assert_eq!(
            relocation(1025).map(|known| known.ask),
            Some(Ask::Value {
                field: Field::Word64,
                pc_relative: false,
                addend: true
            })
        );
    }
}
