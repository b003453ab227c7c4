//! The project's own commands. `cargo xtask` alone lists them, each with one line and an example.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

mod bench;
mod build;
mod check;
mod coverage;
mod interpreter;
mod libcs;
mod musl;
mod mutate;
mod run;
mod tables;
mod test;
mod trees;
mod verify;
mod workspace;
mod zig;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, run, test and check lode.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Build the stripped release loader into target/lode
    Build(build::Arguments),
    /// Run a program under lode
    Run(run::Arguments),
    /// Run every test, or those whose name contains FILTER
    Test(test::Arguments),
    /// Check formatting, lints, the rules of the house and the built image
    Check(check::Arguments),
    /// Build both programs and run lode-tool
    #[command(disable_help_flag = true)]
    Tool {
        /// What lode-tool is to do
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Compare the loader's speed with that of others
    #[command(disable_help_flag = true)]
    Bench {
        /// Rows, and the command's own switches
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Make the row of a glibc from its loader's debug information
    #[command(disable_help_flag = true)]
    Tables {
        /// The debug file, and the command's own switches
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// What `cargo xtask` alone prints: one line and one example for each command.
const SUMMARY: &str = "\
cargo xtask build   Build the stripped release loader into target/lode
                        cargo xtask build
cargo xtask run     Run a program under lode
                        cargo xtask run /bin/ls -l /
                    or a program that needs no C library, on a host whose own lode does not start
                        cargo xtask run --demo
cargo xtask test    Run every test, or those whose name contains FILTER
                        cargo xtask test relocation
cargo xtask check   Check formatting, lints, the rules of the house and the built image
                        cargo xtask check
cargo xtask tool    Build both programs and run lode-tool
                        cargo xtask tool explain /bin/ls /
cargo xtask bench   Compare the loader's speed with that of others
                        cargo xtask bench --quick
                    or hold what has no noise against the gates
                        cargo xtask bench --gates
cargo xtask tables  Make the row of a glibc from its loader's debug information
                        cargo xtask tables ld-linux-x86-64.so.2.debug
                    or scan a libc for members that it reads and lode does not fill
                        cargo xtask tables --verify /lib/x86_64-linux-gnu/libc.so.6
                    or list the names that musl exports, for `lode-tool needs`
                        cargo xtask tables --musl 1.2.3=/lib/ld-musl-x86_64.so.1

`cargo xtask COMMAND --help` lists a command's switches.
";

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        None => {
            print!("{SUMMARY}");
            return ExitCode::SUCCESS;
        }
        Some(Command::Build(arguments)) => build::run(&arguments),
        Some(Command::Run(arguments)) => run::run(&arguments),
        Some(Command::Test(arguments)) => test::run(&arguments),
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Tool { arguments }) => run::tool(&arguments),
        Some(Command::Bench { arguments }) => bench::run(&arguments),
        Some(Command::Tables { arguments }) => match arguments.split_first() {
            Some((first, libcs)) if first == verify::SWITCH => verify::run(libcs),
            Some((first, libcs)) if first == musl::SWITCH => musl::run(libcs).map(|()| ExitCode::SUCCESS),
            _ => tables::run(&arguments).map(|()| ExitCode::SUCCESS),
        },
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
