//! Instrumentation of databases and caches, by the semantic conventions of OpenTelemetry.
//!
//! What every database needs is always here: [`SqlStatement`], which says what a statement is without what it is about,
//! and [`RepetitionDetector`], which notices statements that are sent once per row. A library's own wrapper is behind a
//! feature that has the library's name. Invariant: no value that was sent to a database or a cache, or came back from
//! it, gets into a span.

#[cfg(any(feature = "redis", feature = "sqlx"))]
use crate::ambient::current_trace;

#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod repetition;
pub(crate) mod sql;
#[cfg(feature = "sqlx")]
pub(crate) mod sqlx;

/// Whether a span that begins here may be recorded: asked before anything is read for it.
#[cfg(any(feature = "redis", feature = "sqlx"))]
fn may_be_recorded() -> bool {
    current_trace().is_none_or(|parent| parent.is_sampled())
}

#[cfg(test)]
#[cfg(any(feature = "redis", feature = "sqlx"))]
pub(crate) mod tests;
