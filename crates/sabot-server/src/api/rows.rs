//! Record batches as JSON rows.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use serde_json::{Value, json};

use super::error::ApiError;

/// Rows as objects, nulls included.
pub(super) fn to_json(batches: &[RecordBatch]) -> Result<Vec<Value>, ApiError> {
    let mut text = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut text);
    for batch in batches {
        writer.write(batch).map_err(ApiError::internal)?;
    }
    writer.finish().map_err(ApiError::internal)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&text).map_err(ApiError::internal)
}

/// Columns with their types.
pub(super) fn columns(schema: &Schema) -> Vec<Value> {
    let column = |f: &std::sync::Arc<arrow::datatypes::Field>| json!({ "name": f.name(), "type": f.data_type().to_string(), "nullable": f.is_nullable() });
    schema.fields().iter().map(column).collect()
}
