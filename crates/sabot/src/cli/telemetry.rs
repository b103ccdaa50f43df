//! `sabot telemetry`.

use clap::{Args, Subcommand, ValueEnum};
use sabot_common::units::{InvalidQuantity, parse_duration};

pub(super) const EXAMPLES: &str = "Examples:
  sabot telemetry traces --status error --since 1h
  sabot telemetry trace 4bf92f3577b34da6a3ce929d0e0e4736
  sabot telemetry metrics --component stream
  sabot telemetry status";

/// Commands on telemetry.
#[derive(Debug, Subcommand)]
pub(crate) enum TelemetryCommand {
    /// Show whether telemetry is recorded, and what became of what is sent elsewhere
    #[command(after_help = "Examples:
  sabot telemetry status
  sabot telemetry status --format json")]
    Status,
    /// Search traces, newest first
    Traces(TracesArgs),
    /// Draw one trace as a waterfall
    #[command(after_help = "Examples:
  sabot telemetry trace 4bf92f3577b34da6a3ce929d0e0e4736
  sabot telemetry trace 4bf92f3577b34da6a3ce929d0e0e4736 --format json")]
    Trace {
        /// The trace's id
        id: String,
    },
    /// Show current metrics with rates and percentiles
    Metrics(MetricsArgs),
}

/// Flags of `telemetry traces`: all given must hold.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot telemetry traces
  sabot telemetry traces --operation process_batch --min-duration 100ms
  sabot telemetry traces --tag sabot.agent=hourly-delays --status error --since 1h
  sabot telemetry traces --where \"duration_ms > 500 AND operation = 'commit'\"")]
pub(crate) struct TracesArgs {
    /// Most traces to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    /// Only traces with a span of this service
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only traces with a span of this name
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// Only traces with a span that has this attribute; may be given more than once
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_tag)]
    pub(crate) tags: Vec<String>,
    /// Only traces with a span in this status
    #[arg(long, value_enum)]
    pub(crate) status: Option<SpanStatus>,
    /// Only traces at least this long
    #[arg(long, value_name = "DURATION", value_parser = checked_duration)]
    pub(crate) min_duration: Option<String>,
    /// Only traces at most this long
    #[arg(long, value_name = "DURATION", value_parser = checked_duration)]
    pub(crate) max_duration: Option<String>,
    /// Only traces started within this time
    #[arg(long, value_name = "DURATION", value_parser = checked_duration)]
    pub(crate) since: Option<String>,
    /// Only traces for which this SQL condition holds
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) condition: Option<String>,
}

/// The status of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpanStatus {
    /// It failed
    Error,
    /// It said that it succeeded
    Ok,
    /// It said nothing
    Unset,
}

impl SpanStatus {
    /// The word the API uses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Ok => "ok",
            Self::Unset => "unset",
        }
    }
}

/// Flags of `telemetry metrics`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot telemetry metrics
  sabot telemetry metrics --component agent --watch
  sabot telemetry metrics --format json")]
pub(crate) struct MetricsArgs {
    /// Only metrics of this part
    #[arg(long, value_enum)]
    pub(crate) component: Option<Component>,
    /// Refresh every second
    #[arg(long)]
    pub(crate) watch: bool,
}

/// A part of Sabot that has metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Component {
    /// Streams and windows
    Stream,
    /// Joins
    Join,
    /// Tables
    State,
    /// Agents
    Agent,
    /// The process
    Process,
    /// The telemetry store
    Telemetry,
}

impl Component {
    /// The word the API uses.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Join => "join",
            Self::State => "state",
            Self::Agent => "agent",
            Self::Process => "process",
            Self::Telemetry => "telemetry",
        }
    }
}

/// Checks a duration and keeps it as written, which is how the API wants it.
fn checked_duration(text: &str) -> Result<String, InvalidQuantity> {
    parse_duration(text).map(|_| text.to_owned())
}

fn parse_tag(text: &str) -> Result<String, &'static str> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("write a tag as key=value, like sabot.agent=hourly-delays"),
    }
}
