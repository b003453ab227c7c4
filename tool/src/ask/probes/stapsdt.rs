//! Probes of `sys/sdt.h`: notes of the owner `stapsdt` (SystemTap wiki, "User Space Probe Implementation").
//!
//! A note holds the probe's address, the address that the section `.stapsdt.base` had when the note was made, and the semaphore's address or
//! 0; then provider, name and arguments, each ended by NUL. The section is not in memory, so that no linker relocates it and a tool that moves
//! addresses (prelink) leaves it: the difference of the two addresses of `.stapsdt.base` has to be added.

use super::Probe;
use crate::elf::Binary;
use crate::elf::words::Words;
use crate::relocations::content;

/// The note's type.
const PROBE: u32 = 3;

/// The probes; damage goes to `notes`.
pub fn read(binary: &Binary, notes: &mut Vec<String>) -> Vec<Probe> {
    let words = binary.words();
    let base = binary.sections.iter().find(|section| section.name == ".stapsdt.base");
    let mut probes = Vec::new();
    for section in binary.sections.iter().filter(|section| section.name == ".note.stapsdt") {
        let Some(mut rest) = content(binary, section) else {
            notes.push("the section .note.stapsdt lies outside the file".to_owned());
            continue;
        };
        while !rest.is_empty() {
            let Some(note) = Note::first(rest, words) else {
                notes.push("the notes in .note.stapsdt are damaged".to_owned());
                break;
            };
            rest = note.behind;
            if note.kind == PROBE && note.owner == b"stapsdt\0" {
                match probe(note.description, words, base.map(|base| base.address)) {
                    Some(probe) => probes.push(probe),
                    None => notes.push("a note in .note.stapsdt is damaged".to_owned()),
                }
            }
        }
    }
    probes
}

/// A note, and what is behind it.
struct Note<'a> {
    kind: u32,
    owner: &'a [u8],
    description: &'a [u8],
    behind: &'a [u8],
}

impl Note<'_> {
    /// The first note; `None` when it is cut.
    fn first(bytes: &[u8], words: Words) -> Option<Note<'_>> {
        let (owner_size, size) = (words.word(bytes, 0)? as usize, words.word(bytes, 4)? as usize);
        let owner_end = 12usize.checked_add(owner_size)?;
        let start = owner_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(size)?;
        Some(Note {
            kind: words.word(bytes, 8)?,
            owner: bytes.get(12..owner_end)?,
            description: bytes.get(start..end)?,
            behind: bytes.get(end.checked_next_multiple_of(4)?..).unwrap_or_default(),
        })
    }
}

fn probe(description: &[u8], words: Words, base: Option<u64>) -> Option<Probe> {
    let size = words.size();
    let address = |index: u64| words.address(description, index * size);
    let (pc, base_then, semaphore) = (address(0)?, address(1)?, address(2)?);
    let moved = base
        .filter(|_| base_then != 0)
        .map_or(0, |base| base.wrapping_sub(base_then));
    let text = description.get(usize::try_from(size * 3).ok()?..)?;
    let mut strings = text.split(|byte| *byte == 0);
    let mut string = || strings.next().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (provider, name, arguments) = (string()?, string()?, string()?);
    Some(Probe {
        form: "stapsdt",
        provider,
        name,
        address: words.cut(pc.wrapping_add(moved)),
        section: None,
        semaphore: (semaphore != 0).then(|| words.cut(semaphore.wrapping_add(moved))),
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        function: None,
        is_enabled: false,
    })
}
