//! Columns in other types, with the values that do not survive it named instead of lost.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::neq;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions, array_value_to_string};
use sabot_sql::{Expr, event_time_type, plain_type};

use super::dead::shown;
use super::text::{INSTANTS, described, float, instant};

/// A column in its new type, and the rows that do not fit it with the reason.
pub(super) struct Converted {
    pub(super) values: ArrayRef,
    pub(super) failed: Vec<(usize, String)>,
}

/// What a column becomes.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) data_type: &'a DataType,
    /// It is the event time.
    pub(super) is_event_time: bool,
}

/// Converts a column. A row whose value the type cannot hold is null and among the failed; so is one whose value is to
/// be an instant, or the event time, and lies outside [`INSTANTS`]. Instants a file has for other ends stay what they are.
pub(super) fn convert(column: &ArrayRef, target: Target<'_>) -> Result<Converted, ArrowError> {
    let mut values = cast_to(column, target.data_type)?;
    let becomes_instant = *target.data_type == event_time_type() && plain_type(column.data_type()) != *target.data_type;
    if target.is_event_time || becomes_instant {
        values = within_instants(&values);
    }
    let had = column.logical_nulls();
    let mut lost = inexact(column, &values)?;
    if values.null_count() > had.as_ref().map_or(0, NullBuffer::null_count) {
        let had_value = |row: usize| had.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        lost.extend((0..values.len()).filter(|row| values.is_null(*row) && had_value(*row)));
    }
    let failed = if lost.is_empty() { Vec::new() } else { reasons(column, &lost, target.data_type)? };
    Ok(Converted { values, failed })
}

fn cast_to(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    let plain = cast(column, &plain_type(column.data_type()))?;
    match plain.data_type() {
        DataType::Utf8 if *to == event_time_type() => {
            let instants = plain.as_string::<i32>().iter().map(|text| instant(text?));
            Ok(Arc::new(instants.collect::<TimestampMicrosecondArray>().with_data_type(event_time_type())))
        }
        DataType::Utf8 if *to == DataType::Float64 => {
            let numbers = plain.as_string::<i32>().iter().map(|text| float(text?));
            Ok(Arc::new(numbers.collect::<Float64Array>()))
        }
        // Milliseconds to microseconds is checked for overflow, dates to microseconds is not.
        DataType::Date64 => cast(&cast(&plain, &DataType::Timestamp(TimeUnit::Millisecond, None))?, to),
        _ => cast(&plain, to),
    }
}

fn within_instants(values: &ArrayRef) -> ArrayRef {
    let Some(times) = values.as_primitive_opt::<TimestampMicrosecondType>() else { return Arc::clone(values) };
    if times.values().iter().all(|time| INSTANTS.contains(time)) {
        return Arc::clone(values);
    }
    let within: TimestampMicrosecondArray = times.unary_opt(|time| INSTANTS.contains(&time).then_some(time));
    Arc::new(within.with_data_type(times.data_type().clone()))
}

/// Rows whose number became another one: a cast to an integer cuts fractions off.
fn inexact(column: &ArrayRef, values: &ArrayRef) -> Result<Vec<usize>, ArrowError> {
    let from = column.data_type();
    let has_fractions = from.is_floating() || from.is_decimal();
    let Some(numbers) = values.as_any().downcast_ref::<Int64Array>().filter(|_| has_fractions) else {
        return Ok(Vec::new());
    };
    let differs = neq(&cast(numbers, from)?, column)?;
    Ok((0..differs.len()).filter(|row| differs.is_valid(*row) && differs.value(*row)).collect())
}

fn reasons(column: &ArrayRef, rows: &[usize], to: &DataType) -> Result<Vec<(usize, String)>, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let reason = |row: &usize| {
        let value = match formatter.value(*row).try_to_string() {
            Ok(value) => value,
            // An instant too large to be written as a date.
            Err(_) => number(column, *row)?,
        };
        Ok((*row, format!("\"{}\" is not {}", shown(&value), described(to))))
    };
    rows.iter().map(reason).collect()
}

/// What the file holds for an instant.
fn number(column: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    let number = cast(&column.slice(row, 1), &DataType::Int64)?;
    array_value_to_string(&number, 0).map(|number| format!("{number} ({})", column.data_type()))
}

/// An expression's value for each row. Where it fails for a batch it is asked for smaller and smaller parts of it, down
/// to single rows, so that the rows that fail are those that fail alone, whatever they are batched with.
pub(super) fn evaluate(expr: &Expr, rows: &RecordBatch, target: Target<'_>) -> Result<Converted, ArrowError> {
    let count = rows.num_rows();
    if count == 0 {
        return Ok(Converted { values: new_null_array(target.data_type, 0), failed: Vec::new() });
    }
    let error = match expr.evaluate(rows) {
        Ok(values) => return convert(&values, target),
        Err(error) => error,
    };
    if count == 1 {
        let failed = vec![(0, shown(&error.to_string()).into_owned())];
        return Ok(Converted { values: new_null_array(target.data_type, 1), failed });
    }
    let half = count / 2;
    let head = evaluate(expr, &rows.slice(0, half), target)?;
    let tail = evaluate(expr, &rows.slice(half, count - half), target)?;
    let values = concat(&[head.values.as_ref(), tail.values.as_ref()])?;
    let failed = head.failed.into_iter().chain(tail.failed.into_iter().map(|(row, error)| (row + half, error)));
    Ok(Converted { values, failed: failed.collect() })
}
