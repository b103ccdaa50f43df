//! A Parquet file, written whole when a bounded agent has finished.
//!
//! A Parquet file cannot be appended to, so rows wait in a stream of their own and become the file at the end: written
//! beside it, synced, renamed. Doing it twice gives the same file.

use std::fs::File;
use std::path::Path;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sabot_runtime::JobError;
use sabot_store::Store;

/// Rows read at a time.
const BATCH_ROWS: usize = 8_192;

/// Writes all committed rows of `stream` to `path`.
pub(crate) fn write_parquet(store: &Store, stream: &str, path: &Path) -> Result<(), JobError> {
    let failed = |error: &dyn std::fmt::Display| JobError::operator("file", format!("{}: {error}", path.display()));
    let info = store.stream(stream).ok_or(JobError::Stopped)?;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(|error| failed(&error))?;
    }
    let beside = path.with_extension("parquet.partial");
    let file = File::create(&beside).map_err(|error| failed(&error))?;
    let level = ZstdLevel::try_new(3).map_err(|error| failed(&error))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(file, std::sync::Arc::clone(&info.spec.schema), Some(properties))
        .map_err(|e| failed(&e))?;
    for partition in 0..info.spec.partitions {
        let mut reader = store.reader(stream, partition, 0)?;
        while let Some(frame) = reader.next(BATCH_ROWS)? {
            writer.write(&frame.batch).map_err(|error| failed(&error))?;
        }
    }
    let file = writer.into_inner().map_err(|error| failed(&error))?;
    file.sync_all().map_err(|error| failed(&error))?;
    std::fs::rename(&beside, path).map_err(|error| failed(&error))
}
