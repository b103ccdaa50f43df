//! One layer of a pane: a group table that takes rows, and the partial states frozen at earlier barriers.

use arrow::array::RecordBatch;
use sabot_common::registry::spans;
use sabot_runtime::JobError;
use sabot_sql::{Aggregation, GroupTable};

use crate::operator::failed;

/// Frozen states after which they are merged into one: bounds both memory and what a restart reads.
const MAX_FROZEN: usize = 8;

/// Rows of one pane, on time or late.
pub(super) struct Layer {
    table: GroupTable,
    frozen: Vec<RecordBatch>,
}

impl Layer {
    pub(super) fn new(aggregation: &Aggregation) -> Result<Self, JobError> {
        Ok(Self { table: aggregation.new_table().map_err(failed(spans::AGGREGATE))?, frozen: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty() && self.frozen.is_empty()
    }

    pub(super) fn update(&mut self, rows: &RecordBatch) -> Result<(), JobError> {
        self.table.update(rows).map_err(failed(spans::AGGREGATE))
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
                layer.frozen.push(layer.table.take_state().map_err(failed(spans::AGGREGATE))?);
            }
            whole.frozen.append(&mut layer.frozen);
        }
        Ok(whole)
    }

    /// The results, which ends the layer.
    pub(super) fn finish(mut self) -> Result<RecordBatch, JobError> {
        self.thaw()?;
        self.table.finish().map_err(failed(spans::AGGREGATE))
    }

    /// The results of the rows so far; the rows stay.
    pub(super) fn results_so_far(&mut self, aggregation: &Aggregation) -> Result<RecordBatch, JobError> {
        self.thaw()?;
        let state = self.table.take_state().map_err(failed(spans::AGGREGATE))?;
        let mut copy = aggregation.new_table().map_err(failed(spans::AGGREGATE))?;
        if state.num_rows() > 0 {
            copy.merge(&state).map_err(failed(spans::AGGREGATE))?;
            self.table.merge(&state).map_err(failed(spans::AGGREGATE))?;
        }
        copy.finish().map_err(failed(spans::AGGREGATE))
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
        let state = self.table.take_state().map_err(failed(spans::AGGREGATE))?;
        // A fresh table gives the memory of the emptied one back.
        self.table = aggregation.new_table().map_err(failed(spans::AGGREGATE))?;
        self.frozen.push(state.clone());
        Ok(Some((full, state)))
    }

    /// Merges frozen states into the table.
    fn thaw(&mut self) -> Result<(), JobError> {
        for state in self.frozen.drain(..) {
            self.table.merge(&state).map_err(failed(spans::AGGREGATE))?;
        }
        Ok(())
    }
}
