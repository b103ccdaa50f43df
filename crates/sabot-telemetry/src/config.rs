//! What a service says about itself, what it records, and where that goes.
//!
//! Written in code, in files, or in the environment, which counts more than both: whoever runs a service decides last.
//! Everything is checked by [`TelemetryConfig::check`], which [`init_telemetry`](crate::init_telemetry) calls.

mod environment;
mod error;
mod exporters;
mod headers;
mod signals;
mod specification;
mod targets;
mod tls;

pub(crate) mod duration;
pub(crate) mod endpoint;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::limits::RecordLimits;
use crate::outcome::{OutcomeRules, OutcomeSampler};
use crate::propagation::W3cPropagator;
use crate::redaction::{Redaction, Redactor};
use crate::sampling::{HeadSampler, Sampling, SamplingStrategy};

pub use self::error::ConfigError;
pub use self::exporters::{
    Compression, ExportPolicy, ExportQueue, ExportersConfig, OtlpProtocol, Signal, Target, TargetKind,
};
pub use self::headers::Headers;
pub use self::signals::{BatchConfiguration, ExportConfig, LogsConfig, MetricsConfig, Temporality, TraceConfig};
pub use self::tls::Tls;

pub(crate) use self::tls::Certificates;

/// Spans that may wait for the consumer unless configured otherwise.
pub const DEFAULT_SPAN_QUEUE_CAPACITY: usize = 65_536;

/// Spans recorded per second unless configured otherwise, before routine work is left out.
pub const DEFAULT_MAX_SPANS_PER_SECOND: u32 = 2_000;

/// The input of [`init_telemetry`](crate::init_telemetry).
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "switches that have nothing to do with each other")]
pub struct TelemetryConfig {
    /// `service.name` of the resource.
    pub service_name: String,
    /// `service.version` of the resource.
    pub service_version: Option<String>,
    /// `deployment.environment.name` of the resource.
    pub environment: Option<String>,
    /// More attributes of the resource; they count more than what is detected.
    pub resource_attributes: Vec<(String, String)>,
    /// Whether host, process, operating system, container and Kubernetes are looked at for the resource.
    pub detect_resource: bool,
    /// Whether the environment is asked.
    pub use_environment: bool,
    /// Whether OpenTelemetry's API is to end here: its global tracers, meters and propagator.
    pub install: bool,
    /// Keys of baggage that become attributes of the spans below.
    pub baggage_attributes: Vec<String>,
    /// What travels in headers.
    pub propagator: W3cPropagator,
    /// Whether spans are recorded at all. Metrics go on either way.
    pub enabled: bool,
    /// Which traces are recorded, decided when they begin.
    pub sampling: Sampling,
    /// Which recorded traces are kept, decided when their local root ends; all of them without rules.
    pub outcome: Option<OutcomeRules>,
    /// Whether requests, errors and durations are measured by operation, before a decision leaves any of them out:
    /// `calls_total` and `duration_seconds`, behind this prefix.
    pub red_metrics: Option<String>,
    /// What is taken out of everything before it is stored or sent.
    pub redaction: Redaction,
    /// How much is kept of one span.
    pub span_limits: RecordLimits,
    /// How much is kept of one log record.
    pub log_limits: RecordLimits,
    /// Spans.
    pub traces: TraceConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Log records.
    pub logs: LogsConfig,
    /// A Jaeger to send spans to, by any address of it.
    pub jaeger_endpoint: Option<String>,
    /// A Zipkin to send spans to.
    pub zipkin_endpoint: Option<String>,
    /// How requests of OTLP to the endpoints above are made smaller.
    pub compression: Compression,
    /// Certificates of the receivers of OTLP above.
    pub tls: Tls,
    /// What is written to standard error, a line of OTLP JSON per batch.
    pub console: Vec<Signal>,
    /// Where everything goes; with targets, the endpoints above count for nothing.
    pub exporters: ExportersConfig,
    pub(crate) max_spans_per_second: NonZeroU32,
    pub(crate) span_queue_capacity: NonZeroUsize,
    pub(crate) drain_queues: bool,
    pub(crate) zipkin_timeout: Option<Duration>,
    /// Variables that ask for what there is not.
    pub(crate) not_followed: Vec<String>,
}

/// How an exporter works: what remains of a configuration when every endpoint is a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportSettings {
    /// Targets, policy and queues.
    pub exporters: ExportersConfig,
    /// How spans are gathered.
    pub batch: BatchConfiguration,
    /// How logs are gathered.
    pub logs_batch: BatchConfiguration,
    /// How often metrics are sent.
    pub metrics_interval: Duration,
    /// What metrics count from.
    pub temporality: Temporality,
}

