//! One layer of a pane: a group table that takes rows, and the partial states frozen at earlier barriers.

use arrow::array::RecordBatch;
use sabot_common::registry::spans;
use sabot_runtime::JobError;
use sabot_sql::{Aggregation, GroupTable, SqlError};

use crate::operator::failed;

/// Frozen states after which they are merged into one: bounds both memory and what a restart reads.
const MAX_FROZEN: usize = 8;

/// Rows of one pane, on time or late.
pub(super) struct Layer {
    table: GroupTable,
    frozen: Vec<RecordBatch>,
}

fn aggregating<T>(outcome: Result<T, SqlError>) -> Result<T, JobError> {
    outcome.map_err(failed(spans::AGGREGATE))
}

impl Layer {
    pub(super) fn new(aggregation: &Aggregation) -> Result<Self, JobError> {
        Ok(Self { table: aggregating(aggregation.new_table())?, frozen: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty() && self.frozen.is_empty()
    }

    pub(super) fn update(&mut self, rows: &RecordBatch) -> Result<(), JobError> {
        aggregating(self.table.update(rows))
    }

    /// Takes back a state read from a snapshot.
    pub(super) fn restore(&mut self, state: RecordBatch) {
        self.frozen.push(state);
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.table.size_bytes() + self.frozen.iter().map(RecordBatch::get_array_memory_size).sum::<usize>()
    }

    /// One layer with all the rows of several.
    pub(super) fn combined(aggregation: &Aggregation, layers: Vec<Self>) -> Result<Self, JobError> {
        let mut whole = Self::new(aggregation)?;
        for mut layer in layers {
            if !layer.table.is_empty() {
                layer.frozen.push(aggregating(layer.table.into_state())?);
            }
            whole.frozen.append(&mut layer.frozen);
        }
        Ok(whole)
    }

    /// The results, which ends the layer.
    pub(super) fn finish(mut self) -> Result<RecordBatch, JobError> {
        self.thaw()?;
        aggregating(self.table.into_results())
    }

    /// The results of the rows so far, if there are any; the rows stay.
    pub(super) fn results_so_far(&mut self, aggregation: &Aggregation) -> Result<Option<RecordBatch>, JobError> {
        if self.is_empty() {
            return Ok(None);
        }
        self.thaw()?;
        let state = self.take_state(aggregation)?;
        let mut copy = aggregating(aggregation.new_table())?;
        aggregating(copy.merge(&state))?;
        aggregating(self.table.merge(&state))?;
        aggregating(copy.into_results()).map(Some)
    }

    /// At a barrier: what must be stored, and whether it replaces what was stored before. `whole` asks for everything.
    pub(super) fn freeze(
        &mut self,
        aggregation: &Aggregation,
        whole: bool,
    ) -> Result<Option<(bool, RecordBatch)>, JobError> {
        let changed = !self.table.is_empty();
        if !changed && (!whole || self.frozen.is_empty()) {
            return Ok(None);
        }
        if whole || self.frozen.len() >= MAX_FROZEN {
            self.thaw()?;
        }
        let full = self.frozen.is_empty();
        let state = self.take_state(aggregation)?;
        self.frozen.push(state.clone());
        Ok(Some((full, state)))
    }

    /// Empties the table into a partial state.
    fn take_state(&mut self, aggregation: &Aggregation) -> Result<RecordBatch, JobError> {
        let full = std::mem::replace(&mut self.table, aggregating(aggregation.new_table())?);
        aggregating(full.into_state())
    }

    /// Merges frozen states into the table.
    fn thaw(&mut self) -> Result<(), JobError> {
        for state in self.frozen.drain(..) {
            aggregating(self.table.merge(&state))?;
        }
        Ok(())
    }
}
