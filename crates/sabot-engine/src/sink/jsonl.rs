//! A JSON lines file. Its committed length is part of the commit record: after a crash the file is cut to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::json::LineDelimitedWriter;
use sabot_runtime::{Envelope, Flushed, JobError, Sink};
use sabot_store::{Disk, DiskFile, FileEnd, OpenMode, StoreError};

/// Appends rows to a file.
pub(crate) struct JsonLines {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    end: u64,
    dirty: bool,
}

impl JsonLines {
    /// Opens the file and cuts it to `committed` bytes.
    pub(crate) fn open(disk: &Arc<dyn Disk>, path: &Path, committed: u64) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io(path, error);
        if let Some(dir) = path.parent() {
            disk.create_dir_all(dir).map_err(failed)?;
        }
        let file = disk.open(path, OpenMode::Create).map_err(failed)?;
        file.set_len(committed).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, end: committed, dirty: true })
    }
}

impl Sink for JsonLines {
    fn name(&self) -> &'static str {
        "file"
    }

    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        let mut text = Vec::new();
        let mut lines = LineDelimitedWriter::new(&mut text);
        lines.write(&envelope.batch).and_then(|()| lines.finish()).map_err(|e| JobError::operator("file", e))?;
        self.file.write_all_at(&text, self.end).map_err(|error| StoreError::io(&self.path, error))?;
        self.end += text.len() as u64;
        self.dirty = true;
        Ok(text.len() as u64)
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        let mut flushed = Flushed::default();
        flushed.files.push(FileEnd { path: self.path.clone(), bytes: self.end });
        if std::mem::take(&mut self.dirty) {
            flushed.dirty.push(Arc::clone(&self.file));
            flushed.dirty_dirs.extend(self.path.parent().map(Path::to_owned));
        }
        Ok(flushed)
    }
}
