//! Events from memory as the runtime reads them: the stream source without its files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use sabot_common::clock::SharedClock;
use sabot_engine::{Intake, Origin};
use sabot_runtime::{JobError, Position, Source, SourcePoll, WATERMARK_END, WATERMARK_NONE};
use sabot_store::InputPosition;

/// One partition in memory.
pub(crate) struct MemorySource {
    batches: Arc<Vec<RecordBatch>>,
    intake: Intake,
    clock: SharedClock,
    next: usize,
    rows_total: u64,
    rows_given: u64,
    /// Newest event time given.
    newest: i64,
}

impl MemorySource {
    pub(crate) fn new(batches: Arc<Vec<RecordBatch>>, intake: Intake, clock: SharedClock) -> Self {
        let rows_total = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Self { batches, intake, clock, next: 0, rows_total, rows_given: 0, newest: WATERMARK_NONE }
    }

    const fn ended(&self) -> bool {
        self.rows_given == self.rows_total
    }
}

impl Source for MemorySource {
    fn poll(&mut self) -> Result<SourcePoll, JobError> {
        let Some(batch) = self.batches.get(self.next).cloned() else { return Ok(SourcePoll::End) };
        self.next += 1;
        self.rows_given += batch.num_rows() as u64;
        let origin = Origin { arrived_at: self.clock.now(), ..Origin::default() };
        self.intake.envelopes(batch, &mut self.newest, &origin).map(SourcePoll::Rows)
    }

    fn watermark(&self) -> i64 {
        if self.ended() { WATERMARK_END } else { self.intake.watermark(self.newest).unwrap_or(WATERMARK_NONE) }
    }

    fn position(&self) -> Position {
        let input = InputPosition {
            stream: self.intake.stream().to_owned(),
            partition: 0,
            offset: self.rows_given,
            watermark: self.intake.watermark(self.newest),
            max_event_time: Some(self.newest).filter(|newest| *newest != WATERMARK_NONE),
        };
        Position { inputs: vec![input], extra: None }
    }

    fn lag_events(&self) -> u64 {
        self.rows_total - self.rows_given
    }

    fn newest_event_time(&self) -> Option<i64> {
        Some(self.newest).filter(|newest| *newest != WATERMARK_NONE)
    }
}
