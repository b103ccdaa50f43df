//! What to take out, as it is configured.

use serde::Deserialize;

/// What is taken out of telemetry. The default is on: secrets by key and by look, and the content of conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redaction {
    /// Leaves secrets where they are. The content of conversations has a switch of its own.
    pub off: bool,
    /// Keeps prompts, completions and tool arguments. They are looked through for secrets like everything else.
    pub capture_message_content: bool,
    /// More keys whose values are taken out: segments that follow each other somewhere in a key (`patient.name`,
    /// `iban`), or with a `*` a pattern for the whole key (`billing.*`).
    pub keys: Vec<String>,
    /// Keys that are left alone, whatever else says otherwise: whole keys, or patterns with a `*`.
    pub allow: Vec<String>,
    /// More that is taken out of texts.
    pub values: Vec<ValueRule>,
}

/// Something to take out of texts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// A regular expression, as the `regex` crate reads it; it must not match empty text.
    pub pattern: String,
    /// What stands there instead; `$1` is the first group.
    #[serde(default = "redacted")]
    pub replacement: String,
}

fn redacted() -> String {
    super::REDACTED.to_owned()
}

/// A redaction that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedactionError {
    /// Not a regular expression, or one that would take too much memory.
    #[error("redaction value pattern \"{pattern}\": {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it, on one line.
        problem: String,
    },
    /// It would be found everywhere.
    #[error("redaction value pattern \"{pattern}\" matches empty text; write one that needs at least one character")]
    MatchesNothing {
        /// The pattern.
        pattern: String,
    },
    /// A key pattern without a letter or digit.
    #[error(
        "redaction key \"{pattern}\" names nothing; write segments such as \"patient.name\" or a pattern such as \"billing.*\""
    )]
    EmptyKey {
        /// The pattern.
        pattern: String,
    },
    /// More rules than a hot path should have.
    #[error("redaction has {given} {what}; at most {limit}")]
    TooMany {
        /// Which rules.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
}
