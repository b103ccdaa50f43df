//! The column types streams and tables hold, and how other types become them.
//!
//! Storage and operators see plain types only: no dictionaries, no view types, event time in microseconds UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// The type of event-time columns: microseconds since the Unix epoch, UTC.
pub fn event_time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

/// The plain type that stands for `data_type` in storage.
pub fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        // A column of nothing but nulls says nothing of its type; text can hold what may come.
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => plain_type(value),
        DataType::Timestamp(_, Some(_)) => event_time_type(),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => other.clone(),
    }
}

/// The schema with every type plain, without metadata.
pub fn plain_schema(schema: &Schema) -> SchemaRef {
    let field = |f: &Arc<Field>| Field::new(f.name(), plain_type(f.data_type()), f.is_nullable());
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// The batch with every column of its schema's plain type; columns that are plain already are shared, not copied.
pub fn to_plain(batch: &RecordBatch, plain: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(plain.fields());
    let columns = columns.map(|(column, field)| cast_if_needed(column, field.data_type())).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(plain), columns)
}

fn cast_if_needed(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == to { Ok(Arc::clone(column)) } else { cast(column, to) }
}
