//! Behaviour of stream agents, from a file to committed rows, on a disk that can crash.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

mod bad_rows;
mod crash;
mod determinism;
mod disk_full;
mod harness;
mod instances;
mod joins;
mod json_lines;
mod null_times;
mod outputs;
mod replay;
mod sources;
mod traces;
mod windows;
