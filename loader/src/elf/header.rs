//! The ELF header (gABI, "ELF Header"): which file this is, and whether this machine can run it.
#![forbid(unsafe_code)]

use super::segment::PROGRAM_HEADER_SIZE;
use super::{FileOffset, Vaddr, u16_at, u32_at, u64_at};
use crate::arch::Machine;
use crate::error::{Fault, Kind, Rule};

/// Size of a 64-bit ELF header in bytes (`e_ehsize`).
pub const HEADER_SIZE: usize = 64;

/// The first four bytes of every ELF file.
pub const MAGIC: [u8; 4] = *b"\x7fELF";

/// `EI_CLASS` of 64-bit files.
pub const CLASS_64: u8 = 2;
/// `EI_DATA` of little-endian files.
pub const DATA_LITTLE_ENDIAN: u8 = 1;
/// `EI_OSABI`: no extension, or none named.
pub const OSABI_NONE: u8 = 0;
/// `EI_OSABI`: GNU extensions (IFUNC, unique symbols).
pub const OSABI_GNU: u8 = 3;

/// The highest `EI_ABIVERSION` under [`OSABI_GNU`] that lode implements (glibc's `libc-abis`: 1 is IFUNC, 2 unique symbols, 3 absolute
/// symbols).
pub const GNU_ABI_VERSION: u8 = 3;

/// `e_phnum` that says "look into section header 0". No loader does, because that is not mapped.
const PN_XNUM: u16 = 0xffff;

/// Which of the two loadable kinds a file is (`e_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// ET_EXEC: loaded at the addresses that it names.
    Executable,
    /// ET_DYN: a library or a position-independent program.
    Shared,
}

/// A checked ELF header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `e_type`
    pub kind: FileKind,
    /// `EI_OSABI`
    pub osabi: u8,
    /// `EI_ABIVERSION`
    pub abi_version: u8,
    /// `e_machine`
    pub machine: u16,
    /// `e_entry`; 0 where there is none.
    pub entry: Vaddr,
    /// `e_phoff`: where the program headers stand in the file
    pub phoff: FileOffset,
    /// `e_phnum`: how many there are; never 0
    pub phnum: u16,
    /// `e_flags`
    pub flags: u32,
}

impl Header {
    /// Decodes the header at the start of `bytes` and checks every field that the loader uses.
    ///
    /// `bytes` may go on behind the header. `file_length` is in bytes; `None` when it is not known (a program that the
    /// kernel mapped), and then the end of the program header table is not checked.
    ///
    /// # Errors
    /// A header that is cut; then in the order of the fields: [`Kind::NotElf`], a wrong class, byte order, version, OS ABI, machine, type, flags; then a program
    /// header table that is of another shape, empty, or not inside the file.
    pub fn decode(bytes: &[u8], file_length: Option<u64>, machine: &Machine) -> Result<Header, Fault> {
        let kind = Header::check_identity(bytes, machine)?;
        let truncated = || truncated(bytes);
        let entry_size = u16_at(bytes, 54).ok_or_else(truncated)?;
        if usize::from(entry_size) != PROGRAM_HEADER_SIZE {
            return Err(Kind::malformed(
                Rule::PhentSize,
                entry_size.into(),
                PROGRAM_HEADER_SIZE as u64,
            ));
        }
        let header = Header {
            kind,
            osabi: byte_at(bytes, 7).ok_or_else(truncated)?,
            abi_version: byte_at(bytes, 8).ok_or_else(truncated)?,
            machine: u16_at(bytes, 18).ok_or_else(truncated)?,
            entry: Vaddr(u64_at(bytes, 24).ok_or_else(truncated)?),
            phoff: FileOffset(u64_at(bytes, 32).ok_or_else(truncated)?),
            phnum: u16_at(bytes, 56).ok_or_else(truncated)?,
            flags: u32_at(bytes, 48).ok_or_else(truncated)?,
        };
        header.check_table(file_length)?;
        Ok(header)
    }

