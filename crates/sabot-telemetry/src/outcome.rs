//! Which traces are kept, decided when the local root span ends: by errors, slowness, value, operation, or a ratio.
//!
//! The spans of a trace that end before their local root (the first span of the trace in this process that is still
//! running) wait in a buffer of bounded bytes. Invariant: every span that comes in is kept or dropped by a decision that is
//! counted, and none is lost. When the buffer is full the oldest trace is decided early, by what is known of it; what ends
//! after its trace was decided follows the verdict. No rule looks at a trace's random bits, so the weights stay true: what
//! a rule keeps stands for itself (or for what head sampling made of it), and what the ratio keeps says so in `tracestate`.
//!
//! The buffer is cut into shards by trace id, each behind a lock that is held for a push: threads rarely meet. The last
//! verdicts (65,536 of them, about 4 MiB) are remembered for what comes late.

mod counts;
mod pending;
mod rules;
mod shard;
mod size;
mod verdict;
mod weight;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use counts::OutcomeCounts;
pub use rules::{DEFAULT_OUTCOME_BUFFER_BYTES, OutcomeRules};
pub use verdict::OutcomeReason;

use counts::Counters;
use pending::Pending;
use rules::Rules;
use shard::Shard;
use verdict::Verdict;
use weight::Weight;

use crate::record::{SpanRecord, Unfinished};
use crate::sampling::{SamplingError, randomness, randomness_of};
use crate::sync::lock;

/// Parts of the buffer. More would only make it less likely that the oldest trace of one is the oldest of all.
const SHARDS: usize = 64;
/// The attribute of a kept local root that says why.
pub(crate) const REASON_KEY: &str = "sampling.reason";

/// Spans on their way to the queue.
pub(crate) type Released = Vec<Box<Unfinished>>;

/// Holds spans until their trace is decided.
#[derive(Debug)]
pub struct OutcomeSampler {
    rules: Rules,
    limit_bytes: usize,
    held_bytes: AtomicUsize,
    shards: Box<[Mutex<Shard>]>,
    counters: Counters,
}

impl OutcomeSampler {
    /// Checks the rules and makes them ready.
    pub fn new(rules: &OutcomeRules) -> Result<Self, SamplingError> {
        Self::with_shards(rules, SHARDS)
    }

    fn with_shards(rules: &OutcomeRules, shards: usize) -> Result<Self, SamplingError> {
        Ok(Self {
            limit_bytes: rules.buffer_bytes,
            rules: Rules::new(rules)?,
            held_bytes: AtomicUsize::new(0),
            shards: std::iter::repeat_with(Mutex::default).take(shards).collect(),
            counters: Counters::default(),
        })
    }

    /// A span begins that is not the child of one known to run here; whether it is the local root of its trace. What has
    /// to make room for it is put into `released`.
    pub(crate) fn begin(&self, span: &SpanRecord, released: &mut Released) -> bool {
        let Some(mut shard) = self.shard(&span.trace_id).map(lock) else { return false };
        if shard.is_pending(&span.trace_id) {
            return false;
        }
        let pending = Pending::new(span);
        self.held_bytes.fetch_add(pending.bytes, Ordering::Relaxed);
        shard.insert(span.trace_id, pending);
        self.make_room(&mut shard, span.start_unix_nano, released);
        true
    }

    /// A span has ended. What is decided by that, itself perhaps among it, is put into `released` if it is kept.
    pub(crate) fn end(&self, mut span: Box<Unfinished>, is_local_root: bool, released: &mut Released) {
        self.counters.span_came();
        let record = span.record();
        let facts = self.rules.facts(record, is_local_root);
        let SpanRecord { trace_id, span_id, end_unix_nano, .. } = *record;
        let Some(mut shard) = self.shard(&trace_id).map(lock) else { return };
        if is_local_root && let Some(mut pending) = shard.remove_root(&trace_id, span_id) {
            self.held_bytes.fetch_sub(pending.bytes, Ordering::Relaxed);
            pending.facts |= facts;
            let verdict = self.decide(&mut shard, &trace_id, &pending);
            // Letting go of many spans takes a while; the verdict is known, so nobody has to wait for that.
            drop(shard);
            let root = std::iter::once(span);
            self.release(pending.spans.into_iter().chain(root), verdict, Some(pending.root_span_id), released);
            return;
        }
        match shard.push(span, facts) {
            Ok(bytes) => {
                self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
                self.make_room(&mut shard, end_unix_nano, released);
            }
            Err(late) => {
                span = late;
                let known = shard.verdicts.get(&trace_id);
                let verdict = known.unwrap_or_else(|| {
                    let verdict = self.rules.judge(facts, randomness(span.trace_state(), &trace_id));
                    shard.verdicts.remember(trace_id, verdict);
                    verdict
                });
                drop(shard);
                self.counters.late(known.is_some());
                let root = is_local_root.then_some(span_id);
                self.release(std::iter::once(span), verdict, root, released);
            }
        }
    }

