//! glibc's tunables: what GLIBC_TUNABLES and its older aliases in the environment set.
//!
//! The text is `name=value:name=value`. A part without `=` is skipped, at the end of the text too; everything
//! after the first `=` of a part is its value, so `a=a=1` sets `a` to the text `a=1` and never runs past the end.
//! Unknown names and numbers out of range are ignored. Values by GLIBC_TUNABLES win over aliases. Observed with glibc
//! 2.36; later releases reject a malformed text as a whole, which no valid setting can notice.

#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::fmt;

use super::layout::{Picked, Tunable, TunableKind, Word};
use crate::error::Lossy;

/// The tunables of a process: the defaults of its glibc, and what the environment `'e` changed.
#[derive(Debug, Clone)]
pub struct Tunables<'e> {
    rows: Picked<Tunable>,
    /// Ids and the texts that the environment gave them. Usually empty, and then without memory.
    set: Vec<(usize, &'e [u8])>,
}

impl<'e> Tunables<'e> {
    /// Reads the environment: `env` yields its strings without the final zero.
    ///
    /// A secure process gets the defaults: no tunable of a known glibc is honoured there. Removing the variable
    /// is the business of whoever owns the environment.
    pub fn from_environment(rows: Picked<Tunable>, env: impl Iterator<Item = &'e [u8]>, secure: bool) -> Self {
        let mut tunables = Self { rows, set: Vec::new() };
        if secure {
            return tunables;
        }
        for string in env {
            // So do GLIBC_TUNABLES, MALLOC_ and what follows, LD_HWCAP_MASK and LD_PREFER_MAP_32BIT_EXEC go on, and few others.
            if matches!(string.get(3..7), Some(b"BC_T" | b"LOC_" | b"HWCA" | b"PREF")) {
                tunables.read(string);
            }
        }
        tunables
    }

    /// Value of the tunable with this id, and whether the environment set it. A text reads as 0, as does an
    /// unknown id.
    pub fn get(&self, id: usize) -> (u64, bool) {
        let Some(row) = self.rows.get(id) else {
            return (0, false);
        };
        match self.find(id) {
            Some(_) if row.kind == TunableKind::String => (0, true),
            Some(text) => (parse_number(text), true),
            None => (row.default(), false),
        }
    }

    /// The row of the tunable with this id: its kind tells how wide the value is.
    pub fn row(&self, id: usize) -> Option<&'static Tunable> {
        self.rows.get(id)
    }

    /// The number that the environment gave to the tunable of this name, which is not a text.
    pub fn number(&self, name: Word) -> Option<u64> {
        self.text(name).map(parse_number)
    }

    /// The text that the environment gave to the tunable of this name.
    pub fn text(&self, name: Word) -> Option<&'e [u8]> {
        let named = |id: usize| self.rows.get(id).is_some_and(|row| row.is(name));
        self.set.iter().find(|known| named(known.0)).map(|known| known.1)
    }

    fn find(&self, id: usize) -> Option<&'e [u8]> {
        self.set.iter().find(|known| known.0 == id).map(|known| known.1)
    }

    /// Reads one string of the environment. What GLIBC_TUNABLES says goes over an alias, whichever comes first.
    fn read(&mut self, string: &'e [u8]) {
        let Some((variable, text)) = split_at_equals(string) else {
            return;
        };
        if variable != b"GLIBC_TUNABLES" {
            let aliased = |row: &Tunable| row.is_variable(variable);
            if let Some(id) = self.rows.iter().position(aliased)
                && self.find(id).is_none()
            {
                self.assign(id, text);
            }
            return;
        }
        for part in text.split(|&byte| byte == b':') {
            if let Some((name, value)) = split_at_equals(part)
                && let Some(id) = self.rows.iter().position(|row| row.is_called(name))
            {
                self.assign(id, value);
            }
        }
    }

    fn assign(&mut self, id: usize, text: &'e [u8]) {
        let Some(row) = self.rows.get(id) else {
            return;
        };
        let number = parse_number(text);
        let in_range = match row.kind {
            TunableKind::String => true,
            TunableKind::Int32 => (row.min().cast_signed()..=row.max().cast_signed()).contains(&number.cast_signed()),
            TunableKind::Uint64 | TunableKind::SizeT => (row.min()..=row.max()).contains(&number),
        };
        if !in_range {
            return;
        }
        match self.set.iter_mut().find(|known| known.0 == id) {
            Some(known) => known.1 = text,
            None => self.set.push((id, text)),
        }
    }
}

