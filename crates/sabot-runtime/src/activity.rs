//! What a job's tasks have done since the last barrier: whether there is something to commit, and whether it is so much
//! that the next barrier should not wait for its time.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Shared by a job and its tasks.
#[derive(Debug)]
pub(crate) struct Activity {
    changes: AtomicU64,
    bytes: AtomicU64,
    most_bytes: u64,
    full: Notify,
}

impl Activity {
    /// An epoch may write `most_bytes` before its barrier comes early.
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self { changes: AtomicU64::new(0), bytes: AtomicU64::new(0), most_bytes, full: Notify::new() }
    }

    /// Something happened that a barrier should make durable.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Output was written, which is a change too.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.changed();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before < self.most_bytes && before + bytes >= self.most_bytes {
            self.full.notify_one();
        }
    }

    /// How much has happened, to be compared with later.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// A barrier is on its way: what is written from here on belongs to the next.
    pub(crate) fn barrier(&self) -> u64 {
        self.bytes.store(0, Ordering::Relaxed);
        self.changes()
    }

    /// Waits until an epoch has written its most.
    pub(crate) async fn full(&self) {
        loop {
            self.full.notified().await;
            // A permit may be left from an epoch that has ended by its time.
            if self.bytes.load(Ordering::Relaxed) >= self.most_bytes {
                return;
            }
        }
    }
}
