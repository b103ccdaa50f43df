//! A value that goes up and down.

use std::sync::Arc;

use super::atomic::AtomicF64;

/// A handle to one gauge series; clones set the same value. The default belongs to no registry.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    value: Arc<AtomicF64>,
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.value.store(value);
    }

    /// Moves the value by `change`, which may be negative.
    pub fn add(&self, change: f64) {
        self.value.add(change);
    }

    /// The value.
    pub fn value(&self) -> f64 {
        self.value.load()
    }
}
