//! A whole file in memory, in the order of one column.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};

use super::{Chunk, Chunks, DeadRow};

/// Rows handed on at a time.
const CHUNK_ROWS: usize = 65_536;

/// All rows of a file in order.
pub(super) struct Ordered {
    batch: Option<RecordBatch>,
    dead: Vec<DeadRow>,
    /// How many good rows there are.
    pub(super) rows: u64,
}

/// Reads all chunks and sorts their rows by `column`; equal rows keep the file's order, nulls come last.
pub(super) fn read_ordered(chunks: Chunks, column: usize, memory_bytes: usize) -> Result<Ordered, String> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut dead = Vec::new();
    let mut bytes = 0;
    for chunk in chunks {
        let chunk = chunk?;
        bytes += chunk.rows.get_array_memory_size();
        if bytes > memory_bytes {
            return Err(format!(
                "order_by needs the whole file in memory, which is more than {}; raise performance.max_memory_mb, or sort the file and drop order_by",
                sabot_common::units::format_size(memory_bytes as u64)
            ));
        }
        batches.push(chunk.rows);
        dead.extend(chunk.dead);
    }
    let Some(first) = batches.first() else { return Ok(Ordered { batch: None, dead, rows: 0 }) };
    let whole = concat_batches(&first.schema(), &batches).map_err(|error| error.to_string())?;
    drop(batches);
    let rows = whole.num_rows() as u64;
    let ties: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..rows));
    let nulls_last = Some(SortOptions { descending: false, nulls_first: false });
    let order = [
        SortColumn { values: Arc::clone(whole.column(column)), options: nulls_last },
        SortColumn { values: ties, options: None },
    ];
    let indices = lexsort_to_indices(&order, None).map_err(|error| error.to_string())?;
    let batch = take_record_batch(&whole, &indices).map_err(|error| error.to_string())?;
    Ok(Ordered { batch: Some(batch), dead, rows })
}

impl Ordered {
    /// The rows in chunks; bad rows come with the first.
    pub(super) fn into_chunks(self) -> Chunks {
        let Some(batch) = self.batch else { return Box::new(std::iter::empty()) };
        let mut dead = Some(self.dead);
        let starts = (0..batch.num_rows().max(1)).step_by(CHUNK_ROWS);
        Box::new(starts.map(move |start| {
            let rows = batch.slice(start, CHUNK_ROWS.min(batch.num_rows() - start));
            Ok(Chunk { rows, dead: dead.take().unwrap_or_default() })
        }))
    }
}
