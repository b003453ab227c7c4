//! Readers of the event stream that write for people.
#![forbid(unsafe_code)]

pub mod debug;
pub mod list;
