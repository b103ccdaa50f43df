//! One layer of a pane: rows that have come since the last barrier, and the partial states frozen at earlier ones.
//!
//! Rows are kept as they are while they are few, and grouped when they are more or when they are asked for: an empty group
//! table takes tens of kilobytes, and a day of disorder keeps a hundred thousand windows of a second open.

use std::sync::Arc;

use arrow::array::RecordBatch;
use sabot_common::registry::spans;
use sabot_runtime::JobError;
use sabot_sql::{Aggregation, GroupTable, SqlError};
use sabot_store::size_of_rows;

use crate::operator::failed;

/// Frozen states after which they are merged into one: bounds both memory and what a restart reads.
const MAX_FROZEN: usize = 8;
/// Rows that are kept as they are.
const FEW_ROWS: usize = 64;

/// Rows of one pane, on time or late.
#[derive(Default)]
pub(super) struct Layer {
    /// Rows that are not grouped yet, in the order they came; none while there is a table.
    few: Vec<RecordBatch>,
    table: Option<GroupTable>,
    frozen: Vec<RecordBatch>,
}

fn aggregating<T>(outcome: Result<T, SqlError>) -> Result<T, JobError> {
    outcome.map_err(failed(spans::AGGREGATE))
}

impl Layer {
    pub(super) const fn is_empty(&self) -> bool {
        !self.has_changed() && self.frozen.is_empty()
    }

    /// Whether rows have come since the last barrier.
    const fn has_changed(&self) -> bool {
        self.table.is_some() || !self.few.is_empty()
    }

    pub(super) fn update(&mut self, plan: &Arc<Aggregation>, rows: RecordBatch) -> Result<(), JobError> {
        let kept: usize = self.few.iter().map(RecordBatch::num_rows).sum();
        if self.table.is_none() && kept + rows.num_rows() <= FEW_ROWS {
            self.few.push(rows);
            return Ok(());
        }
        let mut table = self.take_table(plan)?;
        aggregating(table.update(&rows))?;
        self.table = Some(table);
        Ok(())
    }

    /// Takes back a state read from a snapshot.
    pub(super) fn restore(&mut self, state: RecordBatch) {
        self.frozen.push(state);
    }

    pub(super) fn size_bytes(&self) -> usize {
        let rows = self.few.iter().chain(&self.frozen).map(size_of_rows).sum::<usize>();
        rows + self.table.as_ref().map_or(0, GroupTable::size_bytes)
    }

    /// The results, which ends the layer.
    pub(super) fn finish(mut self, plan: &Arc<Aggregation>) -> Result<RecordBatch, JobError> {
        aggregating(self.take_whole(plan)?.into_results())
    }

    /// The results of the groups that rows of another layer have changed, with those rows. Ends both.
    pub(super) fn corrected_by(mut self, mut late: Self, plan: &Arc<Aggregation>) -> Result<RecordBatch, JobError> {
        let late = aggregating(late.take_whole(plan)?.into_state())?;
        let mut whole = self.take_whole(plan)?;
        aggregating(whole.merge(&late))?;
        let results = aggregating(whole.into_results())?;
        aggregating(plan.rows_among(&results, &late))
    }

    /// The results of the rows so far, if there are any; the rows stay.
    pub(super) fn results_so_far(&mut self, plan: &Arc<Aggregation>) -> Result<Option<RecordBatch>, JobError> {
        if self.is_empty() {
            return Ok(None);
        }
        let state = aggregating(self.take_whole(plan)?.into_state())?;
        let [mut copy, mut table] = [aggregating(plan.new_table())?, aggregating(plan.new_table())?];
        aggregating(copy.merge(&state))?;
        // Not frozen: the next barrier still has to store it.
        aggregating(table.merge(&state))?;
        self.table = Some(table);
        aggregating(copy.into_results()).map(Some)
    }

    /// At a barrier: what must be stored, and whether it replaces what was stored before. `whole` asks for everything.
    pub(super) fn freeze(
        &mut self,
        plan: &Arc<Aggregation>,
        whole: bool,
    ) -> Result<Option<(bool, RecordBatch)>, JobError> {
        if !self.has_changed() && (!whole || self.frozen.is_empty()) {
            return Ok(None);
        }
        let table =
            if whole || self.frozen.len() >= MAX_FROZEN { self.take_whole(plan)? } else { self.take_table(plan)? };
        let full = self.frozen.is_empty();
        let state = aggregating(table.into_state())?;
        self.frozen.push(state.clone());
        Ok(Some((full, state)))
    }

    /// The rows since the last barrier, grouped.
    fn take_table(&mut self, plan: &Arc<Aggregation>) -> Result<GroupTable, JobError> {
        if let Some(table) = self.table.take() {
            return Ok(table);
        }
        let mut table = aggregating(plan.new_table())?;
        for rows in self.few.drain(..) {
            aggregating(table.update(&rows))?;
        }
        Ok(table)
    }

    /// All rows, grouped.
    fn take_whole(&mut self, plan: &Arc<Aggregation>) -> Result<GroupTable, JobError> {
        let mut table = self.take_table(plan)?;
        for state in self.frozen.drain(..) {
            aggregating(table.merge(&state))?;
        }
        Ok(table)
    }
}
