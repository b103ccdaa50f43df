//! JSON lines: one object a line. Keys beyond the schema are ignored; nested values are kept as JSON text.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Map, Value as Json};

use super::lines::{Lines, MAX_RECORD_BYTES};
use super::text::{Column, Value};
use super::{CHUNK_BYTES, CHUNK_ROWS, Chunk, Chunks, DeadRow, Finisher, INFER_ROWS};

/// A line that is not empty.
struct Line {
    number: u64,
    /// Its first bytes, if it is too long.
    raw: Vec<u8>,
    /// All bytes it has.
    bytes: u64,
}

fn read_line(lines: &mut Lines) -> Result<Option<Line>, String> {
    loop {
        let mut raw = Vec::new();
        let Some(bytes) = lines.read(MAX_RECORD_BYTES, &mut raw)? else { return Ok(None) };
        if !raw.trim_ascii().is_empty() {
            return Ok(Some(Line { number: lines.number(), raw, bytes }));
        }
    }
}

fn read_chunk(lines: &mut Lines, most_rows: usize) -> Result<Vec<Line>, String> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while chunk.len() < most_rows
        && bytes < CHUNK_BYTES
        && let Some(line) = read_line(lines)?
    {
        bytes += line.raw.len();
        chunk.push(line);
    }
    Ok(chunk)
}

/// Columns and types from the first lines: all keys seen, in the order they were seen.
pub(super) fn infer(path: &Path) -> Result<SchemaRef, String> {
    let mut order: Vec<String> = Vec::new();
    let mut types: BTreeMap<String, Option<DataType>> = BTreeMap::new();
    for object in read_chunk(&mut Lines::open(path)?, INFER_ROWS)?.iter().filter_map(|line| object(line).ok()) {
        for (key, value) in object {
            if !types.contains_key(&key) {
                order.push(key.clone());
            }
            let known = types.entry(key).or_default();
            *known = widened(known.take(), &value);
        }
    }
    if order.is_empty() {
        return Err(format!("{} has no JSON object in its first {INFER_ROWS} lines", path.display()));
    }
    let field = |name: &String| Field::new(name, types.get(name).cloned().flatten().unwrap_or(DataType::Utf8), true);
    Ok(Arc::new(Schema::new(order.iter().map(field).collect::<Vec<_>>())))
}

fn widened(known: Option<DataType>, value: &Json) -> Option<DataType> {
    let seen = match value {
        Json::Null => return known,
        Json::Bool(_) => DataType::Boolean,
        Json::Number(number) if number.is_i64() => DataType::Int64,
        Json::Number(_) => DataType::Float64,
        _ => DataType::Utf8,
    };
    Some(match known {
        None => seen,
        Some(known) if known == seen => known,
        Some(DataType::Int64 | DataType::Float64) if matches!(seen, DataType::Int64 | DataType::Float64) => {
            DataType::Float64
        }
        Some(_) => DataType::Utf8,
    })
}

/// The file's rows in chunks.
pub(super) fn open(path: &Path, schema: SchemaRef, finisher: Finisher) -> Result<Chunks, String> {
    let mut lines = Lines::open(path)?;
    Ok(Box::new(std::iter::from_fn(move || match read_chunk(&mut lines, CHUNK_ROWS) {
        Ok(chunk) if chunk.is_empty() => None,
        Ok(chunk) => Some(decode(&chunk, &schema, &finisher)),
        Err(problem) => Some(Err(problem)),
    })))
}

fn decode(lines: &[Line], schema: &SchemaRef, finisher: &Finisher) -> Result<Chunk, String> {
    let parsed: Vec<Result<Map<String, Json>, String>> = lines.iter().map(object).collect();
    let mut errors: Vec<Option<String>> = parsed.iter().map(|row| row.as_ref().err().cloned()).collect();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut column = Column::new(field.data_type());
        for (row, error) in parsed.iter().zip(&mut errors) {
            let value = row.as_ref().ok().and_then(|object| object.get(field.name()));
            if let Err(problem) = push(&mut column, value) {
                error.get_or_insert_with(|| format!("{}: {problem}", field.name()));
            }
        }
        columns.push(column.finish());
    }
    let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())?;
    finisher.finish(&batch, errors, &|row, error| {
        let (line, raw) = lines.get(row).map_or((0, [].as_slice()), |line| (line.number, line.raw.as_slice()));
        DeadRow::new(line, error, raw)
    })
}

fn push(column: &mut Column, value: Option<&Json>) -> Result<(), String> {
    match value {
        None | Some(Json::Null) => column.push(&Value::Null),
        Some(Json::Bool(value)) => column.push(&Value::Bool(*value)),
        Some(Json::String(text)) => column.push(&Value::Text(text)),
        Some(Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => column.push(&Value::Int(value)),
            (None, Some(value)) => column.push(&Value::Float(value)),
            (None, None) => Err(format!("{number} is not a number that can be held")),
        },
        Some(nested) => column.push(&Value::Text(&nested.to_string())),
    }
}

fn object(line: &Line) -> Result<Map<String, Json>, String> {
    if line.bytes > MAX_RECORD_BYTES as u64 {
        return Err(format!("a line of {} bytes; the most is {MAX_RECORD_BYTES} (16 MiB)", line.bytes));
    }
    let text = std::str::from_utf8(&line.raw)
        .map_err(|error| format!("not valid UTF-8 at byte {} of the line", error.valid_up_to()))?;
    match serde_json::from_str(text.trim()) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}
