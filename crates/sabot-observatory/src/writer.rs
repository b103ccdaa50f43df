//! The background life of the span store: receive, tick, fail, drain, clean up.
//!
//! Two threads, started and joined here only. `sabot-spans` takes spans off the queue and flushes; `sabot-spans-gc` merges
//! and retires, so that a long merge never keeps the queue waiting. Neither records spans of its own: there is no
//! [`Spans`](sabot_telemetry::Spans) to record them with, so telemetry cannot feed itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use sabot_telemetry::{Outlet, SpanQueue};

use crate::{SpanStore, StoreError};

/// How soon an ended span can be read.
const TICK: Duration = Duration::from_millis(100);
/// Retention is looked after at least this often, also without activity.
const MAINTAIN_EVERY: Duration = Duration::from_mins(1);
const DRAIN_ROWS: usize = 8_192;
/// Drains before other duties get their turn; also bounds the drain of a stop while spans keep coming.
const DRAINS_PER_TURN: usize = 32;

/// Moves spans from the queue into the store until it is stopped or the queue is closed.
#[derive(Debug)]
pub struct SpanWriter {
    store: Arc<SpanStore>,
    stopping: Arc<AtomicBool>,
    receiver: JoinHandle<Result<(), StoreError>>,
    maintainer: JoinHandle<()>,
}

impl SpanWriter {
    /// Starts the background threads. What is taken off the queue is handed to `outlet` too, as log records are.
    pub fn spawn(store: Arc<SpanStore>, queue: SpanQueue, outlet: Outlet) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        // One nudge may wait: more would only say the same.
        let (nudge, nudges) = sync_channel(1);
        let maintained = Arc::clone(&store);
        let maintainer =
            Builder::new().name("sabot-spans-gc".to_owned()).spawn(move || maintain(&maintained, &nudges))?;
        let receiver = Receiving {
            store: Arc::clone(&store),
            queue,
            outlet,
            stopping: Arc::clone(&stopping),
            dropped: 0,
            routine: (0, 0),
            nudge,
            nudged_at: None,
        };
        let receiver = Builder::new().name("sabot-spans".to_owned()).spawn(move || receiver.run())?;
        Ok(Self { store, stopping, receiver, maintainer })
    }

    /// Takes what is in the queue, writes it, and ends the threads. The error is that of the last write: spans still in
    /// memory are lost then. To lose none that have ended, shut the telemetry that fills the queue down first.
    pub fn stop(self) -> Result<(), StoreError> {
        self.stopping.store(true, Ordering::Relaxed);
        let flushed = self.receiver.join();
        self.store.stop_merging();
        if self.maintainer.join().is_err() {
            tracing::error!("thread sabot-spans-gc ended by a panic");
        }
        flushed.unwrap_or_else(|_panic| {
            tracing::error!("thread sabot-spans ended by a panic");
            Ok(())
        })
    }
}

/// The state of the receiving thread.
struct Receiving {
    store: Arc<SpanStore>,
    queue: SpanQueue,
    outlet: Outlet,
    stopping: Arc<AtomicBool>,
    /// Drops of the queue that are counted already.
    dropped: u64,
    /// Batches that are counted already: recorded, and left out.
    routine: (u64, u64),
    nudge: SyncSender<()>,
    nudged_at: Option<Duration>,
}

impl Receiving {
    fn run(mut self) -> Result<(), StoreError> {
        let mut is_open = true;
        while is_open && !self.stopping.load(Ordering::Relaxed) {
            is_open = self.queue.wait(TICK);
            self.drain();
            self.nudge_if_due();
        }
        self.drain();
        self.store.flush()
    }

    fn drain(&mut self) {
        for _ in 0..DRAINS_PER_TURN {
            let spans = self.queue.drain(DRAIN_ROWS);
            let was_empty = spans.is_empty();
            self.outlet.export_spans(spans.iter().cloned());
            self.store.append(spans);
            // A failure is told and counted by the store, which keeps the spans and tries again.
            if self.store.flush_is_due() && self.store.flush().is_ok() {
                self.nudged_at = None;
            }
            if was_empty {
                break;
            }
        }
        self.outlet.export_logs();
        let dropped = self.queue.dropped();
        self.store.count_lost(dropped.saturating_sub(self.dropped));
        self.dropped = dropped;
        let (recorded, left_out) = self.queue.routine();
        self.store.count_routine(recorded - self.routine.0, left_out - self.routine.1);
        self.routine = (recorded, left_out);
    }

    /// Has the maintainer look after the blocks: after each flush, and from time to time.
    fn nudge_if_due(&mut self) {
        let now = self.store.clock().monotonic();
        if self.nudged_at.is_none_or(|at| now.saturating_sub(at) >= MAINTAIN_EVERY) && self.nudge.try_send(()).is_ok() {
            self.nudged_at = Some(now);
        }
    }
}

fn maintain(store: &SpanStore, nudges: &Receiver<()>) {
    let mut failing = false;
    for () in nudges {
        let maintained = store.maintain();
        match &maintained {
            Err(error) if !failing => tracing::warn!("blocks of spans are not looked after: {error}"),
            Err(_) | Ok(()) => {}
        }
        failing = maintained.is_err();
    }
}
