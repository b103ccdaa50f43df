//! Finding the state of the store in a directory, whatever moment a crash came at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;
use crate::block::{Block, FileKind};

/// What a directory holds.
#[derive(Debug)]
pub(super) struct Found {
    /// The blocks that count.
    pub(super) blocks: Vec<Arc<Block>>,
    /// Blocks that a merged one stands in for, in the order in which they may be removed.
    pub(super) superseded: Vec<Arc<Block>>,
    /// Blocks that cannot be read; their files stay.
    pub(super) unreadable: Vec<StoreError>,
    /// Larger than any sequence number in use.
    pub(super) next_sequence: u64,
}

/// Reads the footers of all blocks and removes half-written ones.
pub(super) fn scan(dir: &Path) -> Result<Found, StoreError> {
    let mut blocks = Vec::new();
    let mut unreadable = Vec::new();
    let mut next_sequence = 0;
    for (sequence, path) in block_files(dir)? {
        next_sequence = next_sequence.max(sequence.saturating_add(1));
        match Block::open(&path, sequence) {
            Ok(block) => blocks.push(Arc::new(block)),
            Err(error) => unreadable.push(error),
        }
    }
    let replaced: BTreeSet<u64> = blocks.iter().flat_map(|block| block.header.replaces.iter().copied()).collect();
    // In order of sequence: a merged block comes after all it replaces.
    let (superseded, blocks) = blocks.into_iter().partition(|block| replaced.contains(&block.header.sequence));
    Ok(Found { blocks, superseded, unreadable, next_sequence })
}

/// The files of blocks in order of sequence.
fn block_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::io("list the directory", dir))? {
        let path = entry.map_err(StoreError::io("list the directory", dir))?.path();
        match FileKind::of(&path) {
            FileKind::Block(sequence) => files.push((sequence, path)),
            FileKind::Temporary => {
                fs::remove_file(&path).map_err(StoreError::io("remove a half-written block", &path))?;
            }
            FileKind::Foreign => {}
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// An empty directory for what queries spill; whatever is in it was left by a crash.
pub(super) fn recreate(dir: &Path) -> Result<(), StoreError> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(StoreError::io("clear the spill directory", dir))?;
    }
    fs::create_dir_all(dir).map_err(StoreError::io("create the spill directory", dir))
}
