//! The column types streams and tables hold, and how other types become them.
//!
//! Storage and operators see plain types only: no dictionaries, no view types, event time in microseconds UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
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

/// The batch with every column of its schema's plain type; columns that are plain already are shared, not copied. A value
/// that the plain type cannot hold, such as an instant whose microseconds are too many, is an error.
pub fn to_plain(batch: &RecordBatch, plain: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(plain.fields());
    let columns = columns.map(|(column, field)| cast_if_needed(column, field.data_type())).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(plain), columns)
}

fn cast_if_needed(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    cast_with_options(column, to, &CastOptions { safe: false, ..CastOptions::default() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, TimestampSecondArray};

    use super::{plain_schema, to_plain};

    #[test]
    fn what_a_plain_type_cannot_hold_is_not_lost_in_silence() {
        let batch = |seconds: i64| {
            let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(seconds), None]));
            RecordBatch::try_from_iter([("at", seconds)]).unwrap()
        };
        let plain = plain_schema(&batch(0).schema());
        assert_eq!(to_plain(&batch(1), &plain).unwrap().column(0).null_count(), 1);
        let error = to_plain(&batch(i64::MAX), &plain).expect_err("too many microseconds");
        assert!(error.to_string().contains("9223372036854775807"), "{error}");
    }
}
