//! `hash` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (fuzz::target("hash").expect("it is in the list").run)(bytes));
