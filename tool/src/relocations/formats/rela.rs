//! Entries of place, `r_info` and addend (gABI, "Relocation", `Elf32_Rela` and `Elf64_Rela`).

use super::{Encoded, Entry, Format, Relative, Target, places};
use crate::elf::words::Words;

pub const FORMAT: Format = Format {
    name: "RELA",
    encode,
    decode: |bytes, target| places(&decode(bytes, target.words)?, target),
};

fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    let words = target.words;
    let mut bytes = Vec::new();
    for relocation in relocations {
        words.put_address(&mut bytes, relocation.place);
        words.put_address(&mut bytes, words.info(0, target.relative));
        words.put_address(&mut bytes, relocation.addend);
    }
    Encoded::whole(bytes)
}

/// Reads a table; `None` when it is not whole entries.
pub fn decode(bytes: &[u8], words: Words) -> Option<Vec<Entry>> {
    let size = words.size();
    let entries = bytes.chunks(size as usize * 3).map(|entry| {
        let (symbol, kind) = words.parts(words.address(entry, size)?);
        let addend = words.address(entry, size * 2)?;
        Some(Entry {
            place: words.address(entry, 0)?,
            symbol,
            kind,
            addend: Some(extend(addend, words)),
        })
    });
    entries.collect()
}

/// A number with a sign in as many bits as an address has, in 64.
fn extend(value: u64, words: Words) -> u64 {
    match words.bits {
        64 => value,
        _ => value as u32 as i32 as i64 as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addend_has_a_sign_and_a_cut_entry_is_none() {
        let words = Words {
            bits: 32,
            little_endian: false,
        };
        let bytes = [0, 0, 0x10, 0, 0, 0, 7, 8, 0xff, 0xff, 0xff, 0xfe];
        let entries = decode(&bytes, words).unwrap();
        assert_eq!(
            entries,
            [Entry {
                place: 0x1000,
                symbol: 7,
                kind: 8,
                addend: Some(-2i64 as u64)
            }]
        );
        assert_eq!(decode(&bytes[..11], words), None);
    }
}