    /// Checks what says *whose* file this is: magic, class, byte order, version, OS ABI, machine, type and flags.
    ///
    /// The same rules serve files and the program that the kernel mapped, whose header lies at the start of its first segment.
    ///
    /// # Errors
    /// As [`Header::decode`], without the program header table.
    pub fn check_identity(bytes: &[u8], machine: &Machine) -> Result<FileKind, Fault> {
        let truncated = || truncated(bytes);
        // Before the length: a linker script is shorter than a header as a rule, and no part of it is missing.
        if bytes.get(..4).is_some_and(|magic| *magic != MAGIC) {
            let mut start = [0; 16];
            start.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            let is_short = bytes.len() < HEADER_SIZE;
            return Err(Kind::NotElf { start, is_short }.into());
        }
        let identity = bytes.first_chunk::<HEADER_SIZE>().ok_or_else(truncated)?;
        let (class, data) = (identity[4], identity[5]);
        if class != machine.class {
            let number = u16_at(identity, 18).ok_or_else(truncated)?;
            let machine = if data == 2 { number.swap_bytes() } else { number };
            return Err(Kind::WrongClass { class, machine }.into());
        }
        if data != machine.data {
            return Err(Kind::WrongData(data).into());
        }
        let versions = [identity[6].into(), u32_at(identity, 20).ok_or_else(truncated)?];
        if let Some(version) = versions.iter().find(|version| **version != 1) {
            return Err(Kind::malformed(Rule::ElfVersion, (*version).into(), 1));
        }
        check_osabi(identity[7], identity[8])?;
        let machine_number = u16_at(identity, 18).ok_or_else(truncated)?;
        if machine_number != machine.elf_machine {
            return Err(Kind::WrongMachine(machine_number).into());
        }
        let kind = match u16_at(identity, 16).ok_or_else(truncated)? {
            2 => FileKind::Executable,
            3 => FileKind::Shared,
            other => return Err(Kind::malformed(Rule::HeaderType, other.into(), 0)),
        };
        let flags = u32_at(identity, 48).ok_or_else(truncated)?;
        if flags & !machine.flags_known != 0 {
            return Err(Kind::malformed(
                Rule::HeaderFlags,
                flags.into(),
                machine.flags_known.into(),
            ));
        }
        Ok(kind)
    }

    fn check_table(&self, file_length: Option<u64>) -> Result<(), Fault> {
        let outside = |value, limit| Kind::malformed(Rule::ProgramHeadersOutsideFile, value, limit);
        match self.phnum {
            0 => return Err(Kind::malformed(Rule::NoProgramHeaders, 0, 1)),
            PN_XNUM => return Err(outside(PN_XNUM.into(), u64::from(PN_XNUM) - 1)),
            _ => {}
        }
        let size = u64::from(self.phnum) * PROGRAM_HEADER_SIZE as u64;
        let limit = file_length.unwrap_or(u64::MAX);
        match self.phoff.0.checked_add(size) {
            Some(end) if end <= limit => Ok(()),
            end => Err(outside(end.unwrap_or(u64::MAX), limit)),
        }
    }
}

/// The OS ABIs that lode implements: none with version 0, and GNU up to [`GNU_ABI_VERSION`].
fn check_osabi(osabi: u8, version: u8) -> Result<(), Fault> {
    let supported = match osabi {
        OSABI_NONE => 0,
        OSABI_GNU => GNU_ABI_VERSION,
        other => return Err(Kind::WrongOsAbi(other).into()),
    };
    if version > supported {
        return Err(Kind::WrongAbiVersion {
            osabi,
            version,
            supported,
        }
        .into());
    }
    Ok(())
}

fn truncated(bytes: &[u8]) -> Fault {
    Kind::malformed(Rule::HeaderTruncated, bytes.len() as u64, HEADER_SIZE as u64)
}

fn byte_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The name of an `EI_CLASS`, as the gABI spells it.
pub fn class_name(class: u8) -> &'static str {
    match class {
        0 => "ELFCLASSNONE",
        1 => "ELFCLASS32",
        2 => "ELFCLASS64",
        _ => "unknown",
    }
}

/// The name of an `EI_DATA`, in words.
pub fn data_name(data: u8) -> &'static str {
    match data {
        0 => "none",
        1 => "little-endian",
        2 => "big-endian",
        _ => "unknown",
    }
}

/// The name of an `EI_OSABI`, without the `ELFOSABI_` of the gABI.
pub fn osabi_name(osabi: u8) -> &'static str {
    named(OSABI_NAMES, osabi.into())
}

/// `EI_OSABI` values with their names, one a line.
const OSABI_NAMES: &str = "\
    0 NONE\n\
    1 HP-UX\n\
    2 NetBSD\n\
    3 GNU\n\
    6 Solaris\n\
    7 AIX\n\
    8 IRIX\n\
    9 FreeBSD\n\
    10 TRU64\n\
    11 Modesto\n\
    12 OpenBSD\n\
    13 OpenVMS\n\
    14 NonStop Kernel\n\
    15 AROS\n\
    16 FenixOS\n\
    17 CloudABI\n\
    18 OpenVOS\n\
    64 ARM EABI\n\
    97 ARM\n\
    255 standalone";

