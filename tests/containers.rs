//! Container images: what `lode-tool image` makes is unpacked and run, with lode as the only loader in it, and `lode-tool check` says before that what is wrong.
//!
//! Images are unpacked by umoci, which has nothing in common with lode-tool, and run by `unshare --root`, as root and as the root of a user namespace, and by
//! runc. Texts are held against the files in `tests/containers/`.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER`, `LODE_TOOL` | what is under test; without it what `cargo xtask build` left |
//! | `LODE_BLESS` | write the texts instead of comparing |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "containers/bench.rs"]
mod bench;
mod tools;

#[path = "containers/images.rs"]
mod images;
#[path = "containers/refusals.rs"]
mod refusals;
