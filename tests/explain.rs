//! `lode-tool explain` and the event stream under it: what is told of a start is held against readelf, the kernel's maps, the system's loader,
//! and a browser.
//!
//! | part | what is tested |
//! |---|---|
//! | `stream` | docs/events.md: where the stream goes, and that nothing of it is left in the program |
//! | `golden` | the whole text for two small programs |
//! | `told` | the text and the JSON: addresses, counts, choices, one relocation, steps |
//! | `deaths` | a resolver or a constructor that dies is named |
//! | `page` | the page in a browser, the trace |
//!
//! | variable | what it says |
//! |---|---|
//! | `LODE_LOADER` | the loader under test; without it the one that `cargo xtask build` left |
//! | `LODE_TOOL` | the lode-tool under test; without it the one that `cargo xtask build` left |
//! | `LODE_BLESS` | write the texts instead of comparing |
//! | `CI` | `true`: a missing tool is a failure; otherwise its tests are skipped with a word |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod tools;

#[path = "explain/deaths.rs"]
mod deaths;
#[path = "explain/golden.rs"]
mod golden;
#[path = "explain/page.rs"]
mod page;
#[path = "explain/stand.rs"]
mod stand;
#[path = "explain/stream.rs"]
mod stream;
#[path = "explain/told.rs"]
mod told;
