//! Addresses and bitmaps (gABI, "Relative Relocation Table"). The decoder is the loader's own, [`lode::elf::relr`].

use lode::elf::relr::{self, WordForm};

use super::{Encoded, Format, Relative, Target};
use crate::elf::words::Words;

pub const FORMAT: Format = Format {
    name: "RELR",
    encode,
    decode: |bytes, target| decode(bytes, target.words),
};

/// The shortest stream: a bitmap follows while it has a bit to set, because an address costs as much as a bitmap. Odd places are left,
/// because an odd word is a bitmap.
fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    let size = target.words.size();
    let reach = (size * 8 - 1) * size;
    let (even, left): (Vec<Relative>, Vec<Relative>) = relocations.iter().partition(|one| one.place % 2 == 0);
    let mut bytes = Vec::new();
    let mut rest = even.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        target.words.put_address(&mut bytes, first.place);
        rest = behind;
        let mut base = first.place.wrapping_add(size);
        loop {
            let inside = rest.iter().take_while(|one| {
                let distance = one.place.wrapping_sub(base);
                distance < reach && distance % size == 0
            });
            let mut bitmap = 0;
            let mut count = 0;
            for one in inside {
                bitmap |= 1 << (one.place.wrapping_sub(base) / size + 1);
                count += 1;
            }
            if count == 0 {
                break;
            }
            target.words.put_address(&mut bytes, bitmap | 1);
            rest = rest.get(count..).unwrap_or_default();
            base = base.wrapping_add(reach);
        }
    }
    Encoded { bytes, left }
}

/// Reads a stream's places; `None` when it starts with a bitmap or is not whole words.
pub fn decode(bytes: &[u8], words: Words) -> Option<Vec<u64>> {
    let form = WordForm {
        is_64_bit: words.bits == 64,
        is_big_endian: !words.little_endian,
    };
    let places = relr::places(bytes, form).ok()?;
    Some(places.iter().map(|place| place.0).collect())
}
