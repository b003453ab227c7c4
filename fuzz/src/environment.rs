//! What the kernel and the system hand over as text: the command line, variables, `/etc/ld.so.preload`, `/etc/ld.so.cache`, and paths with tokens.

use std::cmp::Ordering;

use lode::process::{Arguments, DebugHelp, Help, Options, is_unsecure, number, preload_file_names};
use lode::search::cache::{Cache, compare};
use lode::search::hwcaps::Hwcaps;
use lode::search::tokens::{Values, expand, names_origin};

/// `/etc/ld.so.cache`.
pub fn cache(bytes: &[u8]) {
    let (left, right) = bytes.split_at(bytes.len() / 2);
    assert_eq!(compare(left, left), Ordering::Equal);
    compare(left, right);
    let Ok(cache) = Cache::parse(bytes) else { return };
    assert!(cache.len() < bytes.len());
    let levels = Hwcaps::new(&["x86-64-v3", "x86-64-v2"], Some(b"own"), None);
    for name in [&b"libc.so.6"[..], b"liba.so", b"libb.so.10", b""] {
        for flags in [0, 0x303] {
            cache.lookup(name, flags, &levels);
        }
    }
}

/// Bits in the first byte, then strings that end with a NUL: the command line up to an empty one, then variables.
pub fn options(bytes: &[u8]) {
    let Some((bits, text)) = bytes.split_first() else {
        return;
    };
    let mut strings = text.split(|byte| *byte == 0);
    let words: Vec<&[u8]> = strings.by_ref().take_while(|word| !word.is_empty()).collect();
    let variables: Vec<&[u8]> = strings.collect();
    for variable in &variables {
        is_unsecure(variable);
    }
    let read = Options::read(&Arguments {
        arguments: &words,
        environment: &variables,
        secure: bits & 1 != 0,
        as_command: bits & 2 != 0,
    });
    match read {
        Ok(options) => {
            let told: String = options.warnings.iter().map(|warning| format!("{warning:?}")).collect();
            assert!(told.is_empty() == options.warnings.is_empty());
            assert!(options.consumed <= words.len());
            let secure = options.secure;
            assert!(!secure || options.library_path.is_none() && options.debug_output.is_none());
            Hwcaps::new(&["x86-64-v2"], options.hwcaps_prepend, options.hwcaps_mask);
        }
        Err(error) => assert!(!error.report(b"ld-lode").to_string().is_empty()),
    }
    assert!(!format!("{Help}{DebugHelp}").is_empty());
}

/// A path with `$ORIGIN`, `$LIB`, `$PLATFORM`; a list of preloads; a number.
pub fn paths(bytes: &[u8]) {
    number(bytes);
    names_origin(bytes);
    assert!(preload_file_names(bytes).all(|name| !name.is_empty()));
    for origin in [None, Some(&b"/opt/bin"[..])] {
        let values = Values {
            origin,
            platform: Some(b"x86_64"),
            lib: &["lib", "lib64"],
        };
        for secure in [false, true] {
            expand(bytes, &values, secure, &mut |path| {
                // The longest value stands for the shortest token.
                assert!(path.len() <= 8 * bytes.len());
            });
        }
    }
}
