//! Behaviour of the crate as its users see it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

mod ambient;
mod export;
#[cfg(all(feature = "redis", feature = "sqlx"))]
mod instrument_data;
#[cfg(feature = "tonic")]
mod instrument_grpc;
#[cfg(all(feature = "axum", feature = "reqwest"))]
mod instrument_http;
mod metrics;
mod provider;
mod receiver;
mod reconfigure;
mod spans;
mod tls;
