//! A whole file in memory, in the order of one column.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{SortOptions, interleave_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use sabot_common::units::format_size;

use super::memory::{Share, SortMemory};
use super::{Chunk, Chunks, DeadRow};

/// Rows handed on at a time.
const CHUNK_ROWS: usize = 65_536;

/// A batch, and a row of it.
type Place = (usize, usize);

/// A file to be sorted.
pub(super) struct Order<'a> {
    pub(super) path: &'a Path,
    pub(super) schema: &'a SchemaRef,
    /// The column to sort by.
    pub(super) column: usize,
    pub(super) memory: &'a SortMemory,
}

/// All rows of a file in order. What has been handed on is released.
pub(super) struct Ordered {
    schema: SchemaRef,
    dead: Vec<DeadRow>,
    batches: VecDeque<RecordBatch>,
    /// How many good rows there are.
    pub(super) rows: u64,
    /// Memory of the batches that are left.
    bytes: usize,
    share: Share,
}

impl Order<'_> {
    /// Reads all chunks and sorts their rows; equal rows keep the file's order, nulls come last.
    pub(super) fn read(&self, chunks: Chunks) -> Result<Ordered, String> {
        let mut share = self.memory.share();
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut dead = Vec::new();
        for chunk in chunks {
            let chunk = chunk?;
            let dead_bytes: usize = chunk.dead.iter().map(DeadRow::size_bytes).sum();
            self.grow(&mut share, chunk.rows.get_array_memory_size() + dead_bytes)?;
            batches.push(chunk.rows);
            dead.extend(chunk.dead);
        }
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let sorted = self.sorted(&batches, &mut share)?;
        let bytes: usize = sorted.iter().map(RecordBatch::get_array_memory_size).sum();
        share.shrink_to(bytes + dead.iter().map(DeadRow::size_bytes).sum::<usize>());
        Ok(Ordered { schema: SchemaRef::clone(self.schema), dead, batches: sorted, rows, bytes, share })
    }

    fn sorted(&self, batches: &[RecordBatch], share: &mut Share) -> Result<VecDeque<RecordBatch>, String> {
        let failed = |error: ArrowError| format!("order_by: {error}");
        let keys = self.keys(batches).map_err(failed)?;
        let places: usize = batches.iter().map(RecordBatch::num_rows).sum();
        self.grow(share, keys.iter().map(Rows::size).sum::<usize>() + places * size_of::<Place>())?;
        let mut order: Vec<Place> = Vec::with_capacity(places);
        for (number, batch) in batches.iter().enumerate() {
            order.extend((0..batch.num_rows()).map(|row| (number, row)));
        }
        order.sort_by_key(|(batch, row)| keys.get(*batch).map(|keys| keys.row(*row)));
        let sources: Vec<&RecordBatch> = batches.iter().collect();
        let pick = |rows: &[Place]| interleave_record_batch(&sources, rows);
        let mut sorted = VecDeque::new();
        for rows in order.chunks(CHUNK_ROWS) {
            gather(&pick, rows, &mut sorted).map_err(failed)?;
        }
        Ok(sorted)
    }

    /// The column's values as bytes that compare like them.
    fn keys(&self, batches: &[RecordBatch]) -> Result<Vec<Rows>, ArrowError> {
        let options = SortOptions { descending: false, nulls_first: false };
        let data_type = self.schema.field(self.column).data_type().clone();
        let converter = RowConverter::new(vec![SortField::new_with_options(data_type, options)])?;
        let column = |batch: &RecordBatch| converter.convert_columns(&[Arc::clone(batch.column(self.column))]);
        batches.iter().map(column).collect()
    }

    fn grow(&self, share: &mut Share, bytes: usize) -> Result<(), String> {
        if share.grow(bytes) {
            return Ok(());
        }
        let size = |bytes: usize| format_size(bytes as u64);
        let others = match share.others_bytes() {
            0 => String::new(),
            others => format!(", of which other sources hold {}", size(others)),
        };
        Err(format!(
            "order_by: {} is too large to be sorted in memory: the limit is {}{others}; raise performance.max_memory_mb, \
             or sort the file and drop order_by",
            self.path.display(),
            size(self.memory.limit_bytes())
        ))
    }
}

/// Rows from here and there as one batch, or several when one cannot hold all their text.
fn gather(
    pick: &dyn Fn(&[Place]) -> Result<RecordBatch, ArrowError>,
    rows: &[Place],
    out: &mut VecDeque<RecordBatch>,
) -> Result<(), ArrowError> {
    match pick(rows) {
        Err(ArrowError::OffsetOverflowError(_)) if rows.len() > 1 => {
            let (head, tail) = rows.split_at(rows.len() / 2);
            gather(pick, head, out)?;
            gather(pick, tail, out)
        }
        picked => {
            out.push_back(picked?);
            Ok(())
        }
    }
}

impl Ordered {
    /// How many bad rows there are.
    pub(super) const fn dead_rows(&self) -> u64 {
        self.dead.len() as u64
    }

    /// The rows in chunks; bad rows come first.
    pub(super) fn into_chunks(mut self) -> Chunks {
        let dead = std::mem::take(&mut self.dead);
        let first = Chunk { rows: RecordBatch::new_empty(SchemaRef::clone(&self.schema)), dead };
        let rest = std::iter::from_fn(move || {
            // Whoever asks for a chunk is done with the one before it.
            self.share.shrink_to(self.bytes);
            let rows = self.batches.pop_front()?;
            self.bytes -= rows.get_array_memory_size();
            Some(Ok(Chunk { rows, dead: Vec::new() }))
        });
        Box::new(std::iter::once(Ok(first)).chain(rest))
    }
}

#[cfg(test)]
mod tests;
