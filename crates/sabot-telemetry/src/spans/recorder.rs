//! What records spans, in a way that may change while handles are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::active::{Purpose, Way};
use super::ids::new_span_id;
use super::{SpanDraft, SpanJudges, unsampled_root};
use crate::clock::unix_nanos_now;
use crate::context::{RANDOM, SAMPLED, TraceContext};
use crate::outcome::Released;
use crate::queue::SpanQueue;
use crate::record::{AttributeValue, Dropped, Resource, SpanRecord, Unfinished};
use crate::sampling::Threshold;
use crate::{SpanKind, SpanStatus, Text};

/// What all handles share. What is asked at every start is answered by single words; the judges themselves are looked at
/// only where they have something to decide.
#[derive(Debug)]
pub(crate) struct Recorder {
    resource: Arc<Resource>,
    queue: SpanQueue,
    /// The bits of a [`Threshold`]: roots whose random bits are below it are left out, and nothing else has to be known
    /// about them. [`OFF`] while nothing is recorded.
    kept_from: AtomicU64,
    /// Spans below a parent that is not sampled are left out, and nothing else has to be known about them.
    follows_unsampled: AtomicBool,
    /// Roots, and spans below a parent that is sampled, are recorded, and nothing else has to be known about them.
    is_plain: AtomicBool,
    /// None while nothing is recorded.
    judges: ArcSwapOption<SpanJudges>,
}

/// No threshold: tracing is off here, and not elsewhere.
const OFF: u64 = u64::MAX;

/// How a span is recorded, once that is decided.
struct Decided {
    purpose: Purpose,
    trace_state: Text,
    /// Who looks at its end, if anybody does.
    judges: Option<Arc<SpanJudges>>,
}

impl Decided {
    /// Nobody but the queue hears of it.
    const fn plainly(trace_state: Text) -> Self {
        Self { purpose: Purpose::Recorded, trace_state, judges: None }
    }
}

impl Recorder {
    /// Records nothing, until it is [told](Self::switch) to.
    pub(crate) fn new(resource: Arc<Resource>, queue: SpanQueue) -> Self {
        Self {
            resource,
            queue,
            kept_from: AtomicU64::new(OFF),
            follows_unsampled: AtomicBool::new(true),
            is_plain: AtomicBool::new(false),
            judges: ArcSwapOption::empty(),
        }
    }

    /// Records as these judges say from now on, or nothing. Spans that have begun end before the judges they began with;
    /// what those have not decided yet is decided now.
    pub(super) fn switch(&self, judges: Option<SpanJudges>) {
        let (mut kept_from, mut follows_unsampled, mut is_plain) = (OFF, true, false);
        if let Some(judges) = &judges {
            let measures = judges.red.is_some();
            kept_from = if measures { Threshold::ALWAYS } else { judges.sampler.kept_from() }.bits();
            follows_unsampled = !measures && judges.sampler.follows_parents();
            is_plain = follows_unsampled && judges.outcome.is_none() && judges.sampler.keeps_all_roots();
        }
        // In between spans are decided by the judges, of before or of now.
        self.is_plain.store(false, Ordering::Release);
        let before = self.judges.swap(judges.map(Arc::new));
        self.kept_from.store(kept_from, Ordering::Release);
        self.follows_unsampled.store(follows_unsampled, Ordering::Release);
        self.is_plain.store(is_plain, Ordering::Release);
        if let Some(before) = before {
            self.decide_pending_of(&before);
        }
    }

    /// From where on roots may be kept; none while nothing is recorded.
    #[inline]
    pub(super) fn kept_from(&self) -> Option<Threshold> {
        match self.kept_from.load(Ordering::Relaxed) {
            OFF => None,
            bits => Some(Threshold::from_bits(bits)),
        }
    }

    #[inline]
    pub(super) fn follows_unsampled(&self) -> bool {
        self.follows_unsampled.load(Ordering::Relaxed)
    }

    /// Who decides at present.
    pub(super) fn judges(&self) -> Option<Arc<SpanJudges>> {
        self.judges.load_full()
    }

    /// A span that must not be recorded, nor what hangs below it; as it is while nothing is.
    pub(super) fn suppressed(&self, parent: TraceContext) -> SpanDraft {
        let is_on = self.kept_from().is_some();
        SpanDraft::unrecorded(if is_on { parent.unsampled() } else { parent })
    }

    /// Decides the traces that wait for their local roots.
    pub(super) fn decide_pending(&self) {
        if let Some(judges) = self.judges() {
            self.decide_pending_of(&judges);
        }
    }

    fn decide_pending_of(&self, judges: &SpanJudges) {
        if let Some(outcome) = &judges.outcome {
            let mut released = Vec::new();
            outcome.decide_pending(unix_nanos_now(), &mut released);
            self.push(released);
        }
    }

