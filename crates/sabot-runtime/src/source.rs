//! The contract of a source: it says what it has, where it stands, and how far event time has come.

use std::time::Duration;

use sabot_store::InputPosition;

use crate::{Envelope, JobError};

/// Where rows come from. It never blocks: when there is nothing to give it says what to wait for.
pub trait Source: Send {
    /// The next rows, or why there are none.
    fn poll(&mut self) -> Result<SourcePoll, JobError>;

    /// The lowest watermark of its partitions, after everything given so far.
    fn watermark(&self) -> i64;

    /// Where to go on after a restart.
    fn position(&self) -> Position;

    /// Rows that are committed in its streams but not yet given.
    fn lag_events(&self) -> u64 {
        0
    }

    /// Share of a bounded source given so far.
    fn progress(&self) -> Option<f64> {
        None
    }

    /// Newest event time given so far, in microseconds.
    fn newest_event_time(&self) -> Option<i64> {
        None
    }
}

/// What a source has.
#[derive(Debug)]
pub enum SourcePoll {
    /// Rows, possibly in several envelopes (on time, late, dead).
    Rows(Vec<Envelope>),
    /// Nothing until this much time has passed.
    WaitFor(Duration),
    /// Nothing until something is committed.
    WaitForCommit,
    /// Nothing, ever again.
    End,
}

/// Where a source stands.
#[derive(Clone, Debug, Default)]
pub struct Position {
    /// Offsets per partition read.
    pub inputs: Vec<InputPosition>,
    /// For sources that are not streams: whatever they need to go on.
    pub extra: Option<serde_json::Value>,
}
