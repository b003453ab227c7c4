//! The decoders over their corpus, and over copies of it with seeded changes: no panic, no overflow, nothing kept open. What a target does is in `fuzz/`.
//!
//! The corpus is `fuzz/corpus/TARGET/`: what `fuzz/seeds.rs` makes (LODE_BLESS=1 writes it), and `guided-*`, which libFuzzer found worth keeping, and
//! `found-*`, with which something was wrong once.
//!
//! | variable | what it says | without it |
//! |---|---|---|
//! | `LODE_SEED` | the seed of the changes | 1 |
//! | `LODE_FUZZ_INPUTS` | how many changed inputs each target gets, in thousands | 20 |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "fuzz/seeds.rs"]
mod seeds;

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::{env, fs};

use fastrand::Rng;
use fuzz::{TARGETS, Target};

/// The longest input, in bytes.
const LONGEST: usize = 1 << 15;
/// How many times as long as the others an input of this target takes: the whole line has the most to do.
const SLOW: [(&str, u64); 2] = [("line", 10), ("symbols", 4)];

/// What a field becomes most often.
const EDGES: [u64; 12] = [
    0,
    1,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target)
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = env::var(variable).unwrap_or_default();
    text.parse().unwrap_or(otherwise)
}

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder(target)).unwrap().map(Result::unwrap);
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

/// An input that comes of another by a few changes of bytes, words and lengths.
fn changed(inputs: &[Vec<u8>], numbers: &mut Rng) -> Vec<u8> {
    let mut bytes = numbers.choice(inputs).unwrap().clone();
    for _ in 0..=numbers.usize(..4) {
        let at = numbers.usize(..=bytes.len());
        let length = numbers.usize(..=(bytes.len() - at).min(32));
        match numbers.u32(..9) {
            0..3 => {
                let (width, value) = ([1, 2, 4, 8][numbers.usize(..4)], EDGES[numbers.usize(..EDGES.len())]);
                let to = bytes.iter_mut().skip(at & !(width - 1)).take(width);
                to.zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
            }
            3 => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= 1 << numbers.u32(..8)),
            4 => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte = numbers.u8(..)),
            5 => drop(bytes.drain(at..at + length)),
            6 => {
                let copy = bytes[at..at + length].to_vec();
                let to = numbers.usize(..=bytes.len());
                bytes.splice(to..to, copy);
            }
            7 => {
                let other = numbers.choice(inputs).unwrap();
                let from = numbers.usize(..=other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Gives a target an input; what is wrong is told with a file that has it.
fn give(target: &Target, bytes: &[u8], what: &str) {
    if catch_unwind(|| (target.run)(bytes)).is_err() {
        let file = env::temp_dir().join(format!("found-{}-{}", target.name, what.replace(' ', "-")));
        fs::write(&file, bytes).unwrap();
        panic!("{} of target {}: {} has the input", what, target.name, file.display());
    }
}

#[test]
fn corpus_is_as_it_was_made() {
    let bless = env::var_os("LODE_BLESS").is_some();
    let seeds = seeds::seeds();
    let mut total = 0;
    for target in TARGETS {
        if bless {
            fs::create_dir_all(folder(target.name)).unwrap();
            for name in corpus(target.name).keys().filter(|name| name.starts_with("made-")) {
                fs::remove_file(folder(target.name).join(name)).unwrap();
            }
        }
        let made = seeds.iter().filter(|(of, ..)| *of == target.name);
        let made: BTreeMap<String, &Vec<u8>> = made.map(|(_, name, bytes)| (format!("made-{name}"), bytes)).collect();
        if bless {
            made.iter()
                .for_each(|(name, bytes)| fs::write(folder(target.name).join(name), bytes).unwrap());
        }
        let there = corpus(target.name);
        total += there.values().map(Vec::len).sum::<usize>();
        let mut names = there.keys().filter(|name| name.starts_with("made-"));
        assert!(
            names.all(|name| made.contains_key(name)),
            "{}: a file that is not made any more",
            target.name
        );
        for (name, bytes) in made {
            assert!(there.get(&name) == Some(bytes), "{} {name} is another", target.name);
        }
    }
    assert!(total < 1 << 20, "{total} bytes");
}

#[test]
fn corpus_finds_nothing_wrong() {
    for target in TARGETS {
        let inputs = corpus(target.name);
        assert!(!inputs.is_empty(), "{}", target.name);
        for (name, bytes) in inputs {
            give(target, &bytes, &name);
        }
    }
}

#[test]
fn changed_inputs_find_nothing_wrong() {
    let seed = number("LODE_SEED", 1);
    let count = number("LODE_FUZZ_INPUTS", 20) * 1000;
    for target in TARGETS {
        let slow = SLOW.iter().find(|(name, _)| *name == target.name);
        let inputs: Vec<Vec<u8>> = corpus(target.name).into_values().collect();
        for number in 0..count / slow.map_or(1, |(_, times)| *times) {
            let mut numbers = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
            give(
                target,
                &changed(&inputs, &mut numbers),
                &format!("seed {seed} number {number}"),
            );
        }
    }
}
