//! A Parquet file, written whole when all rows of a bounded agent are committed.
//!
//! A Parquet file cannot be appended to, so rows wait in a stream of their own and become the file at the end: written
//! beside it, synced, renamed, and only then is the agent marked as finished. Doing it twice gives the same file.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use sabot_runtime::JobError;
use sabot_store::{Disk, DiskFile, OpenMode, Store, StoreError};

/// Rows read at a time.
const BATCH_ROWS: usize = 8_192;

/// Whether the format can hold such rows; which column it cannot hold otherwise. Found out by writing one.
pub(crate) fn check_parquet(schema: &Schema) -> Result<(), String> {
    for field in schema.fields() {
        let nullable = Schema::new(vec![field.as_ref().clone().with_nullable(true)]);
        let column = new_null_array(field.data_type(), 1);
        let written =
            RecordBatch::try_new(Arc::new(nullable), vec![column]).map_err(ParquetError::from).and_then(|row| {
                let mut writer = ArrowWriter::try_new(Vec::new(), row.schema(), None)?;
                writer.write(&row)?;
                writer.close()
            });
        if written.is_err() {
            let (name, kind) = (field.name(), field.data_type());
            return Err(format!(
                "column \"{name}\" is {kind}, which Parquet files cannot hold; CAST it, for example to text"
            ));
        }
    }
    Ok(())
}

/// Writes all committed rows of `stream` to a file of the project.
pub(crate) fn write_parquet(
    store: &Store,
    disk: &Arc<dyn Disk>,
    stream: &str,
    project: &Path,
    declared: &Path,
) -> Result<(), JobError> {
    let path = &project.join(declared);
    let at = |error| StoreError::io(path, error);
    let dirs = super::dirs_of(project, path);
    if let Some(dir) = dirs.first() {
        disk.create_dir_all(dir).map_err(at)?;
    }
    let beside = path.with_extension("parquet.partial");
    let file = disk.open(&beside, OpenMode::Create).map_err(at)?;
    file.set_len(0).map_err(at)?;
    write_rows(store, stream, path, &file)?;
    file.sync_data().map_err(at)?;
    disk.rename(&beside, path).map_err(at)?;
    for dir in dirs {
        disk.sync_dir(&dir).map_err(at)?;
    }
    Ok(())
}

fn write_rows(store: &Store, stream: &str, path: &Path, file: &Arc<dyn DiskFile>) -> Result<(), JobError> {
    let refused = Arc::new(OnceLock::new());
    let failed = |error: ParquetError| match refused.get() {
        // The writer wraps what the disk said; a full disk must be told apart.
        Some(kind) => JobError::from(StoreError::io(path, io::Error::from(*kind))),
        None => JobError::operator("file", format!("{}: {error}", path.display())),
    };
    let info = store.stream(stream).ok_or(JobError::Stopped)?;
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(failed)?)).build();
    let output = Output { file: Arc::clone(file), end: 0, refused: Arc::clone(&refused) };
    let mut writer = ArrowWriter::try_new(output, Arc::clone(&info.spec.schema), Some(properties)).map_err(failed)?;
    for partition in 0..info.spec.partitions {
        let mut reader = store.reader(stream, partition, 0)?;
        while let Some(frame) = reader.next(BATCH_ROWS)? {
            writer.write(&frame.batch).map_err(failed)?;
        }
    }
    writer.close().map(drop).map_err(failed)
}

/// A file of the disk as the Parquet writer wants it.
struct Output {
    file: Arc<dyn DiskFile>,
    end: u64,
    /// Why a write failed.
    refused: Arc<OnceLock<io::ErrorKind>>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.file.write_all_at(bytes, self.end) {
            self.refused.get_or_init(|| error.kind());
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
