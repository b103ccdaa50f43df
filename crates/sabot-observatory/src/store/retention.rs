//! Dropping whole blocks that are too old or too many, and removing files once no query can be reading them.
//!
//! Invariant: files leave the disk in the order their blocks left the view. A merged block is therefore never removed
//! before the blocks it replaces, which without it would count again after a restart.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{SpanStore, lock};
use crate::StoreError;
use crate::block::{self, Block};

/// How long the file of a block that is no longer served stays, for queries that began before. Queries are to be limited
/// to less time than this.
pub const FILE_GRACE: Duration = Duration::from_mins(2);

/// Blocks out of the view whose files are still there, oldest decision first.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    /// Due time on the monotonic clock, and the block.
    files: VecDeque<(Duration, Arc<Block>)>,
}

impl Doomed {
    /// Files nobody reads, in the order in which they may go.
    pub(super) fn due_at_once(blocks: Vec<Arc<Block>>) -> Self {
        Self { files: blocks.into_iter().map(|block| (Duration::ZERO, block)).collect() }
    }

    pub(super) fn push(&mut self, blocks: Vec<Arc<Block>>, due: Duration) {
        self.files.extend(blocks.into_iter().map(|block| (due, block)));
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, block)| block.bytes).sum()
    }

    /// Removes what is due; stops at the first file that cannot be removed.
    pub(super) fn remove_due(&mut self, dir: &Path, now: Duration) -> Result<(), StoreError> {
        while let Some((due, block)) = self.files.front()
            && *due <= now
        {
            match fs::remove_file(&block.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::io("remove the block", &block.path)(error));
                }
                Ok(()) | Err(_) => {}
            }
            // Synced one by one: a power cut must not undo an earlier removal and keep a later one.
            block::sync_directory(dir)?;
            self.files.pop_front();
        }
        Ok(())
    }
}

impl SpanStore {
    /// Takes blocks beyond retention out of the view.
    pub(super) fn retire(&self) {
        let mut blocks = lock(&self.view).blocks();
        blocks.sort_by_key(|block| (block.header.newest, block.header.sequence));
        let now = self.clock.now();
        let bytes: u64 = blocks.iter().map(|block| block.bytes).sum();
        let mut excess = bytes.saturating_sub(self.settings.max_bytes.0);
        let retired: Vec<_> = blocks
            .into_iter()
            .take_while(|block| {
                let too_old = now.since(block.header.newest) > self.settings.retention.0;
                let too_many = excess > 0;
                excess = excess.saturating_sub(block.bytes);
                too_old || too_many
            })
            .collect();
        lock(&self.view).replace(&retired, None);
        lock(&self.doomed).push(retired, self.clock.monotonic() + FILE_GRACE);
    }
}
