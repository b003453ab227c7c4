//! A list of the places' addresses and nothing else: what is left when the number and the addend of a relative relocation go.

use super::{Encoded, Format, Relative, Target};

pub const FORMAT: Format = Format {
    name: "offsets",
    encode,
    decode,
};

fn encode(relocations: &[Relative], target: &Target) -> Encoded {
    let mut bytes = Vec::new();
    for relocation in relocations {
        target.words.put_address(&mut bytes, relocation.place);
    }
    Encoded::whole(bytes)
}

fn decode(bytes: &[u8], target: &Target) -> Option<Vec<u64>> {
    let entries = bytes.chunks(target.words.size() as usize);
    entries.map(|entry| target.words.address(entry, 0)).collect()
}
