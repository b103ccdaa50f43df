//! A total that only grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::atomic::AtomicF64;

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
        if amount.is_finite() && amount > 0.0 {
            self.total.fractional.add(amount);
        }
    }

    /// Raises the total to one that is counted elsewhere, for use in [`on_collect`](super::Registry::on_collect). A lower
    /// total is ignored. Not to be mixed with [`add`](Self::add).
    pub fn raise_to(&self, total: u64) {
        self.total.whole.fetch_max(total, Ordering::Relaxed);
    }

    /// The total.
    #[expect(clippy::cast_precision_loss, reason = "exposition formats carry doubles; exact up to 2^53")]
    pub fn value(&self) -> f64 {
        self.total.whole.load(Ordering::Relaxed) as f64 + self.total.fractional.load()
    }
}
