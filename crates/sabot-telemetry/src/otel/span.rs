//! A span of the OpenTelemetry API.
#![expect(clippy::disallowed_types, reason = "the API hands over times as SystemTime; they are only converted")]

use std::borrow::Cow;
use std::error::Error;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanContext, Status};

use super::IntoAttribute;
use crate::clock::{unix_nanos, unix_nanos_now};
use crate::context::TraceContext;
use crate::record::{AttributeValue, SpanEvent, SpanLink, SpanRecord};
use crate::spans::{ActiveSpan, causes};
use crate::text::Text;

/// A running span that other libraries can work on; it ends with [`end`](Span::end), or when it is dropped.
///
/// A key set twice keeps its place and has the last value.
///
/// ```
/// use opentelemetry::trace::{Span, Status};
/// use sabot_telemetry::SpanBuilder;
///
/// let mut span = SpanBuilder::new("charge").start();
/// span.attribute("cents", 995);
/// span.add_event("authorised", vec![]);
/// span.set_status(Status::Ok);
/// assert_eq!(span.trace().is_sampled(), span.is_recording());
/// span.end();
/// ```
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct OtelSpan {
    identity: SpanContext,
    span: ActiveSpan,
}

impl OtelSpan {
    #[inline]
    pub(crate) const fn new(identity: SpanContext, span: ActiveSpan) -> Self {
        Self { identity, span }
    }

    /// Its identity as it travels.
    #[inline]
    pub const fn trace(&self) -> TraceContext {
        self.span.context()
    }

    /// Sets an attribute, whatever both are made from.
    pub fn attribute(&mut self, key: impl Into<Text>, value: impl Into<AttributeValue>) {
        if let Some(record) = self.span.record_mut() {
            record.replace_attribute(key.into(), value.into());
        }
    }

    /// Where nobody looks at its end, nothing is left but the identity.
    pub(crate) fn into_identity(self) -> Result<Self, SpanContext> {
        if self.span.is_observed() { Ok(self) } else { Err(self.identity) }
    }
}

impl Span for OtelSpan {
    fn record_error(&mut self, error: &dyn Error) {
        if !self.is_recording() {
            return;
        }
        let message = error.to_string();
        let chain = causes(&message, error.source()).map(|chain| KeyValue::new("exception.stacktrace", chain));
        let attributes = [KeyValue::new("exception.message", message)].into_iter().chain(chain).collect();
        self.add_event("exception", attributes);
    }

    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(unfinished) = self.span.unfinished_mut() {
            let record = unfinished.bare();
            add_event(record, name.into(), timestamp, attributes);
        }
    }

    #[inline]
    fn span_context(&self) -> &SpanContext {
        &self.identity
    }

    #[inline]
    fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        if let Some(unfinished) = self.span.unfinished_mut() {
            unfinished.hand_over(attribute);
        }
    }

    fn set_status(&mut self, status: Status) {
        self.span.set_status(status.into());
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if self.span.is_observed() {
            self.span.set_name(name.into().into());
        }
    }

    fn add_link(&mut self, cause: SpanContext, attributes: Vec<KeyValue>) {
        if let Some(unfinished) = self.span.unfinished_mut() {
            let record = unfinished.bare();
            add_link(record, &cause, attributes.len());
        }
    }

    fn end(&mut self) {
        if self.span.is_observed() {
            self.span.end_at(unix_nanos_now());
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.span.end_at(unix_nanos(timestamp));
    }
}

pub(super) fn add_event(
    record: &mut SpanRecord,
    name: Cow<'static, str>,
    timestamp: SystemTime,
    attributes: Vec<KeyValue>,
) {
    let attributes = attributes.into_iter().map(IntoAttribute::into_attribute).collect();
    record.add_event(SpanEvent { name: name.into(), at_unix_nano: unix_nanos(timestamp), attributes });
}

/// Keeps a link to any span there is; a record has no room for a link's attributes.
pub(super) fn add_link(record: &mut SpanRecord, cause: &SpanContext, attributes: usize) {
    if cause.is_valid() {
        let cause = TraceContext::from(cause);
        record.add_link(SpanLink { trace_id: cause.trace_id, span_id: cause.span_id });
        record.drop_attributes(attributes);
    }
}
