//! A floating-point number that many threads add to.

use std::sync::atomic::{AtomicU64, Ordering};

/// An `f64` kept as its bits. Relaxed, because a metric orders nothing else.
#[derive(Debug, Default)]
pub(super) struct AtomicF64(AtomicU64);

impl AtomicF64 {
    pub(super) fn load(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn store(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn add(&self, value: f64) {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let sum = (f64::from_bits(current) + value).to_bits();
            match self.0.compare_exchange_weak(current, sum, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => current = changed,
            }
        }
    }

    /// Keeps the greater of what is there and `value`.
    pub(super) fn raise_to(&self, value: f64) {
        let mut current = self.0.load(Ordering::Relaxed);
        while f64::from_bits(current) < value {
            match self.0.compare_exchange_weak(current, value.to_bits(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => current = changed,
            }
        }
    }
}
