//! The sinks of stream agents, one per file.

mod blackhole;
mod console;
mod jsonl;
mod parquet;
mod stream;

pub(crate) use blackhole::Blackhole;
pub(crate) use console::Console;
pub(crate) use jsonl::JsonLines;
pub(crate) use parquet::write_parquet;
pub(crate) use stream::{StreamSink, Target};
