//! What is taken out of telemetry before it is stored or sent: secrets, always, and more if a project says so.

use serde::{Deserialize, Serialize};

/// Secrets by key and by look are taken out by default, and so is the content of conversations with models.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redaction {
    /// Leaves secrets where they are. The content of conversations has a switch of its own.
    pub off: bool,
    /// Keeps prompts, completions and tool arguments.
    pub capture_message_content: bool,
    /// More keys whose values are taken out; with a `*` a pattern for the whole key.
    pub keys: Vec<String>,
    /// Keys that are left alone, whatever else says otherwise.
    pub allow: Vec<String>,
    /// More that is taken out of texts.
    pub values: Vec<ValueRule>,
}

/// Something to take out of texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// A regular expression.
    pub pattern: String,
    /// What stands there instead; `$1` is the first group.
    #[serde(default = "redacted")]
    pub replacement: String,
}

fn redacted() -> String {
    "[redacted]".to_owned()
}
