//! The records of the journal: what exists, and what of it is committed.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use sabot_common::config::{Backend, Retention};
use serde::{Deserialize, Serialize};

use crate::DiskFile;

/// One epoch of one agent, made durable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// The agent.
    pub agent: String,
    /// Its deployed version; a lower one is fenced off.
    pub generation: u64,
    /// Counts up by one.
    pub epoch: u64,
    /// How far each input partition is read.
    pub inputs: Vec<InputPosition>,
    /// New ends of output partitions. A partition that is not named keeps its end.
    pub outputs: Vec<OutputEnd>,
    /// Ends of plain files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEnd>,
    /// Snapshot files that hold the operators' state, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// The agent's bounded input is processed; its outputs are complete.
    #[serde(default)]
    pub finished: bool,
    /// What the writer keeps beside the protocol.
    #[serde(default)]
    pub extra: serde_json::Value,
}

/// How far an input partition is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPosition {
    /// The stream.
    pub stream: String,
    /// Its partition.
    pub partition: u32,
    /// Rows read.
    pub offset: u64,
    /// Watermark in microseconds.
    pub watermark: Option<i64>,
    /// Newest event time in microseconds.
    pub max_event_time: Option<i64>,
}

/// The end of an output partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputEnd {
    /// The stream.
    pub stream: String,
    /// Its partition.
    pub partition: u32,
    /// Rows before the end.
    pub offset: u64,
    /// First row of the segment the end is in.
    pub segment: u64,
    /// Bytes of that segment before the end.
    pub bytes: u64,
    /// Which opening of the partition's writer it is from, so that a commit that comes after the next opening is told
    /// apart. Means nothing to another process and is not stored.
    #[serde(skip)]
    pub session: u64,
}

/// The end of a plain file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEnd {
    /// The file.
    pub path: PathBuf,
    /// Bytes that count.
    pub bytes: u64,
}

/// A record to commit, and what must be durable before it is.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    /// The record.
    pub record: CommitRecord,
    /// Files written since the last commit.
    pub dirty: Vec<Arc<dyn DiskFile>>,
    /// Directories in which files were made.
    pub dirty_dirs: Vec<PathBuf>,
}

/// Columns that readers of a stream may be shown in front of its own: where a row is. No column of a stream has such a
/// name.
pub const PLACE_COLUMNS: [&str; 2] = ["_partition", "_offset"];

/// What a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: u32,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its event-time column.
    pub event_time: Option<String>,
    /// How long rows stay.
    pub retention: Option<Retention>,
    /// A stream of its own, or a table's changelog.
    pub kind: StreamKind,
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// For readers.
    Stream,
    /// The truth behind a table.
    Changelog,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its key columns.
    pub key: Vec<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// Where rows are kept.
    pub backend: Backend,
}

/// A stream as its journal record holds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    pub(crate) partitions: u32,
    /// The schema as an Arrow IPC message, in hexadecimal.
    pub(crate) schema: String,
    pub(crate) event_time: Option<String>,
    pub(crate) retention: Option<Retention>,
    pub(crate) kind: StreamKind,
}
