//! How a partition's rows lie in files.
//!
//! A partition is a directory of segment files named after their first row. A segment is a header with the schema, then
//! frames: a fixed header with a checksum, and one record batch as an Arrow IPC message without its schema. Which bytes
//! count is decided by the journal alone; what lies behind the committed end is left over and written over.

mod codec;
mod reader;
mod writer;

use arrow::array::RecordBatch;
use sabot_common::clock::Timestamp;

pub(crate) use codec::{decode_schema, encode_schema};
pub use reader::PartitionReader;
pub(crate) use reader::last_appended_at;
pub use writer::PartitionWriter;

/// What is stored beside a frame's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    /// Trace id, span id and flags of the span that wrote it.
    pub trace: Option<[u8; 25]>,
    /// When it was written.
    pub appended_at: Timestamp,
    /// Smallest event time in microseconds; `i64::MAX` when there is none.
    pub min_event_time: i64,
    /// Largest event time in microseconds; `i64::MIN` when there is none.
    pub max_event_time: i64,
}

impl Default for FrameMeta {
    fn default() -> Self {
        Self { trace: None, appended_at: Timestamp::default(), min_event_time: i64::MAX, max_event_time: i64::MIN }
    }
}

/// Rows read back.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The rows.
    pub batch: RecordBatch,
    /// Offset of the first.
    pub offset: u64,
    /// What was stored beside them.
    pub meta: FrameMeta,
}

/// Name of the segment whose first row is `base`.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:020}.seg")
}

/// First row of the segment with this name.
pub(crate) fn base_of(name: &str) -> Option<u64> {
    name.strip_suffix(".seg")?.parse().ok()
}
