//! A JSON lines file. Its committed length is part of the commit record: after a crash the file is cut to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sabot_common::registry::attributes;
use sabot_runtime::{Envelope, Flushed, JobError, Sink, SinkTracer};
use sabot_store::{Disk, DiskFile, FileEnd, OpenMode, StoreError};

use crate::json_lines;

/// Appends rows to a file.
pub(crate) struct JsonLines {
    /// As declared: relative to the project, so that commits stay true when the project moves.
    declared: PathBuf,
    path: PathBuf,
    /// Directories to sync with the first commit.
    dirs: Vec<PathBuf>,
    file: Arc<dyn DiskFile>,
    end: u64,
    dirty: bool,
    tracer: SinkTracer,
}

impl JsonLines {
    /// Opens a file of a project and cuts it to `committed` bytes. Before the first commit nothing in it counts.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        project: &Path,
        declared: &Path,
        committed: Option<u64>,
        tracer: SinkTracer,
    ) -> Result<Self, StoreError> {
        let path = project.join(declared);
        let failed = |error| StoreError::io(&path, error);
        let dirs = super::dirs_of(project, &path);
        if let Some(dir) = dirs.first() {
            disk.create_dir_all(dir).map_err(failed)?;
        }
        let file = disk.open(&path, OpenMode::Create).map_err(failed)?;
        let (end, length) = (committed.unwrap_or(0), file.len().map_err(failed)?);
        if length < end {
            return Err(StoreError::corrupt(
                &path,
                length,
                format!("the file has {length} bytes, {end} are committed; put it back, or start over with --fresh"),
            ));
        }
        file.set_len(end).map_err(failed)?;
        Ok(Self { declared: declared.to_owned(), path, dirs, file, end, dirty: true, tracer })
    }
}

impl Sink for JsonLines {
    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        let mut text = Vec::new();
        let mut lines = json_lines(&mut text, false);
        lines.write(&envelope.batch).and_then(|()| lines.finish()).map_err(|e| JobError::operator("file", e))?;
        let mut span = self.tracer.start(envelope.trace.as_slice(), envelope.batch.num_rows());
        self.file.write_all_at(&text, self.end).map_err(|error| StoreError::io(&self.path, error))?;
        span.set_attribute(attributes::BYTES, text.len());
        self.end += text.len() as u64;
        self.dirty = true;
        Ok(text.len() as u64)
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        let mut flushed = Flushed { traces: self.tracer.take(), ..Flushed::default() };
        flushed.files.push(FileEnd { path: self.declared.clone(), bytes: self.end });
        if std::mem::take(&mut self.dirty) {
            flushed.dirty.push(Arc::clone(&self.file));
            flushed.dirty_dirs.append(&mut self.dirs);
        }
        Ok(flushed)
    }
}
