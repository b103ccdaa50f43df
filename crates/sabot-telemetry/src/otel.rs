//! OpenTelemetry's tracing API over [`Spans`](crate::Spans): what other libraries record with it lands in the same queue.
//!
//! The API's traits are implemented directly, without its SDK. Invariants: whether a span is recorded is decided from its
//! parent and its name before anything given to it is looked at; every span has a context of its own, also one that is
//! not recorded; a suppressed context ([`OtelContext::is_telemetry_suppressed`](crate::OtelContext)) records nothing.
//!
//! Kept of a link are its ids; its attributes have no place in a [`SpanLink`](crate::SpanLink) and are counted as dropped.
//!
//! ```
//! use opentelemetry::trace::{Span, Tracer, TracerProvider};
//! use sabot_telemetry::{OtelKeyValue, OtelTracerProvider, TelemetryConfig, init_telemetry};
//!
//! let telemetry = init_telemetry(TelemetryConfig::new("checkout"))?;
//! let tracer = OtelTracerProvider::new(telemetry.spans()).tracer("payments");
//! let mut span = tracer.start("charge");
//! span.set_attribute(OtelKeyValue::new("currency", "EUR"));
//! span.end();
//!
//! let record = telemetry.span_queue().drain(1).remove(0);
//! assert_eq!(record.scope.map(|scope| scope.name.to_string()).as_deref(), Some("payments"));
//! assert_eq!(record.attributes, [("currency".into(), "EUR".into())]);
//! # Ok::<(), sabot_telemetry::TelemetryError>(())
//! ```

mod convert;
mod span;
mod tracer;

pub use convert::IntoAttribute;
pub use span::OtelSpan;
pub use tracer::{OtelTracer, OtelTracerProvider};

pub(crate) use convert::key_value;
pub(crate) use tracer::Begun;

#[cfg(test)]
mod tests;
