//! What can go wrong with SQL, by what the caller does next.

use std::time::Duration;

use datafusion::error::DataFusionError;

mod message;

/// A stream or table could not be read, in the words of whoever reads it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

/// An SQL text or its execution failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The text does not parse or plan: mend the query. Line and column count from 1 within the SQL text.
    #[error("{}{message}", place(.at.as_ref()))]
    Plan {
        /// What is wrong.
        message: String,
        /// Where in the SQL text, when known.
        at: Option<(u64, u64)>,
    },
    /// The query is valid SQL that agents do not run: rewrite it as the message says.
    #[error("agents do not run {construct}: {instead}")]
    Unsupported {
        /// The construct.
        construct: String,
        /// What to write.
        instead: String,
    },
    /// The query is larger than one may be: split it.
    #[error("{0}")]
    Limit(String),
    /// The time or the memory a query may use is used up: narrow it or allow more.
    #[error("{0}")]
    Spent(String),
    /// What the query reads cannot be read, which is no fault of the query's.
    #[error("{0}")]
    Read(String),
    /// Evaluation failed on the data at hand.
    #[error("{0}")]
    Evaluate(String),
}

fn place(at: Option<&(u64, u64)>) -> String {
    at.map(|(line, column)| format!("sql line {line}, column {column}: ")).unwrap_or_default()
}

impl SqlError {
    /// A query whose time is up.
    pub fn took_longer_than(timeout: Duration) -> Self {
        let seconds = timeout.as_secs_f64();
        Self::Spent(format!("the query ran longer than {seconds} s; narrow it or allow more time"))
    }

    /// A construct that agents do not run, and what to write instead.
    pub(crate) fn unsupported(construct: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::Unsupported { construct: construct.into(), instead: instead.into() }
    }

    /// A text that cannot be planned, whatever its place.
    pub(crate) fn unplannable(message: impl Into<String>) -> Self {
        Self::Plan { message: message.into(), at: None }
    }

    /// An error of planning, with its place when DataFusion knows it.
    pub(crate) fn planning(error: &DataFusionError) -> Self {
        if let Some((message, at)) = message::of_parser(error) {
            return Self::Plan { message, at };
        }
        let at = error.diagnostic().and_then(|d| d.span).map(|span| (span.start.line, span.start.column));
        Self::Plan { message: message::plain(error), at }
    }

    /// The same for a text that nobody wrote as it is: a place in it would mislead.
    pub(crate) fn without_place(self) -> Self {
        match self {
            Self::Plan { message, .. } => Self::Plan { message, at: None },
            other => other,
        }
    }

    /// An error of evaluation.
    pub(crate) fn evaluating(error: &DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(what) => {
                Self::Spent(format!("the query needs more memory than it may use: {}", message::first_line(what)))
            }
            DataFusionError::External(cause) if cause.is::<Unreadable>() => Self::Read(cause.to_string()),
            DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
                Self::Read(message::plain(error))
            }
            _ => Self::Evaluate(message::plain(error)),
        }
    }
}
