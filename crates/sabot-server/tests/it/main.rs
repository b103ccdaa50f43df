//! A whole server in this process, asked over HTTP.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

mod agents;
mod metrics;
mod retention;
mod support;
mod traces;
