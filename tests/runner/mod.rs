//! The program runner: what a test program asks for, how it is built, and how its runs are judged.

pub mod directives;
pub mod execution;
pub mod oracle;
pub mod workshop;
