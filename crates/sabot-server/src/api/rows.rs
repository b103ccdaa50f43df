//! Rows as JSON text, within a limit of bytes, and answers made of them.
//!
//! The text is written as rows come and sent as it is: a tree of values in between would take many times its memory.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sabot_engine::json_lines;
use sabot_sql::{RowSink, SqlError};
use serde_json::{Map, Value, json};

/// Most bytes of rows in one answer.
pub(super) const MAX_BYTES: usize = 32 << 20;
/// Rows turned into text at a time.
const CHUNK_ROWS: usize = 256;

/// Rows as objects, nulls included, one after another with commas between them.
pub(super) struct JsonRows {
    text: Vec<u8>,
    /// Text of the rows of one chunk, line by line.
    lines: Vec<u8>,
    columns: Vec<Value>,
    max_bytes: usize,
    rows: usize,
}

impl JsonRows {
    /// No rows yet, and room for this many bytes.
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { text: Vec::new(), lines: Vec::new(), columns: Vec::new(), max_bytes, rows: 0 }
    }

    /// Takes rows in until one has no room; it breaks then.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<ControlFlow<()>, ArrowError> {
        for start in (0..batch.num_rows()).step_by(CHUNK_ROWS) {
            let chunk = batch.slice(start, CHUNK_ROWS.min(batch.num_rows() - start));
            self.lines.clear();
            let mut writer = json_lines(&mut self.lines, true);
            writer.write(&chunk)?;
            writer.finish()?;
            // A line break in a value is escaped, so that each line is a row.
            for row in self.lines.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()) {
                if self.text.len() + row.len() + 1 > self.max_bytes {
                    return Ok(ControlFlow::Break(()));
                }
                if !self.text.is_empty() {
                    self.text.push(b',');
                }
                self.text.extend_from_slice(row);
                self.rows += 1;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    /// The answer: `fields`, the rows, and whether there are more than these.
    pub(super) fn answer(self, fields: Map<String, Value>, truncated: bool) -> Response {
        let mut body = Vec::with_capacity(self.text.len() + 256);
        body.push(b'{');
        for (name, value) in fields {
            body.extend_from_slice(format!("{}:{value},", Value::String(name)).as_bytes());
        }
        body.extend_from_slice(b"\"rows\":[");
        body.extend_from_slice(&self.text);
        body.extend_from_slice(format!("],\"truncated\":{truncated}}}").as_bytes());
        json_response(body)
    }

    /// The rows alone.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// The columns, as the query told them.
    pub(super) fn take_columns(&mut self) -> Value {
        Value::Array(std::mem::take(&mut self.columns))
    }
}

impl RowSink for JsonRows {
    fn columns(&mut self, schema: &SchemaRef) -> Result<(), SqlError> {
        let mut twice = Vec::new();
        find_twice(schema.fields(), &mut twice);
        if !twice.is_empty() {
            let message =
                format!("more than one column of the answer is named {}; name each with AS", twice.join(", "));
            return Err(SqlError::Plan { message, at: None });
        }
        self.columns = columns(schema);
        Ok(())
    }

    fn take(&mut self, rows: &RecordBatch) -> Result<ControlFlow<()>, SqlError> {
        self.push(rows).map_err(|error| SqlError::Evaluate(error.to_string()))
    }

    fn held_bytes(&self) -> usize {
        self.text.capacity() + self.lines.capacity()
    }
}

/// Finds the names that columns share, or fields of a record within them: of equal keys in an object most readers keep
/// the last alone.
fn find_twice(fields: &[FieldRef], twice: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for field in fields {
        if !seen.insert(field.name()) {
            twice.push(format!("\"{}\"", field.name()));
        }
        match field.data_type() {
            DataType::Struct(fields) => find_twice(fields, twice),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => find_twice(std::slice::from_ref(item), twice),
            _ => {}
        }
    }
}

/// An answer of text that is JSON.
pub(super) fn json_response(text: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Columns with their types.
pub(super) fn columns(schema: &Schema) -> Vec<Value> {
    let column =
        |f: &Arc<Field>| json!({ "name": f.name(), "type": f.data_type().to_string(), "nullable": f.is_nullable() });
    schema.fields().iter().map(column).collect()
}
