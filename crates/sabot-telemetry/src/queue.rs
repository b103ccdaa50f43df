//! The bounded queue between ended spans and whoever stores them.
//!
//! Invariant: the side that ends a span never waits. A full queue drops the span and counts it, and the consumer is woken
//! once per eighth of the capacity, not once per span, so that ending a span makes no system call. Routine work that would
//! bring more spans than the consumer is to be burdened with is not recorded to begin with, and counted too. Nothing leaves
//! the queue unredacted or beyond its limits: the consumer sees to that when it drains, so that whoever ends a span does not
//! pay for it.

mod budget;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use self::budget::Budget;
use crate::limits::RecordLimits;
use crate::record::{Resource, SpanRecord, Unfinished};
use crate::redaction::Redactor;
use crate::sync::lock;

/// Ended spans, oldest first. A handle: clones see the same queue, and each span is drained once.
#[derive(Clone, Debug)]
pub struct SpanQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Boxed, so that an idle queue of the default capacity holds 1 MiB instead of 16.
    sender: SyncSender<Box<Unfinished>>,
    receiver: Mutex<Receiver<Box<Unfinished>>>,
    received: AtomicU64,
    dropped: AtomicU64,
    budget: Budget,
    admitted: AtomicU64,
    left_out: AtomicU64,
    wake_every: u64,
    open: AtomicBool,
    redactor: Option<Arc<Redactor>>,
    limits: RecordLimits,
    /// What is said about the process of all that leaves.
    resource: Mutex<Option<Arc<Resource>>>,
    signal: Mutex<Signal>,
    signalled: Condvar,
}

#[derive(Debug, Default)]
struct Signal {
    woken: bool,
    closed: bool,
}

impl SpanQueue {
    #[cfg(test)]
    pub(crate) fn new(capacity: NonZeroUsize, spans_per_second: NonZeroU32) -> Self {
        Self::with_redactor(capacity, spans_per_second, None, RecordLimits::default())
    }

    pub(crate) fn with_redactor(
        capacity: NonZeroUsize,
        spans_per_second: NonZeroU32,
        redactor: Option<Arc<Redactor>>,
        limits: RecordLimits,
    ) -> Self {
        let (sender, receiver) = sync_channel(capacity.get());
        Self {
            shared: Arc::new(Shared {
                sender,
                receiver: Mutex::new(receiver),
                received: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
                budget: Budget::new(spans_per_second),
                admitted: AtomicU64::new(0),
                left_out: AtomicU64::new(0),
                wake_every: u64::try_from(capacity.get() / 8).unwrap_or(u64::MAX).max(1),
                open: AtomicBool::new(true),
                redactor,
                limits,
                resource: Mutex::default(),
                signal: Mutex::default(),
                signalled: Condvar::new(),
            }),
        }
    }

    /// What is said about the process of all that leaves from now on.
    pub(crate) fn set_resource(&self, resource: &Arc<Resource>) {
        *lock(&self.shared.resource) = Some(Arc::clone(resource));
    }

    /// Takes up to `max` spans without waiting, and redacts them where that is configured.
    pub fn drain(&self, max: usize) -> Vec<SpanRecord> {
        let spans: Vec<_> = lock(&self.shared.receiver).try_iter().take(max).collect();
        let resource = lock(&self.shared.resource).clone();
        let finish = |span: Box<Unfinished>| {
            let mut span = span.finish();
            if let Some(resource) = &resource {
                span.resource = Arc::clone(resource);
            }
            if let Some(redactor) = &self.shared.redactor {
                redactor.span(&mut span);
            }
            self.shared.limits.span(&mut span);
            span
        };
        spans.into_iter().map(finish).collect()
    }

    /// Waits until an eighth of the capacity has come in, the queue is closed, or `timeout` has passed; then it is time
    /// to [`drain`](Self::drain). False once the queue is closed: drain until empty and stop.
    ///
    /// Blocks the calling thread, so it belongs on a thread of its own.
    pub fn wait(&self, timeout: Duration) -> bool {
        let signal = lock(&self.shared.signal);
        let (mut signal, _) = self
            .shared
            .signalled
            .wait_timeout_while(signal, timeout, |signal| !signal.woken && !signal.closed)
            .unwrap_or_else(PoisonError::into_inner);
        signal.woken = false;
        !signal.closed
    }

    /// Spans that have ended, those dropped included.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Spans lost because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Pieces of routine work that were recorded, and pieces that were not because there were too many.
    pub fn routine(&self) -> (u64, u64) {
        (self.shared.admitted.load(Ordering::Relaxed), self.shared.left_out.load(Ordering::Relaxed))
    }

    /// A span has been begun that will end here.
    pub(crate) fn expect_one(&self) {
        self.shared.budget.charge();
    }

    /// Whether a piece of routine work may be recorded; the answer is counted. `goes_on` says that it continues a recorded
    /// trace.
    pub(crate) fn admits_routine(&self, goes_on: bool) -> bool {
        let admitted = self.shared.budget.has_room(goes_on);
        let counter = if admitted { &self.shared.admitted } else { &self.shared.left_out };
        counter.fetch_add(1, Ordering::Relaxed);
        admitted
    }

    /// Whether spans are still taken.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Takes no more spans, and tells the consumer.
    pub(crate) fn close(&self) {
        self.shared.open.store(false, Ordering::Relaxed);
        self.signal(|signal| signal.closed = true);
    }

    pub(crate) fn push(&self, span: Box<Unfinished>) {
        if !self.is_open() {
            return;
        }
        let received = self.shared.received.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shared.sender.try_send(span).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if received.is_multiple_of(self.shared.wake_every) {
            self.wake();
        }
    }

    /// Wakes the consumer.
    pub(crate) fn wake(&self) {
        self.signal(|signal| signal.woken = true);
    }

    fn signal(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut lock(&self.shared.signal));
        self.shared.signalled.notify_all();
    }
}

#[cfg(test)]
mod tests;
