//! The committer: everything that waits becomes durable together.
//!
//! One commit group is two rounds of sync, however many jobs are in it: all their data in parallel, then one journal
//! append. A full disk pauses it; it goes on by itself when there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sabot_common::clock::SharedClock;
use sabot_store::{CommitRequest, Store, StoreError};
use sabot_telemetry::Histogram;
use tokio::sync::{mpsc, oneshot};

use crate::JobError;

/// How many commits may wait; a job has at most two in flight.
const QUEUE: usize = 256;
/// Pause before trying again on a full disk.
const DISK_FULL_RETRY: Duration = Duration::from_millis(200);

/// A handle to the committer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    disk_full: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Waiting {
    request: CommitRequest,
    done: oneshot::Sender<Result<(), JobError>>,
}

impl Committer {
    /// Starts the committer on the current tokio runtime.
    pub fn start(runtime: &tokio::runtime::Handle, store: Arc<Store>, clock: SharedClock, duration: Histogram) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let disk_full = Arc::new(AtomicBool::new(false));
        runtime.spawn(run(store, clock, duration, waiting, Arc::clone(&disk_full)));
        Self { queue, disk_full }
    }

    /// Makes one epoch durable; returns when it is.
    pub async fn commit(&self, request: CommitRequest) -> Result<(), JobError> {
        self.submit(request).await?.await.unwrap_or(Err(JobError::Stopped))
    }

    /// Queues one epoch; the receiver resolves when it is durable. Epochs of one job become durable in order.
    pub async fn submit(&self, request: CommitRequest) -> Result<oneshot::Receiver<Result<(), JobError>>, JobError> {
        let (done, committed) = oneshot::channel();
        self.queue.send(Waiting { request, done }).await.map_err(|_closed| JobError::Stopped)?;
        Ok(committed)
    }

    /// Whether it is waiting for room on the disk.
    pub fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }
}

async fn run(
    store: Arc<Store>,
    clock: SharedClock,
    duration: Histogram,
    mut waiting: mpsc::Receiver<Waiting>,
    disk_full: Arc<AtomicBool>,
) {
    while let Some(first) = waiting.recv().await {
        let mut group = vec![first];
        while let Ok(next) = waiting.try_recv() {
            group.push(next);
        }
        let (requests, done): (Vec<_>, Vec<_>) = group.into_iter().map(|w| (w.request, w.done)).unzip();
        let start = clock.monotonic();
        let outcomes = match commit_group(&store, requests, &disk_full).await {
            Ok(outcomes) => outcomes,
            Err(error) => vec![Err(error); done.len()],
        };
        duration.observe((clock.monotonic().saturating_sub(start)).as_secs_f64());
        for (waiter, outcome) in done.into_iter().zip(outcomes) {
            // A job that no longer waits was stopped; its epoch is durable all the same.
            if waiter.send(outcome).is_err() {
                tracing::debug!("a job went away before its commit was acknowledged");
            }
        }
    }
}

async fn commit_group(
    store: &Arc<Store>,
    requests: Vec<CommitRequest>,
    disk_full: &AtomicBool,
) -> Result<Vec<Result<(), JobError>>, JobError> {
    let requests = Arc::new(requests);
    loop {
        let (store, attempt) = (Arc::clone(store), Arc::clone(&requests));
        let outcome = tokio::task::spawn_blocking(move || store.commit_group(&attempt)).await;
        match outcome {
            Ok(Ok(outcomes)) => {
                disk_full.store(false, Ordering::Relaxed);
                return Ok(outcomes.into_iter().map(|outcome| outcome.map_err(JobError::from)).collect());
            }
            Ok(Err(StoreError::DiskFull { .. })) => {
                if !disk_full.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the disk is full: commits wait until there is room");
                }
                tokio::time::sleep(DISK_FULL_RETRY).await;
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(panicked) => return Err(JobError::operator("commit", panicked)),
        }
    }
}
