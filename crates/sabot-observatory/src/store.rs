//! The span store: what is in memory and what is in blocks, as one consistent whole.
//!
//! Invariant: at every moment a stored span is in exactly one of the buffer and the blocks of the view. A flush and a
//! merge write a block first and then change the view in one step under one lock.
//!
//! Locks, in the order they may be taken: `flushing` (one flush at a time) and `maintaining` (one merge or retention run
//! at a time) are held over input and output; `doomed` while a file is removed; `view` never.

mod compaction;
mod recent;
mod recovery;
mod retention;
mod view;

pub use self::retention::FILE_GRACE;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use sabot_common::clock::SharedClock;
use sabot_common::config::TelemetryStorage;
use sabot_sql::{RowSource, RowSourceKind};
use sabot_telemetry::{Registry, SpanRecord};

use self::compaction::Unmergeable;
use self::recent::Chunk;
use self::retention::Doomed;
use self::view::View;
use crate::block::{self, Operations};
use crate::counters::Counters;
use crate::schema::{block_schema, spans_schema};
use crate::{StoreError, rows};

/// Spans of one service directory. Whoever has spans appends them; [`SpanWriter`](crate::SpanWriter) does so for Sabot's
/// own and looks after flushing, merging and retention.
#[derive(Debug)]
pub struct SpanStore {
    dir: PathBuf,
    spill_dir: PathBuf,
    settings: TelemetryStorage,
    clock: SharedClock,
    counters: Counters,
    view: Mutex<View>,
    flushing: Mutex<()>,
    maintaining: Mutex<Unmergeable>,
    doomed: Mutex<Doomed>,
    next_sequence: AtomicU64,
    unreadable: Vec<StoreError>,
    write_failed: AtomicBool,
    stopping: AtomicBool,
}