/// The name of an `e_machine` in a file of a class: EM_X86_64 in 32 bits is x32, which has system calls of its own.
pub fn machine_of_class(machine: u16, class: u8) -> &'static str {
    match (machine, class) {
        (62, 1) => "x32",
        _ => machine_name(machine),
    }
}

/// The name of an `e_machine`: the ones that run Linux, and the ones that people meet.
pub fn machine_name(machine: u16) -> &'static str {
    named(MACHINE_NAMES, machine.into())
}

/// `e_machine` values with their names, one a line.
const MACHINE_NAMES: &str = "\
    0 none\n\
    2 SPARC\n\
    3 i386\n\
    4 68000\n\
    8 MIPS\n\
    15 PA-RISC\n\
    18 SPARC32+\n\
    20 PowerPC\n\
    21 PowerPC64\n\
    22 S/390\n\
    40 ARM\n\
    41 Alpha\n\
    42 SuperH\n\
    43 SPARC V9\n\
    50 IA-64\n\
    62 x86-64\n\
    93 ARC\n\
    94 Xtensa\n\
    164 Hexagon\n\
    183 AArch64\n\
    189 MicroBlaze\n\
    190 CUDA\n\
    195 ARCv2\n\
    224 AMD GPU\n\
    243 RISC-V\n\
    247 BPF\n\
    252 C-SKY\n\
    258 LoongArch";

