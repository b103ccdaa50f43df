//! Context across processes and tasks: W3C Trace Context, W3C Baggage and the correlation id, in headers and in futures.
//!
//! Invariants: what is not valid is left out without harm to the rest; nothing that could break a header is written into
//! one; what is read is bounded (32 members of `tracestate`, 64 members and 8,192 bytes of `baggage`).
//!
//! ```
//! use opentelemetry::trace::TraceContextExt;
//! use sabot_telemetry::{BaggageItem, extract_from_headers, get_baggage, get_trace_context_headers, with_baggage};
//! use std::collections::HashMap;
//!
//! let request = HashMap::from([
//!     ("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
//!     ("baggage".to_owned(), "tenant.id=acme".to_owned()),
//! ]);
//! let context = extract_from_headers(&request);
//! assert!(context.span().span_context().is_remote());
//!
//! let _attached = context.attach(); // for the work on this request
//! assert_eq!(get_baggage("tenant.id").as_deref(), Some("acme"));
//! let _attached = with_baggage([BaggageItem::new("customer.tier", "gold")]).attach();
//! let headers = get_trace_context_headers(); // for the next service
//! assert_eq!(headers["baggage"], "customer.tier=gold,tenant.id=acme");
//! assert_eq!(headers["traceparent"], request["traceparent"]);
//! ```

use std::collections::HashMap;
use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

use opentelemetry::context::FutureExt;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::{Context, global};

mod baggage;
mod correlation;
mod percent;
mod trace;

pub use baggage::{BaggageItem, get_baggage, with_baggage};

pub(crate) use trace::sendable_trace_state;

const TRACE_CONTEXT: u8 = 1;
const BAGGAGE: u8 = 2;
const CORRELATION_ID: u8 = 4;

/// The parts of the installed propagator.
static INSTALLED: AtomicU8 = AtomicU8::new(TRACE_CONTEXT | BAGGAGE | CORRELATION_ID);

/// Reads and writes `traceparent`, `tracestate`, `baggage` and `x-correlation-id`.
///
/// ```
/// use opentelemetry::propagation::TextMapPropagator;
/// use sabot_telemetry::W3cPropagator;
///
/// let fields: Vec<_> = W3cPropagator::new().without_baggage().fields().map(str::to_owned).collect();
/// assert_eq!(fields, ["traceparent", "tracestate", "x-correlation-id"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct W3cPropagator {
    parts: u8,
}

impl Default for W3cPropagator {
    fn default() -> Self {
        Self::new()
    }
}

impl W3cPropagator {
    /// All of it.
    pub const fn new() -> Self {
        Self { parts: TRACE_CONTEXT | BAGGAGE | CORRELATION_ID }
    }

    /// Leaves `traceparent` and `tracestate` alone.
    #[must_use]
    pub const fn without_trace_context(self) -> Self {
        Self { parts: self.parts & !TRACE_CONTEXT }
    }

    /// Leaves `baggage` alone.
    #[must_use]
    pub const fn without_baggage(self) -> Self {
        Self { parts: self.parts & !BAGGAGE }
    }

    /// Leaves `x-correlation-id` alone.
    #[must_use]
    pub const fn without_correlation_id(self) -> Self {
        Self { parts: self.parts & !CORRELATION_ID }
    }

    fn installed() -> Self {
        Self { parts: INSTALLED.load(Ordering::Relaxed) }
    }

    const fn has(self, part: u8) -> bool {
        self.parts & part != 0
    }
}

impl TextMapPropagator for W3cPropagator {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        if self.has(TRACE_CONTEXT) {
            trace::inject(context, injector);
        }
        if self.has(BAGGAGE) {
            baggage::inject(context, injector);
        }
        if self.has(CORRELATION_ID) {
            correlation::inject(context, injector);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let mut extracted = context.clone();
        if self.has(TRACE_CONTEXT) {
            extracted = trace::extract(extracted, extractor);
        }
        if self.has(BAGGAGE) {
            extracted = baggage::extract(extracted, extractor);
        }
        if self.has(CORRELATION_ID) {
            extracted = correlation::extract(extracted, extractor);
        }
        extracted
    }

