//! What a service says about itself and how much of its work it wants traced.
//!
//! Values are made valid on the way in, so that nothing after this has to check them.

use std::num::{NonZeroU32, NonZeroUsize};

/// Spans that may wait for the consumer unless configured otherwise.
pub const DEFAULT_SPAN_QUEUE_CAPACITY: usize = 65_536;

/// Spans recorded per second unless configured otherwise, before routine work is left out.
pub const DEFAULT_MAX_SPANS_PER_SECOND: u32 = 2_000;

/// The input of [`init_telemetry`](crate::init_telemetry).
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    pub(crate) service_name: String,
    pub(crate) service_version: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) sample_rate: f64,
    pub(crate) max_spans_per_second: NonZeroU32,
    pub(crate) span_queue_capacity: NonZeroUsize,
}

impl TelemetryConfig {
    /// Tracing on, every trace sampled, the default rate and queue.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self {
            service_name: service_name.into(),
            service_version: None,
            enabled: true,
            sample_rate: 1.0,
            max_spans_per_second: rate(DEFAULT_MAX_SPANS_PER_SECOND),
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
}

fn rate(spans: u32) -> NonZeroU32 {
    NonZeroU32::new(spans).unwrap_or(NonZeroU32::MIN)
}

fn queue_capacity(spans: usize) -> NonZeroUsize {
    NonZeroUsize::new(spans).unwrap_or(NonZeroUsize::MIN)
}
