//! Instrumentation of databases and caches, by the semantic conventions of OpenTelemetry.
//!
//! What every database needs is always here: [`SqlStatement`], which says what a statement is without what it is about,
//! and [`RepetitionDetector`], which notices statements that are sent once per row. A library's own wrapper is behind a
//! feature that has the library's name. Invariant: no value that was sent to a database or a cache, or came back from
//! it, gets into a span.

#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod repetition;
pub(crate) mod sql;
#[cfg(feature = "sqlx")]
pub(crate) mod sqlx;
#[cfg(test)]
#[cfg(any(feature = "redis", feature = "sqlx"))]
pub(crate) mod tests;
