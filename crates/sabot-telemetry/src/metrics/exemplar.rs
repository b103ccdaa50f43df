//! The newest observation of a series or a bucket that was made in a recorded trace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};

use crate::clock::unix_nanos_now;
use crate::context::TraceContext;
use crate::sync::lock;

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

/// Room for one exemplar.
#[derive(Debug, Default)]
pub(super) struct ExemplarSlot {
    newest: Mutex<Option<Exemplar>>,
    /// The span it is from, to see without the lock that there is nothing new to tell.
    span: AtomicU64,
}

impl ExemplarSlot {
    /// Takes the first observation of each span, which saves the clock and the lock for those after it. `context` is
    /// sampled.
    #[inline]
    pub(super) fn offer(&self, value: f64, context: TraceContext) {
        if self.span.load(Ordering::Relaxed) != u64::from_ne_bytes(context.span_id) {
            self.put(Exemplar { value, context, at_unix_nano: unix_nanos_now() });
        }
    }

    pub(super) fn put(&self, exemplar: Exemplar) {
        // Whoever holds the lock is writing an exemplar as new as this one, so there is nothing to wait for.
        let mut slot = match self.newest.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        self.span.store(u64::from_ne_bytes(exemplar.context.span_id), Ordering::Relaxed);
        *slot = Some(exemplar);
    }

    pub(super) fn get(&self) -> Option<Exemplar> {
        *lock(&self.newest)
    }
}
