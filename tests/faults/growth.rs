//! Memory of lode's own that runs out while a program runs: `dlopen` says so, and the program goes on.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::stand::Stand;
use super::tools::succeed;

const LIBRARIES: usize = 300;

#[test]
fn a_heap_that_cannot_grow_is_told_by_dlopen() {
    let Some(stand) = Stand::open() else { return };
    let library = stand.compile("plug.c", "plug.so", &["-fPIC", "-shared", "-DID=7"]);
    for number in 0..LIBRARIES {
        fs::copy(&library, stand.path(&format!("copy{number}.so"))).unwrap();
    }
    let program = stand.compile("grower.c", "grower", &[]);
    let mut reasons = BTreeSet::new();
    for extra in (0..2000).step_by(50) {
        let output = succeed(
            Command::new(&program)
                .arg(stand.folder())
                .args([LIBRARIES.to_string(), extra.to_string()]),
        );
        let last = output.lines().last().unwrap();
        assert!(last.starts_with("OK"), "{extra} KiB: {output}");
        if last == "OK 1" {
            let (file, reason) = output.lines().next().unwrap().split_once(": ").unwrap();
            assert!(file.contains("/copy"), "{output}");
            assert!(reason.ends_with(": Cannot allocate memory"), "{output}");
            reasons.insert(reason.to_owned());
        }
    }
    assert!(
        reasons.contains("cannot create shared object descriptor: Cannot allocate memory"),
        "{reasons:?}"
    );
}
