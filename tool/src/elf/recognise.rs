//! What a file is that is not what somebody thought: said in words, because "invalid ELF header" sends people to the wrong place.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Error, Result};
use lode::elf::header::HEADER_SIZE;

/// A file with more bytes is not read, because all of it would be in memory: no program or library is that large without its debug information, but
/// disks, sparse files and pseudo files are.
const MOST: u64 = 1 << 30;

/// A file that was built to exhaust whoever reads it, or is too large. The text says which bound it goes beyond.
#[derive(Debug)]
pub struct Beyond(pub String);

impl Display for Beyond {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Beyond {}

/// Starts of files, and what they are. The first that fits counts.
const STARTS: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "gzip-compressed data; decompress it first"),
    (b"\xfd7zXZ\0", "xz-compressed data; decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data; decompress it first"),
    (b"BZh", "bzip2-compressed data; decompress it first"),
    (b"PK\x03\x04", "a ZIP archive (a wheel, a JAR?); unpack it first"),
    (
        b"!<arch>\n",
        "an archive of object files (.a) or a Debian package; a static library is an input of the linker, not of a loader",
    ),
    (
        b"!<thin>\n",
        "a thin archive: names of object files, an input of the linker",
    ),
    (b"MZ", "a program for Windows or UEFI (PE)"),
    (b"\xcf\xfa\xed\xfe", "a program or library for macOS (Mach-O, 64-bit)"),
    (b"\xce\xfa\xed\xfe", "a program or library for macOS (Mach-O, 32-bit)"),
    (
        b"\xca\xfe\xba\xbe",
        "a universal binary for macOS (Mach-O), or a Java class",
    ),
    (b"\0asm", "a WebAssembly module"),
    (b"BC\xc0\xde", "LLVM bitcode, which has to be compiled"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer: the content was not fetched (`git lfs pull` fetches it)",
    ),
    (
        b"#!",
        "a script; the kernel starts it with the program that its first line names",
    ),
];

/// Reads a file that somebody asked about.
///
/// # Errors
/// It cannot be read, or is no regular file: a pipe or a device would block or never end.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display();
    let length = regular(path)?;
    // What grows by doubling takes three times its length.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let file = File::open(path).with_context(|| name.to_string())?;
    // Pseudo files say that they are empty.
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .with_context(|| name.to_string())?;
    if bytes.len() as u64 > MOST {
        return Err(too_large(path, bytes.len() as u64));
    }
    Ok(bytes)
}

fn too_large(path: &Path, length: u64) -> Error {
    let text = format!("{length} bytes; lode-tool reads no file with more than {MOST} bytes (1 GiB)");
    Error::new(Beyond(text)).context(path.display().to_string())
}

/// The length of a file that can be read: one that ends, and not too late.
///
/// # Errors
/// As of [`read`].
pub fn regular(path: &Path) -> Result<u64> {
    let name = path.display();
    let metadata = fs::metadata(path).with_context(|| name.to_string())?;
    let kind = metadata.file_type();
    if !kind.is_file() {
        let what = match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_fifo() => "a named pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        return Err(Error::msg(format!("{what}, not a regular file")).context(name.to_string()));
    }
    match metadata.len() {
        length if length > MOST => Err(too_large(path, length)),
        length => Ok(length),
    }
}

/// Places in the identity of an ELF header, and the numbers that stand there (gABI, "ELF Identification").
const CLASS: usize = 4;
const DATA: usize = 5;
const VERSION: usize = 6;

/// What is wrong with the identity of an ELF file, if something is: its class, byte order or version is none that exists.
pub fn identity(bytes: &[u8]) -> Option<String> {
    let found = |place: usize| bytes.get(place).copied();
    let wrong =
        |name: &str, found: u8, known: &str| format!("an ELF file whose {name} is {found:#x}, and only {known} exist");
    match (found(CLASS)?, found(DATA)?, found(VERSION)?) {
        (class, ..) if !(1..=2).contains(&class) => Some(wrong("EI_CLASS", class, "1 (32-bit) and 2 (64-bit)")),
        (_, data, _) if !(1..=2).contains(&data) => {
            Some(wrong("EI_DATA", data, "1 (little-endian) and 2 (big-endian)"))
        }
        (_, _, version) if version != 1 => {
            Some(format!("an ELF file whose EI_VERSION is {version}, and only 1 exists"))
        }
        _ => None,
    }
}

/// What bytes without a whole ELF header are.
pub fn bytes(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".to_owned();
    }
    if bytes.starts_with(b"\x7fELF") && bytes.len() >= HEADER_SIZE {
        return identity(bytes).unwrap_or_else(|| "an ELF file".to_owned());
    }
    if bytes.starts_with(b"\x7fELF") {
        return format!("an ELF file cut off after {} bytes, inside its header", bytes.len());
    }
    if let Some((_, what)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return (*what).to_owned();
    }
    let head = String::from_utf8_lossy(bytes.get(..4096).unwrap_or(bytes)).into_owned();
    if is_text(&head) {
        return text(&head);
    }
    let first = bytes.get(..8).unwrap_or(bytes);
    format!("it starts with the bytes {}", scan::hex(first, " "))
}

fn is_text(head: &str) -> bool {
    // A cut in the middle of a character leaves one replacement at the end.
    let head = head.trim_end_matches('\u{fffd}');
    head.chars()
        .all(|one| one != '\u{fffd}' && (!one.is_control() || one.is_whitespace()))
}

fn text(head: &str) -> String {
    let start = head.trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return "an HTML page (a download that failed, or needed a login?)".to_owned();
    }
    let commands = ["GROUP", "INPUT", "OUTPUT_FORMAT"];
    if let Some(command) = commands
        .iter()
        .filter_map(|command| head.split_once(command))
        .find(|(_, rest)| rest.trim_start().starts_with('('))
    {
        let inside = command
            .1
            .trim_start_matches([' ', '('])
            .split(')')
            .next()
            .unwrap_or_default();
        let names: Vec<&str> = inside.split_whitespace().filter(|word| word.contains(".so")).collect();
        return match names.as_slice() {
            [] => "a linker script: text for the linker, not a library".to_owned(),
            names => format!(
                "a linker script: text for the linker, not a library; it names {}",
                names.join(" ")
            ),
        };
    }
    let line: String = head.lines().next().unwrap_or_default().chars().take(40).collect();
    format!("text; it starts with \"{line}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf_file_is_said_in_words() {
        for (content, words) in [
            (&b""[..], "empty"),
            (b"\x7fELF\x02\x01", "cut off after 6 bytes"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"!<arch>\nx.o/", "archive of object files"),
            (b"MZ\x90", "Windows"),
            (b"\xcf\xfa\xed\xfe", "Mach-O"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            (b"\n<!DOCTYPE html><p>", "HTML"),
            (
                b"/* GNU ld script */\nGROUP ( /lib/libc.so.6 AS_NEEDED ( x.a ) )",
                "names /lib/libc.so.6",
            ),
            (b"hello there", "\"hello there\""),
            (b"\x01\x02\xff\xfe", "01 02 ff fe"),
        ] {
            let found = bytes(content);
            assert!(found.contains(words), "{found}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let error = read(Path::new("/")).unwrap_err();
        assert_eq!(format!("{error:#}"), "/: a directory, not a regular file");
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(format!("{error:#}").contains("a device"));
    }
}
