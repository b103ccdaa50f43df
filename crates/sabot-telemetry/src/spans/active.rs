//! A span between its start and its end.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use opentelemetry::trace::{Span as _, Status};
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::trace::Span;

use super::builder::Origin;
use super::{Recorder, SpanBuilder, SpanValue};
use crate::context::TraceContext;

/// A running span; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct ActiveSpan {
    context: TraceContext,
    recorded: Option<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    span: Span,
    recorder: Arc<Recorder>,
}

impl ActiveSpan {
    pub(super) fn unrecorded(context: TraceContext) -> Self {
        Self { context, recorded: None }
    }

    /// `parent` is passed on if the SDK refuses the span, which it does after shutdown.
    pub(super) fn recorded(span: Span, recorder: &Arc<Recorder>, parent: TraceContext) -> Self {
        if !span.is_recording() {
            return Self::unrecorded(parent);
        }
        let context = TraceContext::from_otel(span.span_context());
        Self { context, recorded: Some(Recorded { span, recorder: Arc::clone(recorder) }) }
    }

    /// What to send along so that others can hang their spans below this one. Empty when tracing is disabled and there
    /// was no parent.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Whether anything set here is kept; ask before building what is costly.
    pub fn is_recording(&self) -> bool {
        self.recorded.is_some()
    }

    /// A span below this one, recorded if this one is.
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> SpanBuilder<'_> {
        match &self.recorded {
            Some(Recorded { recorder, .. }) => {
                SpanBuilder::recorded(recorder, Origin::Child(self.context), name.into())
            }
            None => SpanBuilder::unrecorded(self.context),
        }
    }

    /// Adds an attribute. Keys are not deduplicated: set each once.
    pub fn set_attribute(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<SpanValue>) {
        self.set_attribute_with(key, || value);
    }

    /// Adds an attribute whose value takes work: computed only if the span is recorded.
    pub fn set_attribute_with<V: Into<SpanValue>>(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl FnOnce() -> V,
    ) {
        if let Some(Recorded { span, .. }) = &mut self.recorded {
            span.set_attribute(KeyValue::new(Key::from(key.into()), value().into().0));
        }
    }

    /// Notes something that happened now.
    pub fn add_event<K: Into<Cow<'static, str>>>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        attributes: impl IntoIterator<Item = (K, SpanValue)>,
    ) {
        if let Some(Recorded { span, .. }) = &mut self.recorded {
            let attributes = attributes.into_iter();
            let attributes = attributes.map(|(key, value)| KeyValue::new(Key::from(key.into()), value.0)).collect();
            span.add_event(name, attributes);
        }
    }

    /// Marks the span as failed: status, `error.type`, and an `exception` event whose `exception.stacktrace` holds the
    /// chain of causes if there is one. `error_type` is a short stable name, fit for a metric label.
    pub fn record_error(&mut self, error: &dyn Error, error_type: impl Into<Cow<'static, str>>) {
        let Some(Recorded { span, .. }) = &mut self.recorded else { return };
        let error_type = error_type.into();
        let message = error.to_string();
        let mut exception = vec![
            KeyValue::new("exception.type", error_type.clone()),
            KeyValue::new("exception.message", message.clone()),
        ];
        if let Some(chain) = causes(error) {
            exception.push(KeyValue::new("exception.stacktrace", chain));
        }
        span.add_event("exception", exception);
        span.set_attribute(KeyValue::new("error.type", error_type));
        span.set_status(Status::error(message));
    }
}

/// The error and what caused it, one per line; `None` for an error without a cause.
fn causes(error: &dyn Error) -> Option<String> {
    let mut next = error.source();
    next?;
    let mut chain = error.to_string();
    while let Some(cause) = next {
        // Fails only if the cause's own Display does, and then there is no more to tell.
        write!(chain, "\ncaused by: {cause}").ok()?;
        next = cause.source();
    }
    Some(chain)
}
