//! What can go wrong with SQL, by what the caller does next.

use std::time::Duration;

use datafusion::error::DataFusionError;

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
    /// A limit of the query was reached: narrow it or raise the limit.
    #[error("{0}")]
    Limit(String),
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
        Self::Limit(format!("the query ran longer than {seconds} s; narrow it or allow more time"))
    }

    /// A construct that agents do not run, and what to write instead.
    pub(crate) fn unsupported(construct: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::Unsupported { construct: construct.into(), instead: instead.into() }
    }

    /// An error of planning, with its place when DataFusion knows it.
    pub(crate) fn planning(error: &DataFusionError) -> Self {
        let at = error.diagnostic().and_then(|d| d.span).map(|span| (span.start.line, span.start.column));
        Self::Plan { message: plain_message(error), at }
    }

    /// An error of evaluation.
    pub(crate) fn evaluating(error: &DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(what) => {
                Self::Limit(format!("the query needs more memory than it may use: {}", first_line(what)))
            }
            _ => Self::Evaluate(plain_message(error)),
        }
    }
}

/// DataFusion's message without its class prefix and backtrace hint.
fn plain_message(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let known = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "type_coercion\ncaused by\n",
    ];
    let mut message = text.as_str();
    while let Some(rest) = known.iter().find_map(|prefix| message.strip_prefix(prefix)) {
        message = rest;
    }
    lowercase_first(
        &message
            .trim_end_matches('.')
            .replace(".\nValid fields are", "; the columns are")
            .replace(". Did you mean", "; did you mean"),
    )
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

/// Our messages start in lower case; an acronym or name in capitals stays as it is.
fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
