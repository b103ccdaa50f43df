//! A total that only grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::atomic::AtomicF64;
use super::current::sampled_context;
use super::exemplar::{Exemplar, ExemplarSlot};
use crate::clock::unix_nanos_now;
use crate::context::TraceContext;

/// A handle to one counter series; clones add to the same total. The default belongs to no registry.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    total: Arc<Total>,
}

/// Whole and fractional additions apart, so that counting things stays one exact atomic add.
#[derive(Debug, Default)]
struct Total {
    whole: AtomicU64,
    fractional: AtomicF64,
    exemplar: ExemplarSlot,
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.total.whole.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds an amount such as seconds. Negative and non-finite amounts are ignored: a counter only grows.
    pub fn add_f64(&self, amount: f64) {
        self.try_add_f64(amount);
    }

    /// As [`add_f64`](Self::add_f64); whether it was added.
    pub(super) fn try_add_f64(&self, amount: f64) -> bool {
        let grows = amount.is_finite() && amount > 0.0;
        if grows {
            self.total.fractional.add(amount);
        }
        grows
    }

    /// Adds `count` and remembers the span of `context` as the newest exemplar, unless it is not sampled. [`add`](Self::add)
    /// looks for no span at all, so that it stays a single atomic addition.
    pub fn add_with_exemplar(&self, count: u64, context: TraceContext) {
        if context.is_valid() && context.is_sampled() {
            self.add_at(count, context, unix_nanos_now());
        } else {
            self.add(count);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an exemplar for people")]
    pub(super) fn add_at(&self, count: u64, context: TraceContext, at_unix_nano: u64) {
        self.add(count);
        self.total.exemplar.put(Exemplar { value: count as f64, context, at_unix_nano });
    }

    /// Offers the current span as exemplar of an addition that was just made.
    #[inline]
    pub(super) fn offer_current(&self, amount: impl FnOnce() -> f64) {
        if let Some(context) = sampled_context() {
            self.total.exemplar.offer(amount(), context);
        }
    }

    /// The newest addition that was made in a recorded trace.
    pub fn exemplar(&self) -> Option<Exemplar> {
        self.total.exemplar.get()
    }

    /// As [`raise_to`](Self::raise_to), for an amount.
    pub(super) fn raise_to_f64(&self, total: f64) {
        if total.is_finite() {
            self.total.fractional.raise_to(total);
        }
    }

    /// Raises the total to one that is counted elsewhere, for use in [`on_collect`](super::Registry::on_collect). A lower
    /// total is ignored. Not to be mixed with [`add`](Self::add).
    pub fn raise_to(&self, total: u64) {
        self.total.whole.fetch_max(total, Ordering::Relaxed);
    }

    /// What was counted in whole numbers.
    pub(crate) fn whole(&self) -> u64 {
        self.total.whole.load(Ordering::Relaxed)
    }

    /// The total.
    #[expect(clippy::cast_precision_loss, reason = "exposition formats carry doubles; exact up to 2^53")]
    pub fn value(&self) -> f64 {
        self.whole() as f64 + self.total.fractional.load()
    }
}
