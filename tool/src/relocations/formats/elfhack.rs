//! Pairs of a first place and a number of words behind each other, which code injected into the library goes through (Firefox, elfhack).
//!
//! Both are 32 bits in files of either class, and the list ends with a pair of zeros, which is not counted here: it is one for the whole file.

use super::{Encoded, Format, MOST, Relative, Target, runs};

pub const FORMAT: Format = Format {
    name: "elfhack",
    encode,
    decode,
};

fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    let fits = |place: u64| u32::try_from(place).is_ok();
    let (near, left): (Vec<Relative>, Vec<Relative>) = relocations.iter().partition(|one| fits(one.place));
    let mut bytes = Vec::new();
    for (start, count) in runs(&near, target.words.size()) {
        target.words.put(&mut bytes, start, 4);
        target.words.put(&mut bytes, count, 4);
    }
    Encoded { bytes, left }
}

fn decode(bytes: &[u8], target: &Target) -> Option<Vec<u64>> {
    let (words, size) = (target.words, target.words.size());
    let mut places = Vec::new();
    for pair in bytes.chunks(8) {
        let (start, count) = (words.word(pair, 0)?, words.word(pair, 4)?);
        if places.len() as u64 + u64::from(count) > MOST {
            return None;
        }
        places.extend((0..u64::from(count)).map(|index| u64::from(start) + index * size));
    }
    Some(places)
}
