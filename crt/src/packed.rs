//! Texts that the image keeps packed: two bytes that often follow each other are one byte in it, again and again. Of an English text a good half is left.
//!
//! The compiler packs them, see [`packed!`](crate::packed); what a source file says stays readable.

use core::fmt::{self, Write};

use crate::print::place_of_line;

/// The first byte that stands for two others. Texts are ASCII without control characters but newline and tab, so the bytes from here on stand in none of
/// them, and behind 0xff those from 1 on.
const FIRST_CODE: u8 = 0x80;

/// Stands between texts that are packed together. As a newline it is in no pair.
const SEPARATOR: u8 = 0;

/// Number of codes, with those that a text needs for itself.
const CODES: usize = 128 + 32;

/// What each byte from [`FIRST_CODE`] upwards stands for; one that stands for itself has [`SEPARATOR`] there.
type Pairs = [[u8; 2]; CODES];

/// A packed text of some lines. It is unpacked as it is shown or compared, a byte at a time.
#[derive(Clone, Copy)]
pub struct Packed {
    pairs: &'static [[u8; 2]],
    bytes: &'static [u8],
}

impl Packed {
    /// No text.
    pub const NOTHING: Packed = Packed { pairs: &[], bytes: &[] };

    /// See [`packed!`](crate::packed).
    pub const fn new(pairs: &'static [[u8; 2]], bytes: &'static [u8]) -> Packed {
        Packed { pairs, bytes }
    }

    /// Line `number`, counted from 0, without its newline; empty behind the last. No pair has a newline, so that the lines before are not unpacked.
    #[inline(never)]
    pub fn line(self, number: usize) -> Packed {
        let bytes = self.bytes.get(place_of_line(self.bytes, number)).unwrap_or_default();
        Packed { bytes, ..self }
    }

    /// The text from this one of the packed bytes on; empty behind the end.
    pub fn behind(self, place: usize) -> Packed {
        let bytes = self.bytes.get(place..).unwrap_or_default();
        Packed { bytes, ..self }
    }

    /// One of the texts that were packed together, counted from 0; empty behind the last.
    #[inline(never)]
    pub fn text(self, number: usize) -> Packed {
        let bytes = self.bytes.split(|byte| *byte == SEPARATOR).nth(number);
        Packed {
            bytes: bytes.unwrap_or_default(),
            ..self
        }
    }

    /// What is kept, with the newlines of the text.
    pub const fn packed(self) -> &'static [u8] {
        self.bytes
    }

    /// Whether the text begins with this one.
    pub fn begins_with(self, text: &[u8]) -> bool {
        self.remainder(text).0.is_empty()
    }

    /// Whether this is the text.
    pub fn is(self, text: &[u8]) -> bool {
        matches!(self.remainder(text), ([], true))
    }

    /// What `text` has behind all that this one begins with too, and whether that is this whole text.
    #[inline(never)]
    fn remainder(self, mut text: &[u8]) -> (&[u8], bool) {
        let whole = unpack(self.pairs, self.bytes, &mut |byte| match text {
            [first, behind @ ..] if *first == byte => {
                text = behind;
                true
            }
            _ => false,
        });
        (text, whole)
    }

    /// Whether there is no text.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Display for Packed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match unpack(self.pairs, self.bytes, &mut |byte| {
            out.write_char(char::from(byte)).is_ok()
        }) {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

/// Gives the bytes of the text to `take` until that says no; whether it never did. As deep as codes stand for codes, which are always earlier ones.
fn unpack(pairs: &[[u8; 2]], bytes: &[u8], take: &mut dyn FnMut(u8) -> bool) -> bool {
    bytes
        .iter()
        .all(|byte| match pairs.get(usize::from(byte.wrapping_sub(FIRST_CODE))) {
            Some(pair) if pair[0] != SEPARATOR => unpack(pairs, pair, take),
            _ => take(*byte),
        })
}

/// What the compiler works on: a text of `SIZE` bytes while it is packed.
pub struct Packing<const SIZE: usize> {
    /// The first that are worth it; the others stand for nothing.
    pairs: Pairs,
    /// Up to which they are used.
    pub codes: usize,
    bytes: [u8; SIZE],
    /// How many bytes are left.
    pub length: usize,
}

impl<const SIZE: usize> Packing<SIZE> {
    /// Packs `texts`, of `SIZE` ASCII bytes with what separates them.
    pub const fn of(texts: &[&str]) -> Packing<SIZE> {
        let mut packing = Packing {
            pairs: [[SEPARATOR; 2]; CODES],
            codes: 0,
            bytes: [0; SIZE],
            length: SIZE,
        };
        let (mut number, mut to) = (0, 0);
        while number < texts.len() {
            let text = texts[number];
            assert!(is_plain(text.as_bytes()), "only printable ASCII can be packed");
            let (_, behind) = packing.bytes.split_at_mut(to);
            behind.split_at_mut(text.len()).0.copy_from_slice(text.as_bytes());
            to += text.len() + 1;
            number += 1;
        }
        let mut counts = [[0; 256]; 256];
        let mut frequent = packing.replace([FIRST_CODE; 2], CODES, &mut counts);
        while packing.codes < CODES && frequent.1 >= 2 {
            let code = packing.codes;
            if !is_of_texts(byte_of(code)) {
                packing.pairs[code] = frequent.0;
                frequent = packing.replace(frequent.0, code, &mut counts);
            }
            packing.codes += 1;
        }
        packing
    }

    /// What the codes stand for, as far as they are used.
    pub const fn pairs<const LENGTH: usize>(&self) -> [[u8; 2]; LENGTH] {
        let mut pairs = [[SEPARATOR; 2]; LENGTH];
        pairs.copy_from_slice(self.pairs.split_at(LENGTH).0);
        pairs
    }

    /// Puts `code` where `pair` stands, and finds which pair then stands most often, and how often. A number of `counts` is of this `code` if that is its
    /// upper half, so that nobody has to clear them. All in one pass, because the compiler takes its time.
    const fn replace(&mut self, pair: [u8; 2], code: usize, counts: &mut [[usize; 256]; 256]) -> ([u8; 2], usize) {
        let mut best = ([0; 2], 0);
        let mut last = SEPARATOR;
        let (mut from, mut to) = (0, 0);
        while from < self.length {
            let mut byte = self.bytes[from];
            from += 1;
            if byte == pair[0] && from < self.length && self.bytes[from] == pair[1] {
                byte = byte_of(code);
                from += 1;
            }
            self.bytes[to] = byte;
            to += 1;
            if !stands_alone(byte) && !stands_alone(last) {
                let count = &mut counts[last as usize][byte as usize];
                *count = if *count >> 16 == code {
                    *count + 1
                } else {
                    code << 16 | 1
                };
                if *count & 0xffff > best.1 {
                    best = ([last, byte], *count & 0xffff);
                }
            }
            last = byte;
        }
        self.length = to;
        best
    }

    /// The packed text, without the room that became free.
    pub const fn bytes<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(self.bytes.split_at(LENGTH).0);
        bytes
    }
}

