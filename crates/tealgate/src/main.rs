//! `tealgate`: reads the command line, runs the command, ends with its exit code.
#![forbid(unsafe_code)]

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tealgate::command::run(tealgate::cli::Cli::parse()).into()
}
