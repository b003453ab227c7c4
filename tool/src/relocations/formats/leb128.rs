//! Numbers of any size in groups of seven bits, least significant first (DWARF 5, section 7.6 "Variable Length Data").

/// Appends a number.
pub fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a number with its sign.
pub fn put_signed(bytes: &mut Vec<u8>, mut value: i64) {
    // The last group's bit 6 is the sign.
    while !(-0x40..0x40).contains(&value) {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8 & 0x7f);
}

/// Bytes with a place to read on from.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next number; bits beyond 64 are dropped. `None` at the end, or when it has more groups than a number of 64 bits needs.
    pub fn number(&mut self) -> Option<u64> {
        self.groups().map(|(value, _, _)| value)
    }

    /// The next number with a sign.
    pub fn signed(&mut self) -> Option<i64> {
        let (value, bits, is_negative) = self.groups()?;
        let sign = if is_negative && bits < 64 { u64::MAX << bits } else { 0 };
        Some((value | sign) as i64)
    }

    /// Value, bits read, and the last group's bit 6.
    fn groups(&mut self) -> Option<(u64, u32, bool)> {
        let mut value = 0;
        let mut bits = 0;
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(bits)?;
            bits += 7;
            if byte & 0x80 == 0 {
                return Some((value, bits, byte & 0x40 != 0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 1 << 62, u64::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            put_signed(&mut bytes, value as i64);
            put_signed(&mut bytes, (value as i64).wrapping_neg());
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.number(), Some(value));
            assert_eq!(reader.signed(), Some(value as i64));
            assert_eq!(reader.signed(), Some((value as i64).wrapping_neg()));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn the_examples_of_dwarf_come_out() {
        // DWARF 5, tables 7.7 and 7.8.
        let encoded = |value| {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            bytes
        };
        assert_eq!(
            (encoded(127), encoded(129), encoded(12857)),
            (vec![0x7f], vec![0x81, 1], vec![0xb9, 0x64])
        );
        let signed = |value| {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            bytes
        };
        assert_eq!(
            (signed(-2), signed(-127), signed(128)),
            (vec![0x7e], vec![0x81, 0x7f], vec![0x80, 1])
        );
    }

    #[test]
    fn a_number_without_an_end_is_none() {
        assert_eq!(Reader::new(&[0x80; 5]).number(), None);
        assert_eq!(Reader::new(&[0x80; 50]).signed(), None);
    }
}