/// The table that `--list-tunables` prints, a line each, as glibc has it.
impl fmt::Display for Tunables<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, row) in self.rows.iter().enumerate() {
            write!(out, "glibc.{}:", row.name())?;
            match (row.kind, self.find(id)) {
                (TunableKind::String, None) => {}
                (TunableKind::String, Some(text)) => write!(out, " {}", Lossy(text))?,
                (kind, _) => {
                    let [value, min, max] = [self.get(id).0, row.min(), row.max()].map(|value| Number(kind, value));
                    write!(out, " {value} (min: {min}, max: {max})")?;
                }
            }
            out.write_str("\n")?;
        }
        Ok(())
    }
}

/// A value as glibc lists it: decimal if it is an `int`.
struct Number(TunableKind, u64);

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TunableKind::Int32 => {
                let value = self.1 as i32;
                out.write_str(if value < 0 { "-" } else { "" })?;
                u64::from(value.unsigned_abs()).fmt(out)
            }
            _ => write!(out, "{:#x}", self.1),
        }
    }
}

fn split_at_equals(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// The number at the start of `text`, as glibc's loader reads numbers: blanks and a sign may precede it, `0x` and
/// `0` select hexadecimal and octal, what follows the digits is ignored, no digit at all is 0, and a number too
/// large is `u64::MAX` (so are the last few below it).
fn parse_number(mut text: &[u8]) -> u64 {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        unsigned => (false, unsigned),
    };
    let (base, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, text),
    };
    let mut number = 0u64;
    for &byte in digits {
        let Some(digit) = char::from(byte).to_digit(base) else {
            break;
        };
        let (base, digit) = (u64::from(base), u64::from(digit));
        if number >= (u64::MAX - digit) / base {
            return u64::MAX;
        }
        number = number * base + digit;
    }
    if negative { number.wrapping_neg() } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const fn row(name: &str, kind: TunableKind, min: u64, max: u64, default: u64) -> Tunable {
        Tunable::new(name, kind, (min, max), default)
    }

    const ROWS: Picked<Tunable> = Picked {
        pool: ALL,
        picks: &[0, 1, 2, 3, 4, 5, 6],
    };

    const ALL: &[Tunable] = &[
        row("malloc.mxfast", TunableKind::SizeT, 0, u64::MAX, 0),
        row("malloc.top_pad MALLOC_TOP_PAD_", TunableKind::SizeT, 0, u64::MAX, 0),
        row("malloc.perturb MALLOC_PERTURB_", TunableKind::Int32, 0, 255, 0),
        row("pthread.mutex_spin_count", TunableKind::Int32, 0, 32767, 100),
        row("cpu.hwcaps", TunableKind::String, 0, u64::MAX, 0),
        row("malloc.arena_max MALLOC_ARENA_MAX", TunableKind::SizeT, 1, u64::MAX, 0),
        row("cpu.hwcap_mask LD_HWCAP_MASK", TunableKind::Uint64, 0, u64::MAX, 6),
    ];

    fn read(env: &[&'static str]) -> Tunables<'static> {
        let strings = env.iter().map(|string| string.as_bytes());
        Tunables::from_environment(ROWS, strings, false)
    }

    fn values(env: &[&'static str]) -> [u64; 4] {
        let tunables = read(env);
        [0, 1, 2, 3].map(|id| tunables.get(id).0)
    }

    /// Every expectation is what `ld-linux-x86-64.so.2 --list-tunables` of glibc 2.36 printed.
    #[test]
    fn texts_set_what_the_loader_of_glibc_lists() {
        for (text, expected) in [
            (
                "GLIBC_TUNABLES=glibc.malloc.mxfast=18446744073709551614:glibc.malloc.top_pad=0xffffffffffffffff:glibc.malloc.perturb=-1:glibc.pthread.mutex_spin_count=0100",
                [u64::MAX, u64::MAX, 0, 64],
            ),
            (
                "GLIBC_TUNABLES=glibc.malloc.mxfast=18446744073709551615:glibc.malloc.top_pad= 5:glibc.malloc.perturb=5abc:glibc.pthread.mutex_spin_count=0x",
                [u64::MAX, 5, 5, 0],
            ),
            (
                "GLIBC_TUNABLES=glibc.malloc.mxfast=-2:glibc.malloc.top_pad=99999999999999999999999:glibc.malloc.perturb=256:glibc.pthread.mutex_spin_count=+9",
                [u64::MAX - 1, u64::MAX, 0, 9],
            ),
            (
                "GLIBC_TUNABLES=nonsense:glibc.malloc.mxfast=5:glibc.malloc.top_pad:glibc.malloc.perturb=3=4::=5:glibc.pthread.mutex_spin_count",
                [5, 0, 3, 100],
            ),
            (
                "GLIBC_TUNABLES=glibc.malloc.mxfast=5:glibc.malloc.mxfast=6:glibc.malloc.mxfast=:glibc.malloc.perturb=99:glibc.malloc.perturb=999",
                [0, 0, 99, 100],
            ),
            (
                "GLIBC_TUNABLES=glibc.malloc.mxfast=0x1G:glibc.malloc.top_pad=089:glibc.malloc.perturb=0X1f:glibc.pthread.mutex_spin_count=\t12",
                [1, 0, 31, 12],
            ),
            (
                "GLIBC_TUNABLES=glibc.malloc.mxfast=0xfffffffffffffffe:glibc.malloc.top_pad=01777777777777777777777",
                [u64::MAX, u64::MAX, 0, 100],
            ),
        ] {
            assert_eq!(values(&[text]), expected, "{text}");
        }
    }

    #[test]
    fn a_name_in_front_of_a_setting_makes_the_setting_its_value() {
        let tunables = read(&["GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=7"]);
        assert_eq!(tunables.get(0), (0, true));
        let tunables = read(&["GLIBC_TUNABLES=glibc.cpu.hwcaps=glibc.cpu.hwcaps=-AVX"]);
        assert_eq!(
            tunables.text(Word::new("cpu.hwcaps")),
            Some(&b"glibc.cpu.hwcaps=-AVX"[..])
        );
    }

    #[test]
    fn tunables_win_over_aliases_in_either_order() {
        for env in [
            ["MALLOC_PERTURB_=9", "GLIBC_TUNABLES=glibc.malloc.perturb=7"],
            ["GLIBC_TUNABLES=glibc.malloc.perturb=7", "MALLOC_PERTURB_=9"],
        ] {
            assert_eq!(read(&env).get(2), (7, true));
        }
        assert_eq!(read(&["MALLOC_PERTURB_=9"]).get(2), (9, true));
        assert_eq!(read(&["LD_HWCAP_MASK=0x10"]).get(6), (16, true));
    }

    #[test]
    fn values_out_of_range_leave_the_default_unset() {
        assert_eq!(read(&["MALLOC_PERTURB_=999"]).get(2), (0, false));
        let tunables = read(&["GLIBC_TUNABLES=glibc.malloc.arena_max=0"]);
        assert_eq!(tunables.number(Word::new("malloc.arena_max MALLOC_ARENA_MAX")), None);
    }

    #[test]
    fn an_environment_without_tunables_needs_no_memory() {
        let tunables = read(&["PATH=/bin", "MAIL=x", "GLIBC_TUNABLESX=1", ""]);
        assert_eq!(tunables.set.capacity(), 0);
        assert_eq!(tunables.get(3), (100, false));
        assert_eq!(tunables.get(99), (0, false));
    }

    #[test]
    fn the_list_is_that_of_glibc() {
        let tunables = read(&["GLIBC_TUNABLES=glibc.malloc.perturb=7:glibc.malloc.mxfast=0x10:glibc.cpu.hwcaps=-AVX"]);
        let expected = "\
glibc.malloc.mxfast: 0x10 (min: 0x0, max: 0xffffffffffffffff)
glibc.malloc.top_pad: 0x0 (min: 0x0, max: 0xffffffffffffffff)
glibc.malloc.perturb: 7 (min: 0, max: 255)
glibc.pthread.mutex_spin_count: 100 (min: 0, max: 32767)
glibc.cpu.hwcaps: -AVX
glibc.malloc.arena_max: 0x0 (min: 0x1, max: 0xffffffffffffffff)
glibc.cpu.hwcap_mask: 0x6 (min: 0x0, max: 0xffffffffffffffff)
";
        assert_eq!(tunables.to_string(), expected);
        assert!(read(&[]).to_string().contains("glibc.cpu.hwcaps:\n"));
    }

    #[test]
    fn a_secure_process_gets_the_defaults() {
        let env = ["GLIBC_TUNABLES=glibc.malloc.mxfast=5", "MALLOC_PERTURB_=9"];
        let strings = env.iter().map(|string| string.as_bytes());
        let tunables = Tunables::from_environment(ROWS, strings, true);
        assert_eq!(tunables.get(0), (0, false));
        assert_eq!(tunables.get(2), (0, false));
    }
}
