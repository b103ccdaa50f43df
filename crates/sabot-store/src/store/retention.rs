//! Retention: whole segments go, oldest first, and none that a reader still needs unless a size limit says so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::Timestamp;

use super::Store;
use super::streams::{PartitionState, Stream, len_of};
use crate::error::at;
use crate::segment::{base_of, file_name, last_appended_at};
use crate::{OpenMode, StoreError};

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
            self.retire(&stream, number, state, now, floor(number), &mut stats)?;
        }
        Ok(stats)
    }

    fn retire(
        &self,
        stream: &Arc<Stream>,
        number: u32,
        state: &PartitionState,
        now: Timestamp,
        floor: Option<u64>,
        stats: &mut RetentionStats,
    ) -> Result<(), StoreError> {
        let Some(retention) = stream.spec.retention else { return Ok(()) };
        let dir = self.partition_dir(&stream.spec.name, number);
        let (end, _) = state.committed();
        let mut bases: Vec<u64> = self.disk.list(&dir).map_err(at(&dir))?.iter().filter_map(|n| base_of(n)).collect();
        bases.sort_unstable();
        for pair in bases.windows(2) {
            let (Some(base), Some(next)) = (pair.first().copied(), pair.get(1).copied()) else { continue };
            if next > end.segment {
                break;
            }
            let path = dir.join(file_name(base));
            let total = state.rolled_bytes() + end.bytes;
            let too_large = retention.max_bytes.is_some_and(|most| total > most.0);
            let needed = floor.is_some_and(|floor| floor < next);
            let too_old = match retention.age {
                Some(age) if !needed => self.is_older(&path, base, now, age.0)?,
                _ => false,
            };
            if !too_large && !too_old {
                break;
            }
            let bytes = len_of(&self.disk, &path)?;
            // Readers look at the earliest offset before they open a segment.
            state.retired(next, bytes);
            self.disk.remove_file(&path).map_err(at(&path))?;
            // One by one, so that a crash cannot bring back an older segment without the newer ones.
            self.disk.sync_dir(&dir).map_err(at(&dir))?;
            stats.segments += 1;
            stats.rows += next - base;
            stats.unread_rows += floor.map_or(0, |floor| next.saturating_sub(floor.max(base)));
        }
        Ok(())
    }

    fn is_older(&self, path: &Path, base: u64, now: Timestamp, age: Duration) -> Result<bool, StoreError> {
        let file = self.disk.open(path, OpenMode::Read).map_err(at(path))?;
        let newest = last_appended_at(file.as_ref(), path, base)?;
        Ok(newest.is_some_and(|newest| now.since(newest) > age))
    }
}
