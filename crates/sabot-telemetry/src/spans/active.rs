//! A span between its start and its end.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use super::{Recorder, SpanDraft};
use crate::Text;
use crate::clock::unix_nanos_now;
use crate::context::TraceContext;
use crate::record::{Attribute, AttributeValue, SpanEvent, SpanKind, SpanRecord, SpanStatus, Unfinished};

/// Most causes of an error that are told.
const MAX_CAUSES: usize = 64;

/// A running span; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct ActiveSpan {
    context: TraceContext,
    recording: Option<Recording>,
}

/// What there is of a recorded span so far, and where it goes at its end.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) record: Box<Unfinished>,
    pub(super) purpose: Purpose,
    pub(super) recorder: Arc<Recorder>,
}

/// What a record is filled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be stored.
    Recorded,
    /// The same, and it is the first of its trace that runs here; before the start: it may be.
    LocalRoot,
    /// To be counted and timed: sampling left it out, and nothing that is set on it is kept.
    Measured,
}

impl ActiveSpan {
    #[inline]
    pub(super) const fn new(context: TraceContext, recording: Option<Recording>) -> Self {
        Self { context, recording }
    }

    #[inline]
    pub(super) fn set_kind(&mut self, kind: SpanKind) {
        if let Some(Recording { record, .. }) = &mut self.recording {
            record.bare().kind = kind;
        }
    }

    #[inline]
    pub(super) fn begin(&mut self, moment: impl FnOnce() -> u64) {
        if let Some(Recording { record, purpose, recorder }) = &mut self.recording {
            let record = record.bare();
            record.start_unix_nano = moment().max(1);
            if *purpose == Purpose::LocalRoot && !recorder.begin(record) {
                *purpose = Purpose::Recorded;
            }
        }
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
        matches!(&self.recording, Some(Recording { purpose: Purpose::Recorded | Purpose::LocalRoot, .. }))
    }

    /// Whether somebody looks at its end: it is recorded, or measured although sampling left it out.
    pub(crate) const fn is_observed(&self) -> bool {
        self.recording.is_some()
    }

    /// A span below this one, recorded if this one is.
    pub fn child(&self, name: impl Into<Text>) -> SpanDraft {
        match &self.recording {
            Some(Recording { recorder, record, purpose: Purpose::Recorded | Purpose::LocalRoot }) => {
                let (trace_state, kind) = (record.trace_state().clone(), SpanKind::Internal);
                SpanDraft::below(recorder, Purpose::Recorded, self.context, trace_state, kind, name.into())
            }
            // It may yet become one that is measured: its kind is said later.
            Some(Recording { recorder, .. }) => {
                recorder.unsampled(self.context, Some(self.context.span_id), SpanKind::Internal, name.into())
            }
            None => SpanDraft::unrecorded(self.context),
        }
    }

    /// Adds an attribute. A key that is set again has the last value when the span is drained.
    #[inline]
    pub fn set_attribute(&mut self, key: impl Into<Text>, value: impl Into<AttributeValue>) {
        self.set_attribute_with(key, || value);
    }

    /// Adds an attribute whose value takes work: computed only if the span is recorded.
    #[inline]
    pub fn set_attribute_with<V: Into<AttributeValue>>(&mut self, key: impl Into<Text>, value: impl FnOnce() -> V) {
        if let Some(record) = self.record_mut() {
            record.add_attribute(key.into(), value().into());
        }
    }

    /// Notes something that happened now.
    pub fn add_event<K: Into<Text>>(
        &mut self,
        name: impl Into<Text>,
        attributes: impl IntoIterator<Item = (K, AttributeValue)>,
    ) {
        if let Some(record) = self.record_mut() {
            let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value)).collect();
            record.add_event(SpanEvent { name: name.into(), at_unix_nano: unix_nanos_now(), attributes });
        }
    }

    /// Marks the span as failed: status, `error.type`, and an `exception` event whose `exception.stacktrace` holds the
    /// chain of causes if there is one. `error_type` is a short stable name, fit for a metric label.
    pub fn record_error(&mut self, error: &dyn Error, error_type: impl Into<Text>) {
        if !self.is_recording() {
            return self.set_status(SpanStatus::Error(Text::default()));
        }
        let error_type = error_type.into();
        let message = error.to_string();
        let mut exception: Vec<Attribute> = vec![
            ("exception.type".into(), error_type.clone().into()),
            ("exception.message".into(), message.clone().into()),
        ];
        if let Some(chain) = causes(&message, error.source()) {
            exception.push(("exception.stacktrace".into(), chain.into()));
        }
        self.add_event("exception", exception);
        self.set_attribute("error.type", error_type);
        self.set_status(SpanStatus::Error(message.into()));
    }

    /// Says how it went, as OpenTelemetry has it: [`Ok`](SpanStatus::Ok) is final, and
    /// [`Unset`](SpanStatus::Unset) takes nothing back.
    pub fn set_status(&mut self, status: SpanStatus) {
        if let Some(Recording { record, .. }) = &mut self.recording {
            record.bare().set_status(status);
        }
    }

    /// Another name than the one it began with, also for who measures it.
    pub(crate) fn set_name(&mut self, name: Text) {
        if let Some(Recording { record, .. }) = &mut self.recording {
            record.bare().name = name;
        }
    }

    /// What there is of the span, if it is recorded and has not ended.
    #[inline]
    pub(crate) fn record_mut(&mut self) -> Option<&mut SpanRecord> {
        self.unfinished_mut().map(Unfinished::record)
    }

    /// The same, with attributes where they happen to be.
    #[inline]
    pub(crate) fn unfinished_mut(&mut self) -> Option<&mut Unfinished> {
        match &mut self.recording {
            Some(Recording { record, purpose: Purpose::Recorded | Purpose::LocalRoot, .. }) => Some(record),
            _ => None,
        }
    }

    pub(super) const fn set_span_id(&mut self, span_id: [u8; 8]) {
        self.context.span_id = span_id;
    }

    #[inline(never)]
    fn end_now(&mut self) {
        self.end_at(unix_nanos_now());
    }

    /// Ends the span before it is dropped; what never started goes nowhere, and a second end is ignored.
    pub(crate) fn end_at(&mut self, end_unix_nano: u64) {
        if let Some(Recording { mut record, purpose, recorder }) = self.recording.take()
            && record.bare().start_unix_nano != 0
        {
            record.bare().end_unix_nano = end_unix_nano;
            recorder.end(record, purpose);
        }
    }
}

impl Drop for ActiveSpan {
    #[inline]
    fn drop(&mut self) {
        if self.recording.is_some() {
            self.end_now();
        }
    }
}

/// An error and what caused it, one per line; `None` for an error without a cause. An error that is among its own causes
/// does not keep this busy for ever.
pub(crate) fn causes(message: &str, cause: Option<&dyn Error>) -> Option<String> {
    let mut next = cause;
    next?;
    let mut chain = message.to_owned();
    for _ in 0..MAX_CAUSES {
        let Some(cause) = next else { break };
        // Fails only if the cause's own Display does, and then there is no more to tell.
        write!(chain, "\ncaused by: {cause}").ok()?;
        next = cause.source();
    }
    Some(chain)
}
