//! A line of OTLP JSON per batch, to a file or standard error, as the Collector's file exporter writes it.
//!
//! Invariant: nothing here holds up the other targets. Writing happens on a thread for work that may block, one line at a
//! time: while a line is stuck, as in a full pipe, there is no other.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Accepted, SendError, Sending, Transport};
use crate::export::batch::Batch;
use crate::export::otlp;

/// Where the lines go.
#[derive(Debug)]
pub(super) struct Lines {
    /// Standard error without one.
    path: Option<PathBuf>,
    /// Whether a line is being written.
    busy: Arc<AtomicBool>,
}

impl Lines {
    pub(super) fn console() -> Self {
        Self { path: None, busy: Arc::default() }
    }

    pub(super) fn file(path: PathBuf) -> Self {
        Self { path: Some(path), busy: Arc::default() }
    }

    async fn write(&self, batch: &Batch) -> Result<Accepted, SendError> {
        let mut line = Vec::new();
        // Nothing is not a line: it only shows whether one could be written.
        if !batch.payload.is_empty() {
            line = otlp::to_json(batch)?;
            line.push(b'\n');
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(SendError::later("the line before is still being written"));
        }
        let (path, busy) = (self.path.clone(), Arc::clone(&self.busy));
        let written = tokio::task::spawn_blocking(move || {
            let written = match &path {
                None => io::stderr().lock().write_all(&line).map_err(|error| format!("standard error: {error}")),
                Some(path) => append(path, &line).map_err(|error| format!("{}: {error}", path.display())),
            };
            busy.store(false, Ordering::Release);
            written
        });
        match written.await {
            Ok(Ok(())) => Ok(Accepted::default()),
            Ok(Err(problem)) => Err(SendError::later(problem)),
            Err(panicked) => Err(SendError::later(panicked.to_string())),
        }
    }
}

/// One write per line, so that a reader, or another process that adds to the file, never sees half of one; after a failed
/// write, as on a full disk, what was written of it is taken back. Opened anew each time, because files are rotated.
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    // A pipe nobody reads would block already when it is opened.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().append(true).create(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file; write the path of one"));
    }
    // What matters is why it failed the first time.
    file.write_all(line).inspect_err(|_| drop(file.set_len(metadata.len())))
}

impl Transport for Lines {
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a> {
        Box::pin(self.write(batch))
    }
}
