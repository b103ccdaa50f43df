//! Spans and metrics of what a service speaks with others: each library behind a feature of its name.
//!
//! | feature | what | by |
//! |---|---|---|
//! | `axum` | requests that come in over HTTP, to axum or any other tower server | `HttpServerLayer` |
//! | `reqwest` | requests that go out over HTTP | `TracedClient` |
//! | `tonic` | gRPC, in and out | `GrpcLayer` |
//! | none | headers of Kafka records | [`inject_into_kafka_headers`], [`extract_from_kafka_headers`] |
//!
//! Spans are those of [`SpanBuilder`](crate::SpanBuilder), below the current context and recorded by the installed
//! provider; names of attributes are those of OpenTelemetry's semantic conventions. Invariants: whether a span is recorded
//! is decided before its attributes are built; every exchange ends, also one that panics or that nobody waits for any
//! longer; nothing of a request body, of its query or of a header that was not asked for is recorded.

mod headers;
mod kafka;

#[cfg(feature = "axum")]
mod axum;
#[cfg(any(feature = "axum", feature = "reqwest", feature = "tonic"))]
mod exchange;
#[cfg(any(feature = "axum", feature = "reqwest"))]
mod http;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod span_name;
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
