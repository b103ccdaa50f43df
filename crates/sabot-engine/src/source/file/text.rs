//! Columns from text: the types CSV and JSON values are read as, and which rows do not fit.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::datatypes::{DataType, TimeUnit};
use sabot_sql::event_time_type;

use super::dead::shown;

/// The microseconds whose nanoseconds an int64 can hold, 1677-09-21 to 2262-04-11: functions of time count in them.
pub(super) const INSTANTS: RangeInclusive<i64> = i64::MIN / 1_000..=i64::MAX / 1_000;

/// A value of a row, as the format gives it.
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    /// As it is written.
    Number(&'a str),
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

/// What a value of a type is called in messages.
pub(super) fn described(data_type: &DataType) -> Cow<'static, str> {
    Cow::Borrowed(match data_type {
        DataType::Int64 => "an int64",
        DataType::Float64 => "a float64",
        DataType::Boolean => "a boolean",
        DataType::Utf8 => "text",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "an RFC 3339 timestamp of the years 1677 to 2262",
        other => return Cow::Owned(format!("a value of type {other}")),
    })
}

/// An instant in microseconds; none when the text is not RFC 3339 or outside [`INSTANTS`].
pub(super) fn instant(text: &str) -> Option<i64> {
    let micros = string_to_timestamp_nanos(text).ok()?.div_euclid(1_000);
    INSTANTS.contains(&micros).then_some(micros)
}

/// The number nearest to the one in a text. Infinity is one only if it is written as a word: digits beyond the range do
/// not fit.
pub(super) fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_beyond = number.is_infinite() && text.contains(|character: char| character.is_ascii_digit());
    (!is_beyond).then_some(number)
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
            (Self::Instant(column), Value::Text(text)) => instant(text).map(|micros| column.append_value(micros)),
            (Self::Instant(_), _) => None,
            (Self::Text(column), Value::Text(text) | Value::Number(text)) => {
                column.append_value(text);
                Some(())
            }
            (Self::Text(column), Value::Bool(value)) => {
                column.append_value(if *value { "true" } else { "false" });
                Some(())
            }
        };
        if added.is_some() {
            return Ok(());
        }
        self.push_null();
        if matches!(value, Value::Null) {
            return Ok(());
        }
        Err(format!("\"{}\" is not {}", shown(&value.to_string()), described(&self.data_type())))
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

    fn data_type(&self) -> DataType {
        match self {
            Self::Int(_) => DataType::Int64,
            Self::Float(_) => DataType::Float64,
            Self::Bool(_) => DataType::Boolean,
            Self::Text(_) => DataType::Utf8,
            Self::Instant(_) => event_time_type(),
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
            Self::Text(text) | Self::Number(text) => f.write_str(text),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

fn as_int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Text(text) | Value::Number(text) => text.parse().ok(),
        _ => None,
    }
}

fn as_float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Text(text) | Value::Number(text) => float(text),
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
