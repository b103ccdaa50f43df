//! A span between its start and its end.

use std::error::Error;
use std::fmt::Write;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use super::{Recorder, SpanDraft, SpanJudges};
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
    /// What there is of it so far. One pointer: a span is moved a few times before it runs, recorded or not. Its end takes
    /// it out, and every span ends, so that nothing is left to drop: looking would cost what is not recorded.
    recording: ManuallyDrop<Option<Box<Unfinished>>>,
}

/// What a running span is filled for, and where it goes at its end.
#[derive(Debug)]
pub(crate) struct Way {
    pub(super) purpose: Purpose,
    pub(super) recorder: Arc<Recorder>,
    /// Who looks at its end, if anybody does.
    pub(super) judges: Option<Arc<SpanJudges>>,
}

/// What a record is filled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be stored.
    Recorded,
    /// The same, and it is the first of its trace that runs here; before the start: it may be.
    LocalRoot,
    /// To be counted and timed: sampling left it out, and nothing that is set on it is kept.
    Measured,
}

impl ActiveSpan {
    #[inline]
    pub(super) const fn new(context: TraceContext, recording: Option<Box<Unfinished>>) -> Self {
        Self { context, recording: ManuallyDrop::new(recording) }
    }

    /// Whether anybody hears of its end: it is recorded, or measured.
    #[inline]
    pub(crate) fn is_tracked(&self) -> bool {
        self.recording.is_some()
    }

    #[inline]
    pub(super) fn set_kind(&mut self, kind: SpanKind) {
        if let Some(unfinished) = &mut *self.recording {
            unfinished.bare().kind = kind;
        }
    }

    #[inline]
    pub(super) fn begin(&mut self, moment: impl FnOnce() -> u64) {
        if let Some(unfinished) = &mut *self.recording {
            unfinished.bare().start_unix_nano = moment().max(1);
            if unfinished.purpose() == Some(Purpose::LocalRoot) {
                unfinished.begin_root();
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
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recording.as_ref().is_some_and(|unfinished| unfinished.is_kept())
    }

    /// A span below this one, recorded if this one is.
    pub fn child(&self, name: impl Into<Text>) -> SpanDraft {
        let unfinished = self.recording.as_deref();
        let Some((unfinished, way)) = unfinished.and_then(|it| Some((it, it.way()?))) else {
            return SpanDraft::unrecorded(self.context);
        };
        Recorder::child_of_running(way, unfinished.trace_state(), self.context, name.into())
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
        if let Some(unfinished) = &mut *self.recording {
            unfinished.bare().set_status(status);
        }
    }

    /// Another name than the one it began with, also for who measures it.
    pub(crate) fn set_name(&mut self, name: Text) {
        if let Some(unfinished) = &mut *self.recording {
            unfinished.bare().name = name;
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
        self.recording.as_deref_mut().filter(|unfinished| unfinished.is_kept())
    }

    pub(super) const fn set_span_id(&mut self, span_id: [u8; 8]) {
        self.context.span_id = span_id;
    }

    /// Ends the span before it is dropped; what never started goes nowhere, and a second end is ignored.
    pub(crate) fn end_at(&mut self, end_unix_nano: u64) {
        if let Some(unfinished) = self.recording.take() {
            end_at(unfinished, end_unix_nano);
        }
    }
}

fn end_at(mut unfinished: Box<Unfinished>, end_unix_nano: u64) {
    if unfinished.bare().start_unix_nano != 0
        && let Some(way) = unfinished.take_way()
    {
        unfinished.bare().end_unix_nano = end_unix_nano;
        way.end(unfinished);
    }
}

/// Takes no reference to the span: it is then kept in registers where it is not recorded.
#[inline(never)]
fn end_now(unfinished: Box<Unfinished>) {
    end_at(unfinished, unix_nanos_now());
}

impl Drop for ActiveSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(unfinished) = self.recording.take() {
            end_now(unfinished);
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
