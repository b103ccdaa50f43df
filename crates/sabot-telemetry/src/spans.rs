//! Starting spans with explicit parents.
//!
//! Invariant: whether a span is recorded is decided as soon as its parent is known and before anything else is built, by
//! the [`HeadSampler`]: unless configured otherwise a span with a parent follows the parent's `sampled` flag, and a root
//! is sampled by its trace id. Routine work of either kind is left out while there are too many spans. What is not
//! recorded still has a context, marked unsampled, so that everything downstream stays unrecorded too.
//!
//! How spans are recorded can change while the service runs: all handles share one [`Recorder`], and a span ends in the way
//! it began.

use std::sync::Arc;

use crate::context::{RANDOM, SAMPLED, TraceContext};
use crate::outcome::{OutcomeCounts, OutcomeSampler};
use crate::record::{AttributeValue, Unfinished};
use crate::red::RedMetrics;
use crate::sampling::{HeadSampler, randomness_of};
use crate::{SpanKind, Text};

mod active;
mod draft;
mod ids;
mod recorder;

pub use active::ActiveSpan;
pub use draft::SpanDraft;

pub(crate) use active::{Way, causes};
pub(crate) use ids::new_unique_id;
pub(crate) use recorder::Recorder;

use active::Purpose;
use ids::new_trace_id;

/// Starts spans. A handle: cheap to clone and to send.
#[derive(Clone, Debug)]
pub struct Spans {
    mode: Mode,
}

#[derive(Clone, Debug)]
enum Mode {
    Disabled,
    Suppressed(Arc<Recorder>),
    Recording(Arc<Recorder>),
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

    #[cfg(test)]
    pub(crate) fn recording_with(
        resource: Arc<crate::record::Resource>,
        queue: crate::queue::SpanQueue,
        judges: SpanJudges,
    ) -> Self {
        let spans = Self::of(Recorder::new(resource, queue));
        spans.switch(Some(judges));
        spans
    }

    pub(crate) fn of(recorder: Recorder) -> Self {
        Self { mode: Mode::Recording(Arc::new(recorder)) }
    }

    /// Has all handles record as these judges say from now on, or not at all.
    pub(crate) fn switch(&self, judges: Option<SpanJudges>) {
        if let Mode::Recording(recorder) | Mode::Suppressed(recorder) = &self.mode {
            recorder.switch(judges);
        }
    }

    /// A handle that never records and marks every context it passes on as unsampled. For work on telemetry itself
    /// (receivers, stores, pollers, readers of telemetry streams): their spans would be fed to themselves. Disabled
    /// tracing stays disabled.
    #[must_use]
    pub fn suppressed(&self) -> Self {
        match &self.mode {
            Mode::Disabled => Self { mode: Mode::Disabled },
            Mode::Suppressed(recorder) | Mode::Recording(recorder) => {
                Self { mode: Mode::Suppressed(Arc::clone(recorder)) }
            }
        }
    }

    /// Whether this handle decides anything: not where tracing is disabled.
    pub(crate) fn is_enabled(&self) -> bool {
        match &self.mode {
            Mode::Disabled => false,
            Mode::Suppressed(recorder) | Mode::Recording(recorder) => recorder.kept_from().is_some(),
        }
    }

    /// Whether nothing is recorded below a parent that is not.
    #[cfg(any(feature = "redis", feature = "sqlx"))]
    pub(crate) fn follows_parents(&self) -> bool {
        let Mode::Recording(recorder) = &self.mode else { return true };
        recorder.judges().is_none_or(|judges| judges.sampler.follows_parents())
    }

    /// Decides the traces that wait for their local roots by what is known of them, for a shutdown or a flush. Spans
    /// that end later follow the verdict. Nothing waits unless [`OutcomeRules`](crate::OutcomeRules) are configured.
    pub fn decide_pending(&self) {
        if let Mode::Recording(recorder) = &self.mode {
            recorder.decide_pending();
        }
    }

    /// What has been decided at the ends of local roots; `None` unless [`OutcomeRules`](crate::OutcomeRules) are
    /// configured.
    pub fn outcome_counts(&self) -> Option<OutcomeCounts> {
        let Mode::Recording(recorder) = &self.mode else { return None };
        recorder.judges()?.outcome.as_ref().map(OutcomeSampler::counts)
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
            Mode::Recording(recorder) if parent.is_sampled() || !recorder.follows_unsampled() => {
                recorder.child(parent, Text::default(), SpanKind::Internal, self.name, self.routine, |_| None)
            }
            Mode::Recording(_) | Mode::Disabled => SpanDraft::unrecorded(parent),
            Mode::Suppressed(recorder) => recorder.suppressed(parent),
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
            Mode::Recording(recorder) if parent.is_sampled() || !recorder.follows_unsampled() => {
                recorder.child(parent, trace_state.into(), kind, self.name, self.routine, known)
            }
            Mode::Recording(_) | Mode::Disabled => SpanDraft::unrecorded(parent),
            Mode::Suppressed(recorder) => recorder.suppressed(parent),
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
            Mode::Suppressed(recorder) | Mode::Recording(recorder) => recorder,
        };
        let Some(kept_from) = recorder.kept_from() else { return SpanDraft::unrecorded(TraceContext::default()) };
        let trace_id = new_trace_id();
        let mut name = self.name;
        let recording = match &self.spans.mode {
            Mode::Recording(recorder) if kept_from.keeps(randomness_of(&trace_id)) => {
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
    TraceContext { trace_id, span_id, flags: RANDOM }
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
            && !way.begin(record)
        {
            way.purpose = Purpose::Recorded;
        }
    }

    /// The context of a root.
    #[inline]
    fn root_context(&self) -> TraceContext {
        let flags = if self.is_kept() { SAMPLED | RANDOM } else { RANDOM };
        let (trace_id, span_id) = self.ids();
        TraceContext { trace_id, span_id, flags }
    }
}

#[cfg(test)]
mod tests;
