//! A span about to start below the current context.
#![expect(clippy::disallowed_types, reason = "callers of the API hold times as SystemTime; they are only converted")]

use std::time::SystemTime;

use opentelemetry::Context;

use super::installed::with_installed;
use super::operation::Operation;
use crate::clock::{unix_nanos, unix_nanos_now};
use crate::context::TraceContext;
use crate::otel::{Begun, IntoAttribute, OtelSpan};
use crate::record::{AttributeValue, SpanKind};
use crate::text::Text;

/// Takes what is known of a span at its start. Whether it is recorded is decided when it is named, so that everything
/// given later costs nothing if it is not.
///
/// ```
/// use opentelemetry::trace::Span;
/// use sabot_telemetry::{SpanBuilder, SpanKind};
///
/// let mut span = SpanBuilder::new("GET /users/{id}")
///     .with_kind(SpanKind::Client)
///     .with_attribute("http.request.method", "GET")
///     .with_attribute_with("user.name", || format!("{}-{}", "costly", "to build"))
///     .start();
/// span.end();
/// ```
#[derive(Debug)]
#[must_use = "a span starts with .start()"]
pub struct SpanBuilder {
    begun: Begun,
    start: Option<SystemTime>,
}

impl SpanBuilder {
    /// A span below the context that is current now.
    pub fn new(name: impl Into<Text>) -> Self {
        let name = name.into();
        Context::map_current(|context| Self::begin(context, name))
    }

    /// A span below this context, whichever is current.
    pub fn below(context: &Context, name: impl Into<Text>) -> Self {
        Self::begin(context, name.into())
    }

    fn begin(context: &Context, name: Text) -> Self {
        Self::below_with(context, name, SpanKind::Internal, |_| None)
    }

    /// A span of a kind below this context, with attributes for sampling rules that judge them, such as the customer's
    /// tier. `known` is asked for no attribute that no rule names, and what it tells is for judging only: set it on the
    /// span as well.
    ///
    /// ```
    /// use sabot_telemetry::{OtelContext, SpanBuilder, SpanKind};
    ///
    /// let tier = "gold";
    /// let known = |key: &str| (key == "user.tier").then(|| tier.into());
    /// let span = SpanBuilder::below_with(&OtelContext::current(), "checkout", SpanKind::Server, known)
    ///     .with_attribute("user.tier", tier)
    ///     .start();
    /// # drop(span);
    /// ```
    pub fn below_with(
        context: &Context,
        name: impl Into<Text>,
        kind: SpanKind,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> Self {
        let mut name = name.into();
        let begun = with_installed(|tracer| tracer.begin(std::mem::take(&mut name), context, kind, &known));
        Self::of(begun.unwrap_or_else(|| Begun::passing_on(context)))
    }

    /// What somebody has begun.
    pub(crate) const fn of(begun: Begun) -> Self {
        Self { begun, start: None }
    }

    /// Whether anything given to this builder will be kept.
    pub fn is_recording(&self) -> bool {
        self.begun.draft.is_recording()
    }

    /// Whether anybody hears of the span's end: it is recorded, or measured.
    #[cfg(any(feature = "redis", feature = "sqlx"))]
    pub(crate) fn is_tracked(&self) -> bool {
        self.begun.draft.is_tracked()
    }

    /// The span's kind, ours or OpenTelemetry's; internal unless said otherwise.
    pub fn with_kind(mut self, kind: impl Into<SpanKind>) -> Self {
        self.begun.draft = self.begun.draft.kind(kind.into());
        self
    }

    /// An attribute; a key given twice has the last value.
    pub fn with_attribute(self, key: impl Into<Text>, value: impl Into<AttributeValue>) -> Self {
        self.with_attribute_with(key, || value)
    }

    /// An attribute whose value takes work: computed only if the span is recorded.
    pub fn with_attribute_with<V: Into<AttributeValue>>(
        mut self,
        key: impl Into<Text>,
        value: impl FnOnce() -> V,
    ) -> Self {
        if let Some(record) = self.begun.draft.record_mut() {
            record.replace_attribute(key.into(), value().into());
        }
        self
    }

    /// Attributes, asked for only if the span is recorded.
    pub fn with_attributes<A: IntoAttribute>(mut self, attributes: impl IntoIterator<Item = A>) -> Self {
        if let Some(record) = self.begun.draft.record_mut() {
            for (key, value) in attributes.into_iter().map(IntoAttribute::into_attribute) {
                record.replace_attribute(key, value);
            }
        }
        self
    }

    /// Another span that caused this one; see [`SpanDraft::link`](crate::SpanDraft::link).
    pub fn with_link(mut self, cause: impl Into<TraceContext>) -> Self {
        self.begun.draft = self.begun.draft.link(cause.into());
        self
    }

    /// When it started, if that is not when [`start`](Self::start) is called.
    pub const fn with_start_time(mut self, start: SystemTime) -> Self {
        self.start = Some(start);
        self
    }

    /// Starts the span. It is not the current one until its [context](super::context_with_span) is attached.
    pub fn start(self) -> OtelSpan {
        let start = self.start;
        self.begun.start_at(|| start.map_or_else(unix_nanos_now, unix_nanos))
    }

    /// Starts the span as something that goes on across calls and awaits.
    pub fn start_operation(self) -> Operation {
        Context::map_current(|context| Operation::of(self.start(), context))
    }
}