    /// Decides everything that waits, by what is known of it.
    pub(crate) fn decide_pending(&self, now_unix_nano: u64, released: &mut Released) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            while let Some((trace_id, pending)) = shard.pop_oldest() {
                self.decide_early(&mut shard, &trace_id, pending, now_unix_nano, released);
            }
        }
    }

    pub(crate) fn counts(&self) -> OutcomeCounts {
        let held = self.shards.iter().map(|shard| lock(shard).spans_held()).sum();
        self.counters.read(held, self.held_bytes.load(Ordering::Relaxed))
    }

    fn shard(&self, trace_id: &[u8; 16]) -> Option<&Mutex<Shard>> {
        let shards = u64::try_from(self.shards.len()).ok()?;
        self.shards.get(usize::try_from(randomness_of(trace_id).checked_rem(shards)?).ok()?)
    }

    /// Decides the oldest traces of this shard until the buffer is within its limit. Ends: what has just come in is part
    /// of the shard, and without it the buffer was within its limit.
    fn make_room(&self, shard: &mut Shard, now_unix_nano: u64, released: &mut Released) {
        while self.held_bytes.load(Ordering::Relaxed) > self.limit_bytes {
            let Some((trace_id, pending)) = shard.pop_oldest() else { return };
            self.counters.early();
            self.decide_early(shard, &trace_id, pending, now_unix_nano, released);
        }
    }

    /// Decides a trace whose local root is still running.
    fn decide_early(
        &self,
        shard: &mut Shard,
        trace_id: &[u8; 16],
        mut pending: Pending,
        now_unix_nano: u64,
        released: &mut Released,
    ) {
        self.held_bytes.fetch_sub(pending.bytes, Ordering::Relaxed);
        pending.facts |=
            self.rules.facts_so_far(&pending.root_name, now_unix_nano.saturating_sub(pending.started_unix_nano));
        let verdict = self.decide(shard, trace_id, &pending);
        self.release(pending.spans.into_iter(), verdict, None, released);
    }

    /// The verdict on a trace, counted and remembered. What was kept once stays kept, so that traces stay whole.
    fn decide(&self, shard: &mut Shard, trace_id: &[u8; 16], pending: &Pending) -> Verdict {
        let judged = self.rules.judge(pending.facts, pending.randomness);
        let earlier = shard.verdicts.get(trace_id).filter(|earlier| earlier.is_kept());
        let verdict = if judged.is_by_rule() { judged } else { earlier.unwrap_or(judged) };
        shard.verdicts.remember(*trace_id, verdict);
        self.counters.decided(verdict);
        verdict
    }

    fn release(
        &self,
        spans: impl Iterator<Item = Box<Unfinished>>,
        verdict: Verdict,
        root: Option<[u8; 8]>,
        released: &mut Released,
    ) {
        let Verdict::Kept(reason) = verdict else {
            self.counters.spans_dropped(spans.count());
            return;
        };
        let before = released.len();
        let mut weight = Weight::new(&self.rules, reason);
        released.extend(spans.map(|mut span| {
            let record = span.record();
            weight.put_on(record);
            if root == Some(record.span_id) {
                record.attributes.push((REASON_KEY.into(), reason.as_str().into()));
            }
            span
        }));
        self.counters.spans_kept(released.len() - before);
    }
}

#[cfg(test)]
mod tests;