    /// Apart from where a root is surely left out, so that this is small enough to become part of its caller.
    #[inline(never)]
    pub(super) fn root(
        self: &Arc<Self>,
        trace_id: [u8; 16],
        kind: SpanKind,
        name: Text,
        routine: bool,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> Option<Box<Unfinished>> {
        let decided = if self.is_plain.load(Ordering::Relaxed) {
            Decided::plainly(Text::default())
        } else {
            let judges = self.judges()?;
            match judges.sampler.root(&trace_id, &name, known) {
                Some(trace_state) => judged(judges, trace_state),
                None => return self.measured(judges, unsampled_root(trace_id), None, kind, name),
            }
        };
        if !self.queue.is_open() || (routine && !self.queue.admits_routine(false)) {
            return self.measured(decided.judges?, unsampled_root(trace_id), None, kind, name);
        }
        // How likely routine work is to be admitted is not known, so its weight is not either.
        let trace_state = if routine { Text::default() } else { decided.trace_state };
        let context = TraceContext { trace_id, span_id: new_span_id(), flags: SAMPLED | RANDOM };
        Some(self.record(Decided { trace_state, ..decided }, context, None, kind, name))
    }

    #[inline(never)]
    pub(super) fn child(
        self: &Arc<Self>,
        parent: TraceContext,
        trace_state: Text,
        kind: SpanKind,
        name: Text,
        routine: bool,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> SpanDraft {
        let decided = if self.is_plain.load(Ordering::Relaxed) && parent.is_sampled() {
            Decided::plainly(trace_state)
        } else {
            let Some(judges) = self.judges() else { return SpanDraft::unrecorded(parent) };
            match judges.sampler.below(&parent, trace_state, &name, known) {
                Some(trace_state) => judged(judges, trace_state),
                None => return self.unsampled(Some(judges), parent, kind, name),
            }
        };
        if routine && !self.queue.admits_routine(true) {
            return self.unsampled(decided.judges, parent, kind, name);
        }
        self.below(decided, parent, kind, name)
    }

    /// A span below one that runs here, and as it is.
    pub(super) fn child_of_running(way: &Way, trace_state: &Text, parent: TraceContext, name: Text) -> SpanDraft {
        let Way { purpose, recorder, judges } = way;
        let (judges, kind) = (judges.clone(), SpanKind::Internal);
        if *purpose == Purpose::Measured {
            // Its kind is said later, so that it may yet become one that is measured.
            return recorder.unsampled(judges, parent, kind, name);
        }
        let decided = Decided { purpose: Purpose::Recorded, trace_state: trace_state.clone(), judges };
        recorder.below(decided, parent, kind, name)
    }

    /// A recorded span below `parent`; one that only passes the parent on when nobody takes spans any more.
    #[inline(never)]
    fn below(self: &Arc<Self>, decided: Decided, parent: TraceContext, kind: SpanKind, name: Text) -> SpanDraft {
        if !self.queue.is_open() {
            return SpanDraft::unrecorded(parent);
        }
        let context = TraceContext { span_id: new_span_id(), flags: parent.flags | SAMPLED, ..parent };
        SpanDraft::new(context, Some(self.record(decided, context, Some(parent.span_id), kind, name)))
    }

    /// A span that sampling leaves out, and that is measured all the same where that is configured.
    fn unsampled(
        self: &Arc<Self>,
        judges: Option<Arc<SpanJudges>>,
        parent: TraceContext,
        kind: SpanKind,
        name: Text,
    ) -> SpanDraft {
        let context = parent.unsampled();
        let measured = judges.and_then(|judges| self.measured(judges, context, Some(parent.span_id), kind, name));
        SpanDraft::new(context, measured)
    }

    /// What is filled to measure such a span, if that is configured.
    fn measured(
        self: &Arc<Self>,
        judges: Arc<SpanJudges>,
        context: TraceContext,
        parent_span_id: Option<[u8; 8]>,
        kind: SpanKind,
        name: Text,
    ) -> Option<Box<Unfinished>> {
        let is_measured = judges.red.is_some() && self.queue.is_open();
        let decided = Decided { purpose: Purpose::Measured, trace_state: Text::default(), judges: Some(judges) };
        is_measured.then(|| self.record(decided, context, parent_span_id, kind, name))
    }

    fn record(
        self: &Arc<Self>,
        decided: Decided,
        context: TraceContext,
        parent_span_id: Option<[u8; 8]>,
        kind: SpanKind,
        name: Text,
    ) -> Box<Unfinished> {
        let Decided { purpose, trace_state, judges } = decided;
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
        Box::new(Unfinished::on(Way { purpose, recorder: Arc::clone(self), judges }, record))
    }

    fn push(&self, released: Released) {
        for span in released {
            self.queue.push(span);
        }
    }

    /// A span has ended that somebody looks at.
    #[inline(never)]
    fn judge(&self, judges: &SpanJudges, mut span: Box<Unfinished>, purpose: Purpose) {
        if let Some(red) = &judges.red {
            red.observe(span.bare(), purpose != Purpose::Measured && judges.outcome.is_none());
        }
        match &judges.outcome {
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

/// A span that is sampled, and what the judges want of it besides.
fn judged(judges: Arc<SpanJudges>, trace_state: Text) -> Decided {
    // It may be the first of its trace that runs here, where that matters.
    let purpose = if judges.outcome.is_some() { Purpose::LocalRoot } else { Purpose::Recorded };
    let looks_at_ends = judges.outcome.is_some() || judges.red.is_some();
    Decided { purpose, trace_state, judges: looks_at_ends.then_some(judges) }
}

impl Way {
    /// A span starts that may be the local root of its trace; whether it is.
    pub(super) fn begin(&self, span: &SpanRecord) -> bool {
        let Some(outcome) = self.judges.as_ref().and_then(|judges| judges.outcome.as_ref()) else { return false };
        let mut released = Vec::new();
        let is_local_root = outcome.begin(span, &mut released);
        self.recorder.push(released);
        is_local_root
    }

    /// A span has ended.
    #[inline]
    pub(super) fn end(self, span: Box<Unfinished>) {
        match &self.judges {
            None => self.recorder.queue.push(span),
            Some(judges) => self.recorder.judge(judges, span, self.purpose),
        }
    }
}
