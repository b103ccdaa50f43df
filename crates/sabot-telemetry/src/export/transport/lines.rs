//! A line of OTLP JSON per batch, to a file or standard error, as the Collector's file exporter writes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use super::{Accepted, SendError, Sending, Transport};
use crate::export::batch::Batch;
use crate::export::otlp;
use crate::sync::lock;

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Lines {
    Console,
    /// Opened with the first line; left open.
    File {
        path: PathBuf,
        file: Mutex<Option<File>>,
    },
}

impl Lines {
    pub(super) const fn console() -> Self {
        Self::Console
    }

    pub(super) const fn file(path: PathBuf) -> Self {
        Self::File { path, file: Mutex::new(None) }
    }

    fn write(&self, batch: &Batch) -> Result<Accepted, SendError> {
        let mut line = otlp::to_json(batch)?;
        line.push(b'\n');
        match self {
            Self::Console => {
                io::stderr()
                    .lock()
                    .write_all(&line)
                    .map_err(|error| SendError::later(format!("standard error: {error}")))?;
            }
            Self::File { path, file } => append(&mut lock(file), path, &line)
                .map_err(|error| SendError::later(format!("{}: {error}", path.display())))?,
        }
        Ok(Accepted::default())
    }
}

/// One write per line, so that a reader, or another process that adds to the file, never sees half of one; after a failed
/// write, as on a full disk, what was written of it is taken back.
fn append(file: &mut Option<File>, path: &PathBuf, line: &[u8]) -> io::Result<()> {
    let file = match file {
        Some(file) => file,
        None => file.insert(OpenOptions::new().append(true).create(true).open(path)?),
    };
    let before = file.metadata()?.len();
    file.write_all(line).or_else(|error| file.set_len(before).and(Err(error)))
}

impl Transport for Lines {
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a> {
        Box::pin(async { self.write(batch) })
    }
}
