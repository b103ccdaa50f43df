//! The contract of a sink: rows go in, and at a barrier it says what must be durable for them to count.

use std::path::PathBuf;
use std::sync::Arc;

use sabot_store::{DiskFile, FileEnd, OutputEnd};

use crate::{Envelope, JobError};

/// Where rows end up.
pub trait Sink: Send {
    /// Name of its span.
    fn name(&self) -> &'static str {
        "sink"
    }

    /// Takes rows in and returns the bytes written. When the disk is full nothing of the envelope has been taken and
    /// the same call can be made again.
    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError>;

    /// Writes what is buffered and reports the ends of everything written.
    fn flush(&mut self) -> Result<Flushed, JobError>;
}

/// What a commit must name and sync.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Streams written, whether or not anything was added.
    pub streams: Vec<String>,
    /// Ends of stream partitions that have moved.
    pub outputs: Vec<OutputEnd>,
    /// Ends of plain files.
    pub files: Vec<FileEnd>,
    /// Files to sync.
    pub dirty: Vec<Arc<dyn DiskFile>>,
    /// Directories to sync.
    pub dirty_dirs: Vec<PathBuf>,
}
