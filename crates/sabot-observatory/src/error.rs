//! What can go wrong with stored telemetry, by what the caller does next.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use sabot_sql::SqlError;

/// Writing or reading blocks failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused: free space or mend permissions; writing is retried.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A block is damaged, or could not be written.
    #[error("{}: {source}", .path.display())]
    Parquet {
        /// The block.
        path: PathBuf,
        /// What is wrong.
        source: ParquetError,
    },
    /// A block was written by another version of Sabot: read it with that version, or remove it.
    #[error("{}: block format version {found} is not the supported version {supported}", .path.display())]
    Version {
        /// The block.
        path: PathBuf,
        /// The version it names; `none` if it names none.
        found: String,
        /// The version this Sabot reads and writes.
        supported: &'static str,
    },
    /// A block's own description is not readable.
    #[error("{}: block metadata {key} is {value:?}", .path.display())]
    Metadata {
        /// The block.
        path: PathBuf,
        /// The metadata key.
        key: &'static str,
        /// What stands there.
        value: String,
    },
    /// Spans could not be put into columns: a bug.
    #[error("spans cannot be put into columns: {0}")]
    Columns(#[from] ArrowError),
    /// A merge of blocks was given up because the store is stopping; nothing has changed.
    #[error("merging blocks was given up: the store is stopping")]
    Stopping,
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The file or directory it is about.
    pub(crate) const fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Io { path, .. }
            | Self::Parquet { path, .. }
            | Self::Version { path, .. }
            | Self::Metadata { path, .. } => Some(path),
            Self::Columns(_) | Self::Stopping => None,
        }
    }

    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, source }
    }
}

/// A question about traces was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The caller's SQL condition is wrong: mend it. Line and column count within the condition.
    #[error("where: {0}")]
    Condition(SqlError),
    /// The query failed for another reason, such as a limit of memory or time: narrow it.
    #[error(transparent)]
    Query(#[from] SqlError),
    /// A block could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An answer does not have the columns that were asked for: a bug.
    #[error("column \"{0}\" of a stored span has an unexpected type")]
    Column(&'static str),
}
