//! A piece of a file: decoded rows, and those that did not fit with the reason.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sabot_sql::{Expr, event_time_type, to_plain};

/// Rows decoded together.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: RecordBatch,
    pub(crate) dead: Vec<DeadRow>,
}

/// A row that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadRow {
    /// Line of the file, or row number for formats without lines; counted from 1.
    pub(crate) line: u64,
    pub(crate) error: String,
    pub(crate) raw: String,
}

/// Gives decoded rows their final columns: event time as an instant, derived columns added.
#[derive(Clone, Debug)]
pub(crate) struct Finisher {
    /// Columns that must not be null, with what they are for.
    pub(crate) required: Vec<(usize, &'static str)>,
    pub(crate) event_time: Option<usize>,
    pub(crate) derived: Vec<Expr>,
    /// The file's columns in plain types, event time converted.
    pub(crate) base: SchemaRef,
    /// The same with the derived columns.
    pub(crate) full: SchemaRef,
}

impl Finisher {
    /// Finishes a batch whose rows stand at `lines` of the file.
    pub(crate) fn finish(&self, batch: &RecordBatch, lines: &dyn Fn(usize) -> u64) -> Result<Chunk, String> {
        let mut dead = Vec::new();
        let mut columns = batch.columns().to_vec();
        if let Some((index, column)) = self.event_time.and_then(|index| Some((index, columns.get_mut(index)?))) {
            *column = instants(column).map_err(|error| error.to_string())?;
            debug_assert!(index < batch.num_columns());
        }
        let bad = self.rows_with_missing(batch, &columns, lines, &mut dead)?;
        let typed = RecordBatch::try_from_iter(names(batch).into_iter().zip(columns)).map_err(|e| e.to_string())?;
        let mut rows = to_plain(&typed, &nullable(&self.base)).map_err(|error| error.to_string())?;
        if let Some(bad) = bad {
            let good = arrow::compute::not(&bad).map_err(|error| error.to_string())?;
            rows = filter_record_batch(&rows, &good).map_err(|error| error.to_string())?;
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.base), rows.columns().to_vec()).map_err(|e| e.to_string())?;
        Ok(Chunk { rows: self.with_derived(&rows)?, dead })
    }

    fn with_derived(&self, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let mut columns = rows.columns().to_vec();
        for (expr, field) in self.derived.iter().zip(self.full.fields().iter().skip(columns.len())) {
            let value = expr.evaluate(rows).map_err(|error| format!("derive: {}: {error}", field.name()))?;
            columns.push(cast(&value, field.data_type()).map_err(|error| error.to_string())?);
        }
        RecordBatch::try_new(Arc::clone(&self.full), columns).map_err(|error| error.to_string())
    }

    /// Which rows miss a required value; they are added to `dead`.
    fn rows_with_missing(
        &self,
        batch: &RecordBatch,
        columns: &[ArrayRef],
        lines: &dyn Fn(usize) -> u64,
        dead: &mut Vec<DeadRow>,
    ) -> Result<Option<BooleanArray>, String> {
        let mut bad = vec![false; batch.num_rows()];
        for (index, purpose) in &self.required {
            let (Some(column), Some(original)) = (columns.get(*index), batch.columns().get(*index)) else { continue };
            if column.null_count() == 0 {
                continue;
            }
            let name = batch.schema_ref().field(*index).name().clone();
            for (row, is_bad) in bad.iter_mut().enumerate().filter(|(row, bad)| !**bad && column.is_null(*row)) {
                *is_bad = true;
                let value = shown(original, row)?;
                let error = match value {
                    Some(value) => format!("{purpose} {name}: \"{value}\" is not an RFC 3339 instant"),
                    None => format!("{purpose} {name} is null"),
                };
                dead.push(DeadRow { line: lines(row), error, raw: raw(batch, row)? });
            }
        }
        Ok(bad.contains(&true).then(|| BooleanArray::from(bad)))
    }
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
}

/// The schema with every column nullable: rows with missing values are filtered out after conversion.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()))
}

/// A column as instants; what cannot be read becomes null.
fn instants(column: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    let plain = cast(column, &sabot_sql::plain_type(column.data_type()))?;
    cast(&plain, &event_time_type())
}

fn shown(column: &ArrayRef, row: usize) -> Result<Option<String>, String> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).map_err(|error| error.to_string())?;
    Ok(column.is_valid(row).then(|| formatter.value(row).to_string()))
}

/// A row as one line of JSON, for dead letters of formats that are not text.
fn raw(batch: &RecordBatch, row: usize) -> Result<String, String> {
    let mut text = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
    writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}
