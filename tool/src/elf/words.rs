//! Numbers in a file of any class and byte order.

/// How a file's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Bits of an address: 32 or 64
    pub bits: u8,
    /// Whether the least significant byte comes first
    pub little_endian: bool,
}

impl Words {
    /// Bytes of an address.
    pub fn size(self) -> u64 {
        u64::from(self.bits / 8)
    }

    /// The number that `length` (at most 8) bytes at `at` are; `None` past the end.
    pub fn number(self, bytes: &[u8], at: u64, length: u64) -> Option<u64> {
        let from = usize::try_from(at).ok()?;
        let bytes = bytes.get(from..from.checked_add(usize::try_from(length).ok()?)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little_endian {
            bytes.iter().rev().fold(0, add)
        } else {
            bytes.iter().fold(0, add)
        })
    }

    /// Two bytes at `at`.
    pub fn half(self, bytes: &[u8], at: u64) -> Option<u16> {
        u16::try_from(self.number(bytes, at, 2)?).ok()
    }

    /// Four bytes at `at`.
    pub fn word(self, bytes: &[u8], at: u64) -> Option<u32> {
        u32::try_from(self.number(bytes, at, 4)?).ok()
    }

    /// An address at `at`.
    pub fn address(self, bytes: &[u8], at: u64) -> Option<u64> {
        self.number(bytes, at, self.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_depends_on_the_order_of_its_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        let little = Words {
            bits: 64,
            little_endian: true,
        };
        let big = Words {
            bits: 32,
            little_endian: false,
        };
        assert_eq!(little.word(&bytes, 0), Some(0x0403_0201));
        assert_eq!(big.word(&bytes, 4), Some(0x0506_0708));
        assert_eq!(
            (little.address(&bytes, 0), big.address(&bytes, 0)),
            (Some(0x0807_0605_0403_0201), Some(0x0102_0304))
        );
        assert_eq!((little.half(&bytes, 7), little.half(&bytes, u64::MAX)), (None, None));
    }
}
