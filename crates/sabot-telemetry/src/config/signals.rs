//! What is recorded of each kind of telemetry, and how it is gathered.

use std::time::Duration;

use serde::Deserialize;

use super::{Headers, OtlpProtocol, duration};

/// How spans and logs are gathered before they are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfiguration {
    /// Records that may wait to be gathered; more are dropped and counted.
    pub max_queue_size: usize,
    /// Records of one request.
    pub max_export_batch_size: usize,
    /// How long a record may wait for others to go with it. Longer exports less often, and holds more in memory.
    #[serde(deserialize_with = "duration::deserialize")]
    pub scheduled_delay: Duration,
    /// How long one request may take.
    #[serde(deserialize_with = "duration::deserialize")]
    pub export_timeout: Duration,
}

impl Default for BatchConfiguration {
    fn default() -> Self {
        Self {
            max_queue_size: 2_048,
            max_export_batch_size: 512,
            scheduled_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
        }
    }
}

/// What a metric that is sent counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    /// The start of the process.
    #[default]
    Cumulative,
    /// The last time it was sent.
    Delta,
}

/// When metrics are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportConfig {
    /// How often.
    #[serde(deserialize_with = "duration::deserialize")]
    pub interval: Duration,
    /// How long one request may take.
    #[serde(deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), timeout: Duration::from_secs(30) }
    }
}

/// Spans.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceConfig {
    /// Whether they are recorded.
    pub enabled: bool,
    /// Where they are sent; nowhere without one.
    pub otlp_endpoint: Option<String>,
    /// Whether that is the whole address, and gets no usual path.
    #[serde(skip)]
    pub(crate) exact_endpoint: bool,
    /// What is spoken there.
    pub otlp_protocol: OtlpProtocol,
    /// How they are gathered.
    pub batch_config: BatchConfiguration,
    /// Sent with every request.
    pub headers: Headers,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            otlp_endpoint: None,
            exact_endpoint: false,
            otlp_protocol: OtlpProtocol::default(),
            batch_config: BatchConfiguration::default(),
            headers: Headers::default(),
        }
    }
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Whether they are sent. They are counted either way.
    pub enabled: bool,
    /// Where they are sent; nowhere without one.
    pub otlp_endpoint: Option<String>,
    /// Whether that is the whole address, and gets no usual path.
    #[serde(skip)]
    pub(crate) exact_endpoint: bool,
    /// What is spoken there.
    pub otlp_protocol: OtlpProtocol,
    /// What they count from.
    pub temporality: Temporality,
    /// When they are sent.
    pub export_config: ExportConfig,
    /// Sent with every request.
    pub headers: Headers,
    /// Where they are served to whoever asks, such as Prometheus; port 0 takes a free one. It takes the feature
    /// `prometheus-server`.
    pub prometheus_address: Option<String>,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            otlp_endpoint: None,
            exact_endpoint: false,
            otlp_protocol: OtlpProtocol::default(),
            temporality: Temporality::default(),
            export_config: ExportConfig::default(),
            headers: Headers::default(),
            prometheus_address: None,
        }
    }
}

/// Log records.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsConfig {
    /// Whether they are sent. What people read goes on either way.
    pub enabled: bool,
    /// Where they are sent; nowhere without one.
    pub otlp_endpoint: Option<String>,
    /// Whether that is the whole address, and gets no usual path.
    #[serde(skip)]
    pub(crate) exact_endpoint: bool,
    /// What is spoken there.
    pub otlp_protocol: OtlpProtocol,
    /// Sent with every request.
    pub headers: Headers,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            otlp_endpoint: None,
            exact_endpoint: false,
            otlp_protocol: OtlpProtocol::default(),
            headers: Headers::default(),
        }
    }
}
