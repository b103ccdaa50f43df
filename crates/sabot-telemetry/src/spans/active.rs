//! A span between its start and its end.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use super::measured::Measured;
use super::{Recorder, SpanDraft};
use crate::Text;
use crate::clock::unix_nanos_now;
use crate::context::TraceContext;
use crate::record::{Attribute, AttributeValue, SpanEvent, SpanRecord, SpanStatus};

/// A running span; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct ActiveSpan {
    context: TraceContext,
    recording: Option<Recording>,
    /// Of a span that is not recorded.
    measured: Option<Box<Measured>>,
}

/// What there is of a recorded span so far, and where it goes at its end.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) context: TraceContext,
    pub(super) record: Box<SpanRecord>,
    /// Before the start: whether it may be one.
    pub(super) is_local_root: bool,
    pub(super) recorder: Arc<Recorder>,
}

impl ActiveSpan {
    pub(super) const fn unrecorded(context: TraceContext) -> Self {
        Self { context, recording: None, measured: None }
    }

    pub(super) const fn recorded(recording: Recording) -> Self {
        Self { context: recording.context, recording: Some(recording), measured: None }
    }

    pub(super) const fn measured(context: TraceContext, measured: Box<Measured>) -> Self {
        Self { context, recording: None, measured: Some(measured) }
    }

    /// What to send along so that others can hang their spans below this one. Empty when tracing is disabled and there
    /// was no parent.
    pub const fn context(&self) -> TraceContext {
        self.context
    }

    /// The context to pass on with what this span makes, recorded or not: what follows must hear of either. None when
    /// there is nothing to hear of.
    pub fn trace(&self) -> Option<TraceContext> {
        Some(self.context).filter(TraceContext::is_valid)
    }

    /// Whether anything set here is kept; ask before building what is costly.
    pub const fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// A span below this one, recorded if this one is.
    pub fn child(&self, name: impl Into<Text>) -> SpanDraft {
        match &self.recording {
            Some(Recording { recorder, record, .. }) => {
                SpanDraft::below(recorder, self.context, record.trace_state.clone(), name.into())
            }
            None => SpanDraft::unrecorded(self.context),
        }
    }

    /// Adds an attribute. Keys are not deduplicated: set each once.
    pub fn set_attribute(&mut self, key: impl Into<Text>, value: impl Into<AttributeValue>) {
        self.set_attribute_with(key, || value);
    }

    /// Adds an attribute whose value takes work: computed only if the span is recorded.
    pub fn set_attribute_with<V: Into<AttributeValue>>(&mut self, key: impl Into<Text>, value: impl FnOnce() -> V) {
        if let Some(Recording { record, .. }) = &mut self.recording {
            record.add_attribute(key.into(), value().into());
        }
    }

    /// Notes something that happened now.
    pub fn add_event<K: Into<Text>>(
        &mut self,
        name: impl Into<Text>,
        attributes: impl IntoIterator<Item = (K, AttributeValue)>,
    ) {
        if let Some(Recording { record, .. }) = &mut self.recording {
            let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value)).collect();
            record.add_event(SpanEvent { name: name.into(), at_unix_nano: unix_nanos_now(), attributes });
        }
    }

    /// Marks the span as failed: status, `error.type`, and an `exception` event whose `exception.stacktrace` holds the
    /// chain of causes if there is one. `error_type` is a short stable name, fit for a metric label.
    pub fn record_error(&mut self, error: &dyn Error, error_type: impl Into<Text>) {
        if let Some(measured) = &mut self.measured {
            measured.set_failed();
        }
        if !self.is_recording() {
            return;
        }
        let error_type = error_type.into();
        let message = error.to_string();
        let mut exception: Vec<Attribute> = vec![
            ("exception.type".into(), error_type.clone().into()),
            ("exception.message".into(), message.clone().into()),
        ];
        if let Some(chain) = causes(error) {
            exception.push(("exception.stacktrace".into(), chain.into()));
        }
        self.add_event("exception", exception);
        self.set_attribute("error.type", error_type);
        if let Some(Recording { record, .. }) = &mut self.recording {
            record.status = SpanStatus::Error(message.into());
        }
    }
}

impl Drop for ActiveSpan {
    fn drop(&mut self) {
        if let Some(Recording { mut record, is_local_root, recorder, .. }) = self.recording.take() {
            record.end_unix_nano = unix_nanos_now();
            recorder.end(record, is_local_root);
        } else if let Some(measured) = self.measured.take() {
            measured.end(unix_nanos_now());
        }
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
