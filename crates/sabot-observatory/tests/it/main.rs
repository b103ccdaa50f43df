//! The span store as its users see it: one module per behaviour.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking, as tests do")]

mod compaction;
mod format;
mod relation;
mod retention;
mod search;
mod support;
mod trace;
mod writer;
