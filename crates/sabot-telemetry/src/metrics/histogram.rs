//! A distribution in fixed buckets, with the newest exemplar of each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use super::atomic::AtomicF64;
use crate::clock::unix_nanos_now;
use crate::context::TraceContext;
use crate::sync::lock;

/// A handle to one histogram series; clones observe into the same buckets.
#[derive(Clone, Debug)]
pub struct Histogram {
    cells: Arc<Cells>,
}

#[derive(Debug)]
struct Cells {
    bounds: Arc<[f64]>,
    /// One more than there are bounds: the last is `+Inf`.
    buckets: Box<[Cell]>,
    sum: AtomicF64,
}

#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    exemplar: Mutex<Option<Exemplar>>,
}

/// One observation and the span it was made in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// What was observed.
    pub value: f64,
    /// The span it was observed in.
    pub context: TraceContext,
    /// When, in nanoseconds since the Unix epoch.
    pub at_unix_nano: u64,
}

/// How many observations were at most a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistogramBucket {
    /// The bound, itself included; infinity in the last bucket.
    pub le: f64,
    /// Observations at most the bound, those of the buckets before included.
    pub count: u64,
    /// The newest exemplar of this bucket alone.
    pub exemplar: Option<Exemplar>,
}

impl Histogram {
    /// `bounds` ascend strictly and are finite.
    pub(super) fn new(bounds: Arc<[f64]>) -> Self {
        let buckets = std::iter::repeat_with(Cell::default).take(bounds.len() + 1).collect();
        Self { cells: Arc::new(Cells { bounds, buckets, sum: AtomicF64::default() }) }
    }

    /// Counts one observation. NaN and infinities are ignored: they would spoil the sum for good.
    pub fn observe(&self, value: f64) {
        self.count(value);
    }

    /// Counts one observation made in the span of `context` and remembers it as the newest exemplar of its bucket.
    /// Without a sampled context there is no trace to point at, and it is only counted.
    pub fn observe_with_exemplar(&self, value: f64, context: TraceContext) {
        if context.is_valid() && context.is_sampled() {
            self.observe_at(value, context, unix_nanos_now());
        } else {
            self.count(value);
        }
    }

    pub(super) fn observe_at(&self, value: f64, context: TraceContext, at_unix_nano: u64) {
        let Some(cell) = self.count(value) else { return };
        // Whoever holds the lock is writing an exemplar as new as this one, so there is nothing to wait for.
        let mut slot = match cell.exemplar.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        *slot = Some(Exemplar { value, context, at_unix_nano });
    }

    fn count(&self, value: f64) -> Option<&Cell> {
        if !value.is_finite() {
            return None;
        }
        let index = self.cells.bounds.partition_point(|bound| *bound < value);
        let cell = self.cells.buckets.get(index)?;
        cell.count.fetch_add(1, Ordering::Relaxed);
        self.cells.sum.add(value);
        Some(cell)
    }

    /// The sum of all observations.
    pub fn sum(&self) -> f64 {
        self.cells.sum.load()
    }

    /// The buckets, cumulative. The last one counts every observation, so a count taken from it always agrees with them.
    pub fn buckets(&self) -> Vec<HistogramBucket> {
        let bounds = self.cells.bounds.iter().copied().chain([f64::INFINITY]);
        let cumulative = self.cells.buckets.iter().scan(0, |total, cell| {
            *total += cell.count.load(Ordering::Relaxed);
            Some((*total, *lock(&cell.exemplar)))
        });
        bounds.zip(cumulative).map(|(le, (count, exemplar))| HistogramBucket { le, count, exemplar }).collect()
    }
}
