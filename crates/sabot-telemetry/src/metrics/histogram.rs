//! A distribution in fixed buckets, with the newest exemplar of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::atomic::AtomicF64;
use super::current::sampled_context;
use super::exemplar::{Exemplar, ExemplarSlot};
use crate::clock::unix_nanos_now;
use crate::context::TraceContext;

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
    exemplar: ExemplarSlot,
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

    /// Counts one observation. NaN and infinities are ignored: they would spoil the sum for good. When OpenTelemetry's
    /// current context has a sampled span, its first observation in a bucket becomes the bucket's exemplar.
    pub fn observe(&self, value: f64) {
        if let (Some(cell), Some(context)) = (self.count(value), sampled_context()) {
            cell.exemplar.offer(value, context);
        }
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
        cell.exemplar.put(Exemplar { value, context, at_unix_nano });
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
            Some((*total, cell.exemplar.get()))
        });
        bounds.zip(cumulative).map(|(le, (count, exemplar))| HistogramBucket { le, count, exemplar }).collect()
    }
}
