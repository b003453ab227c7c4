//! What the numbers of relocations ask for: lode's own tables, and those of machines and object files that lode never relocates but people ask about.

use lode::arch::{Ask, Field, Relocation};

use crate::elf::{EM_386, EM_AARCH64, EM_RISCV, EM_X86_64};

/// `EM_ARM`
const EM_ARM: u16 = 40;

/// What a number asks for; `None` when that is not known, or cannot be said as an [`Ask`].
pub fn meaning(machine: u16, kind: u32) -> Option<Relocation> {
    let own = lode::arch::machine(machine).and_then(|machine| (machine.relocation)(kind));
    own.or_else(|| foreign(machine, kind))
}

/// The name of a number.
pub fn name(machine: u16, kind: u32) -> String {
    if let Some(known) = meaning(machine, kind) {
        return known.name.to_owned();
    }
    match static_name(machine, kind) {
        Some(name) => name.to_owned(),
        None => format!("relocation {kind} of {}", lode::elf::header::machine_name(machine)),
    }
}

/// The number of a machine's relative relocation.
pub fn relative(machine: u16) -> Option<u32> {
    Some(match machine {
        EM_X86_64 | EM_386 => 8,
        EM_AARCH64 => 1027,
        EM_ARM => 23,
        EM_RISCV => 3,
        _ => return None,
    })
}

/// Dynamic relocations of the machines without a table in the loader (psABIs of i386, Arm, RISC-V).
fn foreign(machine: u16, kind: u32) -> Option<Relocation> {
    let value = |field, pc_relative| Ask::Value {
        field,
        pc_relative,
        addend: true,
    };
    let (word, double) = (value(Field::Word32, false), value(Field::Word64, false));
    let (name, ask) = match (machine, kind) {
        (EM_386, 0) => ("R_386_NONE", Ask::Nothing),
        (EM_386, 1) => ("R_386_32", word),
        (EM_386, 2) => ("R_386_PC32", value(Field::Word32, true)),
        (EM_386, 5) => ("R_386_COPY", Ask::Copy),
        (EM_386, 6) => ("R_386_GLOB_DAT", Ask::GlobDat),
        (EM_386, 7) => ("R_386_JMP_SLOT", Ask::JumpSlot),
        (EM_386, 8) => ("R_386_RELATIVE", Ask::Relative),
        (EM_386, 14) => ("R_386_TLS_TPOFF", Ask::ThreadOffset(Field::Word32)),
        (EM_386, 35) => ("R_386_TLS_DTPMOD32", Ask::TlsModule),
        (EM_386, 36) => ("R_386_TLS_DTPOFF32", Ask::TlsModuleOffset(Field::Word32)),
        (EM_386, 41) => ("R_386_TLS_DESC", Ask::TlsDescriptor),
        (EM_386, 42) => ("R_386_IRELATIVE", Ask::Indirect),
        (EM_ARM, 0) => ("R_ARM_NONE", Ask::Nothing),
        (EM_ARM, 2) => ("R_ARM_ABS32", word),
        (EM_ARM, 3) => ("R_ARM_REL32", value(Field::Word32, true)),
        (EM_ARM, 13) => ("R_ARM_TLS_DESC", Ask::TlsDescriptor),
        (EM_ARM, 17) => ("R_ARM_TLS_DTPMOD32", Ask::TlsModule),
        (EM_ARM, 18) => ("R_ARM_TLS_DTPOFF32", Ask::TlsModuleOffset(Field::Word32)),
        (EM_ARM, 19) => ("R_ARM_TLS_TPOFF32", Ask::ThreadOffset(Field::Word32)),
        (EM_ARM, 20) => ("R_ARM_COPY", Ask::Copy),
        (EM_ARM, 21) => ("R_ARM_GLOB_DAT", Ask::GlobDat),
        (EM_ARM, 22) => ("R_ARM_JUMP_SLOT", Ask::JumpSlot),
        (EM_ARM, 23) => ("R_ARM_RELATIVE", Ask::Relative),
        (EM_ARM, 160) => ("R_ARM_IRELATIVE", Ask::Indirect),
        (EM_RISCV, 0) => ("R_RISCV_NONE", Ask::Nothing),
        (EM_RISCV, 1) => ("R_RISCV_32", word),
        (EM_RISCV, 2) => ("R_RISCV_64", double),
        (EM_RISCV, 3) => ("R_RISCV_RELATIVE", Ask::Relative),
        (EM_RISCV, 4) => ("R_RISCV_COPY", Ask::Copy),
        (EM_RISCV, 5) => ("R_RISCV_JUMP_SLOT", Ask::JumpSlot),
        (EM_RISCV, 6) => ("R_RISCV_TLS_DTPMOD32", Ask::TlsModule),
        (EM_RISCV, 7) => ("R_RISCV_TLS_DTPMOD64", Ask::TlsModule),
        (EM_RISCV, 8) => ("R_RISCV_TLS_DTPREL32", Ask::TlsModuleOffset(Field::Word32)),
        (EM_RISCV, 9) => ("R_RISCV_TLS_DTPREL64", Ask::TlsModuleOffset(Field::Word64)),
        (EM_RISCV, 10) => ("R_RISCV_TLS_TPREL32", Ask::ThreadOffset(Field::Word32)),
        (EM_RISCV, 11) => ("R_RISCV_TLS_TPREL64", Ask::ThreadOffset(Field::Word64)),
        (EM_RISCV, 12) => ("R_RISCV_TLSDESC", Ask::TlsDescriptor),
        (EM_RISCV, 58) => ("R_RISCV_IRELATIVE", Ask::Indirect),
        _ => return None,
    };
    Some(Relocation { name, ask })
}

