//! Starting spans with explicit parents.
//!
//! Invariant: whether a span is recorded is decided as soon as its parent is known and before anything else is built, by
//! the [`HeadSampler`]: unless configured otherwise a span with a parent follows the parent's `sampled` flag, and a root
//! is sampled by its trace id. Routine work of either kind is left out while there are too many spans. What is not
//! recorded still has a context, marked unsampled, so that everything downstream stays unrecorded too.

use std::sync::Arc;

use crate::clock::unix_nanos_now;
use crate::context::{SAMPLED, TraceContext};
use crate::outcome::{OutcomeCounts, OutcomeSampler, Released};
use crate::queue::SpanQueue;
use crate::record::{AttributeValue, Dropped, Resource, SpanRecord};
use crate::red::RedMetrics;
use crate::sampling::HeadSampler;
use crate::{SpanKind, SpanStatus, Text};

mod active;
mod draft;
mod ids;
mod measured;

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
    judges: SpanJudges,
}

/// Who sees spans between their start and the queue. Only the head sampler is there unless more is asked for.
#[derive(Debug)]
pub struct SpanJudges {
    sampler: HeadSampler,
    outcome: Option<OutcomeSampler>,
    red: Option<RedMetrics>,
}

impl SpanJudges {
    /// Decisions at the start alone.
    pub const fn new(sampler: HeadSampler) -> Self {
        Self { sampler, outcome: None, red: None }
    }

    /// Decisions at the ends of local roots as well.
    #[must_use]
    pub fn with_outcome(mut self, outcome: OutcomeSampler) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Measures operations before a decision leaves something out.
    #[must_use]
    pub fn with_red_metrics(mut self, red: RedMetrics) -> Self {
        self.red = Some(red);
        self
    }
}

impl Spans {
    /// Records nothing and leaves incoming contexts as they are: tracing is off here, not elsewhere.
    pub const fn disabled() -> Self {
        Self { mode: Mode::Disabled }
    }

    pub(crate) fn recording(resource: Arc<Resource>, queue: SpanQueue, sample_rate: f64) -> Self {
        Self::recording_with(resource, queue, SpanJudges::new(HeadSampler::of_rate(sample_rate)))
    }

    pub(crate) fn recording_with(resource: Arc<Resource>, queue: SpanQueue, judges: SpanJudges) -> Self {
        Self { mode: Mode::Recording(Arc::new(Recorder { resource, queue, judges })) }
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

    /// Decides the traces that wait for their local roots by what is known of them, for a shutdown or a flush. Spans
    /// that end later follow the verdict. Nothing waits unless [`OutcomeRules`](crate::OutcomeRules) are configured.
    pub fn decide_pending(&self) {
        if let Mode::Recording(recorder) = &self.mode
            && let Some(outcome) = &recorder.judges.outcome
        {
            let mut released = Vec::new();
            outcome.decide_pending(unix_nanos_now(), &mut released);
            recorder.push(released);
        }
    }

    /// What has been decided at the ends of local roots; `None` unless [`OutcomeRules`](crate::OutcomeRules) are
    /// configured.
    pub fn outcome_counts(&self) -> Option<OutcomeCounts> {
        let Mode::Recording(recorder) = &self.mode else { return None };
        recorder.judges.outcome.as_ref().map(OutcomeSampler::counts)
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
                let trace_state = recorder.judges.sampler.below(&parent, trace_state.into(), &self.name, known);
                match trace_state {
                    Some(trace_state) if !self.routine || recorder.queue.admits_routine(true) => {
                        SpanDraft::below(recorder, parent, trace_state, self.name).local_root().kind(kind)
                    }
                    _ => SpanDraft::unsampled(recorder, parent.unsampled(), self.name, false).kind(kind),
                }
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
        let new = |sampled| TraceContext { trace_id: new_trace_id(), span_id: new_span_id(), flags: sampled };
        let recorder = match &self.spans.mode {
            Mode::Disabled => return SpanDraft::unrecorded(TraceContext::default()),
            Mode::Suppressed => return SpanDraft::unrecorded(new(0)),
            Mode::Recording(recorder) => recorder,
        };
        let context = new(SAMPLED);
        let kept = recorder.judges.sampler.root(&context.trace_id, &self.name, known);
        match kept.filter(|_| recorder.queue.is_open()) {
            Some(trace_state) if !self.routine || recorder.queue.admits_routine(false) => {
                // How likely routine work is to be admitted is not known, so its weight is not either.
                let trace_state = if self.routine { Text::default() } else { trace_state };
                SpanDraft::recorded(recorder.record(context, None, trace_state, self.name)).local_root().kind(kind)
            }
            _ => SpanDraft::unsampled(recorder, context.unsampled(), self.name, true).kind(kind),
        }
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
        Recording { context, record: Box::new(record), is_local_root: false, recorder: Arc::clone(self) }
    }

    fn push(&self, released: Released) {
        for span in released {
            self.queue.push(span);
        }
    }

    /// A span starts that may be the local root of its trace; whether it is.
    fn begin(&self, span: &SpanRecord) -> bool {
        let Some(outcome) = &self.judges.outcome else { return false };
        let mut released = Vec::new();
        let is_local_root = outcome.begin(span, &mut released);
        self.push(released);
        is_local_root
    }

    /// A span has ended.
    fn end(&self, span: Box<SpanRecord>, is_local_root: bool) {
        if let Some(red) = &self.judges.red {
            red.observe(&span, self.judges.outcome.is_none());
        }
        let Some(outcome) = &self.judges.outcome else { return self.queue.push(span) };
        let mut released = Vec::new();
        outcome.end(span, is_local_root, &mut released);
        self.push(released);
    }
}

#[cfg(test)]
mod tests;
