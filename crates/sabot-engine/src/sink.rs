//! The sinks of stream agents, one per file.

use std::path::{Path, PathBuf};

mod blackhole;
mod console;
mod jsonl;
mod parquet;
mod stream;
mod table;

pub(crate) use blackhole::Blackhole;
pub(crate) use console::Console;
pub(crate) use jsonl::JsonLines;
pub(crate) use parquet::{check_parquet, write_parquet};
pub(crate) use stream::{StreamSink, Target};
pub(crate) use table::apply_to;

/// A file's directory and those above it, up to the project's: any of them may be new, and their names must be durable
/// with the file.
fn dirs_of(project: &Path, file: &Path) -> Vec<PathBuf> {
    file.ancestors().skip(1).take_while(|dir| dir.starts_with(project)).map(Path::to_owned).collect()
}
