//! Entries of place and `r_info` (gABI, "Relocation", `Elf32_Rel` and `Elf64_Rel`). The addend stands at the place.

use super::{Encoded, Entry, Format, Relative, Target, places};
use crate::elf::words::Words;

pub const FORMAT: Format = Format {
    name: "REL",
    encode,
    decode: |bytes, target| places(&decode(bytes, target.words)?, target),
};

fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    let mut bytes = Vec::new();
    for relocation in relocations {
        target.words.put_address(&mut bytes, relocation.place);
        target
            .words
            .put_address(&mut bytes, target.words.info(0, target.relative));
    }
    Encoded::whole(bytes)
}

/// Reads a table; `None` when it is not whole entries.
pub fn decode(bytes: &[u8], words: Words) -> Option<Vec<Entry>> {
    let size = words.size() as usize;
    let entries = bytes.chunks(size * 2).map(|entry| {
        let (symbol, kind) = words.parts(words.address(entry, words.size())?);
        Some(Entry {
            place: words.address(entry, 0)?,
            symbol,
            kind,
            addend: None,
        })
    });
    entries.collect()
}
