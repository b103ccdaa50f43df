//! What waits to be sent: a bounded part in memory, and behind it a bounded part on disk where that is allowed.
//!
//! Invariants: adding never waits for a target; what does not fit is dropped and counted, the newest first; what has been
//! taken stays counted as queued until it is [finished](Queue::finish) or [put back](Queue::put_back).

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::batch::Batch;
use super::ledger::{DropReason, Ledger, LedgerCounts};
use super::spill::Spill;
use crate::config::ExportQueue;
use crate::sync::lock;

/// The queue of one route. Many may add, one takes.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
    ledger: Ledger,
    max_memory_bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    memory: VecDeque<Batch>,
    memory_bytes: u64,
    memory_items: u64,
    taken_items: u64,
    spill: Option<Spill>,
    /// Items that another will find on disk.
    kept_items: u64,
    closed: bool,
    /// Whether writing to the disk failed the last time, so that it is told once.
    spill_failed: bool,
}

/// The oldest batch, on its way.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) batch: Batch,
    from_disk: bool,
}

impl Queue {
    /// Opens the queue; its disk part, if it has one, is a directory of that name.
    pub(crate) fn open(settings: &ExportQueue, name: &Path) -> io::Result<Self> {
        let open = |dir: &Path| Spill::open(&dir.join(name), settings.max_disk_bytes);
        let spill = settings.dir.as_deref().map(open).transpose()?;
        let ledger = Ledger::default();
        ledger.recovered(spill.as_ref().map_or(0, Spill::items));
        let state = Mutex::new(State { spill, ..State::default() });
        Ok(Self { state, arrived: Notify::new(), ledger, max_memory_bytes: settings.max_memory_bytes })
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What became of everything.
    pub(crate) fn counts(&self) -> LedgerCounts {
        let state = lock(&self.state);
        self.ledger.read(state.queued())
    }

    /// Adds a batch behind the others.
    pub(crate) fn push(&self, batch: Batch) {
        self.ledger.accepted(batch.items);
        let mut state = lock(&self.state);
        if state.closed {
            return self.ledger.dropped(DropReason::Shutdown, batch.items);
        }
        self.add(&mut state, batch);
        drop(state);
        self.arrived.notify_one();
    }

    fn add(&self, state: &mut State, batch: Batch) {
        let size = batch.size_bytes();
        let fits = state.memory_bytes + size <= self.max_memory_bytes;
        let in_order = state.spill.as_ref().is_none_or(Spill::is_empty);
        if fits && in_order {
            state.remember(batch, VecDeque::push_back);
        } else if state.spill(&batch) {
            // Behind what is on disk already.
        } else if fits {
            state.remember(batch, VecDeque::push_back);
        } else {
            self.ledger.dropped(DropReason::QueueFull, batch.items);
        }
    }

    /// Takes the oldest batch, if there is one.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut state = lock(&self.state);
        let taken = match state.forget() {
            Some(batch) => Taken { batch, from_disk: false },
            None => Taken { batch: self.read(state.spill.as_mut()?)?, from_disk: true },
        };
        if !taken.from_disk {
            state.taken_items = taken.batch.items;
        }
        Some(taken)
    }

    /// The oldest whole batch on disk.
    fn read(&self, spill: &mut Spill) -> Option<Batch> {
        loop {
            match spill.front()? {
                Ok(batch) => return Some(batch),
                Err(damaged) => {
                    tracing::warn!("a batch of {} that waited on disk is damaged and left out", damaged.items);
                    spill.pop();
                    self.ledger.dropped(DropReason::Damaged, damaged.items);
                }
            }
        }
    }

    /// The batch has been sent, or given up.
    pub(crate) fn finish(&self, taken: &Taken) {
        let mut state = lock(&self.state);
        if !taken.from_disk {
            state.taken_items = 0;
        } else if let Some(spill) = &mut state.spill {
            spill.pop();
        }
    }

    /// Nobody takes the batch now. What is in memory goes to the disk, where it survives the process; without one it
    /// stays where it was.
    pub(crate) fn put_back(&self, taken: Taken) {
        let mut state = lock(&self.state);
        if !taken.from_disk {
            state.taken_items = 0;
            state.remember(taken.batch, VecDeque::push_front);
        }
        state.retreat();
    }

