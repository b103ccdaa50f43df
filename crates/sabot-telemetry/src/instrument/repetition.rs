//! Statements that are sent over and over below one span: a query for each row of another query's result.
//!
//! Invariants: the memory is fixed when a detector is made; counting takes no lock and allocates nothing. When there is
//! more to count than there is room, counts are forgotten, never added to each other.

#[cfg(feature = "sqlx")]
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::TraceContext;

/// How often the same statement below one span makes a pattern, unless said otherwise.
pub const DEFAULT_REPETITION_THRESHOLD: u32 = 10;

/// `db.pattern` of a statement that is sent once per row.
#[cfg(feature = "sqlx")]
pub(crate) const N_PLUS_ONE: &str = "n_plus_one";

/// How many statements are counted at the same time: 64 KiB.
const SLOTS: usize = 8 * 1024;
/// Of each slot the lowest bits count; the others say what is counted.
const COUNT_BITS: u32 = 16;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The process's own, for the wrappers of this crate.
#[cfg(feature = "sqlx")]
pub(crate) static REPETITIONS: LazyLock<RepetitionDetector> = LazyLock::new(RepetitionDetector::new);

/// Counts equal statements below each span, and says when one of them has become a pattern.
///
/// ```
/// use sabot_telemetry::{RepetitionDetector, SqlStatement, TraceContext};
///
/// let parent = TraceContext { trace_id: [7; 16], span_id: [1; 8], flags: 1 };
/// let detector = RepetitionDetector::new();
/// let found: Vec<u32> = (0..25)
///     .map(|id| SqlStatement::of(&format!("SELECT name FROM users WHERE id = {id}")))
///     .filter_map(|statement| detector.observe(parent, statement.fingerprint(), 10))
///     .collect();
/// assert_eq!(found, [10]); // once
/// ```
#[derive(Debug)]
pub struct RepetitionDetector {
    slots: Box<[AtomicU64]>,
}

impl RepetitionDetector {
    /// A detector that has seen nothing.
    pub fn new() -> Self {
        Self { slots: std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect() }
    }

    /// Counts a statement below `parent`; the count when it has just become `threshold`, which happens once per
    /// statement and parent. Nothing is counted without a parent.
    pub fn observe(&self, parent: TraceContext, fingerprint: u64, threshold: u32) -> Option<u32> {
        if !parent.is_valid() {
            return None;
        }
        let what = mix(parent, fingerprint);
        let name = what & !COUNT_MASK;
        let index = usize::try_from(what & COUNT_MASK).unwrap_or_default() % self.slots.len().max(1);
        let counted = |known: u64| {
            let count = if known & !COUNT_MASK == name { known & COUNT_MASK } else { 0 };
            Some(name | (count + 1).min(COUNT_MASK))
        };
        let slot = self.slots.get(index)?;
        let known = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).unwrap_or_else(|known| known);
        let count = counted(known).unwrap_or_default() & COUNT_MASK;
        let full = known == name | COUNT_MASK; // it counts no further
        u32::try_from(count).ok().filter(|count| *count == threshold && !full)
    }
}

impl Default for RepetitionDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// Spreads a parent and a statement over 64 bits, so that each bit depends on all of both.
fn mix(parent: TraceContext, fingerprint: u64) -> u64 {
    let [high, low] = [parent.trace_id.first_chunk(), parent.trace_id.last_chunk()]
        .map(|half: Option<&[u8; 8]>| half.map_or(0, |half| u64::from_be_bytes(*half)));
    [high, low, u64::from_be_bytes(parent.span_id), fingerprint].into_iter().fold(0, |mixed, part| {
        // The finaliser of SplitMix64.
        let mixed = (mixed ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests;
