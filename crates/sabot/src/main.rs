//! The `sabot` binary: parse the command line, run the command, turn its result into an exit code.
//!
//! - [`cli`]: what can be typed, one file per command family.
//! - [`commands`]: what each command does, one file per family.
//! - [`up`]: the server in this process.
//! - [`client`]: requests to a running server.
//! - [`output`]: the only place that writes to stdout and stderr.
//! - [`error`]: failures and their exit codes.

mod cli;
mod client;
mod commands;
mod error;
mod output;
mod rows;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Printer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(&cli.global);
    commands::run(cli, &printer).unwrap_or_else(|error| {
        printer.error(&error);
        error.exit_code()
    })
}
