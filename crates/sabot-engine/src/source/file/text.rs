//! Columns from text: the types CSV and JSON values are read as, and which rows do not fit.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::datatypes::{DataType, TimeUnit};
use sabot_sql::event_time_type;

/// A value of a row, as the format gives it.
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    Float(f64),
    Bool(bool),
}

/// The type a name in a project's `schema:` stands for.
pub(super) fn type_named(name: &str) -> Option<DataType> {
    Some(match name {
        "int" | "int64" | "bigint" => DataType::Int64,
        "float" | "float64" | "double" => DataType::Float64,
        "bool" | "boolean" => DataType::Boolean,
        "text" | "string" | "utf8" => DataType::Utf8,
        "timestamp" => event_time_type(),
        _ => return None,
    })
}

/// Names accepted in `schema:`.
pub(super) const TYPE_NAMES: [&str; 5] = ["int64", "float64", "boolean", "text", "timestamp"];

/// The narrowest type that holds all of some texts; empty ones say nothing.
pub(super) fn inferred<'a>(values: impl Iterator<Item = &'a str>) -> DataType {
    let (mut int, mut float, mut boolean, mut any) = (true, true, true, false);
    for value in values.filter(|value| !value.is_empty()) {
        any = true;
        int &= is_plain_int(value);
        float &=
            value.parse::<f64>().is_ok_and(f64::is_finite) && (is_plain_int(value) || value.contains(['.', 'e', 'E']));
        boolean &= matches!(value, "true" | "false");
    }
    match (any, int, float, boolean) {
        (true, true, _, _) => DataType::Int64,
        (true, _, true, _) => DataType::Float64,
        (true, _, _, true) => DataType::Boolean,
        _ => DataType::Utf8,
    }
}

/// An integer whose text carries nothing a number would lose, such as the leading zero of a postal code.
fn is_plain_int(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    (digits == "0" || !digits.starts_with('0')) && value.parse::<i64>().is_ok()
}

/// A column in the making.
pub(super) enum Column {
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Text(StringBuilder),
    Instant(TimestampMicrosecondBuilder),
}

impl Column {
    pub(super) fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                Self::Instant(TimestampMicrosecondBuilder::new().with_data_type(event_time_type()))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value. One that does not fit is added as null and described in the error.
    pub(super) fn push(&mut self, value: &Value<'_>) -> Result<(), String> {
        let added = match (&mut *self, value) {
            (_, Value::Null) => None,
            (Self::Int(column), value) => as_int(value).map(|v| column.append_value(v)),
            (Self::Float(column), value) => as_float(value).map(|v| column.append_value(v)),
            (Self::Bool(column), value) => as_bool(value).map(|v| column.append_value(v)),
            (Self::Instant(column), Value::Text(text)) => {
                string_to_timestamp_nanos(text).ok().map(|nanos| column.append_value(nanos.div_euclid(1_000)))
            }
            (Self::Instant(_), _) => None,
            (Self::Text(column), Value::Text(text)) => {
                column.append_value(text);
                Some(())
            }
            (Self::Text(column), value) => {
                column.append_value(value.to_string());
                Some(())
            }
        };
        if added.is_some() {
            return Ok(());
        }
        self.push_null();
        if matches!(value, Value::Null) { Ok(()) } else { Err(format!("\"{value}\" is not {}", self.kind())) }
    }

    fn push_null(&mut self) {
        match self {
            Self::Int(column) => column.append_null(),
            Self::Float(column) => column.append_null(),
            Self::Bool(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
            Self::Instant(column) => column.append_null(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an int64",
            Self::Float(_) => "a float64",
            Self::Bool(_) => "a boolean",
            Self::Text(_) => "text",
            Self::Instant(_) => "an RFC 3339 timestamp",
        }
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        match &mut self {
            Self::Int(column) => Arc::new(column.finish()),
            Self::Float(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
            Self::Instant(column) => Arc::new(column.finish()),
        }
    }
}

impl std::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => f.write_str(text),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

fn as_int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) => text.parse().ok(),
        Value::Int(value) => Some(*value),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "the column is floating point")]
fn as_float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Text(text) => text.parse().ok(),
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn as_bool(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Text(text) => text.parse().ok(),
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}
