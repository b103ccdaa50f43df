//! One trace as the API tells it.

use arrow::array::{Array, AsArray, Int64Array, MapArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::Int64Type;
use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::SearchError;
use crate::schema::VALUE_TYPES;
use crate::search::{numbers, optional, texts};

/// A trace and its spans by start.
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// In lowercase hexadecimal.
    pub trace_id: String,
    /// Its spans; as stored, so a span that was sent twice is there twice.
    pub spans: Vec<TraceSpan>,
    /// Whether there are more spans than are shown.
    pub truncated: bool,
}

/// A span of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceSpan {
    /// In lowercase hexadecimal.
    pub span_id: String,
    /// The parent; none for a root.
    pub parent_span_id: Option<String>,
    /// `service.name`.
    pub service: String,
    /// What was done.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: String,
    /// Start, in nanoseconds since the Unix epoch.
    pub start_unix_nano: i64,
    /// End, in nanoseconds since the Unix epoch; as recorded, so it may lie before the start.
    pub end_unix_nano: i64,
    /// `ok`, `error` or `unset`.
    pub status: String,
    /// Why it failed.
    pub status_message: Option<String>,
    /// Attributes with the types they were recorded with.
    pub attributes: Map<String, Value>,
    /// What happened during it.
    pub events: Vec<TraceEvent>,
    /// Spans that caused it.
    pub links: Vec<TraceLink>,
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceEvent {
    /// What happened.
    pub name: String,
    /// When, in nanoseconds since the Unix epoch.
    pub at_unix_nano: i64,
    /// Details.
    pub attributes: Map<String, Value>,
}

/// Another span that caused a span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceLink {
    /// Its trace, in lowercase hexadecimal.
    pub trace_id: String,
    /// Its span, in lowercase hexadecimal.
    pub span_id: String,
}

/// Reads the rows of a block's columns.
pub(crate) fn push_spans(batch: &RecordBatch, spans: &mut Vec<TraceSpan>) -> Result<(), SearchError> {
    let text = |name| texts(batch, name);
    let (span_ids, parents, services) = (text("span_id")?, text("parent_span_id")?, text("service")?);
    let (operations, kinds, statuses) = (text("operation")?, text("kind")?, text("status")?);
    let (messages, types) = (text("status_message")?, text(VALUE_TYPES)?);
    let (starts, ends) = (numbers(batch, "start_unix_nano")?, numbers(batch, "end_unix_nano")?);
    let attributes = batch.column_by_name("attributes").and_then(|column| column.as_map_opt());
    let attributes = attributes.ok_or(SearchError::Column("attributes"))?;
    for row in 0..batch.num_rows() {
        // One group of letters for the span, then one per event.
        let mut types = types.value(row).split(';');
        spans.push(TraceSpan {
            span_id: span_ids.value(row).to_owned(),
            parent_span_id: optional(parents, row).map(str::to_owned),
            service: services.value(row).to_owned(),
            name: operations.value(row).to_owned(),
            kind: kinds.value(row).to_owned(),
            start_unix_nano: starts.value(row),
            end_unix_nano: ends.value(row),
            status: statuses.value(row).to_owned(),
            status_message: optional(messages, row).map(str::to_owned),
            attributes: typed(attributes, row, types.next().unwrap_or_default())?,
            events: events(&items(batch, "events", row)?, types)?,
            links: links(&items(batch, "links", row)?)?,
        });
    }
    Ok(())
}

/// The items of one row's list.
fn items(batch: &RecordBatch, name: &'static str, row: usize) -> Result<StructArray, SearchError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
    column.and_then(|lists| lists.value(row).as_struct_opt().cloned()).ok_or(SearchError::Column(name))
}

fn events<'a>(items: &StructArray, mut types: impl Iterator<Item = &'a str>) -> Result<Vec<TraceEvent>, SearchError> {
    let column = |name| items.column_by_name(name);
    let names: Option<&StringArray> = column("name").and_then(|names| names.as_string_opt());
    let times: Option<&Int64Array> = column("at_unix_nano").and_then(|times| times.as_primitive_opt::<Int64Type>());
    let attributes = column("attributes").and_then(|attributes| attributes.as_map_opt());
    let (Some(names), Some(times), Some(attributes)) = (names, times, attributes) else {
        return Err(SearchError::Column("events"));
    };
    (0..items.len())
        .map(|event| {
            Ok(TraceEvent {
                name: names.value(event).to_owned(),
                at_unix_nano: times.value(event),
                attributes: typed(attributes, event, types.next().unwrap_or_default())?,
            })
        })
        .collect()
}

fn links(items: &StructArray) -> Result<Vec<TraceLink>, SearchError> {
    let column = |name| items.column_by_name(name).and_then(|ids| ids.as_string_opt::<i32>());
    let ids = column("trace_id").zip(column("span_id"));
    let (trace_ids, span_ids) = ids.ok_or(SearchError::Column("links"))?;
    let link =
        |link| TraceLink { trace_id: trace_ids.value(link).to_owned(), span_id: span_ids.value(link).to_owned() };
    Ok((0..items.len()).map(link).collect())
}

/// One row's map, its values of the types the letters say.
fn typed(maps: &MapArray, row: usize, types: &str) -> Result<Map<String, Value>, SearchError> {
    let entries = maps.value(row);
    let column = |at: usize| entries.columns().get(at).and_then(|texts| texts.as_string_opt::<i32>());
    let (keys, values) = column(0).zip(column(1)).ok_or(SearchError::Column("attributes"))?;
    let letters = types.chars().chain(std::iter::repeat('s'));
    let typed = keys.iter().zip(values).zip(letters);
    Ok(typed.filter_map(|((key, text), letter)| Some((key?.to_owned(), value(text?, letter)))).collect())
}

/// The value that stands as text; text again if it is not of its type, such as a number JSON does not have.
fn value(text: &str, letter: char) -> Value {
    let typed = match letter {
        'i' => text.parse::<i64>().ok().map(Value::from),
        'f' => text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
        'b' => text.parse::<bool>().ok().map(Value::Bool),
        'l' => serde_json::from_str(text).ok().filter(Value::is_array),
        _ => None,
    };
    typed.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests;
