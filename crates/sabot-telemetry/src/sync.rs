//! Locks whose holder may have panicked: telemetry keeps going with what is there.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic of another holder. Sound here because no critical section leaves a value half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
