//! The built binary against a server with canned answers: what is printed, where, and with which exit code.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

mod agents;
mod canned;
mod config;
mod exit_codes;
mod following;
mod help;
mod reading;
mod requests;
mod sql;
mod support;
mod telemetry;
mod up;
