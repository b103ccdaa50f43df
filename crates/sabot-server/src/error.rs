//! Why the server does not start, by what the user does next.

use sabot_common::config::ConfigError;
use sabot_store::StoreError;

/// A start that failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ServerError {
    /// What kind of failure.
    pub kind: ServerErrorKind,
    /// What happened, naming the thing and the fix.
    pub message: String,
}

/// What a user does about a failed start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerErrorKind {
    /// Mend a file of the project, or the command line.
    BadInput,
    /// Allow it, or choose otherwise.
    Refused,
    /// Look at the machine: disk, ports, another process.
    Environment,
}

impl ServerError {
    pub(crate) fn bad_input(message: impl std::fmt::Display) -> Self {
        Self { kind: ServerErrorKind::BadInput, message: message.to_string() }
    }

    pub(crate) fn refused(message: impl std::fmt::Display) -> Self {
        Self { kind: ServerErrorKind::Refused, message: message.to_string() }
    }

    pub(crate) fn environment(message: impl std::fmt::Display) -> Self {
        Self { kind: ServerErrorKind::Environment, message: message.to_string() }
    }
}

impl From<ConfigError> for ServerError {
    fn from(error: ConfigError) -> Self {
        Self::bad_input(error)
    }
}

impl From<StoreError> for ServerError {
    fn from(error: StoreError) -> Self {
        match error {
            // Somebody else's directory: another has to be chosen.
            StoreError::ForeignDir { .. } | StoreError::ForeignFile { .. } => Self::refused(error),
            _ => Self::environment(error),
        }
    }
}
