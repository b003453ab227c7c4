//! Compares dynamic loaders: generated workloads and installed programs, each started under every loader in turn, round by round.
//!
//! `docs/bench.md` says what the rows mean.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

pub mod assembler;
pub mod comparison;
pub mod counts;
pub mod gates;
pub mod generate;
pub mod instructions;
pub mod loader;
pub mod machine;
pub mod measure;
pub mod outcome;
pub mod report;
pub mod rounds;
pub mod row;
pub mod statistics;
pub mod subject;
pub mod text;
pub mod workload;
