//! A span about to start, its fate already decided.

use super::ActiveSpan;
use super::ids::new_span_id;
use crate::Text;
use crate::clock::unix_nanos_now;
use crate::context::TraceContext;
use crate::record::{AttributeValue, SpanKind, SpanLink, SpanRecord, Unfinished};

/// Takes what is known of a span at its start. Cheap to fill when the span is not recorded: everything is ignored.
#[derive(Debug)]
#[must_use = "a span starts with .start()"]
pub struct SpanDraft {
    /// Not a span yet: what is dropped without a start goes nowhere.
    span: ActiveSpan,
}

impl SpanDraft {
    /// A span that only passes `context` on.
    #[inline]
    pub(super) const fn unrecorded(context: TraceContext) -> Self {
        Self { span: ActiveSpan::new(context, None) }
    }

    #[inline]
    pub(super) const fn new(context: TraceContext, recording: Option<Box<Unfinished>>) -> Self {
        Self { span: ActiveSpan::new(context, recording) }
    }

    /// Whether anything given to this builder will be kept.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    /// Whether anybody hears of its end: it is recorded, or measured.
    #[cfg(any(feature = "redis", feature = "sqlx"))]
    pub(crate) fn is_tracked(&self) -> bool {
        self.span.is_tracked()
    }

    /// The span's kind; internal unless said otherwise.
    #[inline]
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.span.set_kind(kind);
        self
    }

    /// An attribute.
    #[inline]
    pub fn attribute(self, key: impl Into<Text>, value: impl Into<AttributeValue>) -> Self {
        self.attribute_with(key, || value)
    }

    /// An attribute whose value takes work: computed only if the span is recorded.
    #[inline]
    pub fn attribute_with<V: Into<AttributeValue>>(mut self, key: impl Into<Text>, value: impl FnOnce() -> V) -> Self {
        if let Some(record) = self.record_mut() {
            record.add_attribute(key.into(), value().into());
        }
        self
    }

    /// Another span that caused this one, such as the producer of a record in a batch. An empty context is
    /// ignored, and so is one that is not recorded: there is nothing to follow it to.
    pub fn link(mut self, cause: TraceContext) -> Self {
        if let Some(record) = self.record_mut()
            && cause.is_valid()
            && cause.is_sampled()
        {
            record.add_link(SpanLink { trace_id: cause.trace_id, span_id: cause.span_id });
        }
        self
    }

    /// Starts the span.
    #[inline]
    pub fn start(self) -> ActiveSpan {
        self.start_at(unix_nanos_now)
    }

    /// Starts the span at a moment that is asked for only if it is recorded.
    #[inline]
    pub(crate) fn start_at(mut self, moment: impl FnOnce() -> u64) -> ActiveSpan {
        self.span.begin(moment);
        self.span
    }

    /// Gives a span that is not recorded an id of its own, by which what is said during it can be told apart.
    pub(crate) fn renew_span_id(&mut self) {
        self.span.set_span_id(new_span_id());
    }

    /// What there is of the span, if it is recorded.
    #[inline]
    pub(crate) fn record_mut(&mut self) -> Option<&mut SpanRecord> {
        self.span.record_mut()
    }

    /// The same, with attributes where they happen to be.
    #[inline]
    pub(crate) fn unfinished_mut(&mut self) -> Option<&mut Unfinished> {
        self.span.unfinished_mut()
    }
}
