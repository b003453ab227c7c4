//! Programs of musl with what stands around them: debuggers, set-user-ID programs, the file with the search path; and programs and libraries of
//! packages, which musl's own loader runs for comparison. The small programs are `tests/programs/musl_*`.
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_MUSL` | the libc.so of musl to use, separated by colons; without it the machine's |
//! | `LODE_MUSL_PACKAGES` | a folder for packages, which is kept; without it they are not asked for (`cargo xtask test --suite musl` names one) |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "runner/oracle.rs"]
#[allow(dead_code, reason = "the runner uses more of it")]
mod oracle;

#[path = "musl/packages.rs"]
mod musl_packages;
#[path = "musl/surroundings.rs"]
mod musl_surroundings;
#[path = "musl/stand.rs"]
mod stand;
mod tools;
