//! Behaviour of the crate as its users see it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

mod ambient;
mod export;
mod metrics;
mod receiver;
mod spans;