/// What stands behind `number` in a text of lines, each a number, a blank and a name.
fn named(text: &'static str, number: u32) -> &'static str {
    for (index, line) in text.as_bytes().split(|byte| *byte == b'\n').enumerate() {
        let digits = line.iter().take_while(|byte| byte.is_ascii_digit());
        let first = digits.clone().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        if first == number {
            return crate::error::line(text, index)
                .get(digits.count() + 1..)
                .unwrap_or_default();
        }
    }
    "unknown"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{aarch64, x86_64};

    /// An x86-64 library with one program header, right behind the header.
    fn valid() -> [u8; 120] {
        let mut bytes = [0; 120];
        bytes[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        bytes[16] = 3; // ET_DYN
        bytes[18] = 62; // EM_X86_64
        bytes[20] = 1; // EV_CURRENT
        bytes[24] = 0x40; // e_entry
        bytes[25] = 0x10;
        bytes[32] = 64; // e_phoff
        bytes[52] = 64; // e_ehsize
        bytes[54] = 56; // e_phentsize
        bytes[56] = 1; // e_phnum
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Header, Fault> {
        Header::decode(bytes, Some(120), &x86_64::MACHINE)
    }

    /// The answer when byte `at` is `value`.
    fn with(at: usize, value: u8) -> Option<Fault> {
        let mut bytes = valid();
        bytes[at] = value;
        decode(&bytes).err()
    }

    #[test]
    fn a_valid_header_is_decoded() {
        let expected = Header {
            kind: FileKind::Shared,
            osabi: 0,
            abi_version: 0,
            machine: 62,
            entry: Vaddr(0x1040),
            phoff: FileOffset(64),
            phnum: 1,
            flags: 0,
        };
        assert_eq!(decode(&valid()), Ok(expected));
        assert_eq!(Header::decode(&valid()[..64], None, &x86_64::MACHINE), Ok(expected));
    }

    #[test]
    fn every_truncated_prefix_is_refused() {
        for length in 0..64 {
            let expected = Kind::malformed(Rule::HeaderTruncated, length as u64, 64);
            assert_eq!(decode(&valid()[..length]), Err(expected));
        }
    }

    #[test]
    fn each_field_is_checked_by_name_and_number() {
        let start = *b"\x7eELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";
        assert_eq!(with(0, 0x7e), Some(Kind::NotElf { start, is_short: false }.into()));
        let start = *b"INPUT(-lc)\0\0\0\0\0\0";
        assert_eq!(
            decode(b"INPUT(-lc)"),
            Err(Kind::NotElf { start, is_short: true }.into())
        );
        assert_eq!(with(4, 1), Some(Kind::WrongClass { class: 1, machine: 62 }.into()));
        assert_eq!(with(4, 3), Some(Kind::WrongClass { class: 3, machine: 62 }.into()));
        assert_eq!(with(5, 2), Some(Kind::WrongData(2).into()));
        assert_eq!(with(6, 0), Some(Kind::malformed(Rule::ElfVersion, 0, 1)));
        assert_eq!(with(20, 2), Some(Kind::malformed(Rule::ElfVersion, 2, 1)));
        assert_eq!(with(16, 1), Some(Kind::malformed(Rule::HeaderType, 1, 0)));
        assert_eq!(with(16, 4), Some(Kind::malformed(Rule::HeaderType, 4, 0)));
        assert_eq!(with(18, 183), Some(Kind::WrongMachine(183).into()));
        assert_eq!(with(48, 1), Some(Kind::malformed(Rule::HeaderFlags, 1, 0)));
        assert_eq!(with(54, 32), Some(Kind::malformed(Rule::PhentSize, 32, 56)));
        assert_eq!(with(56, 0), Some(Kind::malformed(Rule::NoProgramHeaders, 0, 1)));
        assert_eq!(with(16, 2), None);
    }

    #[test]
    fn the_first_wrong_field_in_order_is_the_one_that_is_named() {
        let mut bytes = valid();
        for (at, value) in [(54, 1), (48, 1), (16, 9), (18, 3), (7, 9), (6, 7), (5, 2), (4, 1)] {
            bytes[at] = value;
            let expected = match at {
                54 => Kind::malformed(Rule::PhentSize, 1, 56),
                48 => Kind::malformed(Rule::HeaderFlags, 1, 0),
                16 => Kind::malformed(Rule::HeaderType, 9, 0),
                18 => Kind::WrongMachine(3).into(),
                7 => Kind::WrongOsAbi(9).into(),
                6 => Kind::malformed(Rule::ElfVersion, 7, 1),
                5 => Kind::WrongData(2).into(),
                _ => Kind::WrongClass {
                    class: 1,
                    machine: 0x300,
                }
                .into(),
            };
            assert_eq!(decode(&bytes), Err(expected));
        }
    }

    #[test]
    fn an_os_abi_is_none_without_version_or_gnu_up_to_three() {
        for osabi in 0..=u8::MAX {
            for version in 0..=u8::MAX {
                let mut bytes = valid();
                (bytes[7], bytes[8]) = (osabi, version);
                let supported = match osabi {
                    0 => 0,
                    3 => 3,
                    _ => {
                        assert_eq!(decode(&bytes), Err(Kind::WrongOsAbi(osabi).into()));
                        continue;
                    }
                };
                let expected = (version > supported).then(|| {
                    Fault::from(Kind::WrongAbiVersion {
                        osabi,
                        version,
                        supported,
                    })
                });
                assert_eq!(decode(&bytes).err(), expected);
            }
        }
    }

    #[test]
    fn the_program_header_table_ends_inside_the_file() {
        let length = |length| Header::decode(&valid(), Some(length), &x86_64::MACHINE);
        assert!(length(120).is_ok());
        assert_eq!(
            length(119),
            Err(Kind::malformed(Rule::ProgramHeadersOutsideFile, 120, 119))
        );
        let mut bytes = valid();
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(
            Header::decode(&bytes, None, &x86_64::MACHINE),
            Err(Kind::malformed(Rule::ProgramHeadersOutsideFile, u64::MAX, u64::MAX))
        );
        let mut bytes = valid();
        bytes[56..58].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(
            Header::decode(&bytes, None, &x86_64::MACHINE),
            Err(Kind::malformed(Rule::ProgramHeadersOutsideFile, 0xffff, 0xfffe))
        );
    }

    #[test]
    fn the_machine_is_the_one_that_is_asked_for() {
        let mut bytes = valid();
        bytes[18] = 183;
        assert_eq!(Header::check_identity(&bytes, &aarch64::MACHINE), Ok(FileKind::Shared));
        assert_eq!(
            Header::check_identity(&valid(), &aarch64::MACHINE),
            Err(Kind::WrongMachine(62).into())
        );
    }

    #[test]
    fn numbers_have_names() {
        assert_eq!(osabi_name(3), "GNU");
        assert_eq!(osabi_name(9), "FreeBSD");
        assert_eq!(osabi_name(200), "unknown");
        assert_eq!(machine_name(62), "x86-64");
        assert_eq!(machine_name(0xffff), "unknown");
        assert_eq!(machine_of_class(62, 1), "x32");
        assert_eq!(machine_of_class(3, 1), "i386");
        assert_eq!(class_name(1), "ELFCLASS32");
        assert_eq!(data_name(2), "big-endian");
    }
}
