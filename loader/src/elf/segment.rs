//! Program headers (gABI, "Program Header").
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::{FileOffset, Vaddr, u32_at, u64_at};
use crate::error::{Fault, Kind, Rule};

bitflags::bitflags! {
    /// What a segment allows (`p_flags`: PF_R, PF_W, PF_X).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Access: u32 {
        /// PF_X
        const EXECUTE = 1;
        /// PF_W
        const WRITE = 2;
        /// PF_R
        const READ = 4;
    }
}

/// Size of one 64-bit program header in bytes (`e_phentsize`).
pub const PROGRAM_HEADER_SIZE: usize = 56;

/// `p_type` values that lode reads.
pub mod kind {
    /// A range of the file to map.
    pub const LOAD: u32 = 1;
    /// The dynamic section.
    pub const DYNAMIC: u32 = 2;
    /// The path of the interpreter.
    pub const INTERP: u32 = 3;
    /// Notes.
    pub const NOTE: u32 = 4;
    /// The program header table itself.
    pub const PHDR: u32 = 6;
    /// The template of thread-local storage.
    pub const TLS: u32 = 7;
    /// `.eh_frame_hdr` (GNU).
    pub const GNU_EH_FRAME: u32 = 0x6474_e550;
    /// Whether the stack must be executable (GNU).
    pub const GNU_STACK: u32 = 0x6474_e551;
    /// The range that becomes read-only after relocation (GNU).
    pub const GNU_RELRO: u32 = 0x6474_e552;
    /// `.note.gnu.property` (GNU).
    pub const GNU_PROPERTY: u32 = 0x6474_e553;
    /// `.sframe`: how to unwind (GNU).
    pub const GNU_SFRAME: u32 = 0x6474_e554;

    /// Whether [`super::kind_name`] has a name for it.
    pub fn is_known(kind: u32) -> bool {
        matches!(kind, 0..=TLS | GNU_EH_FRAME..=GNU_SFRAME)
    }
}

/// One program header, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramHeader {
    /// `p_type`
    pub kind: u32,
    /// `p_flags`; bits beyond R, W, X are kept.
    pub access: Access,
    /// `p_offset`, bytes into the file
    pub offset: FileOffset,
    /// `p_vaddr`
    pub vaddr: Vaddr,
    /// `p_filesz`, bytes
    pub file_size: u64,
    /// `p_memsz`, bytes
    pub memory_size: u64,
    /// `p_align`, bytes; 0 and 1 mean none
    pub align: u64,
}

impl ProgramHeader {
    /// Decodes one entry from its 56 bytes; `None` when there are fewer.
    pub fn decode(bytes: &[u8]) -> Option<ProgramHeader> {
        Some(ProgramHeader {
            kind: u32_at(bytes, 0)?,
            access: Access::from_bits_retain(u32_at(bytes, 4)?),
            offset: FileOffset(u64_at(bytes, 8)?),
            vaddr: Vaddr(u64_at(bytes, 16)?),
            file_size: u64_at(bytes, 32)?,
            memory_size: u64_at(bytes, 40)?,
            align: u64_at(bytes, 48)?,
        })
    }

    /// Decodes the `count` entries (`e_phnum`) at the start of `bytes`.
    ///
    /// # Errors
    /// [`Rule::ProgramHeadersOutsideFile`] when there are fewer bytes than that takes.
    #[inline(never)]
    pub fn table(bytes: &[u8], count: u16) -> Result<Vec<ProgramHeader>, Fault> {
        let size = usize::from(count) * PROGRAM_HEADER_SIZE;
        let table = bytes
            .get(..size)
            .ok_or_else(|| Kind::malformed(Rule::ProgramHeadersOutsideFile, size as u64, bytes.len() as u64))?;
        let mut headers = Vec::with_capacity(count.into());
        for entry in table.chunks_exact(PROGRAM_HEADER_SIZE) {
            if let Some(header) = ProgramHeader::decode(entry) {
                headers.push(header);
            }
        }
        Ok(headers)
    }

    /// The first link-time address past the segment in memory; `None` past the end of the address space.
    pub fn end(&self) -> Option<Vaddr> {
        self.vaddr.plus(self.memory_size)
    }
}

/// The name of a `p_type`, as the gABI and its supplements spell it.
pub fn kind_name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0 => "PT_NULL",
        kind::LOAD => "PT_LOAD",
        kind::DYNAMIC => "PT_DYNAMIC",
        kind::INTERP => "PT_INTERP",
        kind::NOTE => "PT_NOTE",
        5 => "PT_SHLIB",
        kind::PHDR => "PT_PHDR",
        kind::TLS => "PT_TLS",
        kind::GNU_EH_FRAME => "PT_GNU_EH_FRAME",
        kind::GNU_STACK => "PT_GNU_STACK",
        kind::GNU_RELRO => "PT_GNU_RELRO",
        kind::GNU_PROPERTY => "PT_GNU_PROPERTY",
        kind::GNU_SFRAME => "PT_GNU_SFRAME",
        _ => return None,
    })
}

/// Shows access as `readelf` and `/proc/self/maps` do: `rw-`.
impl core::fmt::Display for Access {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (bit, letter) in [(Access::READ, "r"), (Access::WRITE, "w"), (Access::EXECUTE, "x")] {
            out.write_str(if self.contains(bit) { letter } else { "-" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn table() -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..2u64 {
            bytes.extend_from_slice(&1u32.to_le_bytes());
            bytes.extend_from_slice(&5u32.to_le_bytes());
            for field in [0x1000, 0x2000, 0x3000, 0x400, 0x500, 0x1000] {
                bytes.extend_from_slice(&u64::to_le_bytes(field + number));
            }
        }
        bytes
    }

    #[test]
    fn a_table_is_decoded_entry_by_entry() {
        let segments = ProgramHeader::table(&table(), 2).unwrap();
        assert_eq!(
            segments[1],
            ProgramHeader {
                kind: kind::LOAD,
                access: Access::READ | Access::EXECUTE,
                offset: FileOffset(0x1001),
                vaddr: Vaddr(0x2001),
                file_size: 0x401,
                memory_size: 0x501,
                align: 0x1001,
            }
        );
        assert_eq!(segments.len(), 2);
        assert_eq!(ProgramHeader::table(&table(), 1).unwrap().len(), 1);
    }

    #[test]
    fn every_truncated_prefix_is_refused() {
        let bytes = table();
        for length in 0..bytes.len() {
            let refusal = Kind::malformed(Rule::ProgramHeadersOutsideFile, 112, length as u64);
            assert_eq!(ProgramHeader::table(&bytes[..length], 2).err(), Some(refusal));
            let single = ProgramHeader::decode(&bytes[..length]);
            assert_eq!(single.is_some(), length >= 56);
        }
    }

    #[test]
    fn access_reads_like_a_line_of_maps() {
        assert_eq!((Access::READ | Access::WRITE).to_string(), "rw-");
        assert_eq!(Access::EXECUTE.to_string(), "--x");
    }

    #[test]
    fn what_has_a_name_is_known() {
        for kind in (0..0x100).chain(0x6474_e500..0x6474_e600) {
            assert_eq!(kind::is_known(kind), kind_name(kind).is_some(), "{kind:#x}");
        }
    }

    #[test]
    fn a_segment_at_the_end_of_the_address_space_has_no_end() {
        let mut header = ProgramHeader::table(&table(), 1).unwrap()[0];
        header.vaddr = Vaddr(u64::MAX);
        assert_eq!(header.end(), None);
    }
}
