//! Another path in PT_INTERP of a program, written into its bytes where the old one stands: nothing moves, so that nothing else of the file has to change.

use anyhow::{Context, Result, bail};

use crate::elf::{Binary, PT_INTERP};

/// The program with `path` as its interpreter. What is left of the old path becomes zeros; the kernel reads up to the first and wants the last byte to be
/// one (`load_elf_binary`).
///
/// # Errors
/// The program has no interpreter, or the path does not fit.
pub fn set(binary: &Binary, path: &str) -> Result<Vec<u8>> {
    let segment = binary.segments.iter().find(|segment| segment.kind == PT_INTERP);
    let segment = segment.context("it has no PT_INTERP")?;
    let from = usize::try_from(segment.offset)?;
    let room = usize::try_from(segment.file_size)?;
    let needed = path.len() + 1;
    if needed > room {
        bail!("{path} needs {needed} bytes in PT_INTERP, and there are {room}; --set-interp=PATH takes a shorter path");
    }
    let mut bytes = binary.bytes.clone();
    let place = from.checked_add(room).and_then(|end| bytes.get_mut(from..end));
    let place = place.context("PT_INTERP lies outside the file")?;
    place.fill(0);
    place
        .iter_mut()
        .zip(path.bytes())
        .for_each(|(place, byte)| *place = byte);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test's own file, which has an interpreter as every Rust program on Linux.
    fn own() -> Binary {
        Binary::open(&std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_path_that_fits_is_all_that_changes() {
        let binary = own();
        let changed = Binary::parse(set(&binary, "/lib/short").unwrap()).unwrap();
        assert_eq!(changed.interpreter.as_deref(), Some("/lib/short"));
        assert_eq!(changed.segments, binary.segments);
        let differences = changed.bytes.iter().zip(&binary.bytes).filter(|(a, b)| a != b);
        assert!(differences.count() <= binary.interpreter.unwrap().len());
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused_with_both_lengths() {
        let binary = own();
        let long = format!("/{}", "x".repeat(binary.interpreter.as_ref().unwrap().len()));
        let error = set(&binary, &long).unwrap_err().to_string();
        assert!(error.contains(&format!("needs {} bytes", long.len() + 1)), "{error}");
        let same = binary.interpreter.clone().unwrap();
        assert_eq!(set(&binary, &same).unwrap(), binary.bytes);
    }
}
