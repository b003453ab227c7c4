//! The questions `tree`, `check`, `why`, `why-not`, `bindings`, `needs` and `harden` of lode-tool, put to linked and forged files.
//!
//! Texts are held against the files in `tests/ask/`; `LODE_BLESS=1` writes them. Wherever an independent program answers the same
//! question (ldd, the system's loader with LD_DEBUG, readelf, musl's loader), the answers have to agree.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `LODE_BLESS` | write the texts instead of comparing |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "ask/stand.rs"]
mod stand;
mod tools;

#[path = "ask/bindings.rs"]
mod bindings;
#[path = "ask/check.rs"]
mod check;
#[path = "ask/harden.rs"]
mod harden;
#[path = "ask/hostile.rs"]
mod hostile;
#[path = "ask/json.rs"]
mod json;
#[path = "ask/needs.rs"]
mod needs;
#[path = "ask/tree.rs"]
mod tree;
#[path = "ask/why.rs"]
mod why;
