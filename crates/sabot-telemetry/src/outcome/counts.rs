//! What has been decided, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::verdict::{OutcomeReason, Verdict};

/// Decisions so far. `spans_in` is always `spans_kept + spans_dropped + spans_held` when no span is just ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Traces kept, by reason, in the order of [`OutcomeReason::ALL`].
    pub traces_kept: [u64; 5],
    /// Traces dropped.
    pub traces_dropped: u64,
    /// Traces decided before their local root ended, because the buffer was full. They are among those kept or dropped.
    pub traces_early: u64,
    /// Spans that ended.
    pub spans_in: u64,
    /// Spans passed on to the queue.
    pub spans_kept: u64,
    /// Spans dropped with their traces.
    pub spans_dropped: u64,
    /// Spans that came after the verdict on their trace and followed it. They are among those kept or dropped.
    pub spans_late: u64,
    /// Spans that came after the verdict on their trace was forgotten, and were judged alone. They are among those kept or
    /// dropped.
    pub spans_forgotten: u64,
    /// Spans that wait.
    pub spans_held: usize,
    /// Bytes that waiting traces take.
    pub bytes_held: usize,
}

impl OutcomeCounts {
    /// Traces kept for a reason.
    pub fn kept_by(&self, reason: OutcomeReason) -> u64 {
        let counts = OutcomeReason::ALL.iter().zip(self.traces_kept);
        counts.filter(|(known, _)| **known == reason).map(|(_, count)| count).sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    traces_kept: [AtomicU64; 5],
    traces_dropped: AtomicU64,
    traces_early: AtomicU64,
    spans_in: AtomicU64,
    spans_kept: AtomicU64,
    spans_dropped: AtomicU64,
    spans_late: AtomicU64,
    spans_forgotten: AtomicU64,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Counters {
    pub(super) fn span_came(&self) {
        add(&self.spans_in, 1);
    }

    pub(super) fn decided(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Dropped => Some(&self.traces_dropped),
            Verdict::Kept(reason) => {
                OutcomeReason::ALL.iter().zip(&self.traces_kept).find_map(|(known, c)| (*known == reason).then_some(c))
            }
        };
        if let Some(counter) = counter {
            add(counter, 1);
        }
    }

    pub(super) fn early(&self) {
        add(&self.traces_early, 1);
    }

    pub(super) fn spans_kept(&self, count: usize) {
        add(&self.spans_kept, count);
    }

    pub(super) fn spans_dropped(&self, count: usize) {
        add(&self.spans_dropped, count);
    }

    /// A span without a waiting trace; `was_known` says whether the verdict was remembered.
    pub(super) fn late(&self, was_known: bool) {
        add(if was_known { &self.spans_late } else { &self.spans_forgotten }, 1);
    }

    pub(super) fn read(&self, spans_held: usize, bytes_held: usize) -> OutcomeCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OutcomeCounts {
            traces_kept: self.traces_kept.each_ref().map(read),
            traces_dropped: read(&self.traces_dropped),
            traces_early: read(&self.traces_early),
            spans_in: read(&self.spans_in),
            spans_kept: read(&self.spans_kept),
            spans_dropped: read(&self.spans_dropped),
            spans_late: read(&self.spans_late),
            spans_forgotten: read(&self.spans_forgotten),
            spans_held,
            bytes_held,
        }
    }
}
