//! A span that is current wherever its work goes on, and the span that is current here.

use std::error::Error;
use std::ops::Deref;

use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::{SpanRef, Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard};

use super::SpanBuilder;
use super::failure::Failure;
use crate::context::TraceContext;
use crate::otel::{IntoAttribute, OtelSpan, key_value};
use crate::record::AttributeValue;
use crate::text::Text;

/// The span of a context, to say more about it from wherever it is current. Everything is ignored if it is not recorded.
#[derive(Clone, Debug)]
pub struct SpanHandle {
    context: Context,
}

/// Starts a span for a piece of work that may go on across awaits and threads; it ends when the operation is dropped.
///
/// The attributes are asked for only if the span is recorded.
///
/// ```
/// use sabot_telemetry::{OtelKeyValue, current_span, trace_operation};
///
/// # futures::executor::block_on(async {
/// let checkout = trace_operation("checkout", [("cart.items", 3)]);
/// checkout.set_attribute("customer.tier", "gold");
/// let total = checkout.in_future(async {
///     current_span().set_attribute("priced", true); // the same span, also after an await
///     42
/// });
/// assert_eq!(total.await, 42);
/// drop(checkout); // ends the span
///
/// let sync = trace_operation("tidy", [OtelKeyValue::new("rows", 7_i64)]);
/// let _current = sync.enter(); // until the end of the scope
/// # });
/// ```
pub fn trace_operation<A: IntoAttribute>(name: impl Into<Text>, attributes: impl IntoIterator<Item = A>) -> Operation {
    SpanBuilder::new(name).with_attributes(attributes).start_operation()
}

/// The current span.
///
/// ```
/// sabot_telemetry::current_span().set_attribute("cache.hit", true);
/// ```
pub fn current_span() -> SpanHandle {
    SpanHandle { context: Context::current() }
}

impl SpanHandle {
    /// Its identity as it travels; empty if there is no span.
    pub fn trace(&self) -> TraceContext {
        TraceContext::from(self.context.span().span_context())
    }

    /// Whether anything set here is kept; ask before building what is costly.
    pub fn is_recording(&self) -> bool {
        self.recorded().is_some_and(|span| span.is_recording())
    }

    /// Sets an attribute; a key that is set again has the last value.
    pub fn set_attribute(&self, key: impl Into<Text>, value: impl Into<AttributeValue>) {
        if let Some(span) = self.recorded() {
            span.set_attribute(key_value(key.into(), value.into()));
        }
    }

    /// Notes something that happened now.
    pub fn add_event<A: IntoAttribute>(&self, name: impl Into<Text>, attributes: impl IntoIterator<Item = A>) {
        if let Some(span) = self.recorded() {
            let attributes = attributes.into_iter().map(IntoAttribute::into_attribute);
            span.add_event(name.into(), attributes.map(|(key, value)| key_value(key, value)).collect());
        }
    }

    /// Marks it as failed, as [`record_exception`](super::record_exception) does.
    pub fn record_exception<E: Error + ?Sized>(&self, error: &E) {
        self.fail_with(|| Failure::of(error));
    }

    /// Says how it went: [`Ok`](Status::Ok) is final, and [`Unset`](Status::Unset) takes nothing back.
    pub fn set_status(&self, status: Status) {
        // Also of one that sampling has left out: its end may be measured.
        self.context.span().set_status(status);
    }

    /// Marks it as failed; what there is to say is asked for only if the span is recorded.
    pub(crate) fn fail_with(&self, failure: impl FnOnce() -> Failure) {
        if !self.is_recording() {
            return self.set_status(Status::error(""));
        }
        let Failure { event, error_type, status } = failure();
        let span = self.context.span();
        span.add_event("exception", event);
        span.set_attribute(error_type);
        span.set_status(status);
    }

    /// Without the lock of the span if it is not recorded anyway.
    fn recorded(&self) -> Option<SpanRef<'_>> {
        Some(self.context.span()).filter(|span| span.span_context().is_sampled())
    }
}

/// A span that goes on across calls, awaits and threads. It is current while [entered](Self::enter) and inside
/// [futures](Self::in_future), and ends when this is dropped, whoever still holds its context.
///
/// An operation that is dropped by a panic is marked as failed.
///
/// ```
/// use sabot_telemetry::{SpanBuilder, current_trace};
///
/// let upload = SpanBuilder::new("upload").start_operation();
/// let entered = upload.enter();
/// assert_eq!(current_trace().unwrap_or_default(), upload.trace());
/// drop(entered);
/// upload.record_exception(&std::io::Error::other("disk full"));
/// ```
#[derive(Debug)]
#[must_use = "an operation ends when it is dropped"]
pub struct Operation {
    span: SpanHandle,
    /// Whether anybody hears of its end: it is recorded, or measured.
    is_tracked: bool,
}

impl Operation {
    /// `span` as the current one of what is otherwise `context`.
    pub(crate) fn of(span: OtelSpan, context: &Context) -> Self {
        let (context, is_tracked) = match span.into_identity() {
            Ok(span) => (context.with_span(span), true),
            Err(identity) => (context.with_remote_span_context(identity), false),
        };
        Self { span: SpanHandle { context }, is_tracked }
    }

    /// The context in which its span is current: to hand on, or to attach.
    pub const fn context(&self) -> &Context {
        &self.span.context
    }

    /// Ends its span before it is dropped; ended once, it stays as it is.
    #[cfg(any(feature = "axum", feature = "reqwest", feature = "tonic"))]
    pub(crate) fn finish(&self) {
        if self.is_tracked {
            self.context().span().end();
        }
    }

    /// Gives its span another name, now that more is known.
    #[cfg(feature = "tonic")]
    pub(crate) fn rename(&self, name: &'static str) {
        if self.is_tracked {
            self.context().span().update_name(name);
        }
    }

    /// Makes its span current on this thread until the guard is dropped. Not across awaits: see
    /// [`in_future`](Self::in_future).
    pub fn enter(&self) -> ContextGuard {
        self.context().clone().attach()
    }

    /// Makes its span current whenever the future is polled.
    pub fn in_future<F: Future>(&self, future: F) -> WithContext<F> {
        future.with_context(self.context().clone())
    }
}

impl Deref for Operation {
    type Target = SpanHandle;

    fn deref(&self) -> &SpanHandle {
        &self.span
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.is_tracked {
            let span = self.context().span();
            if std::thread::panicking() {
                span.set_status(Status::error("panicked"));
            }
            span.end();
        }
    }
}
