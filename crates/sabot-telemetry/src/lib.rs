//! The OpenTelemetry layer of Sabot, usable by any Rust service: spans, metrics and logging through handles.
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
//! 6. Into the same registry record [`MetricsRecorder`], by name and with any attributes, [`RegistryMeterProvider`], for
//!    code written against OpenTelemetry's API, and [`BusinessRecorder`], what work is worth and to whom.
//! 7. Code that hands no parents down uses what is current: [`install_tracer_provider`] once, then [`SpanBuilder`],
//!    [`trace_operation`] or [`#[traced]`](macro@traced). It is OpenTelemetry's current context, so other libraries'
//!    spans join in. [`inject_into_headers`], [`extract_from_headers`] and [`propagate_context`] carry it further, with
//!    [baggage](with_baggage) and a [`CorrelationId`].
//! 8. Behind features of their names, axum, reqwest and tonic do all of that by themselves: `HttpServerLayer`,
//!    `TracedClient` and `GrpcLayer`. For Kafka's records there is [`inject_into_kafka_headers`].
//! 9. Databases and caches are told of by what wraps a library's connection, behind the feature of its name (`sqlx`,
//!    `redis`); [`SqlStatement`] and [`RepetitionDetector`] are for any other.
//!
//! Nothing here blocks, slows or fails the code it observes, and everything it holds is bounded.
//!
//! ```
//! use sabot_telemetry::{MetricDesc, MetricKind, TelemetryConfig, init_telemetry};
//!
//! # fn main() -> Result<(), sabot_telemetry::TelemetryError> {
//! let telemetry = init_telemetry(TelemetryConfig::new("checkout").with_service_version("1.4.0"))?;
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
//! telemetry.close();
//! # Ok(())
//! # }
//! ```

mod ambient;
mod business;
mod clock;
mod config;
mod context;
mod correlation;
mod export;
mod instrument;
mod limits;
mod logging;
mod logs;
#[cfg(feature = "macros")]
mod macros;
mod meter;
mod metrics;
mod names;
mod otel;
mod outcome;
mod performance;
#[cfg(feature = "prometheus-server")]
mod prometheus_server;
mod propagation;
mod providers;
mod queue;
mod record;
mod recorder;
mod red;
mod redaction;
mod resource;
mod sampling;
mod spans;
mod sync;
mod text;

pub use ambient::{
    FutureExt, Operation, OtelContext, OtelKeyValue, SpanBuilder, SpanHandle, context_with_span, context_with_trace,
    current_span, current_trace, install_tracer_provider, otel_global, record_exception, trace_operation,
};
pub use business::{BusinessMetrics, BusinessRecorder, DEFAULT_TOP_TENANTS, UserIdKey, UserIdKeyError, enhanced_span};
pub use config::{
    BatchConfiguration, Compression, ConfigError, DEFAULT_MAX_SPANS_PER_SECOND, DEFAULT_SPAN_QUEUE_CAPACITY,
    ExportConfig, ExportPolicy, ExportQueue, ExportSettings, ExportersConfig, Headers, LogsConfig, MetricsConfig,
    OtlpProtocol, Signal, Target, TargetKind, TelemetryConfig, Temporality, Tls, TraceConfig,
};
pub use context::TraceContext;
pub use correlation::{
    CorrelationId, CorrelationIdError, context_with_correlation_id, current_correlation_id, ensure_correlation_id,
};
pub use export::{
    Circuit, DropReason, Exporter, ExporterError, ExporterStatus, LedgerCounts, OrphanedQueue, Outlet, Probed,
    RouteStatus, orphaned_queues, probe_targets,
};
#[cfg(feature = "redis")]
pub use instrument::redis::{DEFAULT_SLOW_COMMAND, RedisTracing, TracedConnection};
pub use instrument::repetition::{DEFAULT_REPETITION_THRESHOLD, RepetitionDetector};
pub use instrument::sql::{SqlKind, SqlStatement};
#[cfg(feature = "sqlx")]
pub use instrument::sqlx::{DEFAULT_SLOW_QUERY, SqlServer, SqlTracing, Traced, TracedDatabase};
#[cfg(feature = "axum")]
pub use instrument::{DEFAULT_SLOW_REQUEST, HttpServer, HttpServerFuture, HttpServerLayer};
#[cfg(feature = "tonic")]
pub use instrument::{GrpcBody, GrpcFuture, GrpcLayer, GrpcService};
pub use instrument::{
    HeaderExtractor, HeaderInjector, extract_from_kafka_headers, inject_into_kafka_headers, messaging_attributes,
};
#[cfg(feature = "reqwest")]
pub use instrument::{TracedClient, traced_request};
pub use limits::RecordLimits;
pub use logging::{LoggingError, init_logging};
pub use logs::{LogLayer, LogQueue, LogRecord, Severity};
pub use meter::RegistryMeterProvider;
pub use metrics::{
    COUNT_BUCKETS, Counter, DEFAULT_SERIES_CAP, Exemplar, Gauge, Histogram, HistogramBucket, InstrumentDesc,
    InstrumentKind, LabelList, LabelValue, MetricAttribute, MetricDesc, MetricKind, MetricSample,
    OPENMETRICS_CONTENT_TYPE, OTEL_BUCKETS, OVERFLOW_ATTRIBUTE, OVERFLOW_LABEL_VALUE, Origin, PROMETHEUS_CONTENT_TYPE,
    Registry, SECONDS_BUCKETS, quantile,
};
pub use names::{metric_attributes, metric_names};
pub use otel::{IntoAttribute, OtelSpan, OtelTracer, OtelTracerProvider};
pub use outcome::{DEFAULT_OUTCOME_BUFFER_BYTES, OutcomeCounts, OutcomeReason, OutcomeRules, OutcomeSampler};
pub use performance::{BreachSeverity, PerformanceMetrics};
#[cfg(feature = "prometheus-server")]
pub use prometheus_server::{PrometheusServer, serve_prometheus};
pub use propagation::{
    BaggageItem, W3cPropagator, extract_from_headers, get_baggage, get_trace_context_headers, inject_into_headers,
    install_propagator, propagate_context, with_baggage,
};
pub use providers::{TelemetryError, TelemetryProviders, init_comprehensive_tracing, init_telemetry};
pub use queue::SpanQueue;
pub use record::{
    Attribute, AttributeValue, Dropped, Resource, Scope, SpanEvent, SpanKind, SpanLink, SpanRecord, SpanStatus,
};
pub use recorder::MetricsRecorder;
pub use red::RedMetrics;
pub use redaction::{Redaction, RedactionCounts, RedactionError, Redactor, ValueRule};
#[cfg(feature = "macros")]
pub use sabot_telemetry_macros::{trace_performance, trace_with_correlation, traced};
pub use sampling::{AlwaysKeep, HeadSampler, Sampling, SamplingError, SamplingStrategy, adjusted_count};
pub use spans::{ActiveSpan, SpanDraft, SpanJudges, SpanStart, Spans};
pub use text::Text;

/// What the attribute macros expand to; not for anybody else.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use crate::macros::{Timed, begin, begin_correlated, begin_timed, error, field, never, run};
}

// So that what the macros expand to also compiles in this crate's own tests.
#[cfg(all(test, feature = "macros"))]
extern crate self as sabot_telemetry;

/// The guide's code runs as a test of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/telemetry-guide.md")]
struct Guide;
