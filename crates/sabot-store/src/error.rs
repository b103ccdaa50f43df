//! What can go wrong, by what the caller does next.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of storage.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Wait for room and try the same call again; nothing has changed.
    #[error("the disk is full: writing {file}")]
    DiskFull {
        /// The file that did not fit.
        file: PathBuf,
    },
    /// Committed bytes are not what was written: restore the file from a backup, or start afresh.
    #[error("{file}: damaged at byte {offset}: {problem}; restore the file, or start over with --fresh")]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What does not fit.
        problem: String,
    },
    /// Stop the other process, or use another directory.
    #[error("{dir} is in use by another process{by}; stop it, or choose another directory with --data-dir")]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Which process, when known.
        by: String,
    },
    /// Choose an empty directory: this one has files of somebody else in it.
    #[error(
        "{dir} is not a sabot data directory and holds \"{found}\"; choose an empty directory, or one that does not exist, with --data-dir"
    )]
    ForeignDir {
        /// The directory.
        dir: PathBuf,
        /// What in it is not ours.
        found: String,
    },
    /// Take the file away; nothing has been removed.
    #[error("{dir} also holds \"{found}\", which is not Sabot's; move it away, then start over")]
    ForeignFile {
        /// The directory.
        dir: PathBuf,
        /// What in it is not ours.
        found: String,
    },
    /// Use the version of Sabot that wrote it, or start afresh.
    #[error(
        "{file} has format version {found}, this Sabot reads version {supported}; use the Sabot that wrote it, or start over with --fresh"
    )]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// The version in it.
        found: String,
        /// The version understood here.
        supported: u32,
    },
    /// Name something that exists.
    #[error("{0} does not exist")]
    NotFound(String),
    /// Something else has it, or has it differently.
    #[error("{0}")]
    Conflict(String),
    /// A newer version of the agent has committed.
    #[error("agent \"{agent}\": generation {generation} is fenced off by generation {current}")]
    Fenced {
        /// The agent.
        agent: String,
        /// Who tried.
        generation: u64,
        /// Who has committed.
        current: u64,
    },
    /// The data cannot be stored as it is.
    #[error("{0}")]
    InvalidData(String),
    /// The system refused.
    #[error("{file}: {source}")]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// An error of the system about a file.
    pub fn io(file: &Path, source: io::Error) -> Self {
        let file = file.to_owned();
        if is_full(&source) { Self::DiskFull { file } } else { Self::Io { file, source } }
    }

    /// Damage: what is wrong, in which file and at which offset.
    pub fn corrupt(file: &Path, offset: u64, problem: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, problem: problem.into() }
    }
}

/// Whether there was no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Shorthand for `map_err` with a file.
pub(crate) fn at(file: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    move |error| StoreError::io(file, error)
}
