//! Damaged files: whatever bytes a file has, the stages answer with an error or with a linked module, and never panic.
//!
//! `LODE_DAMAGE_RUNS` says how many damaged files are tried, `LODE_DAMAGE_SEED` (a number) with which damage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use forge::{Binding, Kind, Module};
use lode::stages::init::{constructors, destructors};

use crate::stand::Stand;
use memory::Memory;

const DT_INIT_ARRAY: u64 = 25;
const DT_INIT_ARRAYSZ: u64 = 27;
const DT_FLAGS: u64 = 30;

/// Numbers that look random and are the same in every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// A library with every table that there is.
fn rich_library() -> Vec<u8> {
    let mut library = Module::library("liba.so");
    library.needed("libb.so").runpath("$ORIGIN:/opt");
    let text = library.text(&[0xc3; 64]);
    let old = library.define_version("OLD");
    let new = library.define_version("NEW");
    let required = library.need_version("libb.so", "B", false);
    let places = library.data(&[0; 512]);
    library.bss(100);
    let tls = library.tls(&[1; 24], 8, 16);
    for (number, version) in [old.hidden(), new, new].into_iter().enumerate() {
        let name = format!("symbol_{number}");
        let kind = [Kind::Function, Kind::Ifunc, Kind::Object][number];
        let symbol = library.define(&name, Binding::Global, kind, text + number as u64, 8);
        library.versioned(symbol, version);
        library.relocation(places + 16 * number as u64, 1, Some(symbol), 8);
        library.slot(places + 16 * number as u64 + 8, 7, Some(symbol), 0);
    }
    let foreign = library.undefined("foreign", Binding::Global);
    library.versioned(foreign, required);
    let local = library.define("local", Binding::Global, Kind::Tls, 8, 8);
    let unique = library.define("unique", Binding::Unique, Kind::Object, places, 8);
    for (number, (kind, symbol)) in [
        (1, Some(foreign)),
        (2, Some(unique)),
        (6, Some(unique)),
        (8, None),
        (16, Some(local)),
        (17, Some(local)),
        (18, Some(local)),
        (24, Some(foreign)),
        (33, Some(foreign)),
        (36, Some(local)),
        (37, None),
    ]
    .into_iter()
    .enumerate()
    {
        let place = places + 64 + 16 * number as u64;
        let addend = if symbol.is_some() { 0 } else { text as i64 };
        library.relocation(place, kind, symbol, addend);
    }
    library.implicit_relocation(places + 300, 8, None);
    library.relr(places + 320).relr(0b1011).relr(tls);
    let array = library.data(&[0; 16]);
    library.relocation(array, 8, None, text as i64);
    library
        .tag(DT_INIT_ARRAY, array)
        .tag(DT_INIT_ARRAYSZ, 16)
        .tag(DT_FLAGS, 0);
    library.forge().bytes
}

/// Starts a program that needs these bytes, and walks through what came of it.
fn start(bytes: Vec<u8>) -> bool {
    let mut main = Module::program("");
    main.needed("liba.so");
    let mut b = Module::library("libb.so");
    let version = b.define_version("B");
    let place = b.text(&[0xc3]);
    let foreign = b.define("foreign", Binding::Global, Kind::Function, place, 1);
    b.versioned(foreign, version);
    let mut stand = Stand::new(&main);
    stand.add("/lib/libb.so", &b);
    stand.host.add("/lib/liba.so", bytes);
    let ready = match stand.start() {
        Ok(ready) => ready,
        Err(error) => {
            // Texts are made of what the file says, too.
            assert!(!error.report(b"main").to_string().is_empty());
            return false;
        }
    };
    for module in &ready.modules {
        let functions = constructors(module).chain(destructors(module));
        assert!(functions.count() < 1 << 24);
        module.symbols.count();
    }
    true
}

#[test]
fn no_damage_makes_the_stages_panic_or_keep_a_mapping() {
    /// What a damaged byte becomes most often: the ends of ranges, where sums go over.
    const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 8, 0x10];
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("LODE_DAMAGE_SEED").unwrap_or(0x10de_10de_10de_10de);
    let runs = number("LODE_DAMAGE_RUNS").unwrap_or(6000);
    let whole = rich_library();
    assert!(start(whole.clone()));
    // Bytes that say something: neighbours of bytes that are not zero.
    let speaking: Vec<usize> = (0..whole.len())
        .filter(|at| {
            whole[at.saturating_sub(8)..whole.len().min(at + 8)]
                .iter()
                .any(|byte| *byte != 0)
        })
        .collect();
    let mut numbers = Numbers(seed);
    let mut started = 0;
    for run in 0..runs {
        let mut bytes = whole.clone();
        let mut damage = Vec::new();
        for _ in 0..1 + numbers.below(3) {
            let at = speaking[numbers.below(speaking.len())];
            let width = [1, 1, 2, 4, 8][numbers.below(5)];
            let edge = EDGES[numbers.below(EDGES.len())];
            let value = if numbers.below(2) == 0 {
                edge
            } else {
                numbers.next() as u8
            };
            for byte in bytes.iter_mut().skip(at).take(width) {
                *byte = value;
            }
            damage.push((at, width, value));
        }
        if numbers.below(20) == 0 {
            bytes.truncate(numbers.below(whole.len()));
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| start(bytes)));
        match outcome {
            Ok(true) => started += 1,
            Ok(false) => {}
            Err(_) => panic!("run {run} of seed {seed} panicked: {damage:x?}"),
        }
        assert_eq!(Memory::outstanding(), (0, 0), "run {run}: {damage:x?}");
    }
    println!("{started} of {runs} started");
    assert!(started > runs / 20 && started < runs);
}
