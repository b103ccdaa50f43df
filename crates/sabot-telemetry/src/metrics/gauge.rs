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

    /// Moves the value by `change`, which may be negative. What is not finite is ignored: no later change would mend it.
    pub fn add(&self, change: f64) {
        if change.is_finite() {
            self.value.add(change);
        }
    }

    /// The value.
    pub fn value(&self) -> f64 {
        self.value.load()
    }
}
