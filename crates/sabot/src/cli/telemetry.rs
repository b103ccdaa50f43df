//! `sabot telemetry`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sabot_common::config::OtlpProtocol;
use sabot_common::units::{InvalidQuantity, parse_duration};

pub(super) const EXAMPLES: &str = "Examples:
  sabot telemetry traces --status error --since 1h
  sabot telemetry trace 4bf92f3577b34da6a3ce929d0e0e4736
  sabot telemetry metrics --component stream
  sabot telemetry status
  sabot telemetry enable --otlp-endpoint http://localhost:4317";

/// Commands on telemetry.
#[derive(Debug, Subcommand)]
pub(crate) enum TelemetryCommand {
    /// Show whether telemetry is recorded, and what became of what is sent elsewhere
    #[command(after_help = "Examples:
  sabot telemetry status
  sabot telemetry status --format json")]
    Status,
    /// Switch telemetry on, or change how it works, at once and for later starts
    Enable(EnableArgs),
    /// Switch Sabot's own spans and exporters off, at once and for later starts
    #[command(after_help = "Examples:
  sabot telemetry disable
  sabot telemetry disable --config-file staging.yaml")]
    Disable(DisableArgs),
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

/// Flags of `telemetry enable`: what is left out stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot telemetry enable
  sabot telemetry enable --otlp-endpoint http://localhost:4317 --sample-rate 0.1
  sabot telemetry enable --otlp-endpoint http://localhost:4318 --otlp-protocol http/protobuf
  sabot telemetry enable --jaeger-endpoint none")]
pub(crate) struct EnableArgs {
    /// Also send spans, metrics and logs to this receiver of OTLP; none to stop that
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// What is spoken there
    #[arg(long, value_enum)]
    pub(crate) otlp_protocol: Option<Protocol>,
    /// Also send spans to this Jaeger, by any address of it; none to stop that
    #[arg(long, value_name = "URL")]
    pub(crate) jaeger_endpoint: Option<String>,
    /// Also send spans to this Zipkin; none to stop that
    #[arg(long, value_name = "URL")]
    pub(crate) zipkin_endpoint: Option<String>,
    /// What Sabot calls itself in its spans
    #[arg(long, value_name = "NAME")]
    pub(crate) service_name: Option<String>,
    /// Share of new traces to record, from 0 to 1
    #[arg(long, value_name = "RATE", value_parser = parse_share)]
    pub(crate) sample_rate: Option<f64>,
    /// Also write spans to the server's standard error; --console=false to stop that
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) console: Option<bool>,
    #[command(flatten)]
    pub(crate) kept: DisableArgs,
}

/// Where a change is kept.
#[derive(Debug, Args)]
pub(crate) struct DisableArgs {
    /// Write the change to this file instead of the server's project
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
}

/// The wire form of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Protocol buffers over gRPC
    Grpc,
    /// Protocol buffers over HTTP
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// JSON over HTTP
    #[value(name = "http/json")]
    HttpJson,
}

impl From<Protocol> for OtlpProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc,
            Protocol::HttpProtobuf => Self::HttpProtobuf,
            Protocol::HttpJson => Self::HttpJson,
        }
    }
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

fn parse_share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("write a number from 0 to 1, like 0.1")
}

fn parse_tag(text: &str) -> Result<String, &'static str> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("write a tag as key=value, like sabot.agent=hourly-delays"),
    }
}
