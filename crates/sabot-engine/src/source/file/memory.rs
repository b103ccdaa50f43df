//! The memory of sources that sort, which they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory that files which are replayed in another order than their own may take, all together. Clones share it.
#[derive(Clone, Debug)]
pub struct SortMemory {
    limit_bytes: usize,
    taken_bytes: Arc<AtomicUsize>,
}

impl SortMemory {
    /// A budget of `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, taken_bytes: Arc::default() }
    }

    pub(super) const fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// A share of it, empty at first.
    pub(super) fn share(&self) -> Share {
        Share { memory: self.clone(), bytes: 0 }
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.limit_bytes);
        self.taken_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

/// What one source has taken; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: SortMemory,
    bytes: usize,
}

impl Share {
    /// Takes more; false when there is not so much.
    #[must_use]
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let taken = self.memory.take(bytes);
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    /// Gives back what is more than `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let freed = self.bytes.saturating_sub(bytes);
        self.bytes -= freed;
        self.memory.taken_bytes.fetch_sub(freed, Ordering::Relaxed);
    }

    /// What other sources have taken.
    pub(super) fn others_bytes(&self) -> usize {
        self.memory.taken_bytes.load(Ordering::Relaxed).saturating_sub(self.bytes)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
