//! What each command does, one file per family.

mod agents;
mod config;
mod doctor;
mod sql;
mod status;
mod streams;
mod tables;
mod telemetry;
mod watch;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::error::CliError;
use crate::output::Printer;
use crate::up;

/// Runs one command line.
pub(crate) fn run(cli: Cli, printer: &Printer) -> Result<ExitCode, CliError> {
    let client = Client::new(&cli.global, printer);
    match cli.command {
        Command::Up(args) => return up::run(args, cli.global.config, printer),
        Command::Status { detailed } => status::run(detailed, &client, printer),
        Command::Streams(command) => streams::run(command, client, printer),
        Command::Tables(command) => tables::run(command, &client, printer),
        Command::Agents(command) => agents::run(command, cli.global.config.as_deref(), &client, printer),
        Command::Sql(args) => sql::run(&args, client, printer),
        Command::Telemetry(command) => telemetry::run(command, client, printer),
        Command::Doctor => doctor::run(&client, printer),
        Command::Config(command) => config::run(command, cli.global.config.as_deref(), printer),
        Command::Completions { shell } => completions(shell, printer),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: clap_complete::Shell, printer: &Printer) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sabot", &mut script);
    printer.text(String::from_utf8_lossy(&script).trim_end())
}
