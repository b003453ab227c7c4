//! Notes: what a file says of itself to whoever looks (gABI, "Note Section").

use serde::Deserialize;

use super::{Binary, PT_NOTE};

/// `SHT_NOTE`
const SHT_NOTE: u32 = 7;

/// Owner and type of the notes that name libraries to be opened later
/// (UAPI Group specification "ELF Metadata: dlopen() dependencies").
const DLOPEN: (&str, u32) = ("FDO", 0x407c_0c0a);

/// One note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// Who defines what it means
    pub owner: String,
    /// What it means to the owner
    pub kind: u32,
    /// What it says
    pub content: &'a [u8],
}

/// A library that a file opens later, or does without.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Optional {
    /// Names that will do, best first
    pub soname: Vec<String>,
    /// What it is good for, in a word
    pub feature: Option<String>,
    /// What it is good for, in a sentence
    pub description: Option<String>,
    /// `required`, `recommended` or `suggested`
    pub priority: Option<String>,
}

impl Binary {
    /// All notes: those of PT_NOTE segments, and of sections that lie in none.
    pub fn notes(&self) -> Vec<Note<'_>> {
        let segments = self.segments.iter().filter(|segment| segment.kind == PT_NOTE);
        let mut places: Vec<(u64, u64, u64)> = segments
            .map(|segment| (segment.offset, segment.file_size, segment.align))
            .collect();
        for section in self.sections.iter().filter(|section| section.kind == SHT_NOTE) {
            let end = section.offset.saturating_add(section.size);
            let is_seen =
                |(offset, size, _): &(u64, u64, u64)| *offset <= section.offset && end <= offset.saturating_add(*size);
            if !places.iter().any(is_seen) {
                places.push((section.offset, section.size, 4));
            }
        }
        places.into_iter().flat_map(|place| self.notes_at(place)).collect()
    }

    /// The notes at a place of the file: offset, length, and the alignment of each part.
    fn notes_at(&self, (offset, size, align): (u64, u64, u64)) -> Vec<Note<'_>> {
        let align = if align == 8 { 8 } else { 4 };
        let range = || {
            let from = usize::try_from(offset).ok()?;
            let end = from.checked_add(usize::try_from(size).ok()?)?;
            self.bytes.get(from..end)
        };
        let mut rest = range().unwrap_or_default();
        let mut notes = Vec::new();
        while let Some((note, length)) = self.note(rest, align) {
            notes.push(note);
            rest = rest.get(length..).unwrap_or_default();
        }
        notes
    }

    /// The note at the start of some bytes, and its length with padding.
    fn note<'a>(&self, bytes: &'a [u8], align: usize) -> Option<(Note<'a>, usize)> {
        let words = self.words();
        let length = |at| words.word(bytes, at).and_then(|length| usize::try_from(length).ok());
        let (name_size, size, kind) = (length(0)?, length(4)?, words.word(bytes, 8)?);
        let name = bytes.get(12..12usize.checked_add(name_size)?)?;
        let start = 12usize.checked_add(name_size)?.checked_next_multiple_of(align)?;
        let end = start.checked_add(size)?;
        let note = Note {
            owner: String::from_utf8_lossy(name).trim_end_matches('\0').to_owned(),
            kind,
            content: bytes.get(start..end)?,
        };
        Some((note, end.checked_next_multiple_of(align)?))
    }

    /// The libraries that the file says it may open while it runs (`.note.dlopen`).
    pub fn optional(&self) -> Vec<Optional> {
        let notes = self.notes().into_iter();
        let notes = notes.filter(|note| (note.owner.as_str(), note.kind) == DLOPEN);
        notes
            .filter_map(|note| {
                // The text ends in a NUL, which is not part of the JSON.
                let end = note.content.iter().position(|byte| *byte == 0);
                let text = note.content.get(..end.unwrap_or(note.content.len()))?;
                serde_json::from_slice::<Vec<Optional>>(text).ok()
            })
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    /// A file whose only segment is a note.
    fn file(note: &[u8], size: u64) -> Binary {
        let own = std::fs::read(env::current_exe().unwrap()).unwrap();
        let mut binary = Binary::parse(own).unwrap();
        binary.sections.clear();
        binary.segments.retain(|segment| segment.kind == PT_NOTE);
        binary.segments.truncate(1);
        let segment = binary.segments.first_mut().unwrap();
        (segment.offset, segment.file_size, segment.align) = (0, size, 4);
        binary.bytes = note.to_vec();
        binary
    }

    fn note(owner: &str, kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [owner.len() as u32 + 1, content.len() as u32, kind] {
            bytes.extend(word.to_le_bytes());
        }
        for part in [format!("{owner}\0").as_bytes(), content] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn a_note_names_libraries_to_be_opened() {
        let mut bytes = note("GNU", 3, b"id");
        bytes.extend(note(
            "FDO",
            0x407c_0c0a,
            b"[{\"soname\":[\"liba.so\"],\"priority\":\"suggested\"}]\0",
        ));
        let binary = file(&bytes, bytes.len() as u64);
        assert_eq!(binary.notes().len(), 2);
        let optional = binary.optional();
        assert_eq!(optional.len(), 1);
        assert_eq!(optional[0].soname, ["liba.so"]);
        assert_eq!(optional[0].priority.as_deref(), Some("suggested"));
    }

    #[test]
    fn notes_that_end_too_early_or_are_no_json_are_left_out() {
        let bytes = note("FDO", 0x407c_0c0a, b"[{]");
        assert!(file(&bytes, bytes.len() as u64).optional().is_empty());
        for size in 0..bytes.len() as u64 - 1 {
            assert!(file(&bytes, size).notes().is_empty(), "{size}");
        }
        assert!(file(&bytes, u64::MAX).notes().is_empty());
        assert!(file(&[0xff; 64], 64).notes().is_empty());
    }
}
