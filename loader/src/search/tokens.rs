//! Dynamic string tokens: `$ORIGIN`, `$LIB` and `$PLATFORM` in paths that files and users give.
//!
//! A token is a dollar sign and a name, with or without braces. `$ORIGIN` is the directory of the file that holds the
//! string (gABI, "Substitution Sequences"); the other two are glibc's. A name that goes on (`$ORIGINAL`) is no
//! token, and what is no token stands for itself.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

/// What the tokens stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The directory of the file that holds the string, absolute; `None` when it is not known.
    pub origin: Option<&'a [u8]>,
    /// The kernel's name for the CPU (`AT_PLATFORM`).
    pub platform: Option<&'a [u8]>,
    /// What `$LIB` may stand for, in order. In glibc it is one word that its builder chose (`lib/x86_64-linux-gnu` on
    /// Debian, `lib64` on Fedora); lode serves all of them, so it tries each.
    pub lib: &'a [&'a str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Origin,
    Lib,
    Platform,
}

/// The token whose name `text` starts with (after the dollar sign), and what follows it.
fn token(text: &[u8]) -> Option<(Token, &[u8])> {
    let (text, braces) = match text.strip_prefix(b"{") {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = text.iter().position(|byte| !goes_on(byte)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let token = match name {
        b"ORIGIN" => Token::Origin,
        b"LIB" => Token::Lib,
        b"PLATFORM" => Token::Platform,
        _ => return None,
    };
    let rest = if braces { rest.strip_prefix(b"}")? } else { rest };
    Some((token, rest))
}

/// Whether `$ORIGIN` stands in `text`.
pub fn names_origin(text: &[u8]) -> bool {
    names(text, Token::Origin)
}

fn names(text: &[u8], wanted: Token) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        if token(rest).is_some_and(|(found, _)| found == wanted) {
            return true;
        }
    }
    false
}

/// Gives `take` the paths that `text` stands for: one, or one for each value of `$LIB` if that token stands in it. None when a
/// token's value is not known, or when `secure` is set and `$ORIGIN` is not a whole path component at the start.
pub fn expand(text: &[u8], values: &Values<'_>, secure: bool, take: &mut dyn FnMut(Vec<u8>)) {
    let libs = if names(text, Token::Lib) { values.lib } else { &[""] };
    for lib in libs {
        if let Some(path) = substitute(text, values, lib, secure) {
            take(path);
        }
    }
}

fn substitute(text: &[u8], values: &Values<'_>, lib: &str, secure: bool) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let found = rest.strip_prefix(b"$").and_then(token);
        let Some((token, after_token)) = found else {
            let dollar = rest.iter().skip(1).position(|byte| *byte == b'$');
            let (plain, after) = rest.split_at_checked(dollar.map_or(rest.len(), |at| at + 1))?;
            path.extend_from_slice(plain);
            rest = after;
            continue;
        };
        if secure && token == Token::Origin {
            let at_the_start = rest.len() == text.len();
            if !at_the_start || !matches!(after_token.first(), None | Some(b'/')) {
                return None;
            }
        }
        path.extend_from_slice(match token {
            Token::Origin => values.origin?,
            Token::Lib => lib.as_bytes(),
            Token::Platform => values.platform?,
        });
        rest = after_token;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'static> = Values {
        origin: Some(b"/opt/app/bin"),
        platform: Some(b"x86_64"),
        lib: &["lib/x86_64-linux-gnu", "lib64"],
    };

    fn expand(text: &[u8], values: &Values<'_>, secure: bool) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        super::expand(text, values, secure, &mut |path| paths.push(path));
        paths
    }

    fn expanded(text: &str) -> Vec<Vec<u8>> {
        expand(text.as_bytes(), &VALUES, false)
    }

    #[test]
    fn text_without_tokens_stands_for_itself() {
        assert_eq!(expanded("/usr/lib"), [b"/usr/lib"]);
        assert_eq!(expanded("/a$b/$/${"), [b"/a$b/$/${"]);
    }

    #[test]
    fn origin_is_expanded_with_and_without_braces() {
        assert_eq!(expanded("$ORIGIN/../lib"), [b"/opt/app/bin/../lib"]);
        assert_eq!(expanded("${ORIGIN}lib"), [b"/opt/app/binlib"]);
        assert_eq!(expanded("$ORIGIN-x"), [b"/opt/app/bin-x"]);
    }

    #[test]
    fn a_name_that_goes_on_is_no_token() {
        assert_eq!(expanded("$ORIGINAL/x"), [b"$ORIGINAL/x"]);
        assert_eq!(expanded("$LIB_x/${LIB/y"), [b"$LIB_x/${LIB/y"]);
    }

    #[test]
    fn lib_gives_one_path_for_each_system() {
        assert_eq!(
            expanded("/opt/$LIB/${LIB}"),
            [
                b"/opt/lib/x86_64-linux-gnu/lib/x86_64-linux-gnu".to_vec(),
                b"/opt/lib64/lib64".to_vec()
            ]
        );
    }

    #[test]
    fn platform_is_what_the_kernel_says() {
        assert_eq!(expanded("/opt/$PLATFORM"), [b"/opt/x86_64"]);
    }

    #[test]
    fn a_token_without_a_value_removes_the_path() {
        let unknown = Values {
            origin: None,
            platform: None,
            ..VALUES
        };
        assert!(expand(b"$ORIGIN/lib", &unknown, false).is_empty());
        assert!(expand(b"/opt/$PLATFORM", &unknown, false).is_empty());
    }

    #[test]
    fn a_secure_process_takes_origin_only_as_the_first_component() {
        assert_eq!(expand(b"$ORIGIN/x", &VALUES, true), [b"/opt/app/bin/x"]);
        assert!(expand(b"/x/$ORIGIN", &VALUES, true).is_empty());
        assert!(expand(b"$ORIGIN.x", &VALUES, true).is_empty());
        assert!(expand(b"$ORIGIN/$ORIGIN", &VALUES, true).is_empty());
    }
}
