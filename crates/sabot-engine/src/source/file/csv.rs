//! CSV with a header line.

use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::text::{Column, Value, inferred};
use super::{Chunk, Chunks, DeadRow, Finisher};

/// Rows decoded together.
const CHUNK_ROWS: usize = 8_192;
/// Rows looked at to infer types.
const INFER_ROWS: usize = 1_000;

fn reader(path: &Path) -> Result<Reader<File>, String> {
    // Flexible: a row with a wrong number of fields is that row's error, not the file's.
    ReaderBuilder::new().flexible(true).from_path(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Column names and types from the header and the first rows.
pub(super) fn infer(path: &Path) -> Result<SchemaRef, String> {
    let mut reader = reader(path)?;
    let header = reader.headers().map_err(|error| format!("{}: {error}", path.display()))?.clone();
    if header.is_empty() {
        return Err(format!("{} is empty; a CSV file starts with a line of column names", path.display()));
    }
    let rows: Vec<_> =
        reader.records().take(INFER_ROWS).filter_map(Result::ok).filter(|r| r.len() == header.len()).collect();
    let fields = header
        .iter()
        .enumerate()
        .map(|(index, name)| Field::new(name.trim(), inferred(rows.iter().filter_map(|row| row.get(index))), true));
    Ok(std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// The file's rows in chunks.
pub(super) fn open(path: &Path, schema: SchemaRef, finisher: Finisher) -> Result<Chunks, String> {
    let mut reader = reader(path)?;
    let mut records = Vec::new();
    let path = path.to_owned();
    Ok(Box::new(std::iter::from_fn(move || {
        records.clear();
        let mut record = ByteRecord::new();
        while records.len() < CHUNK_ROWS {
            match reader.read_byte_record(&mut record) {
                Ok(true) => records.push(record.clone()),
                Ok(false) => break,
                Err(error) => return Some(Err(format!("{}: {error}", path.display()))),
            }
        }
        (!records.is_empty()).then(|| decode(&records, &schema, &finisher))
    })))
}

fn decode(records: &[ByteRecord], schema: &SchemaRef, finisher: &Finisher) -> Result<Chunk, String> {
    let mut errors: Vec<Option<String>> =
        records.iter().map(|record| shape_error(record, schema.fields().len())).collect();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let mut column = Column::new(field.data_type());
        for (record, error) in records.iter().zip(&mut errors) {
            let text = if error.is_some() { "" } else { record.get(index).and_then(utf8).unwrap_or("") };
            let value = if text.is_empty() { Value::Null } else { Value::Text(text) };
            if let Err(problem) = column.push(&value) {
                error.get_or_insert_with(|| format!("{}: {problem}", field.name()));
            }
        }
        columns.push(column.finish());
    }
    let batch = RecordBatch::try_new(std::sync::Arc::clone(schema), columns).map_err(|error| error.to_string())?;
    let line = |row: usize| records.get(row).and_then(|r| r.position()).map_or(0, csv::Position::line);
    let mut dead: Vec<DeadRow> = Vec::new();
    for (row, (record, error)) in records.iter().zip(&errors).enumerate() {
        if let Some(error) = error {
            dead.push(DeadRow { line: line(row), error: error.clone(), raw: raw(record) });
        }
    }
    let good: Vec<usize> = errors.iter().enumerate().filter(|(_, e)| e.is_none()).map(|(row, _)| row).collect();
    let kept = if dead.is_empty() { batch } else { keep(&batch, &good)? };
    let mut chunk = finisher.finish(&kept, &|row| line(good.get(row).copied().unwrap_or(row)))?;
    chunk.dead.extend(dead);
    chunk.dead.sort_by_key(|row| row.line);
    Ok(chunk)
}

pub(super) fn keep(batch: &RecordBatch, rows: &[usize]) -> Result<RecordBatch, String> {
    let indices = arrow::array::UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
    arrow::compute::take_record_batch(batch, &indices).map_err(|error| error.to_string())
}

fn shape_error(record: &ByteRecord, fields: usize) -> Option<String> {
    if record.len() != fields {
        return Some(format!("{} fields where the header has {fields}", record.len()));
    }
    record.iter().any(|field| utf8(field).is_none()).then(|| "not valid UTF-8".to_owned())
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The record as it might have stood in the file.
fn raw(record: &ByteRecord) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let text = writer.write_byte_record(record).ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// Types a project may override, checked against the file's columns.
pub(super) fn override_types(
    schema: &SchemaRef,
    overrides: &std::collections::BTreeMap<String, DataType>,
) -> SchemaRef {
    let field = |field: &std::sync::Arc<Field>| match overrides.get(field.name()) {
        Some(data_type) => field.as_ref().clone().with_data_type(data_type.clone()),
        None => field.as_ref().clone(),
    };
    std::sync::Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}
