//! Retention: whole segments go, oldest first, and none that a reader still needs unless a size limit says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::Timestamp;

use super::Store;
use super::streams::{PartitionState, Stream, key_of, len_of};
use crate::error::at;
use crate::journal::Change;
use crate::segment::{base_of, file_name, last_appended_at};
use crate::{OpenMode, StoreError};

/// Kind of the records that hold the first rows of partitions whose beginning is gone.
pub(super) const EARLIEST: &str = "earliest";

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionStats {
    /// Segments removed.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows among them that a reader had not read.
    pub unread_rows: u64,
}

impl RetentionStats {
    const fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.rows += other.rows;
        self.unread_rows += other.unread_rows;
    }
}

impl Store {
    /// Removes segments that have outlived their stream's retention. `floor` gives the lowest offset a reader of a
    /// partition still needs; none means that nobody reads it.
    pub fn apply_retention(
        &self,
        stream: &str,
        now: Timestamp,
        floor: &dyn Fn(u32) -> Option<u64>,
    ) -> Result<RetentionStats, StoreError> {
        let stream = self.known(stream)?;
        let mut stats = RetentionStats::default();
        for (number, state) in stream.partitions() {
            let (dir, floor) = (self.partition_dir(&stream.spec.name, number), floor(number));
            let partition = Partition { store: self, stream: &stream, number, state, dir, now, floor };
            stats.add(partition.retire()?);
        }
        Ok(stats)
    }
}

/// A partition, and what decides on its segments.
struct Partition<'a> {
    store: &'a Store,
    stream: &'a Stream,
    number: u32,
    state: &'a Arc<PartitionState>,
    dir: PathBuf,
    now: Timestamp,
    floor: Option<u64>,
}

/// What of a partition is to go.
struct Expired {
    /// Offset of the first row that stays.
    before: u64,
    bytes: u64,
    stats: RetentionStats,
}

impl Partition<'_> {
    fn retire(&self) -> Result<RetentionStats, StoreError> {
        let (_, earliest) = self.state.committed();
        let names = self.store.disk.list(&self.dir).map_err(at(&self.dir))?;
        let mut bases: Vec<u64> = names.iter().filter_map(|name| base_of(name)).collect();
        bases.sort_unstable();
        let expired = self.expired(&bases, earliest)?;
        if expired.before > earliest {
            self.forget_rows(&expired)?;
        }
        for path in bases.iter().filter(|base| **base < expired.before).map(|base| self.dir.join(file_name(*base))) {
            if let Err(error) = self.store.disk.remove_file(&path) {
                // Nobody reads it any more, and the next time it is tried again.
                tracing::warn!("{} has outlived its retention and stays: {error}", path.display());
            }
        }
        Ok(expired.stats)
    }

    /// Looks from the oldest segment on for those that are to go.
    fn expired(&self, bases: &[u64], earliest: u64) -> Result<Expired, StoreError> {
        let (end, _) = self.state.committed();
        let mut expired = Expired { before: earliest, bytes: 0, stats: RetentionStats::default() };
        // One below the earliest is only waiting to be removed.
        for pair in bases.windows(2).filter(|pair| pair.first().is_some_and(|base| *base >= earliest)) {
            let [base, next] = *pair else { continue };
            let path = self.dir.join(file_name(base));
            let total = (self.state.rolled_bytes() + end.bytes).saturating_sub(expired.bytes);
            if next > end.segment || !self.is_over(&path, base, next, total)? {
                break;
            }
            expired.before = next;
            expired.bytes += len_of(&self.store.disk, &path)?;
            let unread_rows = self.floor.map_or(0, |floor| next.saturating_sub(floor.max(base)));
            expired.stats.add(RetentionStats { segments: 1, rows: next - base, unread_rows });
        }
        Ok(expired)
    }

    /// Whether a segment is to go when the partition has `total` bytes with it.
    fn is_over(&self, path: &Path, base: u64, next: u64, total: u64) -> Result<bool, StoreError> {
        let Some(retention) = self.stream.spec.retention else { return Ok(false) };
        if retention.max_bytes.is_some_and(|most| total > most.0) {
            return Ok(true);
        }
        let needed = self.floor.is_some_and(|floor| floor < next);
        match retention.age {
            Some(age) if !needed => self.is_older(path, base, age.0),
            _ => Ok(false),
        }
    }

    fn is_older(&self, path: &Path, base: u64, age: Duration) -> Result<bool, StoreError> {
        let file = self.store.disk.open(path, OpenMode::Read).map_err(at(path))?;
        let newest = last_appended_at(file.as_ref(), path, base)?;
        Ok(newest.is_some_and(|newest| self.now.since(newest) > age))
    }

    /// Makes durable that the partition starts at a later row, before anything is removed: with a segment gone that
    /// nothing says may be, the next open would take it for lost.
    fn forget_rows(&self, expired: &Expired) -> Result<(), StoreError> {
        let name = &self.stream.spec.name;
        let mut journal = self.store.journal();
        let known = self.store.known(name).and_then(|known| known.partition(self.number));
        if !known.is_ok_and(|known| Arc::ptr_eq(&known, self.state)) {
            // Dropped in the meantime: the record would be taken for one about its successor.
            return Err(StoreError::NotFound(format!("stream \"{name}\"")));
        }
        journal.append_to_free(vec![Change::put(EARLIEST, &key_of(name, self.number), &expired.before)?])?;
        // Readers look at the earliest offset before they open a segment.
        self.state.retired(expired.before, expired.bytes);
        Ok(())
    }
}
