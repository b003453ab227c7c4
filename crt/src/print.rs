//! Text to standard error, without a heap and without a buffer; and tables of texts.

use core::fmt;

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
#[inline(never)]
pub fn line(text: &'static str, number: usize) -> &'static str {
    let mut rest = text;
    for _ in 0..number {
        let end = rest.bytes().position(|byte| byte == b'\n').unwrap_or(rest.len());
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
    }
    let end = rest.bytes().position(|byte| byte == b'\n').unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}
