//! Names of files as text. They are bytes (path_resolution(7)), and what is not UTF-8 must survive: a file is opened by the name that another one has for
//! it, and shown by it.
//!
//! A byte that is part of no character becomes a character of a private plane, U+10FF00 and the byte, so that text can be cut, joined and compared as
//! ever. A character of that range in a name is taken apart into its bytes like one that is none, so that no two names become one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Stands for the byte 0.
const FIRST: u32 = 0x10_ff00;
const LAST: u32 = FIRST + 0xff;

/// The byte that a character stands for.
fn byte(one: char) -> Option<u8> {
    u8::try_from(u32::from(one).checked_sub(FIRST)?).ok()
}

fn push(text: &mut String, bytes: &[u8]) {
    let standing = bytes.iter().map(|byte| char::from_u32(FIRST + u32::from(*byte)));
    text.extend(standing.flatten());
}

/// A name as text.
pub fn text(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for one in chunk.valid().chars() {
            match (FIRST..=LAST).contains(&u32::from(one)) {
                true => push(&mut text, one.encode_utf8(&mut [0; 4]).as_bytes()),
                false => text.push(one),
            }
        }
        push(&mut text, chunk.invalid());
    }
    text
}

/// The bytes of a name that [`text`] made text.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for one in text.chars() {
        match byte(one) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// A path as text.
pub fn of(path: impl AsRef<Path>) -> String {
    text(path.as_ref().as_os_str().as_bytes())
}

/// The path of a text.
pub fn path(text: &str) -> PathBuf {
    OsString::from_vec(bytes(text)).into()
}

/// A word of the command line as text.
pub fn word(word: &OsStr) -> String {
    text(word.as_bytes())
}

/// As programs can read it that take nothing but UTF-8: U+FFFD for each byte that is part of no character.
pub fn readable(text: &str) -> String {
    let readable = |one: char| {
        if byte(one).is_some() {
            char::REPLACEMENT_CHARACTER
        } else {
            one
        }
    };
    text.chars().map(readable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives() {
        for name in [
            &b"plain"[..],
            b"",
            "ß€😀".as_bytes(),
            b"n\xff\xfe \"x",
            b"\xe2\x82",
            "\u{10ff41}".as_bytes(),
            b"\xf4\x8f\xbd\x81\xff",
        ] {
            assert_eq!(bytes(&text(name)), name);
        }
        assert_eq!(text("ß".as_bytes()), "ß");
        assert_ne!(text("\u{10ff41}".as_bytes()), text(b"A"));
        assert_eq!(readable(&text(b"a\xffb")), "a\u{fffd}b");
    }
}
