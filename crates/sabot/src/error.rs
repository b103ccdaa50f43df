//! Failures as the command line knows them: a kind that decides the exit code, a message, and a way out.

use std::process::ExitCode;

use sabot_common::config::ConfigError;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// Kinds of failure; the number is the exit code, part of the CLI's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nobody reads our output any more (`sabot … | head`): not an error.
    ClosedPipe = 0,
    /// Tried and failed.
    Failed = 1,
    /// Wrong usage, or a file or query that cannot be used as it stands.
    Usage = 2,
    /// No server answers.
    Unreachable = 3,
    /// The thing named does not exist.
    NotFound = 4,
    /// Not done without confirmation or permission.
    Refused = 5,
}

impl CliError {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Wrong usage or a bad file.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// No server answers at `server`.
    pub(crate) fn unreachable(server: &str, reason: &str) -> Self {
        Self::new(Kind::Unreachable, format!("no server answers at {server} ({reason})"))
            .with_hint("start one with `sabot up DIR`, or name another with --server URL or SABOT_SERVER")
    }

    /// The thing named does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Not done without confirmation or permission.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Standard output could not be written. A reader that has gone away is not an error.
    pub(crate) fn of_output(error: &std::io::Error) -> Self {
        let kind = if error.kind() == std::io::ErrorKind::BrokenPipe { Kind::ClosedPipe } else { Kind::Failed };
        Self::new(kind, format!("standard output: {error}"))
    }

    /// The same with advice on what to do next.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with `context: ` in front of the message.
    pub(crate) fn within(self, context: &str) -> Self {
        Self { message: format!("{context}: {}", self.message), ..self }
    }

    /// What to do next, where we know.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether no server answered.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.kind == Kind::Unreachable
    }

    /// Whether the thing named does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// Whether there is nothing to say: our reader has gone.
    pub(crate) fn is_silent(&self) -> bool {
        self.kind == Kind::ClosedPipe
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}
