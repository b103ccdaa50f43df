//! Apache Parquet.

use std::fs::File;
use std::path::Path;

use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Chunks, Finisher};

/// Rows decoded together.
const CHUNK_ROWS: usize = 8_192;

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
    let reader = builder(path)?.with_batch_size(CHUNK_ROWS).build();
    let reader = reader.map_err(|error| format!("{}: {error}", path.display()))?;
    let path = path.display().to_string();
    let mut before = 0;
    Ok(Box::new(reader.map(move |batch| {
        let batch = batch.map_err(|error| format!("{path}: {error}"))?;
        let first = before;
        before += batch.num_rows() as u64;
        finisher.finish(&batch, &|row| first + row as u64 + 1)
    })))
}