/// Numbers that only a link editor resolves, of the machine whose object files people look at most.
fn static_name(machine: u16, kind: u32) -> Option<&'static str> {
    Some(match (machine, kind) {
        (EM_X86_64, 3) => "R_X86_64_GOT32",
        (EM_X86_64, 9) => "R_X86_64_GOTPCREL",
        (EM_X86_64, 12) => "R_X86_64_16",
        (EM_X86_64, 13) => "R_X86_64_PC16",
        (EM_X86_64, 14) => "R_X86_64_8",
        (EM_X86_64, 15) => "R_X86_64_PC8",
        (EM_X86_64, 19) => "R_X86_64_TLSGD",
        (EM_X86_64, 20) => "R_X86_64_TLSLD",
        (EM_X86_64, 21) => "R_X86_64_DTPOFF32",
        (EM_X86_64, 22) => "R_X86_64_GOTTPOFF",
        (EM_X86_64, 23) => "R_X86_64_TPOFF32",
        (EM_X86_64, 25) => "R_X86_64_GOTOFF64",
        (EM_X86_64, 26) => "R_X86_64_GOTPC32",
        (EM_X86_64, 34) => "R_X86_64_GOTPC32_TLSDESC",
        (EM_X86_64, 35) => "R_X86_64_TLSDESC_CALL",
        (EM_X86_64, 41) => "R_X86_64_GOTPCRELX",
        (EM_X86_64, 42) => "R_X86_64_REX_GOTPCRELX",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relative_relocation_of_each_machine_is_relative() {
        for machine in [EM_X86_64, EM_386, EM_AARCH64, EM_ARM, EM_RISCV] {
            let number = relative(machine).unwrap();
            assert_eq!(meaning(machine, number).unwrap().ask, Ask::Relative);
        }
        assert_eq!(relative(2), None);
    }

    #[test]
    fn a_number_has_a_name_or_stays_a_number() {
        assert_eq!(name(EM_X86_64, 1), "R_X86_64_64");
        assert_eq!(name(EM_X86_64, 42), "R_X86_64_REX_GOTPCRELX");
        assert_eq!(name(EM_386, 99), "relocation 99 of i386");
    }
}
