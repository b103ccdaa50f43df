//! Which blocks are merged next.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::Timestamp;

use super::{FAN_IN, MergeLimits, next_merge};
use crate::block::{Block, Header};

const LIMITS: MergeLimits = MergeLimits { bytes: 1_000, time: Duration::from_secs(100) };

/// A block of this tier, written at this second.
fn block(sequence: u64, tier: u8, second: i64, bytes: u64) -> Arc<Block> {
    let at = Timestamp::from_unix_nanos(second * 1_000_000_000);
    let header = Header { sequence, tier, oldest: at, newest: at, replaces: Vec::new() };
    Arc::new(Block { header, path: PathBuf::new(), bytes, rows: 1, operations: std::sync::OnceLock::new() })
}

fn merged(blocks: Vec<Arc<Block>>) -> Option<Vec<u64>> {
    next_merge(blocks, LIMITS).map(|merged| merged.iter().map(|block| block.header.sequence).collect())
}

#[test]
fn the_oldest_eight_of_the_lowest_tier_go_first() {
    let low = |count: u64| (0..count).map(|n| block(100 + n, 0, 50 - i64::try_from(n).expect("small"), 1));
    let high = (0..8).map(|n| block(n, 1, 0, 1));
    assert_eq!(merged(low(7).collect()), None);
    assert_eq!(merged(low(7).chain(high.clone()).collect()), Some((0..8).collect()));
    assert_eq!(merged(low(9).chain(high).collect()), Some((101..109).rev().collect()), "by time, not by number");
}

#[test]
fn large_blocks_and_long_times_are_left_out() {
    let mut blocks: Vec<_> = (0..9).map(|n| block(n, 0, 0, 100)).collect();
    assert_eq!(merged(blocks.clone()), Some((0..8).collect()));
    blocks[3] = block(3, 0, 0, 301);
    assert_eq!(merged(blocks.clone()), None, "eight together have more than 1,000 bytes");
    blocks.extend((9..12).map(|n| block(n, 0, 0, 100)));
    assert_eq!(merged(blocks), Some((4..12).collect()), "the next eight have not");

    let spread = |seconds: i64| (0..FAN_IN as u64).map(|n| block(n, 0, seconds * i64::from(n > 3), 1)).collect();
    assert!(merged(spread(100)).is_some());
    assert_eq!(merged(spread(101)), None);
}
