//! The columns of `sabot.spans` and of a block on disk.
//!
//! Invariant: a block holds the columns of the relation, in order, and behind them [`VALUE_TYPES`], which SQL never sees.
//! All types are plain ones that any Parquet reader knows.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use sabot_common::registry::attributes;

/// The name of the relation in SQL.
pub const SPANS: &str = "sabot.spans";

/// One letter per attribute (`s` text, `i` whole number, `f` number, `b` boolean), in the order of the map; after a `;`
/// those of the first event, and so on. Maps hold text so that SQL can compare it; this gives the API its numbers back.
pub(crate) const VALUE_TYPES: &str = "value_types";

/// Digits of `cost_usd`, and how many of them stand behind the point: money is counted in nano-USD.
pub(crate) const COST_PRECISION: u8 = 18;
/// See [`COST_PRECISION`].
pub(crate) const COST_SCALE: i8 = 9;

/// Columns filled from a span's attributes, and the attribute's key.
pub(crate) const DEDICATED: [(&str, &str); 4] = [
    ("tenant_id", "sabot.tenant_id"),
    ("agent", attributes::AGENT),
    ("task_id", "sabot.task_id"),
    ("component", attributes::COMPONENT),
];

static BLOCK: LazyLock<SchemaRef> = LazyLock::new(|| {
    let hidden = Arc::new(text(VALUE_TYPES));
    Arc::new(Schema::new(SPANS_SCHEMA.fields().iter().cloned().chain([hidden]).collect::<Fields>()))
});

static SPANS_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![text("trace_id"), text("span_id"), optional_text("parent_span_id")];
    fields.extend(["service", "operation", "kind", "status"].map(text));
    fields.push(optional_text("status_message"));
    fields.push(Field::new("started_at", DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())), false));
    fields.extend(["start_unix_nano", "end_unix_nano"].map(|name| Field::new(name, DataType::Int64, false)));
    fields.push(Field::new("duration_ms", DataType::Float64, false));
    fields.extend(DEDICATED.map(|(column, _)| optional_text(column)));
    fields.push(Field::new("cost_usd", DataType::Decimal128(COST_PRECISION, COST_SCALE), true));
    fields.extend(["resource", "scope", "attributes"].map(|name| Field::new(name, map_type(), false)));
    fields.push(Field::new("events", list_of(event_fields()), false));
    fields.push(Field::new("links", list_of(link_fields()), false));
    fields.push(optional_text("keep_reason"));
    fields.push(Field::new("adjusted_count", DataType::Float64, false));
    Arc::new(Schema::new(fields))
});

/// The columns of `sabot.spans`.
pub fn spans_schema() -> SchemaRef {
    Arc::clone(&SPANS_SCHEMA)
}

/// The columns of a block.
pub(crate) fn block_schema() -> SchemaRef {
    Arc::clone(&BLOCK)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn optional_text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

/// Key and value of a map, named as the Parquet standard names them.
pub(crate) fn entry_fields() -> Fields {
    Fields::from(vec![text("key"), optional_text("value")])
}

/// The field of a map's entries.
pub(crate) fn entries_field() -> Field {
    Field::new("key_value", DataType::Struct(entry_fields()), false)
}

fn map_type() -> DataType {
    DataType::Map(Arc::new(entries_field()), false)
}

/// The field of a list's items, named as the Parquet standard names it.
pub(crate) fn item_field(fields: Fields) -> Field {
    Field::new("element", DataType::Struct(fields), false)
}

fn list_of(fields: Fields) -> DataType {
    DataType::List(Arc::new(item_field(fields)))
}

/// What an event holds.
pub(crate) fn event_fields() -> Fields {
    Fields::from(vec![
        text("name"),
        Field::new("at_unix_nano", DataType::Int64, false),
        Field::new("attributes", map_type(), false),
    ])
}

/// What a link holds.
pub(crate) fn link_fields() -> Fields {
    Fields::from(["trace_id", "span_id"].map(text).to_vec())
}
