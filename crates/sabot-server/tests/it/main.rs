//! A whole server in this process, asked over HTTP.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

mod agents;
mod limits;
mod metrics;
mod pages;
mod requests;
mod retention;
mod support;
mod telemetry;
mod traces;
