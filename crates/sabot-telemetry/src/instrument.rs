//! Spans and metrics of what a service speaks with others: each library behind a feature of its name.
//!
//! | feature | what | by |
//! |---|---|---|
//! | `axum` | requests that come in over HTTP, to axum or any other tower server | `HttpServerLayer` |
//! | `reqwest` | requests that go out over HTTP | `TracedClient` |
//! | `tonic` | gRPC, in and out | `GrpcLayer` |
//! | `sqlx` | queries to PostgreSQL and SQLite | `SqlTracing` |
//! | `redis` | commands to Redis | `RedisTracing` |
//! | none | what a statement is, without what it is about | [`SqlStatement`](crate::SqlStatement), [`RepetitionDetector`](crate::RepetitionDetector) |
//! | none | headers of Kafka records | [`inject_into_kafka_headers`], [`extract_from_kafka_headers`] |
//!
//! Spans are those of [`SpanBuilder`](crate::SpanBuilder), below the current context and recorded by the installed
//! provider; names of attributes are those of OpenTelemetry's semantic conventions. Invariants: whether a span is recorded
//! is decided before its attributes are built; every exchange ends, also one that panics or that nobody waits for any
//! longer; no value that was sent to a database or a cache, or came back from it, and nothing of a request body, of its query or of a header that was not asked for is recorded.

#[cfg(any(feature = "redis", feature = "sqlx"))]
use crate::ambient::{current_trace, follows_parents};

mod headers;
mod kafka;
pub(crate) mod repetition;
pub(crate) mod sql;

#[cfg(feature = "axum")]
mod axum;
#[cfg(any(feature = "axum", feature = "reqwest", feature = "tonic"))]
mod exchange;
#[cfg(any(feature = "axum", feature = "reqwest"))]
mod http;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod span_name;
#[cfg(feature = "sqlx")]
pub(crate) mod sqlx;
#[cfg(feature = "tonic")]
mod tonic;

#[cfg(feature = "axum")]
pub use self::axum::{DEFAULT_SLOW_REQUEST, HttpServer, HttpServerFuture, HttpServerLayer};
pub use self::headers::{HeaderExtractor, HeaderInjector};
pub use self::kafka::{extract_from_kafka_headers, inject_into_kafka_headers, messaging_attributes};
#[cfg(feature = "reqwest")]
pub use self::reqwest::{TracedClient, traced_request};
#[cfg(feature = "tonic")]
pub use self::tonic::{GrpcBody, GrpcFuture, GrpcLayer, GrpcService};

/// Whether a span that begins here may be recorded: asked before anything is read for it.
#[cfg(any(feature = "redis", feature = "sqlx"))]
fn may_be_recorded() -> bool {
    current_trace().is_none_or(|parent| parent.is_sampled()) || !follows_parents()
}

/// Why something that was asked for has no answer when its span ends.
#[cfg(any(feature = "redis", feature = "sqlx"))]
fn unanswered() -> &'static str {
    if std::thread::panicking() { "panic" } else { "cancelled" }
}

#[cfg(test)]
#[cfg(any(feature = "redis", feature = "sqlx"))]
pub(crate) mod tests;
