//! What the built loader does when the system fails it: every system call of a start and of a `dlopen` fails, what the kernel and the caller hand over is hostile,
//! and a set-user-ID program is started by somebody who means it ill. By `cargo xtask test --suite faults` all of it; otherwise every few of the cases.
//!
//! | variable | what it says | without it |
//! |---|---|---|
//! | `LODE_FAULTS_SEED` | which hostile environments are made | 1 |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "faults/about.rs"]
mod about;
#[path = "faults/calls.rs"]
mod calls;
#[path = "faults/growth.rs"]
mod growth;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/secure.rs"]
mod secure;
#[path = "faults/stand.rs"]
mod stand;
#[path = "faults/surroundings.rs"]
mod surroundings;

mod tools;

use std::env;

/// Of this many cases one is run: all in the suite, few in the tests of a change.
fn stride(otherwise: usize) -> usize {
    if env::var_os("LODE_FAULTS").is_some() {
        1
    } else {
        otherwise
    }
}
