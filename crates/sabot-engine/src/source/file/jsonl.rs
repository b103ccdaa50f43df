//! JSON lines: one object a line. Keys beyond the schema are ignored.
//!
//! Values keep the text they have in the file until a column takes them: a number or a nested value that goes to text is
//! that text, with all its digits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::{Lines, MAX_RECORD_BYTES};
use super::text::{Column, Value, inferred};
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
    for line in read_chunk(&mut Lines::open(path)?, INFER_ROWS)? {
        let mut found = Vec::new();
        if members(&line, |key, value| found.push((key, value))).is_err() {
            continue;
        }
        for (key, value) in found {
            if !types.contains_key(key.as_ref()) {
                order.push(key.clone().into_owned());
            }
            let known = types.entry(key.into_owned()).or_default();
            *known = widened(known.take(), value.get());
        }
    }
    if order.is_empty() {
        return Err(format!(
            "{} has no JSON object in its first {INFER_ROWS} lines, from which columns are told; write one row into it first",
            path.display()
        ));
    }
    let field = |name: &String| Field::new(name, types.get(name).cloned().flatten().unwrap_or(DataType::Utf8), true);
    Ok(Arc::new(Schema::new(order.iter().map(field).collect::<Vec<_>>())))
}

fn widened(known: Option<DataType>, value: &str) -> Option<DataType> {
    let seen = match value.as_bytes() {
        [b'n', ..] => return known,
        [b'"' | b'{' | b'[', ..] => DataType::Utf8,
        _ => inferred(std::iter::once(value)),
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
    let fields = schema.fields();
    let places: BTreeMap<&str, usize> =
        fields.iter().zip(0..).map(|(field, place)| (field.name().as_str(), place)).collect();
    let mut columns: Vec<Column> = fields.iter().map(|field| Column::new(field.data_type())).collect();
    // Of one line, by column.
    let mut values: Vec<Option<&RawValue>> = vec![None; columns.len()];
    let mut errors = Vec::with_capacity(lines.len());
    for line in lines {
        values.fill(None);
        let read = members(line, |key, value| {
            if let Some(place) = places.get(key.as_ref()).and_then(|place| values.get_mut(*place)) {
                *place = Some(value);
            }
        });
        let mut error = read.err();
        if error.is_some() {
            values.fill(None);
        }
        for ((column, value), field) in columns.iter_mut().zip(&values).zip(fields) {
            if let Err(problem) = push(column, value.map_or("null", RawValue::get)) {
                error.get_or_insert_with(|| format!("{}: {problem}", field.name()));
            }
        }
        errors.push(error);
    }
    let columns = columns.into_iter().map(Column::finish).collect();
    let batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())?;
    finisher.finish(&batch, errors, &|row, error| {
        let (line, raw) = lines.get(row).map_or((0, [].as_slice()), |line| (line.number, line.raw.as_slice()));
        DeadRow::new(line, error, raw)
    })
}

/// Adds a value, given as JSON.
fn push(column: &mut Column, json: &str) -> Result<(), String> {
    match json.as_bytes() {
        [b'n', ..] => column.push(&Value::Null),
        [b't' | b'f', ..] => column.push(&Value::Bool(json == "true")),
        [b'{' | b'[', ..] => column.push(&Value::Text(json)),
        [b'"', ..] => match serde_json::from_str(json) {
            Ok(Text(text)) => column.push(&Value::Text(&text)),
            Err(error) => {
                column.push(&Value::Null)?;
                Err(format!("not a valid JSON string: {error}"))
            }
        },
        _ => column.push(&Value::Number(json)),
    }
}

/// A JSON string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Gives each key of a line's object with its value.
fn members<'a>(line: &'a Line, each: impl FnMut(Cow<'a, str>, &'a RawValue)) -> Result<(), String> {
    if line.bytes > MAX_RECORD_BYTES as u64 {
        return Err(format!("a line of {} bytes; the most is {MAX_RECORD_BYTES} (16 MiB)", line.bytes));
    }
    let text = std::str::from_utf8(&line.raw)
        .map_err(|error| format!("not valid UTF-8 at byte {} of the line", error.valid_up_to()))?;
    let mut json = serde_json::Deserializer::from_str(text.trim());
    json.deserialize_map(Members(each)).and_then(|()| json.end()).map_err(|error| {
        // A key is text and a value anything, so that only the whole can be of a wrong type.
        if error.is_data() { "not a JSON object".to_owned() } else { format!("not valid JSON: {error}") }
    })
}

/// What [`members`] does with an object.
struct Members<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        while let Some((Text(key), value)) = object.next_entry()? {
            (self.0)(key, value);
        }
        Ok(())
    }
}
