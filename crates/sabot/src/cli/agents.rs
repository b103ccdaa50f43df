//! `sabot agents`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(super) const EXAMPLES: &str = "Examples:
  sabot agents validate --file agents/hourly-delays.yaml
  sabot agents deploy --file agents/hourly-delays.yaml
  sabot agents list --status failed
  sabot agents stop hourly-delays";

/// Commands on agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Create an agent from a file, or roll it to a new version
    #[command(after_help = "Examples:
  sabot agents deploy --file agents/hourly-delays.yaml")]
    Deploy {
        /// The agent's YAML file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// List all agents
    List(ListArgs),
    /// Show one agent: progress, operators, SQL and plan
    #[command(after_help = "Examples:
  sabot agents show hourly-delays
  sabot agents show hourly-delays --format json")]
    Show {
        /// The agent
        name: String,
    },
    /// Check an agent's file and plan it against the project it lies in, without a server
    #[command(after_help = "Examples:
  sabot agents validate --file agents/hourly-delays.yaml")]
    Validate {
        /// The agent's YAML file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Commit and stop an agent; its state stays
    #[command(after_help = "Examples:
  sabot agents stop hourly-delays")]
    Stop {
        /// The agent
        name: String,
    },
    /// Start a stopped agent where it left off
    #[command(after_help = "Examples:
  sabot agents start hourly-delays")]
    Start {
        /// The agent
        name: String,
    },
    /// Delete an agent and its state; its output stays
    Delete(DeleteArgs),
}

/// Flags of `agents list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot agents list
  sabot agents list --status failed --format json")]
pub(crate) struct ListArgs {
    /// Only agents in this status
    #[arg(long, value_enum)]
    pub(crate) status: Option<AgentStatus>,
}

/// Flags of `agents delete`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot agents delete hourly-delays --confirm")]
pub(crate) struct DeleteArgs {
    /// The agent
    pub(crate) name: String,
    /// Really delete it
    #[arg(long)]
    pub(crate) confirm: bool,
}

/// The status of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentStatus {
    /// Processing
    Running,
    /// Stopped by somebody
    Stopped,
    /// Stopped by an error
    Failed,
    /// Committing before it stops
    Draining,
    /// Waiting for room on the disk
    #[value(name = "disk_full")]
    DiskFull,
    /// Done: every input has ended
    Finished,
    /// Not started yet: a table it joins is not loaded; `agents show` says which
    Waiting,
}

impl AgentStatus {
    /// The word the API uses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Draining => "draining",
            Self::DiskFull => "disk_full",
            Self::Finished => "finished",
            Self::Waiting => "waiting",
        }
    }
}
