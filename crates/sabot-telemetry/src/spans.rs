//! Starting spans with explicit parents.
//!
//! Invariant: whether a span is recorded is decided as soon as its parent is known and before anything else is built, by
//! the [`HeadSampler`]: unless configured otherwise a span with a parent follows the parent's `sampled` flag, and a root
//! is sampled by its trace id. Routine work of either kind is left out while there are too many spans. What is not
//! recorded still has a context, marked unsampled, so that everything downstream stays unrecorded too.

use std::sync::Arc;

use crate::context::{SAMPLED, TraceContext};
use crate::queue::SpanQueue;
use crate::record::{AttributeValue, Dropped, Resource, SpanRecord};
use crate::sampling::HeadSampler;
use crate::{SpanKind, SpanStatus, Text};

mod active;
mod draft;
mod ids;

pub use active::ActiveSpan;
pub use draft::SpanDraft;

use active::Recording;
use ids::{new_span_id, new_trace_id};

/// Starts spans. A handle: cheap to clone and to send.
#[derive(Clone, Debug)]
pub struct Spans {
    mode: Mode,
}

#[derive(Clone, Debug)]
enum Mode {
    Disabled,
    Suppressed,
    Recording(Arc<Recorder>),
}

/// What recorded spans share.
#[derive(Debug)]
struct Recorder {
    resource: Arc<Resource>,
    queue: SpanQueue,
    sampler: HeadSampler,
}

impl Spans {
    /// Records nothing and leaves incoming contexts as they are: tracing is off here, not elsewhere.
    pub const fn disabled() -> Self {
        Self { mode: Mode::Disabled }
    }

    pub(crate) fn recording(resource: Arc<Resource>, queue: SpanQueue, sample_rate: f64) -> Self {
        Self::recording_with(resource, queue, HeadSampler::of_rate(sample_rate))
    }

    pub(crate) fn recording_with(resource: Arc<Resource>, queue: SpanQueue, sampler: HeadSampler) -> Self {
        Self { mode: Mode::Recording(Arc::new(Recorder { resource, queue, sampler })) }
    }

    /// A handle that never records and marks every context it passes on as unsampled. For work on telemetry itself
    /// (receivers, stores, pollers, readers of telemetry streams): their spans would be fed to themselves. Disabled
    /// tracing stays disabled.
    #[must_use]
    pub const fn suppressed(&self) -> Self {
        match self.mode {
            Mode::Disabled => Self { mode: Mode::Disabled },
            Mode::Suppressed | Mode::Recording(_) => Self { mode: Mode::Suppressed },
        }
    }

    /// Names a span; its parentage has to be given next.
    pub fn start(&self, name: impl Into<Text>) -> SpanStart<'_> {
        SpanStart { spans: self, name: name.into(), routine: false }
    }
}

/// A span that has a name and still needs a [`parent`](Self::parent) or to be a [`root`](Self::root).
#[derive(Debug)]
#[must_use = "a span starts with .root() or .parent(…), then .start()"]
pub struct SpanStart<'a> {
    spans: &'a Spans,
    name: Text,
    routine: bool,
}

impl SpanStart<'_> {
    /// One of many alike, such as a batch of rows: left out, together with all that hangs below it, while more spans are
    /// recorded than [configured](crate::TelemetryConfig::with_max_spans_per_second).
    pub const fn routine(mut self) -> Self {
        self.routine = true;
        self
    }

    /// Below `parent`, recorded as the parent is unless [`Sampling`](crate::Sampling) says otherwise. Without a valid
    /// parent it is a root.
    pub fn parent(self, parent: impl Into<Option<TraceContext>>) -> SpanDraft {
        self.parent_with(parent, Text::default(), SpanKind::Internal, |_| None)
    }

    /// [`parent`](Self::parent) with all that can be known at a start: the `tracestate` that came with the parent, the
    /// kind, and attributes for rules that judge them. `known` is asked for no attribute that no rule names, and what it
    /// tells is for judging only: set it on the draft as well.
    pub fn parent_with(
        self,
        parent: impl Into<Option<TraceContext>>,
        trace_state: impl Into<Text>,
        kind: SpanKind,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> SpanDraft {
        let Some(parent) = parent.into().filter(TraceContext::is_valid) else {
            return self.root_with(kind, known);
        };
        match &self.spans.mode {
            Mode::Recording(recorder) => {
                let Some(trace_state) = recorder.sampler.below(&parent, trace_state.into(), &self.name, known) else {
                    return SpanDraft::unrecorded(parent.unsampled());
                };
                if self.routine && !recorder.queue.admits_routine(true) {
                    return SpanDraft::unrecorded(parent.unsampled());
                }
                SpanDraft::below(recorder, parent, trace_state, self.name).kind(kind)
            }
            Mode::Disabled => SpanDraft::unrecorded(parent),
            Mode::Suppressed => SpanDraft::unrecorded(parent.unsampled()),
        }
    }

    /// The first span of a new trace, recorded if the sampling says so for its trace id and its name.
    pub fn root(self) -> SpanDraft {
        self.root_with(SpanKind::Internal, |_| None)
    }

    /// [`root`](Self::root) of a kind, with attributes for rules that judge them, such as the customer's tier. `known` is
    /// asked for no attribute that no rule names, and what it tells is for judging only: set it on the draft as well.
    pub fn root_with(self, kind: SpanKind, known: impl Fn(&str) -> Option<AttributeValue>) -> SpanDraft {
        let trace_id = match &self.spans.mode {
            Mode::Disabled => return SpanDraft::unrecorded(TraceContext::default()),
            Mode::Suppressed => new_trace_id(),
            Mode::Recording(recorder) => {
                let trace_id = new_trace_id();
                let kept = recorder.sampler.root(&trace_id, &self.name, known);
                if let Some(trace_state) = kept
                    && recorder.queue.is_open()
                    && (!self.routine || recorder.queue.admits_routine(false))
                {
                    // How likely routine work is to be admitted is not known, so its weight is not either.
                    let trace_state = if self.routine { Text::default() } else { trace_state };
                    let context = TraceContext { trace_id, span_id: new_span_id(), flags: SAMPLED };
                    return SpanDraft::recorded(recorder.record(context, None, trace_state, self.name)).kind(kind);
                }
                trace_id
            }
        };
        SpanDraft::unrecorded(TraceContext { trace_id, span_id: new_span_id(), flags: 0 })
    }
}

impl Recorder {
    fn record(
        self: &Arc<Self>,
        context: TraceContext,
        parent_span_id: Option<[u8; 8]>,
        trace_state: Text,
        name: Text,
    ) -> Recording {
        self.queue.expect_one();
        let record = SpanRecord {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent_span_id,
            trace_state,
            resource: Arc::clone(&self.resource),
            scope: None,
            name,
            kind: SpanKind::Internal,
            start_unix_nano: 0,
            end_unix_nano: 0,
            status: SpanStatus::Unset,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            dropped: Dropped::default(),
        };
        Recording { context, record: Box::new(record), recorder: Arc::clone(self) }
    }
}

#[cfg(test)]
mod tests;
