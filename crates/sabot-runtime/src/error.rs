//! Why a job stops.

use sabot_store::StoreError;

/// A failure that ends a job; the process stays up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobError {
    /// Storage failed.
    #[error("{0}")]
    Store(std::sync::Arc<StoreError>),
    /// An operator could not process a batch.
    #[error("{operator}: {message}")]
    Operator {
        /// The operator.
        operator: &'static str,
        /// What happened.
        message: String,
    },
    /// A source could not be read.
    #[error("{0}")]
    Source(String),
    /// A part of the job went away, which happens only while the process shuts down or after another error.
    #[error("the job was stopped")]
    Stopped,
}

impl JobError {
    /// An operator's failure.
    pub fn operator(operator: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Operator { operator, message: error.to_string() }
    }

    /// An operator's failure with the rows that it failed on.
    pub(crate) fn on_rows_of(self, stream: &str, partition: u32) -> Self {
        match self {
            Self::Operator { operator, message } => Self::Operator {
                operator,
                message: format!("{message} (on rows of \"{stream}\", partition {partition})"),
            },
            other => other,
        }
    }

    /// Whether waiting for space may cure it.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(**error, StoreError::DiskFull { .. }))
    }

    /// Whether it is only that another part of the job has gone, which has an error of its own.
    pub const fn is_consequence(&self) -> bool {
        matches!(self, Self::Stopped)
    }

    /// The kind, for the `error_type` label.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Store(_) => "storage",
            Self::Operator { .. } => "operator",
            Self::Source(_) => "source",
            Self::Stopped => "stopped",
        }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Store(std::sync::Arc::new(error))
    }
}
