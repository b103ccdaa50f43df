//! Merging small blocks into larger ones, by tiers.
//!
//! Eight blocks of a tier become one of the next. A merged block reaches neither more bytes than an eighth of what may be
//! stored nor more time than an eighth of how long it may be stored, so that retention by whole blocks stays fine-grained
//! and the number of blocks stays bounded.
//!
//! Crash safety: the merged block names the blocks it replaces in its own metadata and appears by one rename. Before the
//! rename only the old blocks count, after it only the new one; the old files are garbage from then on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{SpanStore, lock};
use crate::block::{self, Block, Header, Operations};
use crate::{FILE_GRACE, StoreError};

/// Blocks merged at once.
pub(super) const FAN_IN: usize = 8;
/// Blocks larger than this are never written by a merge, however much may be stored.
const MAX_MERGED_BYTES: u64 = 256 << 20;
/// The share of retention one merged block may take.
const MERGED_SHARE: u32 = 8;

/// What a merged block may become.
#[derive(Clone, Copy, Debug)]
struct MergeLimits {
    bytes: u64,
    time: Duration,
}

/// Blocks that could not be read when they were to be merged; they stay as they are.
pub(super) type Unmergeable = BTreeSet<u64>;

impl SpanStore {
    /// Merges until there is nothing to merge or the store is stopping.
    pub(super) fn merge_all(&self, unmergeable: &mut Unmergeable) -> Result<(), StoreError> {
        let limits = MergeLimits {
            bytes: MAX_MERGED_BYTES.min(self.settings.max_bytes.0 / u64::from(MERGED_SHARE)),
            time: self.settings.retention.0 / MERGED_SHARE,
        };
        loop {
            let mut blocks = lock(&self.view).blocks();
            blocks.retain(|block| !unmergeable.contains(&block.header.sequence));
            let Some(sources) = next_merge(blocks, limits) else { return Ok(()) };
            match self.merge(&sources) {
                Ok(()) => {}
                Err(StoreError::Stopping) => return Ok(()),
                Err(error) => {
                    let damaged = sources.iter().find(|block| error.path() == Some(&block.path)).ok_or(error)?;
                    unmergeable.insert(damaged.header.sequence);
                }
            }
        }
    }

    fn merge(&self, sources: &[Arc<Block>]) -> Result<(), StoreError> {
        let header = merged_header(sources, self.next_sequence());
        let stopping = || self.stopping.load(Ordering::Relaxed);
        let merged = block::write(&self.dir, header, |sink| block::merge(sources, sink, &stopping))?;
        if let Some(known) = Operations::union(sources) {
            merged.operations.get_or_init(|| known);
        }
        lock(&self.view).replace(sources, Some(Arc::new(merged)));
        lock(&self.doomed).push(sources.to_vec(), self.clock.monotonic() + FILE_GRACE);
        Ok(())
    }
}

fn merged_header(sources: &[Arc<Block>], sequence: u64) -> Header {
    let headers = || sources.iter().map(|block| &block.header);
    Header {
        sequence,
        tier: headers().map(|header| header.tier).max().unwrap_or(0).saturating_add(1),
        oldest: headers().map(|header| header.oldest).min().unwrap_or_default(),
        newest: headers().map(|header| header.newest).max().unwrap_or_default(),
        replaces: headers().map(|header| header.sequence).collect(),
    }
}

/// The blocks to merge next: of the lowest tier that has them, the oldest eight neighbours that fit the limits.
fn next_merge(mut blocks: Vec<Arc<Block>>, limits: MergeLimits) -> Option<Vec<Arc<Block>>> {
    blocks.sort_by_key(|block| (block.header.tier, block.header.oldest, block.header.sequence));
    let tiers = blocks.chunk_by(|a, b| a.header.tier == b.header.tier);
    tiers.flat_map(|tier| tier.windows(FAN_IN)).find(|window| fits(window, limits)).map(<[_]>::to_vec)
}

fn fits(window: &[Arc<Block>], limits: MergeLimits) -> bool {
    let header = merged_header(window, 0);
    window.iter().map(|block| block.bytes).sum::<u64>() <= limits.bytes
        && header.newest.since(header.oldest) <= limits.time
}

#[cfg(test)]
mod tests;
