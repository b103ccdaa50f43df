//! `sabot config`.

use std::path::PathBuf;

use clap::Subcommand;

pub(super) const EXAMPLES: &str = "Examples:
  sabot config show examples/flights
  sabot config check examples/flights";

/// Commands on a project's files.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting's effective value and where it came from
    #[command(after_help = "Examples:
  sabot config show
  sabot config show examples/flights --format yaml
  SABOT_SERVER__PORT=9000 sabot config show examples/flights")]
    Show {
        /// The project's directory
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Check a project's files strictly, look at its data and plan its agents
    #[command(after_help = "Examples:
  sabot config check
  sabot config check examples/flights
  sabot config check examples/flights/agents/hourly-delays.yaml")]
    Check {
        /// The project's directory, or one of its files
        #[arg(value_name = "DIR|FILE", default_value = ".")]
        path: PathBuf,
    },
}
