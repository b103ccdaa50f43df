//! What can be typed: the root command and the flags every command takes.
//!
//! Definitions only. Values are parsed to their types here, so that commands never see text they must check again.

mod agents;
mod config;
mod server_url;
mod sql;
mod streams;
mod tables;
mod telemetry;
mod up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::agents::{AgentStatus, AgentsCommand, DeleteArgs, ListArgs};
pub(crate) use self::config::ConfigCommand;
pub(crate) use self::server_url::ServerUrl;
pub(crate) use self::sql::SqlArgs;
pub(crate) use self::streams::{MonitorArgs, StreamsCommand, TailArgs};
pub(crate) use self::tables::{ScanArgs, TablesCommand};
pub(crate) use self::telemetry::{MetricsArgs, TelemetryCommand, TracesArgs};
pub(crate) use self::up::UpArgs;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "sabot",
    version,
    about = "Streams, tables and agents, and the OpenTelemetry backend that watches them",
    after_help = "Examples:
  sabot up examples/flights          start a server on a project
  sabot agents list                  what runs, how fast, how far behind
  sabot sql 'SELECT count(*) FROM flights'
  sabot telemetry traces --min-duration 1s --since 1h

Exit codes: 0 done, 1 failed, 2 wrong usage or bad file, 3 server not reachable, 4 not found, 5 refused"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The server to talk to
    #[arg(long, global = true, value_name = "URL", env = "SABOT_SERVER", default_value = ServerUrl::DEFAULT)]
    pub(crate) server: ServerUrl,
    /// Bearer token sent to the server
    #[arg(long, global = true, env = "SABOT_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A file to use instead of the project's sabot.yaml
    #[arg(long, global = true, value_name = "FILE", env = "SABOT_CONFIG_FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Say nothing on stderr but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on stderr, such as every request
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server on a project directory
    Up(UpArgs),
    /// Show health, throughput and lag of the server
    #[command(after_help = "Examples:
  sabot status
  sabot status --detailed
  sabot status --format json")]
    Status {
        /// Also show every component
        #[arg(long)]
        detailed: bool,
    },
    /// List, show and follow streams
    #[command(subcommand, after_help = streams::EXAMPLES)]
    Streams(StreamsCommand),
    /// List tables and read their rows
    #[command(subcommand, after_help = tables::EXAMPLES)]
    Tables(TablesCommand),
    /// Deploy and manage agents
    #[command(subcommand, after_help = agents::EXAMPLES)]
    Agents(AgentsCommand),
    /// Run a SQL query over streams, tables and telemetry
    Sql(SqlArgs),
    /// Search traces and read metrics
    #[command(subcommand, after_help = telemetry::EXAMPLES)]
    Telemetry(TelemetryCommand),
    /// Look whether the server and its telemetry work, and say what to do where they do not
    #[command(after_help = "Examples:
  sabot doctor
  sabot doctor --format json

Exit code 1 when a check failed; warnings are not failures")]
    Doctor,
    /// Show and check a project's files, without a server
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(ConfigCommand),
    /// Write a shell's completion script to stdout
    #[command(after_help = "Examples:
  sabot completions bash > ~/.local/share/bash-completion/completions/sabot
  sabot completions zsh > ~/.zfunc/_sabot
  sabot completions fish > ~/.config/fish/completions/sabot.fish")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
