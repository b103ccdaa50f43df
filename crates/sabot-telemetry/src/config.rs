//! What a service says about itself and how much of its work it wants traced.
//!
//! Values are made valid on the way in, so that nothing after this has to check them.

use std::num::NonZeroUsize;

/// Spans that may wait for the consumer unless configured otherwise.
pub const DEFAULT_SPAN_QUEUE_CAPACITY: usize = 65_536;

/// The input of [`init_telemetry`](crate::init_telemetry).
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    pub(crate) service_name: String,
    pub(crate) service_version: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) sample_rate: f64,
    pub(crate) span_queue_capacity: NonZeroUsize,
}

impl TelemetryConfig {
    /// Tracing on, every trace sampled, the default queue.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self {
            service_name: service_name.into(),
            service_version: None,
            enabled: true,
            sample_rate: 1.0,
            span_queue_capacity: queue_capacity(DEFAULT_SPAN_QUEUE_CAPACITY),
        }
    }

    /// `service.version` of the resource.
    #[must_use]
    pub fn with_service_version(mut self, version: impl Into<String>) -> Self {
        self.service_version = Some(version.into());
        self
    }

    /// Whether spans are recorded at all. Metrics go on either way.
    #[must_use]
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The share of new traces to record, from 0 to 1; values outside are clamped, and NaN records nothing. A trace that
    /// began elsewhere keeps the decision made there.
    #[must_use]
    pub fn with_sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = if rate.is_nan() { 0.0 } else { rate.clamp(0.0, 1.0) };
        self
    }

    /// How many ended spans may wait for the consumer, at least one; more are dropped and counted.
    #[must_use]
    pub fn with_span_queue_capacity(mut self, spans: usize) -> Self {
        self.span_queue_capacity = queue_capacity(spans);
        self
    }
}

fn queue_capacity(spans: usize) -> NonZeroUsize {
    NonZeroUsize::new(spans).unwrap_or(NonZeroUsize::MIN)
}