    /// Ends the queue: what can be kept is on disk, for another to open, the rest is dropped and counted. What is added
    /// later is dropped and counted too.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.retreat();
        while let Some(batch) = state.forget() {
            self.ledger.dropped(DropReason::Shutdown, batch.items);
        }
        state.kept_items = state.spill.take().map_or(0, |spill| spill.items());
        state.closed = true;
    }

    /// Waits until something has been added since the last call.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

impl State {
    fn queued(&self) -> u64 {
        self.memory_items + self.taken_items + self.kept_items + self.spill.as_ref().map_or(0, Spill::items)
    }

    fn remember(&mut self, batch: Batch, push: fn(&mut VecDeque<Batch>, Batch)) {
        self.memory_bytes += batch.size_bytes();
        self.memory_items += batch.items;
        push(&mut self.memory, batch);
    }

    fn forget(&mut self) -> Option<Batch> {
        let batch = self.memory.pop_front()?;
        self.memory_bytes -= batch.size_bytes();
        self.memory_items -= batch.items;
        Some(batch)
    }

    /// Moves what is in memory to the disk, as far as that goes.
    fn retreat(&mut self) {
        while self.spill.is_some()
            && let Some(batch) = self.forget()
        {
            if !self.spill(&batch) {
                self.remember(batch, VecDeque::push_front);
                break;
            }
        }
    }

    /// Whether the batch is on disk now.
    fn spill(&mut self, batch: &Batch) -> bool {
        let Some(spill) = self.spill.as_mut().filter(|spill| spill.has_room_for(batch.size_bytes())) else {
            return false;
        };
        let written = spill.push(batch);
        if let (Err(error), false) = (&written, self.spill_failed) {
            tracing::warn!("telemetry that waits cannot be written to the disk: {error}");
        }
        self.spill_failed = written.is_err();
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Queue;
    use crate::config::{ExportQueue, Signal};
    use crate::export::batch::Batch;
    use crate::export::ledger::DropReason;

    fn batch(items: u64) -> Batch {
        Batch { signal: Signal::Traces, items, payload: Bytes::from(vec![7; 100]) }
    }

    fn settings(max_memory_bytes: u64) -> ExportQueue {
        ExportQueue { max_memory_bytes, dir: None, max_disk_bytes: 0 }
    }

    fn drain(queue: &Queue) -> Vec<u64> {
        let mut items = Vec::new();
        while let Some(taken) = queue.take() {
            queue.finish(&taken);
            items.push(taken.batch.items);
        }
        items
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = Queue::open(&settings(250), "q".as_ref()).expect("opened");
        (1..=3).for_each(|items| queue.push(batch(items)));
        let counts = queue.counts();
        assert_eq!((counts.accepted, counts.queued, counts.dropped_for(DropReason::QueueFull)), (6, 3, 3));
        let taken = queue.take().expect("a batch");
        assert_eq!((taken.batch.items, queue.counts().queued), (1, 3), "what is on its way is queued");
        queue.put_back(taken);
        assert_eq!(drain(&queue), [1, 2]);
        queue.push(batch(9));
        queue.close();
        let counts = queue.counts();
        assert_eq!((counts.queued, counts.dropped_for(DropReason::Shutdown)), (0, 9));
    }

    #[test]
    fn with_a_disk_nothing_is_lost_and_all_is_there_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = ExportQueue { dir: Some(dir.path().to_owned()), max_disk_bytes: 40_960, ..settings(250) };
        let queue = Queue::open(&settings, "q".as_ref()).expect("opened");
        (1..=4).for_each(|items| queue.push(batch(items)));
        assert!(queue.counts().balances());
        assert_eq!(drain(&queue), [1, 2, 3, 4]);
        (1..=3).for_each(|items| queue.push(batch(items)));
        let taken = queue.take().expect("a batch");
        queue.put_back(taken);
        // As after kill -9: nothing is closed.
        drop(queue);
        let queue = Queue::open(&settings, "q".as_ref()).expect("opened again");
        assert_eq!((queue.counts().recovered, queue.counts().queued), (6, 6));
        let mut items = drain(&queue);
        items.sort_unstable();
        assert_eq!(items, [1, 2, 3]);
        queue.push(batch(5));
        queue.close();
        assert_eq!((queue.counts().queued, queue.counts().dropped_total()), (5, 0));
        drop(queue);
        assert_eq!(drain(&Queue::open(&settings, "q".as_ref()).expect("opened a third time")), [5]);
    }
}
