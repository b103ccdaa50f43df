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
use crate::record::{AttributeValue, Dropped, Resource, SpanRecord, Unfinished};
use crate::red::RedMetrics;
use crate::sampling::{HeadSampler, Threshold, randomness_of};
use crate::{SpanKind, SpanStatus, Text};

mod active;
mod draft;
mod ids;

pub use active::ActiveSpan;
pub use draft::SpanDraft;

use active::Purpose;
pub(crate) use active::{Way, causes};
pub(crate) use ids::{new_span_id, new_unique_id};

use ids::new_trace_id;

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
pub(crate) struct Recorder {
    resource: Arc<Resource>,
    queue: SpanQueue,
    judges: SpanJudges,
    /// Roots whose random bits are below this are left out, and nothing else has to be known about them.
    kept_from: Threshold,
    /// What may be the local root of its trace: no span where nobody asks.
    may_be_root: Purpose,
    /// Ended spans go straight to the queue.
    is_plain: bool,
    /// Spans below a parent that is not sampled are left out, and nothing else has to be known about them.
    follows_unsampled: bool,
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

    pub(crate) fn recording_with(resource: Arc<Resource>, queue: SpanQueue, judges: SpanJudges) -> Self {
        let measures = judges.red.is_some();
        let kept_from = if measures { Threshold::ALWAYS } else { judges.sampler.kept_from() };
        let follows_unsampled = !measures && judges.sampler.follows_parents();
        let is_plain = !measures && judges.outcome.is_none();
        let may_be_root = if judges.outcome.is_some() { Purpose::LocalRoot } else { Purpose::Recorded };
        let recorder = Recorder { resource, queue, judges, kept_from, may_be_root, is_plain, follows_unsampled };
        Self { mode: Mode::Recording(Arc::new(recorder)) }
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

    /// Whether this handle decides anything: not where tracing is disabled.
    pub(crate) const fn is_enabled(&self) -> bool {
        !matches!(self.mode, Mode::Disabled)
    }

    /// Whether nothing is recorded below a parent that is not.
    #[cfg(any(feature = "redis", feature = "sqlx"))]
    pub(crate) fn follows_parents(&self) -> bool {
        let Mode::Recording(recorder) = &self.mode else { return true };
        recorder.judges.sampler.follows_parents()
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
    #[inline]
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
    #[inline]
    pub fn parent(self, parent: impl Into<Option<TraceContext>>) -> SpanDraft {
        let Some(parent) = parent.into() else { return self.root() };
        if !parent.is_valid() {
            return self.root();
        }
        match &self.spans.mode {
            Mode::Recording(recorder) if parent.is_sampled() || !recorder.follows_unsampled => {
                recorder.child(parent, Text::default(), SpanKind::Internal, self.name, self.routine, |_| None)
            }
            Mode::Recording(_) | Mode::Disabled => SpanDraft::unrecorded(parent),
            Mode::Suppressed => SpanDraft::unrecorded(parent.unsampled()),
        }
    }

    /// [`parent`](Self::parent) with all that can be known at a start: the `tracestate` that came with the parent, the
    /// kind, and attributes for rules that judge them. `known` is asked for no attribute that no rule names, and what it
    /// tells is for judging only: set it on the draft as well.
    #[inline]
    pub fn parent_with(
        self,
        parent: impl Into<Option<TraceContext>>,
        trace_state: impl Into<Text>,
        kind: SpanKind,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> SpanDraft {
        let Some(parent) = parent.into() else { return self.root_with(kind, known) };
        if !parent.is_valid() {
            return self.root_with(kind, known);
        }
        match &self.spans.mode {
            Mode::Recording(recorder) if parent.is_sampled() || !recorder.follows_unsampled => {
                recorder.child(parent, trace_state.into(), kind, self.name, self.routine, known)
            }
            Mode::Recording(_) | Mode::Disabled => SpanDraft::unrecorded(parent),
            Mode::Suppressed => SpanDraft::unrecorded(parent.unsampled()),
        }
    }

    /// The first span of a new trace, recorded if the sampling says so for its trace id and its name.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as for root_with")]
    pub fn root(self) -> SpanDraft {
        self.root_with(SpanKind::Internal, |_| None)
    }

    /// [`root`](Self::root) of a kind, with attributes for rules that judge them, such as the customer's tier. `known` is
    /// asked for no attribute that no rule names, and what it tells is for judging only: set it on the draft as well.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as a call, a root that is left out would cost half as much again")]
    pub fn root_with(self, kind: SpanKind, known: impl Fn(&str) -> Option<AttributeValue>) -> SpanDraft {
        let recorder = match &self.spans.mode {
            Mode::Disabled => return SpanDraft::unrecorded(TraceContext::default()),
            Mode::Suppressed => None,
            Mode::Recording(recorder) => Some(recorder),
        };
        let trace_id = new_trace_id();
        let mut name = self.name;
        let recording = match recorder {
            Some(recorder) if recorder.kept_from.keeps(randomness_of(&trace_id)) => {
                // Taken and not moved, so that where it is not wanted it needs no place in memory.
                recorder.root(trace_id, kind, std::mem::take(&mut name), self.routine, known)
            }
            _ => None,
        };
        let context =
            recording.as_ref().map_or_else(|| unsampled_root(trace_id), |unfinished| unfinished.root_context());
        SpanDraft::new(context, recording)
    }
}

/// Half of the trace's id is as good an id as another draw for the only span that will ever have it.
#[inline]
fn unsampled_root(trace_id: [u8; 16]) -> TraceContext {
    let [span_id, ..] = *trace_id.as_chunks().0 else { return TraceContext::default() };
    TraceContext { trace_id, span_id, flags: 0 }
}

impl Unfinished {
    #[inline]
    fn purpose(&self) -> Option<Purpose> {
        self.way().map(|way| way.purpose)
    }

    /// Whether what is set on it is kept.
    #[inline]
    fn is_kept(&self) -> bool {
        self.purpose() != Some(Purpose::Measured)
    }

    /// Tells who asks for local roots that one begins; it may be none.
    fn begin_root(&mut self) {
        if let (record, Some(way)) = self.with_way()
            && !way.recorder.begin(record)
        {
            way.purpose = Purpose::Recorded;
        }
    }

    /// The context of a root.
    #[inline]
    fn root_context(&self) -> TraceContext {
        let flags = if self.is_kept() { SAMPLED } else { 0 };
        let (trace_id, span_id) = self.ids();
        TraceContext { trace_id, span_id, flags }
    }
}

impl Recorder {
    /// Apart from where a root is surely left out, so that this is small enough to become part of its caller.
    #[inline(never)]
    fn root(
        self: &Arc<Self>,
        trace_id: [u8; 16],
        kind: SpanKind,
        name: Text,
        routine: bool,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> Option<Box<Unfinished>> {
        match self.judges.sampler.root(&trace_id, &name, known) {
            Some(trace_state) if self.queue.is_open() && (!routine || self.queue.admits_routine(false)) => {
                // How likely routine work is to be admitted is not known, so its weight is not either.
                let trace_state = if routine { Text::default() } else { trace_state };
                let context = TraceContext { trace_id, span_id: new_span_id(), flags: SAMPLED };
                Some(self.record(self.may_be_root, context, None, trace_state, kind, name))
            }
            _ => self.measured(unsampled_root(trace_id), None, kind, name),
        }
    }

    #[inline(never)]
    fn child(
        self: &Arc<Self>,
        parent: TraceContext,
        trace_state: Text,
        kind: SpanKind,
        name: Text,
        routine: bool,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> SpanDraft {
        match self.judges.sampler.below(&parent, trace_state, &name, known) {
            Some(trace_state) if !routine || self.queue.admits_routine(true) => {
                SpanDraft::below(self, self.may_be_root, parent, trace_state, kind, name)
            }
            _ => self.unsampled(parent.unsampled(), Some(parent.span_id), kind, name),
        }
    }

    /// A span that sampling leaves out, and that is measured all the same where that is configured.
    fn unsampled(
        self: &Arc<Self>,
        context: TraceContext,
        parent_span_id: Option<[u8; 8]>,
        kind: SpanKind,
        name: Text,
    ) -> SpanDraft {
        SpanDraft::new(context, self.measured(context, parent_span_id, kind, name))
    }

    /// What is filled to measure such a span, if that is configured.
    fn measured(
        self: &Arc<Self>,
        context: TraceContext,
        parent_span_id: Option<[u8; 8]>,
        kind: SpanKind,
        name: Text,
    ) -> Option<Box<Unfinished>> {
        let is_measured = self.judges.red.is_some() && self.queue.is_open();
        is_measured.then(|| self.record(Purpose::Measured, context, parent_span_id, Text::default(), kind, name))
    }

    fn record(
        self: &Arc<Self>,
        purpose: Purpose,
        context: TraceContext,
        parent_span_id: Option<[u8; 8]>,
        trace_state: Text,
        kind: SpanKind,
        name: Text,
    ) -> Box<Unfinished> {
        if purpose != Purpose::Measured {
            self.queue.expect_one();
        }
        let record = SpanRecord {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent_span_id,
            trace_state,
            resource: Arc::clone(&self.resource),
            scope: None,
            name,
            kind,
            start_unix_nano: 0,
            end_unix_nano: 0,
            status: SpanStatus::Unset,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            dropped: Dropped::default(),
        };
        Box::new(Unfinished::on(Way { purpose, recorder: Arc::clone(self) }, record))
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
    #[inline]
    fn end(&self, span: Box<Unfinished>, purpose: Purpose) {
        if self.is_plain {
            self.queue.push(span);
        } else {
            self.judge(span, purpose);
        }
    }

    /// A span has ended that somebody looks at.
    #[inline(never)]
    fn judge(&self, mut span: Box<Unfinished>, purpose: Purpose) {
        if let Some(red) = &self.judges.red {
            red.observe(span.bare(), purpose != Purpose::Measured && self.judges.outcome.is_none());
        }
        match &self.judges.outcome {
            _ if purpose == Purpose::Measured => {}
            None => self.queue.push(span),
            Some(outcome) => {
                let mut released = Vec::new();
                outcome.end(span, purpose == Purpose::LocalRoot, &mut released);
                self.push(released);
            }
        }
    }
}

#[cfg(test)]
mod tests;
