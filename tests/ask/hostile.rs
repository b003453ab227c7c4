//! Whatever bytes a file has, a question is answered: no question panics, none runs for long, none needs much memory.

use std::fs;

use crate::stand::Stand;

/// How many damaged files there are; each is asked everything.
const FILES: u64 = 30;
/// Bytes that are changed in each.
const CHANGES: u64 = 12;

/// A generator of numbers that need not be good (Marsaglia, "Xorshift RNGs").
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[test]
fn no_damage_makes_a_question_panic() {
    let Some(stand) = Stand::new() else { return };
    let source = "#include <stdio.h>\n__attribute__((constructor)) static void c(void) { puts(\"c\"); }\n\
                  __thread int t; int main(void) { printf(\"%d\", t); return 0; }";
    stand.program("program", source, &["-Wl,--emit-relocs", "-Wl,-rpath,$ORIGIN/x"]);
    let good = fs::read(stand.path("program")).unwrap();
    // Headers and tables at the start are where a change tells; the code is not looked at.
    let interesting = good.len().min(0x1000);
    for seed in 1..=FILES {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = good.clone();
        for change in 0..CHANGES {
            let limit = if change % 3 == 0 { bytes.len() } else { interesting };
            let at = numbers.below(limit);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, numbers.below(256) as u8][numbers.below(6)];
        }
        bytes[..4].copy_from_slice(b"\x7fELF");
        if seed % 5 == 0 {
            bytes.truncate(numbers.below(good.len()).max(70));
        }
        stand.write("damaged", &bytes);
        for words in [
            &["check", "damaged"][..],
            &["tree", "damaged"],
            &["needs", "--closure", "damaged"],
            &["bindings", "damaged"],
            &["why", "libc.so.6", "damaged"],
            &["why-not", "damaged", "program"],
        ] {
            let said = stand.ask(words);
            assert!(
                [0, 1, 3].contains(&said.status),
                "seed {seed}: {words:?}: {}\n{}",
                said.status,
                said.error
            );
            assert!(
                !said.error.contains("panicked"),
                "seed {seed}: {words:?}: {}",
                said.error
            );
        }
    }
}
