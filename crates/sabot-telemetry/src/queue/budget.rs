//! How many spans a second may be recorded before routine work is left out.
//!
//! The generic cell rate algorithm: each span moves a mark by its share of a second, and routine work is recorded while
//! the mark is not ahead of now. So the rate holds on average, and a pause buys no more than [`BURST`].

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::monotonic_nanos;

/// What a pause saves up.
const BURST: Duration = Duration::from_millis(100);
/// How far a trace that began may overdraw, so that it is seen whole by those who come later in it.
const OVERDRAFT: Duration = Duration::from_secs(1);

/// A rate of spans, shared by all threads.
#[derive(Debug)]
pub(super) struct Budget {
    /// A second divided by the rate.
    nanos_per_span: u64,
    /// The moment until which spans are paid for.
    mark: AtomicU64,
}

impl Budget {
    pub(super) const fn new(spans_per_second: NonZeroU32) -> Self {
        Self { nanos_per_span: 1_000_000_000 / spans_per_second.get() as u64, mark: AtomicU64::new(0) }
    }

    /// Takes one span off.
    pub(super) fn charge(&self) {
        self.mark.fetch_add(self.nanos_per_span, Ordering::Relaxed);
    }

    /// Whether more routine work may be recorded now; `goes_on` says that it continues a recorded trace.
    pub(super) fn has_room(&self, goes_on: bool) -> bool {
        self.has_room_at(monotonic_nanos(), goes_on)
    }

    fn has_room_at(&self, now: u64, goes_on: bool) -> bool {
        let saved = now.saturating_sub(nanos(BURST));
        // What was recorded whatever the budget is not owed for ever.
        let most = now.saturating_add(nanos(OVERDRAFT) + nanos(BURST));
        self.mark.fetch_min(most, Ordering::Relaxed);
        let mark = self.mark.fetch_max(saved, Ordering::Relaxed).max(saved);
        let overdraft = if goes_on { nanos(OVERDRAFT) } else { 0 };
        mark <= now.saturating_add(overdraft)
    }
}

const fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + duration.subsec_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{Budget, nanos};

    const START: u64 = 1 << 50;

    fn budget(rate: u32) -> Budget {
        Budget::new(NonZeroU32::new(rate).unwrap())
    }

    /// Pieces of `spans` spans each, tried every microsecond of `millis` milliseconds; how many were recorded.
    fn recorded(budget: &Budget, from: u64, millis: u64, spans: u64, goes_on: bool) -> u64 {
        let moments = (0..millis * 1_000).map(|micros| from + micros * 1_000);
        let pieces = moments.filter(|now| {
            let room = budget.has_room_at(*now, goes_on);
            (0..spans).filter(|_| room).for_each(|_| budget.charge());
            room
        });
        pieces.count() as u64 * spans
    }

    #[test]
    fn the_rate_holds_whatever_is_asked_for() {
        for spans in [1, 3, 100] {
            let budget = budget(5_000);
            let first = recorded(&budget, START, 1_000, spans, false);
            assert!(first.abs_diff(5_500) <= spans, "a second and the burst: {first}, {spans} at a time");
            let second = recorded(&budget, START + 1_000_000_000, 1_000, spans, false);
            assert!(second.abs_diff(5_000) <= spans, "a second: {second}, {spans} at a time");
        }
    }

    #[test]
    fn a_pause_saves_up_no_more_than_the_burst() {
        let budget = budget(5_000);
        recorded(&budget, START, 1_000, 1, false);
        let hour_later = START + 3_600_000_000_000;
        let after = recorded(&budget, hour_later, 1, 10, false);
        assert!(after.abs_diff(505) <= 10, "100 ms and the one that passes: {after}");
    }

    #[test]
    fn what_is_recorded_whatever_the_budget_is_owed_for_little_more_than_a_second() {
        let budget = budget(100);
        assert!(budget.has_room_at(START, false));
        (0..60_000).for_each(|_| budget.charge());
        assert!(!budget.has_room_at(START, true));
        let later = START + nanos(super::OVERDRAFT) + nanos(super::BURST);
        assert!(!budget.has_room_at(later - 1, false) && budget.has_room_at(later, false));
    }

    #[test]
    fn what_goes_on_may_overdraw_by_a_second_and_no_more() {
        let budget = budget(5_000);
        recorded(&budget, START, 1, 10, false);
        assert!(!budget.has_room_at(START, false));
        assert!(recorded(&budget, START, 1, 10, true).abs_diff(5_000) <= 30);
        let repaid = START + nanos(super::OVERDRAFT) + 10_000_000;
        assert!(!budget.has_room_at(START + 1_000_000, true) && budget.has_room_at(repaid, false));
    }
}
