//! Where Sabot's own telemetry is sent besides its own store: nowhere, until somebody asks for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::checked;
use crate::units::{Size, Span};

/// All targets, and what happens while they take nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exporters {
    /// What the targets are to each other.
    pub policy: ExportPolicy,
    /// The targets, the preferred one first.
    pub targets: Vec<ExportTarget>,
    /// What waits.
    pub queue: ExportQueue,
    /// How long a target may take before another one that works is asked instead.
    #[serde(deserialize_with = "checked::some_time")]
    pub switch_after: Span,
    /// The longest pause before a target that failed is tried again.
    #[serde(deserialize_with = "checked::some_time")]
    pub max_backoff: Span,
}

impl Default for Exporters {
    fn default() -> Self {
        Self {
            policy: ExportPolicy::default(),
            targets: Vec::new(),
            queue: ExportQueue::default(),
            switch_after: Span(Duration::from_millis(750)),
            max_backoff: Span(Duration::from_secs(30)),
        }
    }
}

/// What several targets are to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportPolicy {
    /// Everything goes to the first that works.
    #[default]
    Failover,
    /// Everything goes to all.
    Fanout,
}

/// What may wait while no target takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportQueue {
    /// In memory.
    #[serde(deserialize_with = "checked::some_bytes")]
    pub max_memory: Size,
    /// On disk, below the data directory; what waits there is sent after a restart. Zero keeps nothing on disk.
    pub max_disk: Size,
}

impl Default for ExportQueue {
    fn default() -> Self {
        Self { max_memory: Size(16 << 20), max_disk: Size(256 << 20) }
    }
}

/// A place telemetry is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportTarget {
    /// What it is called in metrics and messages.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ExportKind,
    /// Where it listens, with scheme.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// What it speaks, if it is `otlp`.
    #[serde(default)]
    pub protocol: Option<OtlpProtocol>,
    /// Its path, if it is a `file`.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Sent with every request, such as a vendor's key.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Of request bodies.
    #[serde(default)]
    pub compression: Compression,
    /// How long one request may take.
    #[serde(default = "default_timeout", deserialize_with = "checked::some_time")]
    pub timeout: Span,
    /// What is sent to it.
    #[serde(default = "all_signals")]
    pub signals: Vec<Signal>,
    /// Certificates, if its endpoint is behind `https://`.
    #[serde(default)]
    pub tls: Tls,
}

/// Certificates of a receiver, as PEM files; paths are relative to the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys are those of the Collector's configuration")]
pub struct Tls {
    /// The authorities to trust, instead of those everybody knows.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, for receivers that ask for one.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

const fn default_timeout() -> Span {
    Span(Duration::from_secs(10))
}

fn all_signals() -> Vec<Signal> {
    vec![Signal::Traces, Signal::Metrics, Signal::Logs]
}

/// Kinds of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportKind {
    /// Anything that takes OTLP.
    Otlp,
    /// Anything that takes Zipkin's JSON, version 2.
    Zipkin,
    /// Standard error.
    Console,
    /// A file of OTLP JSON lines.
    File,
}

/// The wire form of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OtlpProtocol {
    /// Protocol buffers over gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protocol buffers over HTTP.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// JSON over HTTP.
    #[serde(rename = "http/json")]
    HttpJson,
}

/// How request bodies are made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// With gzip.
    Gzip,
}

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Log records.
    Logs,
}

/// How spans are sent to single endpoints; `exporters:` is for more than that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// A receiver of OTLP, for spans, metrics and logs.
    pub otlp_endpoint: Option<String>,
    /// What is spoken there.
    pub otlp_protocol: OtlpProtocol,
    /// A Jaeger, by any address of it.
    pub jaeger_endpoint: Option<String>,
    /// A Zipkin.
    pub zipkin_endpoint: Option<String>,
    /// Sent with every request to the receiver of OTLP.
    pub headers: BTreeMap<String, String>,
    /// Certificates of the receiver of OTLP.
    pub tls: Tls,
    /// Whether spans are written to standard error, too.
    pub console: bool,
    /// How spans and logs are gathered.
    pub batch: Batch,
}

/// How spans and logs are gathered before they are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Records of one request.
    #[serde(deserialize_with = "checked::at_least_one")]
    pub max_export_batch_size: u32,
    /// How long a record may wait for others to go with it; longer exports less often and holds more in memory.
    #[serde(deserialize_with = "checked::some_time")]
    pub scheduled_delay: Span,
    /// How long one request may take.
    #[serde(deserialize_with = "checked::some_time")]
    pub export_timeout: Span,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            max_export_batch_size: 512,
            scheduled_delay: Span(Duration::from_secs(5)),
            export_timeout: Span(Duration::from_secs(30)),
        }
    }
}

/// How metrics are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsExport {
    /// How often.
    #[serde(deserialize_with = "checked::some_time")]
    pub export_interval: Span,
    /// What they count from.
    pub temporality: Temporality,
}

impl Default for MetricsExport {
    fn default() -> Self {
        Self { export_interval: Span(Duration::from_secs(15)), temporality: Temporality::default() }
    }
}

/// What a metric that is sent counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    /// The start of the process.
    #[default]
    Cumulative,
    /// The last time it was sent.
    Delta,
}
