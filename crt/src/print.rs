//! Text to standard error, without a heap and without a buffer; and tables of texts.

use core::fmt;
use core::ops::Range;

use crate::syscall;

/// Standard error as a [`fmt::Write`]. Each piece of a format becomes a `write`; a line that must arrive
/// whole is built in memory first. Bytes that cannot be written are dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Stderr {
    /// Writes all of `bytes`, or as much as standard error takes.
    pub fn write_bytes(self, bytes: &[u8]) {
        syscall::write_all(2, bytes);
    }
}

impl fmt::Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes());
        Ok(())
    }
}

/// Line `number` of `text`, counted from 0, without its newline; empty behind the last. Names that are seldom printed are kept
/// this way: in a table each of them would take an address and a length, and the address a relocation.
pub fn line(text: &'static str, number: usize) -> &'static str {
    text.get(place_of_line(text.as_bytes(), number)).unwrap_or_default()
}

/// Where line `number` stands in `text`; at its end behind the last.
#[inline(never)]
pub(crate) fn place_of_line(text: &[u8], mut number: usize) -> Range<usize> {
    let mut start = 0;
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if number == 0 {
            return start..at;
        }
        number -= 1;
        start = at + 1;
    }
    match number {
        0 => start..text.len(),
        _ => text.len()..text.len(),
    }
}
