//! A span about to start, its fate already decided.

use std::sync::Arc;

use super::ids::new_span_id;
use super::measured::Measured;
use super::{ActiveSpan, Recorder, Recording};
use crate::Text;
use crate::clock::unix_nanos_now;
use crate::context::{SAMPLED, TraceContext};
use crate::record::{AttributeValue, SpanKind, SpanLink};

/// Takes what is known of a span at its start. Cheap to fill when the span is not recorded: everything is ignored.
#[derive(Debug)]
#[must_use = "a span starts with .start()"]
pub struct SpanDraft {
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    Unrecorded(TraceContext),
    Measured(TraceContext, Box<Measured>),
    Recorded(Recording),
}

impl SpanDraft {
    /// A span that only passes `context` on.
    pub(super) const fn unrecorded(context: TraceContext) -> Self {
        Self { fate: Fate::Unrecorded(context) }
    }

    pub(super) const fn recorded(recording: Recording) -> Self {
        Self { fate: Fate::Recorded(recording) }
    }

    /// A span that is measured and not recorded.
    pub(super) const fn measured(context: TraceContext, measured: Box<Measured>) -> Self {
        Self { fate: Fate::Measured(context, measured) }
    }

    /// Says that nothing is known of a parent that runs here.
    pub(super) fn may_be_local_root(&mut self, kind: SpanKind) {
        if let Fate::Recorded(recording) = &mut self.fate {
            recording.is_local_root = true;
            recording.record.kind = kind;
        }
    }

    /// A recorded span below `parent`; one that only passes the parent on when nobody takes spans any more.
    pub(super) fn below(recorder: &Arc<Recorder>, parent: TraceContext, trace_state: Text, name: Text) -> Self {
        if !recorder.queue.is_open() {
            return Self::unrecorded(parent);
        }
        let context = TraceContext { span_id: new_span_id(), flags: parent.flags | SAMPLED, ..parent };
        Self::recorded(recorder.record(context, Some(parent.span_id), trace_state, name))
    }

    /// Whether anything given to this builder will be kept.
    pub const fn is_recording(&self) -> bool {
        matches!(self.fate, Fate::Recorded(_))
    }

    /// The span's kind; internal unless said otherwise.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        match &mut self.fate {
            Fate::Recorded(recording) => recording.record.kind = kind,
            Fate::Measured(_, measured) => measured.kind = kind,
            Fate::Unrecorded(_) => {}
        }
        self
    }

    /// An attribute.
    pub fn attribute(self, key: impl Into<Text>, value: impl Into<AttributeValue>) -> Self {
        self.attribute_with(key, || value)
    }

    /// An attribute whose value takes work: computed only if the span is recorded.
    pub fn attribute_with<V: Into<AttributeValue>>(mut self, key: impl Into<Text>, value: impl FnOnce() -> V) -> Self {
        if let Fate::Recorded(recording) = &mut self.fate {
            recording.record.add_attribute(key.into(), value().into());
        }
        self
    }

    /// Another span that caused this one, such as the producer of a record in a batch. An empty context is
    /// ignored, and so is one that is not recorded: there is nothing to follow it to.
    pub fn link(mut self, cause: TraceContext) -> Self {
        if let Fate::Recorded(recording) = &mut self.fate
            && cause.is_valid()
            && cause.is_sampled()
        {
            recording.record.add_link(SpanLink { trace_id: cause.trace_id, span_id: cause.span_id });
        }
        self
    }

    /// Starts the span.
    pub fn start(self) -> ActiveSpan {
        match self.fate {
            Fate::Unrecorded(context) => ActiveSpan::unrecorded(context),
            Fate::Measured(context, mut measured) => {
                measured.start_unix_nano = unix_nanos_now();
                ActiveSpan::measured(context, measured)
            }
            Fate::Recorded(mut recording) => {
                recording.record.start_unix_nano = unix_nanos_now();
                if recording.is_local_root {
                    recording.is_local_root = recording.recorder.begin(&recording.record);
                }
                ActiveSpan::recorded(recording)
            }
        }
    }
}
