//! The OpenTelemetry layer of Sabot, usable by any Rust service: spans, metrics and logging through handles, no globals.
//!
//! The flow, in order:
//!
//! 1. [`init_logging`] sends `tracing` events to standard error for people.
//! 2. [`TelemetryConfig`] goes into [`init_telemetry`], which gives [`TelemetryProviders`].
//! 3. [`Spans`] starts spans with explicit parents; a [`TraceContext`] travels with data and requests. Whether a span is
//!    recorded is decided before any attribute is built.
//! 4. Ended spans land in the bounded [`SpanQueue`]; full means dropped and counted, never waiting.
//! 5. [`Registry`] hands out pre-bound [`Counter`], [`Gauge`] and [`Histogram`] handles, and is read as Prometheus text,
//!    as `OpenMetrics` with exemplars, or as a [snapshot](Registry::snapshot).
//!
//! Nothing here blocks, slows or fails the code it observes, and everything it holds is bounded.
//!
//! ```
//! use sabot_telemetry::{MetricDesc, MetricKind, TelemetryConfig, init_telemetry};
//!
//! let telemetry = init_telemetry(TelemetryConfig::new("checkout").with_service_version("1.4.0"));
//! let batch_seconds = MetricDesc::new("batch_duration_seconds", MetricKind::Histogram, "Time to process one batch.")
//!     .with_unit("seconds")
//!     .with_labels(["agent"]);
//! let seconds = telemetry.registry().histogram(&batch_seconds, &["totals"]);
//!
//! let mut batch = telemetry.spans().start("process_batch").root().attribute("rows", 4096).start();
//! let fire = batch.child("window_fire").attribute("window", "hourly").start();
//! drop(fire); // a span ends when it is dropped
//! batch.set_attribute("late_rows", 3);
//! seconds.observe_with_exemplar(0.012, batch.context());
//! let header = batch.context().to_traceparent(); // for the next hop
//! assert!(header.is_some_and(|value| value.starts_with("00-")));
//! drop(batch);
//!
//! let spans = telemetry.span_queue().drain(100);
//! assert_eq!(spans.iter().map(|span| span.name.as_ref()).collect::<Vec<_>>(), ["window_fire", "process_batch"]);
//! assert!(telemetry.registry().prometheus_text().contains("batch_duration_seconds_count{agent=\"totals\"} 1\n"));
//! telemetry.shutdown();
//! ```

mod clock;
mod config;
mod context;
mod logging;
mod metrics;
mod outcome;
mod providers;
mod queue;
mod record;
mod red;
mod redaction;
mod sampling;
mod spans;
mod sync;
mod text;

pub use config::{DEFAULT_MAX_SPANS_PER_SECOND, DEFAULT_SPAN_QUEUE_CAPACITY, TelemetryConfig};
pub use context::TraceContext;
pub use logging::{LoggingError, init_logging};
pub use metrics::{
    COUNT_BUCKETS, Counter, DEFAULT_SERIES_CAP, Exemplar, Gauge, Histogram, HistogramBucket, MetricDesc, MetricKind,
    MetricSample, OPENMETRICS_CONTENT_TYPE, OVERFLOW_LABEL_VALUE, PROMETHEUS_CONTENT_TYPE, Registry, SECONDS_BUCKETS,
    quantile,
};
pub use outcome::{DEFAULT_OUTCOME_BUFFER_BYTES, OutcomeCounts, OutcomeReason, OutcomeRules, OutcomeSampler};
pub use providers::{TelemetryProviders, init_telemetry};
pub use queue::SpanQueue;
pub use record::{
    Attribute, AttributeValue, Dropped, Resource, Scope, SpanEvent, SpanKind, SpanLink, SpanRecord, SpanStatus,
};
pub use red::RedMetrics;
pub use redaction::{Redaction, RedactionCounts, RedactionError, Redactor, ValueRule};
pub use sampling::{AlwaysKeep, HeadSampler, Sampling, SamplingError, SamplingStrategy, adjusted_count};
pub use spans::{ActiveSpan, SpanDraft, SpanJudges, SpanStart, Spans};
pub use text::Text;