    fn fields(&self) -> FieldIter<'_> {
        /// By the parts a propagator has.
        static FIELDS: LazyLock<[Vec<String>; 8]> = LazyLock::new(|| {
            [0, 1, 2, 3, 4, 5, 6, 7].map(|parts| {
                let parts = W3cPropagator { parts };
                let fields = [
                    (TRACE_CONTEXT, &trace::HEADERS[..]),
                    (BAGGAGE, &[baggage::HEADER]),
                    (CORRELATION_ID, &[crate::CorrelationId::HEADER]),
                ];
                let present = fields.into_iter().filter(|(part, _)| parts.has(*part));
                present.flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned())).collect()
            })
        });
        FieldIter::new(FIELDS.get(usize::from(self.parts)).map_or(&[], Vec::as_slice))
    }
}

/// Makes `propagator` the one of [`inject_into_headers`], [`extract_from_headers`] and OpenTelemetry's
/// `global::get_text_map_propagator`. Without it those of this crate carry everything.
///
/// ```
/// use sabot_telemetry::{W3cPropagator, install_propagator};
///
/// install_propagator(W3cPropagator::new());
/// ```
pub fn install_propagator(propagator: W3cPropagator) {
    INSTALLED.store(propagator.parts, Ordering::Relaxed);
    global::set_text_map_propagator(propagator);
}

/// Writes the current context into headers.
///
/// ```
/// use sabot_telemetry::{CorrelationId, context_with_correlation_id, inject_into_headers};
/// use std::collections::HashMap;
///
/// let _attached = context_with_correlation_id("order-4711".parse()?).attach();
/// let mut headers = HashMap::new();
/// inject_into_headers(&mut headers);
/// assert_eq!(headers["x-correlation-id"], "order-4711");
/// # Ok::<(), sabot_telemetry::CorrelationIdError>(())
/// ```
pub fn inject_into_headers(headers: &mut impl Injector) {
    W3cPropagator::installed().inject(headers);
}

/// The current context with what the headers say in it; attach it, or hand it on. What they do not say stays as it is.
///
/// ```
/// use opentelemetry::trace::TraceContextExt;
/// use std::collections::HashMap;
///
/// let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
/// let context = sabot_telemetry::extract_from_headers(&HashMap::from([("traceparent".to_owned(), value)]));
/// assert_eq!(context.span().span_context().span_id().to_string(), "00f067aa0ba902b7");
/// ```
pub fn extract_from_headers(headers: &impl Extractor) -> Context {
    W3cPropagator::installed().extract(headers)
}

/// The current context as headers with lowercase names.
///
/// ```
/// use sabot_telemetry::{BaggageItem, get_trace_context_headers, with_baggage};
///
/// assert!(get_trace_context_headers().is_empty());
/// let _attached = with_baggage([BaggageItem::new("tenant.id", "acme")]).attach();
/// assert_eq!(get_trace_context_headers()["baggage"], "tenant.id=acme");
/// ```
pub fn get_trace_context_headers() -> HashMap<String, String> {
    let mut headers = HashMap::new();
    inject_into_headers(&mut headers);
    headers
}

/// Takes the context that is current now along, wherever and whenever the future is polled: for `tokio::spawn` and the
/// like, which would start with an empty one.
///
/// ```
/// use sabot_telemetry::{BaggageItem, get_baggage, propagate_context, with_baggage};
///
/// let attached = with_baggage([BaggageItem::new("tenant.id", "acme")]).attach();
/// let task = propagate_context(async { get_baggage("tenant.id") });
/// drop(attached);
/// let elsewhere = std::thread::scope(|scope| scope.spawn(|| futures::executor::block_on(task)).join());
/// assert_eq!(elsewhere.unwrap().as_deref(), Some("acme"));
/// ```
pub fn propagate_context<F: Future + Send>(future: F) -> impl Future<Output = F::Output> + Send + use<F> {
    future.with_current_context()
}

#[cfg(test)]
mod tests;