const fn stands_alone(byte: u8) -> bool {
    matches!(byte, b'\n' | SEPARATOR)
}

/// The byte of the code with a number.
const fn byte_of(code: usize) -> u8 {
    FIRST_CODE.wrapping_add(code as u8)
}

/// Whether a byte may stand in texts, or between them, so that it is no code.
const fn is_of_texts(byte: u8) -> bool {
    stands_alone(byte) || matches!(byte, b'\t' | b' '..=b'~')
}

const fn is_plain(text: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() && is_of_texts(text[at]) && text[at] != SEPARATOR {
        at += 1;
    }
    at == text.len()
}

/// How many bytes texts have together, with what separates them.
pub const fn length(texts: &[&str]) -> usize {
    let (mut length, mut number) = (texts.len() - 1, 0);
    while number < texts.len() {
        length += texts[number].len();
        number += 1;
    }
    length
}

/// A constant text as [`Packed`](crate::packed::Packed), or several that are packed together.
#[macro_export]
macro_rules! packed {
    ($($text:expr),+ $(,)?) => {{
        use $crate::packed::{Packed, Packing, length};
        const TEXTS: &[&str] = &[$($text),+];
        #[allow(long_running_const_eval)] // a second for some thousand bytes
        const PACKING: Packing<{ length(TEXTS) }> = Packing::of(TEXTS);
        const PAIRS: [[u8; 2]; PACKING.codes] = PACKING.pairs();
        const BYTES: [u8; PACKING.length] = PACKING.bytes();
        Packed::new(&PAIRS, &BYTES)
    }};
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const LINES: &str = "the first line of the text\n\nthe third line of the text, and the last";
    const PACKED: Packed = packed!(LINES);

    #[test]
    fn a_packed_text_is_shorter_and_reads_as_before() {
        assert_eq!(PACKED.to_string(), LINES);
        assert!(PACKED.bytes.len() < LINES.len() / 2, "{} bytes", PACKED.bytes.len());
    }

    #[test]
    fn texts_that_are_packed_together_are_found() {
        const BOTH: Packed = packed!(LINES, "the second text");
        assert_eq!(BOTH.text(0).to_string(), LINES);
        assert_eq!(BOTH.text(1).to_string(), "the second text");
        assert!(BOTH.text(2).is_empty());
        assert_eq!(BOTH.text(0).line(2).to_string(), LINES.lines().nth(2).unwrap());
    }

    #[test]
    fn a_packed_text_is_compared_as_a_whole() {
        assert!(PACKED.line(0).is(b"the first line of the text"));
        assert!(!PACKED.line(0).is(b"the first line of the texts"));
        assert!(!PACKED.line(0).is(b"the first line"));
        assert!(PACKED.line(1).is(b""));
        assert!(PACKED.begins_with(b"") && PACKED.begins_with(b"the first"));
        assert!(!PACKED.begins_with(b"the firsts") && !PACKED.line(0).begins_with(LINES.as_bytes()));
    }

    #[test]
    fn lines_are_found_without_unpacking() {
        for (number, line) in LINES.split('\n').enumerate() {
            assert_eq!(PACKED.line(number).to_string(), line);
            assert_eq!(PACKED.line(number).is_empty(), line.is_empty());
        }
        assert!(PACKED.line(3).is_empty());
        let second = PACKED.packed().iter().position(|byte| *byte == b'\n').unwrap() + 1;
        assert!(PACKED.behind(second).line(0).is_empty());
        assert!(
            PACKED
                .behind(second)
                .line(1)
                .is(b"the third line of the text, and the last")
        );
        assert!(PACKED.behind(usize::MAX).is_empty());
    }
}
