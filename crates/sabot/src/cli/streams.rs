//! `sabot streams`.

use std::fmt;
use std::str::FromStr;

use clap::{Args, Subcommand};

pub(super) const EXAMPLES: &str = "Examples:
  sabot streams list
  sabot streams show flights
  sabot streams tail flights --limit 5 --from earliest
  sabot streams monitor flights";

/// Commands on streams.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamsCommand {
    /// List all streams
    #[command(after_help = "Examples:
  sabot streams list
  sabot streams list --format json")]
    List,
    /// Show one stream: schema, partitions and readers
    #[command(after_help = "Examples:
  sabot streams show flights")]
    Show {
        /// The stream
        name: String,
    },
    /// Print committed rows of a stream
    Tail(TailArgs),
    /// Watch a stream's rate, size and readers
    Monitor(MonitorArgs),
}

/// Flags of `streams tail`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot streams tail flights                      the newest 20 rows
  sabot streams tail flights --from earliest      the oldest rows still kept
  sabot streams tail flights --from 1000 --limit 3")]
pub(crate) struct TailArgs {
    /// The stream
    pub(crate) name: String,
    /// Most rows to print
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Where to begin: earliest, latest or an offset
    #[arg(long, value_name = "POSITION", default_value_t = Position::Latest)]
    pub(crate) from: Position,
}

/// Flags of `streams monitor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot streams monitor flights
  sabot streams monitor flights --metrics
  sabot streams monitor flights --once --format json")]
pub(crate) struct MonitorArgs {
    /// The stream
    pub(crate) name: String,
    /// Also show the stream's metrics
    #[arg(long)]
    pub(crate) metrics: bool,
    /// Print one reading and exit
    #[arg(long)]
    pub(crate) once: bool,
}

/// Where to begin reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The oldest row still kept.
    Earliest,
    /// The newest rows.
    Latest,
    /// This offset of every partition.
    Offset(u64),
}

/// Text that is no position in a stream.
#[derive(Debug, thiserror::Error)]
#[error("write earliest, latest or an offset such as 1000")]
pub(crate) struct InvalidPosition;

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            offset => offset.parse().ok().map(Self::Offset).ok_or(InvalidPosition),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Offset(offset) => offset.fmt(f),
        }
    }
}
