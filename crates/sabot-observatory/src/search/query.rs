//! What a search asks for.

use std::str::FromStr;
use std::time::Duration;

use sabot_common::clock::Timestamp;

/// Most traces one search lists.
pub const MAX_TRACES: usize = 10_000;

/// The conditions of a search; all given must hold.
///
/// `service`, `operation`, `tags`, `status` and `where_sql` must hold for one and the same span of the trace. Durations
/// and times are those of the whole trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceQuery {
    /// Service name, or the name of one of Sabot's own parts such as `stream-processor`.
    pub service: Option<String>,
    /// Name of the span, or its first word: `process_batch` finds those of all agents.
    pub operation: Option<String>,
    /// Attributes, compared as text. `tenant_id`, `task_id`, `node_type` and `llm_model` also mean the attributes that
    /// Sabot and the semantic conventions call otherwise.
    pub tags: Vec<(String, String)>,
    /// Status of the span.
    pub status: Option<StatusCode>,
    /// The trace lasts at least this long.
    pub min_duration: Option<Duration>,
    /// The trace lasts at most this long.
    pub max_duration: Option<Duration>,
    /// The trace starts at this time or later.
    pub since: Option<Timestamp>,
    /// The trace starts at this time or earlier.
    pub until: Option<Timestamp>,
    /// A condition in SQL over the columns of `sabot.spans`.
    pub where_sql: Option<String>,
    /// Most traces to list, from 1 to [`MAX_TRACES`]; what is outside is moved inside.
    pub limit: usize,
}

impl Default for TraceQuery {
    fn default() -> Self {
        Self {
            service: None,
            operation: None,
            tags: Vec::new(),
            status: None,
            min_duration: None,
            max_duration: None,
            since: None,
            until: None,
            where_sql: None,
            limit: 20,
        }
    }
}

impl TraceQuery {
    pub(super) fn limit(&self) -> usize {
        self.limit.clamp(1, MAX_TRACES)
    }

    /// The user's condition unless it is blank.
    pub(super) fn condition(&self) -> Option<&str> {
        self.where_sql.as_deref().filter(|sql| !sql.trim().is_empty())
    }
}

/// The status of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// Nothing was said, which counts as success.
    Unset,
    /// Said to have succeeded.
    Ok,
    /// Failed.
    Error,
}

impl StatusCode {
    /// The word in rows and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// A word that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status {0:?} is not one of ok, error, unset")]
pub struct UnknownStatus(String);

impl FromStr for StatusCode {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let known = [Self::Unset, Self::Ok, Self::Error].into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}
