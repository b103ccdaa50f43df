//! Starting spans with explicit parents.
//!
//! Invariant: whether a span is recorded is decided as soon as its parent is known and before anything else is built. A
//! span with a parent follows the parent's `sampled` flag; a root is sampled by its trace id; routine work of either kind
//! is left out while there are too many spans. What is not recorded still has a context, marked unsampled, so that
//! everything downstream stays unrecorded too.

use std::sync::Arc;

use crate::context::{SAMPLED, TraceContext};
use crate::queue::SpanQueue;
use crate::record::{Dropped, Resource, SpanRecord, Unfinished};
use crate::{SpanKind, SpanStatus, Text};

mod active;
mod draft;
mod ids;

pub use active::ActiveSpan;
pub use draft::SpanDraft;

use active::Recording;
pub(crate) use active::causes;
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
struct Recorder {
    resource: Arc<Resource>,
    queue: SpanQueue,
    sampler: RatioSampler,
}

impl Spans {
    /// Records nothing and leaves incoming contexts as they are: tracing is off here, not elsewhere.
    pub const fn disabled() -> Self {
        Self { mode: Mode::Disabled }
    }

    pub(crate) fn recording(resource: Arc<Resource>, queue: SpanQueue, sample_rate: f64) -> Self {
        let sampler = RatioSampler::new(sample_rate);
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

    /// Whether this handle decides anything: not where tracing is disabled.
    pub(crate) const fn is_enabled(&self) -> bool {
        !matches!(self.mode, Mode::Disabled)
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

    /// Below `parent`, recorded if and only if the parent is sampled. Without a valid parent it is a root.
    #[inline]
    pub fn parent(self, parent: impl Into<Option<TraceContext>>) -> SpanDraft {
        let Some(parent) = parent.into() else { return self.root() };
        if !parent.is_valid() {
            return self.root();
        }
        match &self.spans.mode {
            Mode::Recording(recorder) if parent.is_sampled() => recorder.child(parent, self.name, self.routine),
            Mode::Recording(_) | Mode::Disabled => SpanDraft::unrecorded(parent),
            Mode::Suppressed => SpanDraft::unrecorded(parent.unsampled()),
        }
    }

    /// The first span of a new trace, recorded if the sample rate says so for its trace id.
    #[inline]
    pub fn root(self) -> SpanDraft {
        let recorder = match &self.spans.mode {
            Mode::Disabled => return SpanDraft::unrecorded(TraceContext::default()),
            Mode::Suppressed => None,
            Mode::Recording(recorder) => Some(recorder),
        };
        let trace_id = new_trace_id();
        if let Some(recorder) = recorder
            && recorder.sampler.samples(trace_id)
            && recorder.takes_root(self.routine)
        {
            return recorder.root(trace_id, self.name);
        }
        // Half of the trace's id is as good an id as another draw for the only span that will ever have it.
        let [span_id, ..] = *trace_id.as_chunks().0 else { return SpanDraft::unrecorded(TraceContext::default()) };
        SpanDraft::unrecorded(TraceContext { trace_id, span_id, flags: 0 })
    }
}

impl Recorder {
    /// Whether there is somebody to take the first span of a sampled trace, and room for it.
    fn takes_root(&self, routine: bool) -> bool {
        self.queue.is_open() && (!routine || self.queue.admits_routine(false))
    }

    /// Apart from where it is decided, so that the decision is small enough to become part of its caller.
    #[inline(never)]
    fn root(self: &Arc<Self>, trace_id: [u8; 16], name: Text) -> SpanDraft {
        let context = TraceContext { trace_id, span_id: new_span_id(), flags: SAMPLED };
        SpanDraft::recorded(context, self.record(context, None, name))
    }

    #[inline(never)]
    fn child(self: &Arc<Self>, parent: TraceContext, name: Text, routine: bool) -> SpanDraft {
        if routine && !self.queue.admits_routine(true) {
            return SpanDraft::unrecorded(parent.unsampled());
        }
        SpanDraft::below(self, parent, name)
    }

    fn record(self: &Arc<Self>, context: TraceContext, parent_span_id: Option<[u8; 8]>, name: Text) -> Recording {
        self.queue.expect_one();
        let record = SpanRecord {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent_span_id,
            trace_state: Text::default(),
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
        Recording { record: Box::new(Unfinished::new(record)), recorder: Arc::clone(self) }
    }
}

/// Keeps a share of traces by the last 56 bits of their ids, which are random: the consistent probability sampling of
/// the OpenTelemetry specification. Every service with the same rate decides the same, and one with a higher rate keeps
/// what one with a lower rate keeps.
#[derive(Clone, Copy, Debug)]
struct RatioSampler {
    /// The least randomness that is kept.
    threshold: u64,
}

/// How many values the randomness of a trace id has.
const RANDOMNESS: u64 = 1 << 56;

impl RatioSampler {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2^56 and its products with a rate from 0 to 1 are exact enough, and not negative"
    )]
    fn new(rate: f64) -> Self {
        Self { threshold: RANDOMNESS - (rate * RANDOMNESS as f64) as u64 }
    }

    #[inline]
    fn samples(self, trace_id: [u8; 16]) -> bool {
        let [.., last_8] = trace_id.as_chunks::<8>().0 else { return false };
        u64::from_be_bytes(*last_8) & (RANDOMNESS - 1) >= self.threshold
    }
}

#[cfg(test)]
mod tests;
