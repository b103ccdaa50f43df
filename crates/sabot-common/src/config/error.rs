//! The one error of project files: where, what, and how to mend it.

use std::fmt;
use std::path::PathBuf;

/// A file of a project that cannot be used as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or the environment variable, at fault.
    pub file: PathBuf,
    /// Line and column, counted from 1, where they are known.
    pub at: Option<(u64, u64)>,
    /// What is wrong, naming key and value.
    pub problem: String,
}

impl ConfigError {
    /// An error about a whole file.
    pub fn of_file(file: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), at: None, problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}
