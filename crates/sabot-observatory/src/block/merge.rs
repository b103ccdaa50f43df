//! Several blocks into one, in order, a chunk at a time.
//!
//! Holds one decoded batch per source and the row group being written, whatever the size of the blocks.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::{Block, CHUNK_ROWS, Sink, sort_key};
use crate::StoreError;
use crate::schema::block_schema;

/// Writes the rows of `sources` in order, until `stopping` says to give up.
pub(crate) fn merge(sources: &[Arc<Block>], sink: &mut Sink, stopping: &dyn Fn() -> bool) -> Result<(), StoreError> {
    let mut cursors = sources.iter().map(|block| Cursor::open(block)).collect::<Result<Vec<_>, _>>()?;
    loop {
        if stopping() {
            return Err(StoreError::Stopping);
        }
        // Positions point into the cursors' present batches, so they are written before any cursor loads its next one.
        for cursor in &mut cursors {
            cursor.load()?;
        }
        cursors.retain(|cursor| !cursor.batch.is_empty());
        let chunk = next_chunk(&mut cursors);
        if chunk.is_empty() {
            return Ok(());
        }
        let batches: Vec<&RecordBatch> = cursors.iter().map(|cursor| &cursor.batch.rows).collect();
        sink.write(&batches, &chunk)?;
    }
}

/// The next rows in order, up to a full chunk or the end of any cursor's batch.
fn next_chunk(cursors: &mut [Cursor]) -> Vec<(usize, usize)> {
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    while chunk.len() < CHUNK_ROWS {
        let smallest = cursors.iter().enumerate().filter_map(|(source, cursor)| Some((cursor.key()?, source))).min();
        let Some((_, source)) = smallest else { break };
        let Some(cursor) = cursors.get_mut(source) else { break };
        chunk.push((source, cursor.row));
        cursor.row += 1;
        if cursor.key().is_none() {
            break;
        }
    }
    chunk
}

/// A place in a source.
struct Cursor {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    batch: Keyed,
    row: usize,
}

/// A batch and the columns it is sorted by.
struct Keyed {
    rows: RecordBatch,
    trace_id: StringArray,
    start: Int64Array,
}

impl Keyed {
    fn new(rows: RecordBatch) -> Result<Self, StoreError> {
        let (trace_id, start) = sort_key(&rows)?;
        Ok(Self { trace_id: trace_id.clone(), start: start.clone(), rows })
    }

    fn is_empty(&self) -> bool {
        self.rows.num_rows() == 0
    }
}

impl Cursor {
    fn open(block: &Block) -> Result<Self, StoreError> {
        let file = File::open(&block.path).map_err(StoreError::io("open the block", &block.path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(CHUNK_ROWS).build())
            .map_err(StoreError::parquet(&block.path))?;
        Ok(Self {
            path: block.path.clone(),
            reader,
            batch: Keyed::new(RecordBatch::new_empty(block_schema()))?,
            row: 0,
        })
    }

    /// Moves to the next batch if the present one is used up; an empty batch is the end.
    fn load(&mut self) -> Result<(), StoreError> {
        if self.key().is_some() {
            return Ok(());
        }
        let next = self.reader.next().transpose();
        let next =
            next.map_err(|error| StoreError::parquet(&self.path)(ParquetError::ArrowError(error.to_string())))?;
        self.batch = Keyed::new(next.unwrap_or_else(|| RecordBatch::new_empty(block_schema())))?;
        self.row = 0;
        Ok(())
    }

    /// The sort key of the present row; `None` at the end of the batch.
    fn key(&self) -> Option<(&str, i64)> {
        (self.row < self.batch.rows.num_rows())
            .then(|| (self.batch.trace_id.value(self.row), self.batch.start.value(self.row)))
    }
}
