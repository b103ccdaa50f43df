//! Rows that do not fit: what is kept of one, and the stream they go to.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::lines::without_end;

/// Most that is kept of a row's text.
const MAX_RAW_BYTES: usize = 64 << 10;
/// Most of a value that a message shows.
const MAX_SHOWN_BYTES: usize = 200;

/// A row that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadRow {
    /// Line of the file, or row number for formats without lines; counted from 1.
    pub(crate) line: u64,
    pub(crate) error: String,
    pub(crate) raw: String,
}

impl DeadRow {
    /// Keeps the start of a long row and says so. Bytes that are not UTF-8 become U+FFFD: the column is text.
    pub(super) fn new(line: u64, mut error: String, raw: &[u8]) -> Self {
        let raw = without_end(raw);
        let mut kept = raw;
        if raw.len() > MAX_RAW_BYTES {
            error += "; raw holds the first 64 KiB";
            // No more than three bytes back to where a character begins.
            let begins = |end: &usize| raw.get(*end).is_some_and(|byte| byte & 0xC0 != 0x80);
            let end = (MAX_RAW_BYTES - 3..=MAX_RAW_BYTES).rev().find(begins).unwrap_or(MAX_RAW_BYTES);
            kept = raw.get(..end).unwrap_or(raw);
        }
        Self { line, error, raw: String::from_utf8_lossy(kept).into_owned() }
    }

    /// Memory it takes.
    pub(super) const fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.error.len() + self.raw.len()
    }
}

/// A value as messages show it: its start, if it is long.
pub(super) fn shown(value: &str) -> Cow<'_, str> {
    if value.len() <= MAX_SHOWN_BYTES {
        return Cow::Borrowed(value);
    }
    let start = value.get(..value.floor_char_boundary(MAX_SHOWN_BYTES)).unwrap_or_default();
    Cow::Owned(format!("{start}…"))
}

/// Schema of dead-letter streams.
pub(crate) fn dead_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, false),
        Field::new("error", DataType::Utf8, false),
        Field::new("raw", DataType::Utf8, false),
    ]))
}

/// Bad rows of a file as rows of its dead-letter stream.
pub(super) fn dead_batch(path: &Path, dead: &[DeadRow]) -> Result<RecordBatch, ArrowError> {
    let source = path.to_string_lossy();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(dead.iter().map(|_| &source))),
        Arc::new(UInt64Array::from_iter_values(dead.iter().map(|row| row.line))),
        Arc::new(StringArray::from_iter_values(dead.iter().map(|row| &row.error))),
        Arc::new(StringArray::from_iter_values(dead.iter().map(|row| &row.raw))),
    ];
    RecordBatch::try_new(dead_schema(), columns)
}