/// Locks, also after a panic of another holder: no critical section leaves its value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SpanStore {
    /// Opens the store under `dir`, creating it if need be, and clears away what a crash left behind. Blocks that cannot
    /// be read stay where they are and are told in [`unreadable`](Self::unreadable); the rest is served.
    pub fn open(
        dir: &Path,
        settings: &TelemetryStorage,
        clock: SharedClock,
        registry: &Registry,
    ) -> Result<Arc<Self>, StoreError> {
        // Absolute, because relations name files by path.
        let dir = std::path::absolute(dir).map_err(StoreError::io("resolve the directory", dir))?;
        let (spans, spill_dir) = (dir.join("spans"), dir.join("spill"));
        fs::create_dir_all(&spans).map_err(StoreError::io("create the directory", &spans))?;
        recovery::recreate(&spill_dir)?;
        let found = recovery::scan(&spans)?;
        for error in &found.unreadable {
            tracing::warn!("spans of a block are not shown: {error}");
        }
        let store = Self {
            dir: spans,
            spill_dir,
            settings: settings.clone(),
            counters: Counters::bind(registry),
            view: Mutex::new(View::new(found.blocks)),
            flushing: Mutex::default(),
            maintaining: Mutex::default(),
            doomed: Mutex::new(Doomed::due_at_once(found.superseded)),
            next_sequence: AtomicU64::new(found.next_sequence),
            unreadable: found.unreadable,
            write_failed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            clock,
        };
        lock(&store.doomed).remove_due(&store.dir, store.clock.monotonic())?;
        Ok(Arc::new(store))
    }

    /// Takes spans in; they are visible to readers at once. Never fails and never waits for the disk: spans that do not
    /// fit because writing has been failing are counted as refused.
    pub fn append(&self, spans: Vec<SpanRecord>) {
        self.counters.received.add(spans.len() as u64);
        let chunk = Chunk::new(spans);
        let refused = lock(&self.view).buffer(chunk, self.clock.monotonic());
        self.counters.refused.add(refused as u64);
    }

    /// Whether there is reason to [`flush`](Self::flush): enough spans, enough bytes, or enough time.
    pub fn flush_is_due(&self) -> bool {
        lock(&self.view).flush_is_due(self.clock.monotonic())
    }

    /// Writes what is in memory into a block. After an error everything is kept, to be tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.flushing);
        let buffered = lock(&self.view).recent();
        if buffered.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let header =
            block::Header { sequence: self.next_sequence(), tier: 0, oldest: now, newest: now, replaces: Vec::new() };
        let mut operations = Operations::default();
        let written = block::write(&self.dir, header, |sink| {
            rows::build(recent::sorted(&buffered), |batch| {
                operations.read(&batch)?;
                sink.add(&batch)
            })
        });
        match &written {
            Ok(_) if self.write_failed.swap(false, Ordering::Relaxed) => tracing::info!("spans are written again"),
            Err(error) if !self.write_failed.swap(true, Ordering::Relaxed) => {
                tracing::warn!("spans are kept in memory and the newest dropped when there are too many: {error}");
            }
            Ok(_) | Err(_) => {}
        }
        let mut view = lock(&self.view);
        match written {
            Ok(block) => {
                block.operations.get_or_init(|| operations);
                self.counters.stored.add(block.rows);
                view.flushed(buffered.len(), block, self.clock.monotonic());
                Ok(())
            }
            Err(error) => {
                view.retry_later(self.clock.monotonic());
                Err(error)
            }
        }
    }

    /// Merges blocks while there are enough of one tier, drops blocks beyond retention, and removes files that no query
    /// can still be reading. A failure of one does not keep the others from being done.
    pub fn maintain(&self) -> Result<(), StoreError> {
        let mut unmergeable = lock(&self.maintaining);
        let merged = self.merge_all(&mut unmergeable);
        self.retire();
        let removed = lock(&self.doomed).remove_due(&self.dir, self.clock.monotonic());
        merged.and(removed)
    }

    /// `sabot.spans` as it is now. The files stay readable for [`FILE_GRACE`](crate::FILE_GRACE) whatever happens.
    pub fn relation(&self) -> RowSource {
        let columns: Vec<usize> = (0..spans_schema().fields().len()).collect();
        let hide = |batch: &RecordBatch| batch.project(&columns).ok();
        self.source(spans_schema(), |recent| recent.iter().filter_map(hide).collect())
    }

    /// The same with the column SQL does not see.
    pub(crate) fn blocks(&self) -> RowSource {
        self.source(block_schema(), |recent| recent)
    }

    fn source(&self, schema: SchemaRef, shape: impl FnOnce(Vec<RecordBatch>) -> Vec<RecordBatch>) -> RowSource {
        let (files, recent) = {
            let view = lock(&self.view);
            (view.files(), view.recent())
        };
        RowSource { schema, kind: RowSourceKind::Parquet { files, recent: shape(recent::rows_of(&recent)) } }
    }

    /// Services and operations of all spans; only blocks that are not known yet are read.
    pub(crate) fn operations(&self) -> Result<Operations, StoreError> {
        let (blocks, recent) = {
            let view = lock(&self.view);
            (view.blocks(), view.recent())
        };
        let mut operations = Operations::default();
        recent::rows_of(&recent).iter().try_for_each(|batch| operations.read(batch))?;
        for block in blocks {
            operations.extend(block.operations()?);
        }
        Ok(operations)
    }

    /// Blocks that could not be read when the store was opened, and why.
    pub fn unreadable(&self) -> &[StoreError] {
        &self.unreadable
    }

    /// Bytes of all blocks, those included that only wait to be removed.
    pub fn disk_bytes(&self) -> u64 {
        let served = lock(&self.view).disk_bytes();
        served + lock(&self.doomed).bytes()
    }

    /// Counts spans that were lost before they could be appended.
    pub(crate) fn count_lost(&self, count: u64) {
        self.counters.received.add(count);
        self.counters.refused.add(count);
    }

    /// Counts batches that were recorded, and batches that were left out.
    pub(crate) fn count_routine(&self, recorded: u64, left_out: u64) {
        self.counters.recorded.add(recorded);
        self.counters.left_out.add(left_out);
    }

    /// Gives up a merge under way and starts no other; for shutdown.
    pub(crate) fn stop_merging(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn spill_dir(&self) -> PathBuf {
        self.spill_dir.clone()
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    fn next_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }
}
