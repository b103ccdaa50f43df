//! The service as it runs: requests go in, and what arrives at a receiver of OTLP is looked at.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "clippy exempts test functions, not their helpers"
)]

mod receiver;
mod requests;
mod running;
mod stores;
