//! Apache Parquet.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::{CHUNK_BYTES, CHUNK_ROWS, Chunks, DeadRow, Finisher};
use crate::json_lines;

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| format!("{}: {error}", path.display()))
}

/// The file's columns.
pub(super) fn schema(path: &Path) -> Result<SchemaRef, String> {
    builder(path).map(|builder| SchemaRef::clone(builder.schema()))
}

/// How many rows the file has, from its footer.
pub(super) fn rows(path: &Path) -> Option<u64> {
    builder(path).ok().and_then(|builder| u64::try_from(builder.metadata().file_metadata().num_rows()).ok())
}

/// The file's rows in chunks.
pub(super) fn open(path: &Path, finisher: Finisher) -> Result<Chunks, String> {
    let builder = builder(path)?;
    let rows = chunk_rows(builder.metadata());
    let reader = builder.with_batch_size(rows).build().map_err(|error| format!("{}: {error}", path.display()))?;
    let path = path.display().to_string();
    let mut before = 0;
    Ok(Box::new(reader.map(move |batch| {
        let batch = batch.map_err(|error| format!("{path}: after row {before}: {error}"))?;
        let first = before;
        before += batch.num_rows() as u64;
        finisher.finish(&batch, Vec::new(), &|row, error| {
            DeadRow::new(first + row as u64 + 1, error, raw(&batch, row).as_bytes())
        })
    })))
}

/// Rows to decode together, by the widest row group of the file.
fn chunk_rows(file: &ParquetMetaData) -> usize {
    let text_bytes = |column: &ColumnChunkMetaData| {
        column.unencoded_byte_array_data_bytes().unwrap_or_else(|| column.uncompressed_size())
    };
    let row_bytes = |group: &RowGroupMetaData| {
        group.columns().iter().map(text_bytes).fold(0, i64::saturating_add) / group.num_rows().max(1)
    };
    let widest = file.row_groups().iter().map(row_bytes).max().unwrap_or(0);
    (CHUNK_BYTES / usize::try_from(widest).unwrap_or(0).max(1)).clamp(1, CHUNK_ROWS)
}

/// A row as one line of JSON.
fn raw(batch: &RecordBatch, row: usize) -> String {
    let mut text = Vec::new();
    let mut writer = json_lines(&mut text, false);
    match writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish()) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => cannot_show(&error),
    }
}

fn cannot_show(error: &ArrowError) -> String {
    format!("the row cannot be shown as JSON: {error}")
}
