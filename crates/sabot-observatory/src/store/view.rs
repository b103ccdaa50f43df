//! What readers see: the blocks, and the spans that are not in a block yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::recent::Chunk;
use crate::block::Block;

/// Activity is flushed at least this often; also the pause after a failed flush.
const FLUSH_AFTER: Duration = Duration::from_secs(5);
const FLUSH_ROWS: usize = 50_000;
const FLUSH_BYTES: usize = 16 << 20;
/// What the buffer holds at most while writing fails.
const MAX_BUFFERED_ROWS: usize = 200_000;
/// See [`MAX_BUFFERED_ROWS`].
const MAX_BUFFERED_BYTES: usize = 64 << 20;

/// Blocks and buffer. Appends go to the end of the buffer and a flush takes from its front.
#[derive(Debug)]
pub(super) struct View {
    blocks: Vec<Arc<Block>>,
    recent: Vec<Arc<Chunk>>,
    rows: usize,
    bytes: usize,
    /// When the oldest buffered span came, or when writing last failed.
    flush_from: Option<Duration>,
    failing: bool,
}

impl View {
    pub(super) const fn new(blocks: Vec<Arc<Block>>) -> Self {
        Self { blocks, recent: Vec::new(), rows: 0, bytes: 0, flush_from: None, failing: false }
    }

    /// Takes spans in while there is room; how many it refused.
    pub(super) fn buffer(&mut self, mut chunk: Chunk, now: Duration) -> usize {
        let (spans, bytes) =
            (MAX_BUFFERED_ROWS.saturating_sub(self.rows), MAX_BUFFERED_BYTES.saturating_sub(self.bytes));
        let refused = chunk.truncate(spans, bytes);
        if !chunk.spans().is_empty() {
            self.rows += chunk.spans().len();
            self.bytes += chunk.size_bytes();
            self.flush_from.get_or_insert(now);
            // Few chunks, so that what each costs its readers besides its spans does not add up. One that somebody
            // holds, a flush above all, stays as it is.
            match self.recent.last_mut().and_then(Arc::get_mut).filter(|last| last.has_room_for(&chunk)) {
                Some(last) => last.append(chunk),
                None => self.recent.push(Arc::new(chunk)),
            }
        }
        refused
    }

    pub(super) fn flush_is_due(&self, now: Duration) -> bool {
        let waited = self.flush_from.is_some_and(|from| now.saturating_sub(from) >= FLUSH_AFTER);
        let full = self.rows >= FLUSH_ROWS || self.bytes >= FLUSH_BYTES;
        !self.recent.is_empty() && (waited || (full && !self.failing))
    }

    /// The first `count` chunks of the buffer are in `block` now.
    pub(super) fn flushed(&mut self, count: usize, block: Block, now: Duration) {
        self.blocks.push(Arc::new(block));
        self.recent.drain(..count.min(self.recent.len()));
        self.rows = self.recent.iter().map(|chunk| chunk.spans().len()).sum();
        self.bytes = self.recent.iter().map(|chunk| chunk.size_bytes()).sum();
        self.flush_from = (!self.recent.is_empty()).then_some(now);
        self.failing = false;
    }

    pub(super) const fn retry_later(&mut self, now: Duration) {
        self.flush_from = Some(now);
        self.failing = true;
    }

    /// Takes `old` out and puts `new` in, in one step.
    pub(super) fn replace(&mut self, old: &[Arc<Block>], new: Option<Arc<Block>>) {
        self.blocks.retain(|block| old.iter().all(|gone| gone.header.sequence != block.header.sequence));
        self.blocks.extend(new);
    }

    pub(super) fn blocks(&self) -> Vec<Arc<Block>> {
        self.blocks.clone()
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.blocks.iter().map(|block| block.path.clone()).collect()
    }

    pub(super) fn recent(&self) -> Vec<Arc<Chunk>> {
        self.recent.clone()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bytes).sum()
    }
}
