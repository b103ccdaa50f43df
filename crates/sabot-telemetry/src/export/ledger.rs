//! What became of everything that was given to an exporter.
//!
//! Invariant, at every moment nothing is being moved: accepted + recovered = sent + dropped + queued.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why telemetry was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// There was no room in memory, nor on disk where that is allowed.
    QueueFull,
    /// The target refused it for good.
    Rejected,
    /// The process ended before any target took it, and nothing on disk may keep it.
    Shutdown,
    /// What waited on disk was damaged.
    Damaged,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::Rejected, Self::Shutdown, Self::Damaged];

    /// As the value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counts of spans, metric points and log records together.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: AtomicU64,
    recovered: AtomicU64,
    sent: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Ledger {
    pub(crate) fn accepted(&self, items: u64) {
        self.accepted.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn recovered(&self, items: u64) {
        self.recovered.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, items: u64) {
        self.sent.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: DropReason, items: u64) {
        if let Some((_, counter)) = self.counters().find(|(counted, _)| *counted == reason) {
            counter.fetch_add(items, Ordering::Relaxed);
        }
    }

    fn counters(&self) -> impl Iterator<Item = (DropReason, &AtomicU64)> {
        DropReason::ALL.into_iter().zip(&self.dropped)
    }

    /// The counts now, with what is queued.
    pub(crate) fn read(&self, queued: u64) -> LedgerCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LedgerCounts {
            accepted: read(&self.accepted),
            recovered: read(&self.recovered),
            sent: read(&self.sent),
            dropped: self.counters().map(|(reason, counter)| (reason, read(counter))).collect(),
            queued,
        }
    }
}

/// What became of everything that was given to an exporter: spans, metric points and log records together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCounts {
    /// Given to it.
    pub accepted: u64,
    /// Found on disk when it started.
    pub recovered: u64,
    /// Taken by a target.
    pub sent: u64,
    /// Given up, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Still to be sent, in memory and on disk.
    pub queued: u64,
}

impl LedgerCounts {
    /// Everything given up.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|(_, items)| items).sum()
    }

    /// Given up for one reason.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped.iter().filter(|(counted, _)| *counted == reason).map(|(_, items)| items).sum()
    }

    /// Whether everything is accounted for. While something is being moved it may be counted in neither place, or in both.
    pub fn balances(&self) -> bool {
        self.accepted + self.recovered == self.sent + self.dropped_total() + self.queued
    }
}