impl TelemetryConfig {
    /// Tracing on, every trace sampled, the default rate and queue, nothing sent anywhere.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self {
            service_name: service_name.into(),
            service_version: None,
            environment: None,
            resource_attributes: Vec::new(),
            detect_resource: true,
            use_environment: true,
            install: true,
            baggage_attributes: Vec::new(),
            propagator: W3cPropagator::new(),
            enabled: true,
            sampling: Sampling::default(),
            outcome: None,
            red_metrics: None,
            redaction: Redaction::default(),
            span_limits: RecordLimits::default(),
            log_limits: RecordLimits::default(),
            traces: TraceConfig::default(),
            metrics: MetricsConfig::default(),
            logs: LogsConfig::default(),
            jaeger_endpoint: None,
            zipkin_endpoint: None,
            compression: Compression::None,
            tls: Tls::default(),
            console: Vec::new(),
            exporters: ExportersConfig::default(),
            max_spans_per_second: rate(DEFAULT_MAX_SPANS_PER_SECOND),
            span_queue_capacity: queue_capacity(DEFAULT_SPAN_QUEUE_CAPACITY),
            drain_queues: true,
            zipkin_timeout: None,
            not_followed: Vec::new(),
        }
    }

    /// `service.version` of the resource.
    #[must_use]
    pub fn with_service_version(mut self, version: impl Into<String>) -> Self {
        self.service_version = Some(version.into());
        self
    }

    /// `deployment.environment.name` of the resource, such as `production`.
    #[must_use]
    pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// An attribute of the resource.
    #[must_use]
    pub fn with_resource_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource_attributes.push((key.into(), value.into()));
        self
    }

    /// Whether host, process, operating system, container and Kubernetes are looked at for the resource.
    #[must_use]
    pub const fn with_resource_detection(mut self, detect: bool) -> Self {
        self.detect_resource = detect;
        self
    }

    /// Leaves OpenTelemetry's globals as they are: only the handles record.
    #[must_use]
    pub const fn without_globals(mut self) -> Self {
        self.install = false;
        self
    }

    /// Copies these items of baggage to the spans below them. No other item is: baggage comes from outside.
    #[must_use]
    pub fn with_baggage_attributes<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.baggage_attributes = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves the environment unasked, as for tests.
    #[must_use]
    pub const fn without_environment(mut self) -> Self {
        self.use_environment = false;
        self
    }

    /// Sends spans, metrics and logs to this receiver of OTLP.
    #[must_use]
    pub fn with_otlp_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        let endpoint = Some(endpoint.into());
        self.traces.otlp_endpoint.clone_from(&endpoint);
        self.metrics.otlp_endpoint.clone_from(&endpoint);
        self.logs.otlp_endpoint = endpoint;
        self
    }

    /// What is spoken with the receiver of OTLP.
    #[must_use]
    pub const fn with_otlp_protocol(mut self, protocol: OtlpProtocol) -> Self {
        self.traces.otlp_protocol = protocol;
        self.metrics.otlp_protocol = protocol;
        self.logs.otlp_protocol = protocol;
        self
    }

    /// A header for every request of OTLP, such as a vendor's key.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        self.traces.headers.push(header.clone());
        self.metrics.headers.push(header.clone());
        self.logs.headers.push(header);
        self
    }

    /// Certificates of the receiver of OTLP.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Writes these to standard error, a line of OTLP JSON per batch.
    #[must_use]
    pub fn with_console(mut self, signals: impl IntoIterator<Item = Signal>) -> Self {
        self.console = signals.into_iter().collect();
        self
    }

    /// Serves metrics to whoever asks, such as Prometheus, at an address like `localhost:9464`.
    #[cfg(feature = "prometheus-server")]
    #[must_use]
    pub fn with_prometheus_address(mut self, address: impl Into<String>) -> Self {
        self.metrics.prometheus_address = Some(address.into());
        self
    }

    /// Sends everything to these targets, and to no other.
    #[must_use]
    pub fn with_exporters(mut self, exporters: ExportersConfig) -> Self {
        self.exporters = exporters;
        self
    }

    /// How spans and logs are gathered before they are sent.
    #[must_use]
    pub fn with_batch_configuration(mut self, batch: BatchConfiguration) -> Self {
        self.logs.batch_config.clone_from(&batch);
        self.traces.batch_config = batch;
        self
    }

    /// Whether spans are recorded at all. Metrics go on either way.
    #[must_use]
    pub const fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The share of new traces to record, from 0 to 1. A trace that began elsewhere keeps the decision made there.
    #[must_use]
    pub fn with_sample_rate(mut self, rate: f64) -> Self {
        #[expect(clippy::float_cmp, reason = "everything is exactly one")]
        let root =
            if rate == 1.0 { SamplingStrategy::AlwaysOn } else { SamplingStrategy::TraceIdRatio { ratio: rate } };
        self.sampling.strategy = root.parent_based();
        self
    }

    /// Which traces are recorded, decided when they begin.
    #[must_use]
    pub fn with_sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Which recorded traces are kept, decided when their local root ends.
    #[must_use]
    pub fn with_outcome_rules(mut self, rules: OutcomeRules) -> Self {
        self.outcome = Some(rules);
        self
    }

    /// Measures requests, errors and durations by operation, before a decision leaves any of them out.
    #[must_use]
    pub fn with_red_metrics(mut self, prefix: impl Into<String>) -> Self {
        self.red_metrics = Some(prefix.into());
        self
    }

    /// What is taken out of everything before it is stored or sent.
    #[must_use]
    pub fn with_redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// How many spans a second may be recorded before [routine work](crate::SpanStart::routine) is left out; at least one.
    /// Spans of other work are always recorded, and count.
    #[must_use]
    pub fn with_max_spans_per_second(mut self, spans: u32) -> Self {
        self.max_spans_per_second = rate(spans);
        self
    }

    /// How many ended spans may wait for the consumer, at least one; more are dropped and counted.
    #[must_use]
    pub fn with_span_queue_capacity(mut self, spans: usize) -> Self {
        self.span_queue_capacity = queue_capacity(spans);
        self
    }

    /// Leaves the queues of ended spans and log records to the caller, who may hand what he takes from them to an
    /// [exporter](crate::Exporter::start) of his own: none is started.
    #[must_use]
    pub const fn with_queues_left_to_the_caller(mut self) -> Self {
        self.drain_queues = false;
        self
    }

    /// Whether everything can work; the error says what to write instead.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.service_name.is_empty() {
            return Err(ConfigError::setting("service_name", "", "write what the service is called, such as checkout"));
        }
        HeadSampler::new(&self.sampling)?;
        self.outcome.as_ref().map(OutcomeSampler::new).transpose()?;
        Redactor::new(&self.redaction)?;
        self.export_settings()?.exporters.check()
    }

    /// Everything an exporter has to know. Endpoints become targets, each with a queue of its own.
    pub fn export_settings(&self) -> Result<ExportSettings, ConfigError> {
        let mut exporters = self.exporters.clone();
        if exporters.targets.is_empty() {
            exporters.targets = self.targets()?;
            exporters.policy = ExportPolicy::Fanout;
        }
        for target in &mut exporters.targets {
            let wanted = |signal: &Signal| match signal {
                Signal::Traces => self.traces.enabled,
                Signal::Metrics => self.metrics.enabled,
                Signal::Logs => self.logs.enabled,
            };
            target.signals.retain(wanted);
        }
        exporters.targets.retain(|target| !target.signals.is_empty());
        Ok(ExportSettings {
            exporters,
            batch: self.traces.batch_config.clone(),
            logs_batch: self.logs.batch_config.clone(),
            metrics_interval: self.metrics.export_config.interval,
            temporality: self.metrics.temporality,
        })
    }

    /// What was understood in another way than it was written, or is not followed.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.not_followed.clone();
        if let Some(address) = self.metrics.prometheus_address.as_ref().filter(|_| !cfg!(feature = "prometheus-server"))
        {
            warnings.push(format!(
                "metrics are not served at {address}: sabot-telemetry was built without its feature prometheus-server"
            ));
        }
        if let Some(endpoint) = self.jaeger_endpoint.as_ref().filter(|_| self.exporters.targets.is_empty())
            && let Ok((otlp, true)) = endpoint::jaeger(endpoint)
        {
            warnings
                .push(format!("jaeger_endpoint {endpoint}: spans go to {otlp} by OTLP, which Jaeger takes since 1.35"));
        }
        warnings
    }

    /// Says it once.
    pub(crate) fn warn(&self) {
        self.warnings().iter().for_each(|what| tracing::warn!("{what}"));
    }
}

fn rate(spans: u32) -> NonZeroU32 {
    NonZeroU32::new(spans).unwrap_or(NonZeroU32::MIN)
}

fn queue_capacity(spans: usize) -> NonZeroUsize {
    NonZeroUsize::new(spans).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests;
