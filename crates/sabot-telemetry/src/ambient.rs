//! Spans without handing them down: below the current context, recorded by the installed provider.
//!
//! The own way, [`Spans`](crate::Spans), passes parents explicitly and costs less; this is for code that cannot, and for
//! what other libraries record with OpenTelemetry's API: both see the same current context. Invariants: without an
//! installed provider everything here works and records nothing; nothing given to a span is converted unless it is
//! recorded.
//!
//! ```
//! use opentelemetry::trace::Span;
//! use sabot_telemetry::{
//!     OtelTracerProvider, SpanBuilder, SpanKind, TelemetryConfig, context_with_span, init_telemetry,
//!     install_tracer_provider, record_exception,
//! };
//!
//! let telemetry = init_telemetry(TelemetryConfig::new("checkout"))?;
//! install_tracer_provider(OtelTracerProvider::new(telemetry.spans()));
//!
//! let request = SpanBuilder::new("POST /orders").with_kind(SpanKind::Server).with_attribute("items", 3).start();
//! let attached = context_with_span(request).attach();
//! let mut charge = SpanBuilder::new("charge").start(); // below the request
//! record_exception(&mut charge, &std::io::Error::other("card refused"));
//! charge.end();
//! drop(attached); // ends the request
//!
//! let spans = telemetry.span_queue().drain(10);
//! assert_eq!(spans[0].parent_span_id, Some(spans[1].span_id));
//! # Ok::<(), sabot_telemetry::TelemetryError>(())
//! ```

use std::error::Error;

use opentelemetry::Context;
use opentelemetry::trace::{Span, Status, TraceContextExt, TraceState};

pub(crate) use self::failure::Failure;
use crate::context::TraceContext;

mod builder;
mod failure;
mod installed;
mod operation;

#[cfg(any(feature = "redis", feature = "sqlx"))]
pub(crate) use installed::follows_parents;

pub use builder::SpanBuilder;
pub use installed::install_tracer_provider;
pub use operation::{Operation, SpanHandle, current_span, trace_operation};

pub use opentelemetry::context::FutureExt;
pub use opentelemetry::{Context as OtelContext, KeyValue as OtelKeyValue, global as otel_global};

/// The current context with this span in it; the span ends when the last copy of the context is gone, or when it is ended.
///
/// ```
/// use opentelemetry::trace::{Span, TraceContextExt};
/// use sabot_telemetry::{OtelContext, SpanBuilder, context_with_span};
///
/// let span = SpanBuilder::new("refresh").start();
/// let id = span.span_context().span_id();
/// let _attached = context_with_span(span).attach();
/// assert_eq!(OtelContext::current().span().span_context().span_id(), id);
/// ```
pub fn context_with_span<S: Span + Send + Sync + 'static>(span: S) -> Context {
    Context::current_with_span(span)
}

/// The current context with `trace` as what is to be the parent: from a span of [`Spans`](crate::Spans) to code that looks
/// at the current context.
///
/// ```
/// use sabot_telemetry::{TelemetryConfig, context_with_trace, current_trace, init_telemetry};
///
/// let telemetry = init_telemetry(TelemetryConfig::new("checkout"))?;
/// let batch = telemetry.spans().start("process_batch").root().start();
/// let _attached = context_with_trace(batch.context()).attach();
/// assert_eq!(current_trace(), batch.trace());
/// # Ok::<(), sabot_telemetry::TelemetryError>(())
/// ```
#[must_use]
pub fn context_with_trace(trace: TraceContext) -> Context {
    let identity = trace.to_span_context(false, TraceState::NONE);
    Context::map_current(|context| context.with_remote_span_context(identity))
}

/// The current span's identity, recorded or not: the parent of what [`Spans`](crate::Spans) starts, the trace id of a log
/// line or an exemplar.
///
/// ```
/// assert_eq!(sabot_telemetry::current_trace(), None);
/// ```
pub fn current_trace() -> Option<TraceContext> {
    Context::map_current(|context| Some(TraceContext::from(context.span().span_context())))
        .filter(TraceContext::is_valid)
}

/// Marks a span as failed: an `exception` event with type, message and the chain of causes, `error.type` and the status.
///
/// The type is the error's Rust type; what is only known as a `dyn Error` has the type `_OTHER`, as the conventions ask.
///
/// ```
/// use sabot_telemetry::{SpanBuilder, record_exception};
///
/// let mut span = SpanBuilder::new("charge").start();
/// if let Err(error) = "four".parse::<u8>() {
///     record_exception(&mut span, &error);
/// }
/// ```
pub fn record_exception<S: Span, E: Error + ?Sized>(span: &mut S, error: &E) {
    if span.is_recording() {
        let Failure { event, error_type, status } = Failure::of(error);
        span.add_event("exception", event);
        span.set_attribute(error_type);
        span.set_status(status);
    } else {
        // One that sampling has left out may be measured.
        span.set_status(Status::error(""));
    }
}

#[cfg(test)]
pub(crate) mod tests;
