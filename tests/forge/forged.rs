//! A finished image, and the ways to make it odd or broken.

/// A field of the ELF header (gABI, "ELF Header"), as file offset and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification\'s own")]
pub enum HeaderField {
    Magic,
    Class,
    Data,
    IdentVersion,
    OsAbi,
    AbiVersion,
    Type,
    Machine,
    Version,
    Entry,
    Phoff,
    Flags,
    Ehsize,
    Phentsize,
    Phnum,
}

impl HeaderField {
    fn place(self) -> (usize, usize) {
        match self {
            HeaderField::Magic => (0, 4),
            HeaderField::Class => (4, 1),
            HeaderField::Data => (5, 1),
            HeaderField::IdentVersion => (6, 1),
            HeaderField::OsAbi => (7, 1),
            HeaderField::AbiVersion => (8, 1),
            HeaderField::Type => (16, 2),
            HeaderField::Machine => (18, 2),
            HeaderField::Version => (20, 4),
            HeaderField::Entry => (24, 8),
            HeaderField::Phoff => (32, 8),
            HeaderField::Flags => (48, 4),
            HeaderField::Ehsize => (52, 2),
            HeaderField::Phentsize => (54, 2),
            HeaderField::Phnum => (56, 2),
        }
    }
}

/// A field of a program header (gABI, "Program Header"), as offset in the header and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification\'s own")]
pub enum SegmentField {
    Type,
    Flags,
    Offset,
    Vaddr,
    Paddr,
    Filesz,
    Memsz,
    Align,
}

impl SegmentField {
    fn place(self) -> (usize, usize) {
        match self {
            SegmentField::Type => (0, 4),
            SegmentField::Flags => (4, 4),
            SegmentField::Offset => (8, 8),
            SegmentField::Vaddr => (16, 8),
            SegmentField::Paddr => (24, 8),
            SegmentField::Filesz => (32, 8),
            SegmentField::Memsz => (40, 8),
            SegmentField::Align => (48, 8),
        }
    }
}

/// A finished image. Setting a value that does not fit its field panics: forging is for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// The file.
    pub bytes: Vec<u8>,
    /// File offset of the dynamic section; `None` without one.
    pub(crate) dynamic: Option<usize>,
}

impl Forged {
    /// Sets a field of the header.
    pub fn set_header(&mut self, field: HeaderField, value: u64) -> &mut Forged {
        let (offset, width) = field.place();
        self.set(offset, width, value)
    }

    /// The program headers' number.
    pub fn segment_count(&self) -> usize {
        usize::from(u16::from_le_bytes([self.bytes[56], self.bytes[57]]))
    }

    /// The position of the first program header of type `kind`.
    pub fn segment_of(&self, kind: u32) -> Option<usize> {
        (0..self.segment_count()).find(|index| self.segment(*index, SegmentField::Type) == u64::from(kind))
    }

    /// A field of program header `index`.
    pub fn segment(&self, index: usize, field: SegmentField) -> u64 {
        let (offset, width) = field.place();
        self.get(64 + 56 * index + offset, width)
    }

    /// Sets a field of program header `index`.
    pub fn set_segment(&mut self, index: usize, field: SegmentField, value: u64) -> &mut Forged {
        let (offset, width) = field.place();
        self.set(64 + 56 * index + offset, width, value)
    }

    /// The value of the first dynamic entry with `tag`.
    pub fn dynamic(&self, tag: u64) -> Option<u64> {
        self.dynamic_place(tag).map(|place| self.get(place + 8, 8))
    }

    /// Sets the value of the first dynamic entry with `tag`, which must be there.
    pub fn set_dynamic(&mut self, tag: u64, value: u64) -> &mut Forged {
        let place = self.dynamic_place(tag).unwrap();
        self.set(place + 8, 8, value)
    }

    /// Gives the first dynamic entry with `tag` another tag.
    pub fn rename_dynamic(&mut self, tag: u64, new: u64) -> &mut Forged {
        let place = self.dynamic_place(tag).unwrap();
        self.set(place, 8, new)
    }

    /// Cuts the file to `length` bytes.
    pub fn truncate(&mut self, length: usize) -> &mut Forged {
        self.bytes.truncate(length);
        self
    }

    /// Sets `width` bytes (at most 8) at a file offset.
    pub fn set(&mut self, offset: usize, width: usize, value: u64) -> &mut Forged {
        let bytes = value.to_le_bytes();
        assert!(
            bytes[width..].iter().all(|byte| *byte == 0),
            "{value:#x} does not fit {width} bytes"
        );
        self.bytes[offset..offset + width].copy_from_slice(&bytes[..width]);
        self
    }

    fn get(&self, offset: usize, width: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.bytes[offset..offset + width]);
        u64::from_le_bytes(bytes)
    }

    fn dynamic_place(&self, tag: u64) -> Option<usize> {
        let mut place = self.dynamic?;
        loop {
            match self.get(place, 8) {
                found if found == tag => return Some(place),
                0 => return None,
                _ => place += 16,
            }
        }
    }
}
