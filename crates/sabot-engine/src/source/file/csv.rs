//! CSV with a header line.

use std::path::Path;
use std::str::from_utf8;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::text::{Column, Value, inferred};
use super::{CHUNK_BYTES, CHUNK_ROWS, Chunk, Chunks, DeadRow, Finisher, INFER_ROWS};

mod record;

use record::{Batch, Record, Records};

/// Column names and types from the header and the first rows.
pub(super) fn infer(path: &Path) -> Result<SchemaRef, String> {
    let mut records = Records::open(path)?;
    let mut first = Batch::default();
    records.read(&mut first)?;
    let Some(header) = first.get(0) else {
        return Err(format!("{} is empty; a CSV file starts with a line of column names", path.display()));
    };
    let names = names(header).map_err(|problem| format!("{}:{}: {problem}", path.display(), header.line()))?;
    records.expect_fields(names.len());
    let rows = read_chunk(&mut records, INFER_ROWS)?;
    let fields = names.iter().enumerate().map(|(index, name)| {
        let values = rows.records().filter(|row| row.problem().is_none()).filter_map(|row| row.get(index));
        Field::new(name, inferred(values.filter_map(|value| from_utf8(value).ok())), true)
    });
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

fn names(header: Record<'_>) -> Result<Vec<String>, String> {
    if let Some(problem) = header.problem() {
        return Err(format!("the line of column names: {problem}"));
    }
    let text = from_utf8(header.raw()).map_err(|error| format!("the line of column names is not UTF-8: {error}"))?;
    if text.trim_end().contains('\r') {
        return Err("lines end with a carriage return alone; convert the file to line feeds".to_owned());
    }
    Ok(header.fields().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect())
}

/// The file's rows in chunks.
pub(super) fn open(path: &Path, schema: SchemaRef, finisher: Finisher) -> Result<Chunks, String> {
    let mut records = Records::open(path)?;
    records.read(&mut Batch::default())?;
    records.expect_fields(schema.fields().len());
    Ok(Box::new(std::iter::from_fn(move || match read_chunk(&mut records, CHUNK_ROWS) {
        Ok(chunk) if chunk.len() == 0 => None,
        Ok(chunk) => Some(decode(&chunk, &schema, &finisher)),
        Err(problem) => Some(Err(problem)),
    })))
}

fn read_chunk(records: &mut Records, most_rows: usize) -> Result<Batch, String> {
    let mut chunk = Batch::default();
    while chunk.len() < most_rows && chunk.size_bytes() < CHUNK_BYTES && records.read(&mut chunk)? {}
    Ok(chunk)
}

fn decode(records: &Batch, schema: &SchemaRef, finisher: &Finisher) -> Result<Chunk, String> {
    let mut errors: Vec<Option<String>> = records.records().map(|record| record.problem().map(str::to_owned)).collect();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let mut column = Column::new(field.data_type());
        for (record, error) in records.records().zip(&mut errors) {
            let value = if error.is_some() { None } else { record.get(index) };
            if let Err(problem) = push(&mut column, value.unwrap_or_default()) {
                error.get_or_insert_with(|| format!("{}: {problem}", field.name()));
            }
        }
        columns.push(column.finish());
    }
    let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())?;
    finisher.finish(&batch, errors, &|row, error| {
        let (line, raw) = records.get(row).map_or((0, [].as_slice()), |record| (record.line(), record.raw()));
        DeadRow::new(line, error, raw)
    })
}

/// Adds a value; an empty one is null.
fn push(column: &mut Column, value: &[u8]) -> Result<(), String> {
    match from_utf8(value) {
        Ok("") => column.push(&Value::Null),
        Ok(text) => column.push(&Value::Text(text)),
        Err(error) => {
            column.push(&Value::Null)?;
            Err(format!("not valid UTF-8 at byte {} of the value", error.valid_up_to()))
        }
    }
}
