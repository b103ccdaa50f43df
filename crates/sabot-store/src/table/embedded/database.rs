//! One table's database: rows by key, and how much of the changelog is in them.
//!
//! A database of its own for each table, so that one that cannot be opened, or has been closed by a failed write, is no
//! matter of the others.

use std::fs;
use std::io;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::StoreError;

/// Changes with the encoding of keys and rows.
const ENCODING: &[u8] = b"1/arrow-row-59";
/// Threads that write sorted files in the background; every table has its own.
const THREADS: usize = 2;

/// An open database.
pub(super) struct Rows {
    database: Database,
    by_key: Keyspace,
    meta: Keyspace,
}

/// How much has been taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Rows of the changelog.
    pub(super) applied: u64,
    /// Keys there are.
    pub(super) keys: u64,
}

impl Rows {
    /// Opens what is there, or makes it.
    pub(super) fn open(path: &Path) -> Result<(Self, Progress), fjall::Error> {
        let database = Database::builder(path).worker_threads(THREADS).open()?;
        let by_key = database.keyspace("rows", KeyspaceCreateOptions::default)?;
        let meta = database.keyspace("meta", KeyspaceCreateOptions::default)?;
        match meta.get("encoding")? {
            Some(known) if known.as_ref() == ENCODING => {}
            Some(other) => {
                let text = format!("encoding {} is not {}", text(&other), text(ENCODING));
                return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
            }
            None => meta.insert("encoding", ENCODING)?,
        }
        let number = |name: &str| -> Result<u64, fjall::Error> {
            let bytes = meta.get(name)?;
            Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_le_bytes))
        };
        let progress = Progress { applied: number("applied")?, keys: number("count")? };
        Ok((Self { database, by_key, meta }, progress))
    }

    /// Opens it after removing what is there.
    pub(super) fn open_empty(path: &Path) -> Result<(Self, Progress), fjall::Error> {
        // A file in its place is as much in the way.
        match fs::remove_dir_all(path).or_else(|_no_dir| fs::remove_file(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Self::open(path),
        }
    }

    /// Puts rows by key and how much has been taken in with them, all or nothing.
    pub(super) fn put<'a>(
        &self,
        rows: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        progress: Progress,
    ) -> Result<(), fjall::Error> {
        let mut writes = self.database.batch();
        rows.for_each(|(key, row)| writes.insert(&self.by_key, key, row));
        writes.insert(&self.meta, "applied", progress.applied.to_le_bytes());
        writes.insert(&self.meta, "count", progress.keys.to_le_bytes());
        writes.commit()
    }

    pub(super) fn has(&self, key: &[u8]) -> Result<bool, fjall::Error> {
        self.by_key.contains_key(key)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<fjall::Slice>, fjall::Error> {
        self.by_key.get(key)
    }

    /// The first rows in the order of their keys.
    pub(super) fn first(&self, limit: usize) -> Result<Vec<fjall::Slice>, fjall::Error> {
        self.by_key.iter().take(limit).map(fjall::Guard::value).collect()
    }

    /// Bytes of rows, in sorted files or still in memory. The database's own log is not counted: its files are made at
    /// their full length.
    pub(super) fn bytes(&self) -> u64 {
        self.by_key.disk_space() + self.database.write_buffer_size()
    }
}

fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(bytes))
}

/// A failure of a database, by what the system said about it.
pub(super) fn failed(path: &Path, error: &fjall::Error) -> StoreError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return StoreError::io(path, io::Error::new(error.kind(), error.to_string()));
        }
        cause = error.source();
    }
    let text =
        format!("{error}; if it stays, stop the server and remove the directory: it is rebuilt at the next start");
    StoreError::Io { file: path.to_owned(), source: io::Error::other(text) }
}
