//! JSON lines: one object a line. Keys beyond the schema are ignored; nested values are kept as JSON text.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Map, Value as Json};

use super::csv::keep;
use super::text::{Column, Value};
use super::{Chunk, Chunks, DeadRow, Finisher};

/// Lines decoded together.
const CHUNK_ROWS: usize = 8_192;
/// Lines looked at to infer types.
const INFER_ROWS: usize = 1_000;
/// Longest line; a longer one is an error, not a memory leak.
const MAX_LINE_BYTES: u64 = 16 << 20;

struct Line {
    number: u64,
    text: String,
}

struct Lines {
    reader: BufReader<File>,
    number: u64,
    path: String,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, String> {
        let path_text = path.display().to_string();
        let file = File::open(path).map_err(|error| format!("{path_text}: {error}"))?;
        Ok(Self { reader: BufReader::new(file), number: 0, path: path_text })
    }
}

impl Iterator for Lines {
    type Item = Result<Line, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = std::io::Read::take(&mut self.reader, MAX_LINE_BYTES);
            self.number += 1;
            match limited.read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(read) if read as u64 == MAX_LINE_BYTES && bytes.last() != Some(&b'\n') => {
                    return Some(Err(format!("{}:{}: longer than 16 MiB", self.path, self.number)));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(format!("{}:{}: {error}", self.path, self.number))),
            }
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            if !text.is_empty() {
                return Some(Ok(Line { number: self.number, text }));
            }
        }
    }
}

/// Columns and types from the first lines: all keys seen, in the order they were seen.
pub(super) fn infer(path: &Path) -> Result<SchemaRef, String> {
    let mut order: Vec<String> = Vec::new();
    let mut types: BTreeMap<String, Option<DataType>> = BTreeMap::new();
    for line in Lines::open(path)?.take(INFER_ROWS) {
        let Ok(Json::Object(object)) = serde_json::from_str::<Json>(&line?.text) else { continue };
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
    Ok(Box::new(std::iter::from_fn(move || {
        let chunk: Result<Vec<_>, _> = lines.by_ref().take(CHUNK_ROWS).collect();
        match chunk {
            Ok(chunk) if chunk.is_empty() => None,
            Ok(chunk) => Some(decode(&chunk, &schema, &finisher)),
            Err(error) => Some(Err(error)),
        }
    })))
}

fn decode(lines: &[Line], schema: &SchemaRef, finisher: &Finisher) -> Result<Chunk, String> {
    let parsed: Vec<Result<Map<String, Json>, String>> = lines.iter().map(|line| object(&line.text)).collect();
    let mut errors: Vec<Option<String>> = parsed.iter().map(|row| row.as_ref().err().cloned()).collect();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut column = Column::new(field.data_type());
        for (row, error) in parsed.iter().zip(&mut errors) {
            let json = row.as_ref().ok().and_then(|object| object.get(field.name()));
            let nested;
            let value = match json {
                None | Some(Json::Null) => Value::Null,
                Some(Json::Bool(value)) => Value::Bool(*value),
                Some(Json::String(text)) => Value::Text(text),
                Some(Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
                    (Some(value), _) => Value::Int(value),
                    (None, Some(value)) => Value::Float(value),
                    (None, None) => Value::Null,
                },
                Some(other) => {
                    nested = other.to_string();
                    Value::Text(&nested)
                }
            };
            if let Err(problem) = column.push(&value) {
                error.get_or_insert_with(|| format!("{}: {problem}", field.name()));
            }
        }
        columns.push(column.finish());
    }
    let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())?;
    let good: Vec<usize> = errors.iter().enumerate().filter(|(_, e)| e.is_none()).map(|(row, _)| row).collect();
    let kept = if good.len() == lines.len() { batch } else { keep(&batch, &good)? };
    let line_of = |row: usize| good.get(row).and_then(|row| lines.get(*row)).map_or(0, |line| line.number);
    let mut chunk = finisher.finish(&kept, &line_of)?;
    let broken = lines.iter().zip(errors).filter_map(|(line, error)| Some((line, error?)));
    chunk.dead.extend(broken.map(|(line, error)| DeadRow { line: line.number, error, raw: line.text.clone() }));
    chunk.dead.sort_by_key(|row| row.line);
    Ok(chunk)
}

fn object(text: &str) -> Result<Map<String, Json>, String> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}
