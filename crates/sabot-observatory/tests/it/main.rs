//! The span store as its users see it: one module per behaviour.

mod compaction;
mod format;
mod relation;
mod retention;
mod search;
mod support;
mod trace;
mod writer;
mod zz_hand;
