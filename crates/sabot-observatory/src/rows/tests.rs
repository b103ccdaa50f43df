//! What rows make of types, repeated keys, skewed clocks and text beyond the bounds.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use sabot_telemetry::{AttributeValue, Dropped, Resource, SpanEvent, SpanKind, SpanRecord, SpanStatus, Text};

use super::{MAX_SPAN_BYTES, MAX_VALUE_BYTES, build};

fn span(attributes: Vec<(&'static str, AttributeValue)>) -> SpanRecord {
    SpanRecord {
        trace_id: [0xab; 16],
        span_id: [1; 8],
        parent_span_id: None,
        trace_state: Text::default(),
        scope: None,
        resource: Arc::new(Resource::of_service("test")),
        name: "work".into(),
        kind: SpanKind::Internal,
        start_unix_nano: 5_000,
        end_unix_nano: 2_000,
        status: SpanStatus::Unset,
        attributes: attributes.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        events: Vec::new(),
        links: Vec::new(),
        dropped: Dropped::default(),
    }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::Str(value.into().into())
}

fn to_batches(spans: &[SpanRecord]) -> Vec<arrow::array::RecordBatch> {
    let mut batches = Vec::new();
    build(spans, |batch| {
        batches.push(batch);
        Ok(())
    })
    .expect("columns");
    batches
}

fn only_batch(spans: &[SpanRecord]) -> arrow::array::RecordBatch {
    let batches = to_batches(spans);
    assert_eq!(batches.len(), 1);
    batches.into_iter().next().expect("one")
}

fn column<'a>(batch: &'a arrow::array::RecordBatch, name: &str) -> &'a Arc<dyn Array> {
    batch.column_by_name(name).expect("a column")
}

#[test]
fn types_stand_beside_the_text_in_order() {
    let mut given = span(vec![
        ("n", AttributeValue::Int(12)),
        ("s", text("12")),
        ("f", AttributeValue::Float(1.0)),
        ("b", AttributeValue::Bool(true)),
    ]);
    let event = |attributes| SpanEvent { name: "e".into(), at_unix_nano: 1, attributes };
    given.events = vec![event(vec![("k".into(), AttributeValue::Int(1))]), event(Vec::new())];
    let batch = only_batch(&[given]);
    assert_eq!(column(&batch, "value_types").as_string::<i32>().value(0), "isfb;i;");
    let values = column(&batch, "attributes").as_map().values().as_string::<i32>();
    assert_eq!(values.iter().flatten().collect::<Vec<_>>(), ["12", "12", "1", "true"]);
}

#[test]
fn of_a_key_set_twice_the_later_value_counts() {
    let batch = only_batch(&[span(vec![("sabot.agent", text("old")), ("x", text("y")), ("sabot.agent", text("new"))])]);
    let attributes = column(&batch, "attributes").as_map();
    assert_eq!(attributes.keys().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["x", "sabot.agent"]);
    assert_eq!(column(&batch, "value_types").as_string::<i32>().value(0), "ss");
    assert_eq!(column(&batch, "agent").as_string::<i32>().value(0), "new");
}

#[test]
fn what_a_span_had_no_room_for_is_an_attribute() {
    let mut given = span(vec![("k", text("v"))]);
    given.dropped = Dropped { attributes: 3, events: 0, links: 1 };
    let batch = only_batch(&[given]);
    let attributes = column(&batch, "attributes").as_map();
    let entries: Vec<_> =
        attributes.keys().as_string::<i32>().iter().zip(attributes.values().as_string::<i32>()).collect();
    let counts = [("otel.dropped_attributes_count", "3"), ("otel.dropped_links_count", "1")];
    assert_eq!(entries[1..], counts.map(|(key, count)| (Some(key), Some(count))));
    assert_eq!(column(&batch, "value_types").as_string::<i32>().value(0), "sii");
}

#[test]
fn a_span_that_ends_before_it_starts_took_no_time() {
    let batch = only_batch(&[span(Vec::new())]);
    let duration = column(&batch, "duration_ms").as_primitive::<arrow::datatypes::Float64Type>();
    assert!(duration.value(0).abs() < f64::EPSILON);
}

#[test]
fn long_text_is_cut_between_characters_and_a_span_stays_within_its_budget() {
    let long = "ü".repeat(MAX_VALUE_BYTES);
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];
    let batch = only_batch(&[span(keys.map(|key| (key, text(long.clone()))).to_vec())]);
    let attributes = column(&batch, "attributes").as_map();
    let values: Vec<_> = attributes.values().as_string::<i32>().iter().flatten().collect();
    assert_eq!(values[0].len(), MAX_VALUE_BYTES);
    assert!(values.iter().map(|value| value.len()).sum::<usize>() <= MAX_SPAN_BYTES);
    assert!(attributes.value_length(0) < 20, "{} attributes fit", attributes.value_length(0));
    let types = column(&batch, "value_types").as_string::<i32>().value(0);
    assert_eq!(types.len(), usize::try_from(attributes.value_length(0)).expect("a count"));
}

#[test]
fn many_spans_become_several_batches() {
    let spans = vec![span(Vec::new()); 10_000];
    let batches = to_batches(&spans);
    assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).collect::<Vec<_>>(), [8_192, 1_808]);
}
