//! One at a time, with an end to the waiting.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::sync::lock;

/// A lock for work that others write and that may hang.
#[derive(Debug)]
pub(super) struct Turn {
    is_taken: Mutex<bool>,
    freed: Condvar,
    patience: Duration,
}

/// Somebody's turn, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Taken<'a>(&'a Turn);

impl Turn {
    /// Nobody's turn yet; who has waited for `patience` goes without one.
    pub(super) fn new(patience: Duration) -> Self {
        Self { is_taken: Mutex::new(false), freed: Condvar::new(), patience }
    }

    /// `None` if another's turn does not end.
    pub(super) fn take(&self) -> Option<Taken<'_>> {
        let is_taken = lock(&self.is_taken);
        let waited = self.freed.wait_timeout_while(is_taken, self.patience, |is_taken| *is_taken);
        let (mut is_taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (!std::mem::replace(&mut *is_taken, true)).then(|| Taken(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *lock(&self.0.is_taken) = false;
        self.0.freed.notify_one();
    }
}
