//! Ended spans as rows of Arrow columns.
//!
//! Invariant: every text is bounded per value and per span, so a batch stays far below Arrow's 2 GiB of text per column
//! whatever a span carries. What is beyond the bounds is cut off, never refused.

mod nested;

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::error::ArrowError;
use sabot_telemetry::{Attribute, AttributeValue, Dropped, SpanKind, SpanRecord, SpanStatus};
use serde_json::{Number, Value};

use self::nested::{Events, Links, TextMaps};
use crate::StoreError;
use crate::schema::{COST_PRECISION, COST_SCALE, DEDICATED, block_schema};

/// Longest text of one value; the rest is cut off.
const MAX_VALUE_BYTES: usize = 16 << 10;
/// Most text of one span.
const MAX_SPAN_BYTES: usize = 256 << 10;
pub(crate) const MAX_BATCH_ROWS: usize = 8_192;
const MAX_BATCH_TEXT_BYTES: usize = 8 << 20;
/// Text of a link: two ids.
const LINK_BYTES: usize = 48;

/// Why a trace was kept while no sampling policy is in force.
const KEPT_ALL: &str = "all";

/// Makes batches of the block's columns of the spans, in the order given, and hands each to `take`.
pub(crate) fn build<'a>(
    spans: impl IntoIterator<Item = &'a SpanRecord>,
    mut take: impl FnMut(RecordBatch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut rows = Rows::default();
    for span in spans {
        rows.push(span);
        if rows.len >= MAX_BATCH_ROWS || rows.text_bytes >= MAX_BATCH_TEXT_BYTES {
            take(rows.finish()?)?;
        }
    }
    if rows.len > 0 { take(rows.finish()?) } else { Ok(()) }
}

/// How much text a span may still bring.
struct TextBudget {
    left: usize,
}

impl TextBudget {
    fn cut<'a>(&mut self, text: &'a str) -> &'a str {
        let end = text.floor_char_boundary(text.len().min(MAX_VALUE_BYTES).min(self.left));
        self.left -= end;
        text.get(..end).unwrap_or_default()
    }

    const fn is_spent(&self) -> bool {
        self.left == 0
    }
}

#[derive(Default)]
struct Rows {
    len: usize,
    text_bytes: usize,
    trace_id: StringBuilder,
    span_id: StringBuilder,
    parent_span_id: StringBuilder,
    service: StringBuilder,
    operation: StringBuilder,
    kind: StringBuilder,
    status: StringBuilder,
    status_message: StringBuilder,
    started_at: TimestampMicrosecondBuilder,
    start_unix_nano: Int64Builder,
    end_unix_nano: Int64Builder,
    duration_ms: Float64Builder,
    dedicated: [StringBuilder; DEDICATED.len()],
    resource: TextMaps,
    scope: TextMaps,
    attributes: TextMaps,
    events: Events,
    links: Links,
    keep_reason: StringBuilder,
    adjusted_count: Float64Builder,
    value_types: StringBuilder,
    /// Memory for the span at hand: the letters of its values' types, and a number as text.
    types: String,
    number: String,
}

impl Rows {
    fn push(&mut self, span: &SpanRecord) {
        let mut budget = TextBudget { left: MAX_SPAN_BYTES };
        self.push_identity(span, &mut budget);
        self.push_times(span);
        self.push_attributes(span, &mut budget);
        self.links.push(&span.links);
        self.keep_reason.append_value(KEPT_ALL);
        self.adjusted_count.append_value(1.0);
        self.text_bytes += MAX_SPAN_BYTES - budget.left + span.links.len() * LINK_BYTES;
        self.len += 1;
    }

    fn push_identity(&mut self, span: &SpanRecord, budget: &mut TextBudget) {
        self.trace_id.append_value(Hex::<32>::of(&span.trace_id).as_str());
        self.span_id.append_value(Hex::<16>::of(&span.span_id).as_str());
        self.parent_span_id.append_option(span.parent_span_id.map(|id| Hex::<16>::of(&id)).as_ref().map(Hex::as_str));
        let service = budget.cut(&span.resource.service_name);
        self.service.append_value(service);
        self.operation.append_value(budget.cut(&span.name));
        self.kind.append_value(kind(span.kind));
        let (status, message) = status(&span.status);
        self.status.append_value(status);
        self.status_message.append_option(message.map(|message| budget.cut(message)));
        self.resource.entry("service.name", service);
        for (key, value) in &span.resource.attributes {
            self.resource.entry(key, budget.cut(text_of(value, &mut self.number)));
        }
        self.resource.end_map();
        if let Some(scope) = &span.scope {
            self.scope.entry("name", budget.cut(&scope.name));
            if let Some(version) = &scope.version {
                self.scope.entry("version", budget.cut(version));
            }
        }
        self.scope.end_map();
    }

    fn push_times(&mut self, span: &SpanRecord) {
        let start = i64::try_from(span.start_unix_nano).unwrap_or(i64::MAX);
        let end = i64::try_from(span.end_unix_nano).unwrap_or(i64::MAX);
        self.started_at.append_value(start / 1_000);
        self.start_unix_nano.append_value(start);
        self.end_unix_nano.append_value(end);
        self.duration_ms.append_value(duration_ms(start, end));
    }

    fn push_attributes(&mut self, span: &SpanRecord, budget: &mut TextBudget) {
        for (column, (_, key)) in self.dedicated.iter_mut().zip(DEDICATED) {
            let value = span.attributes.iter().rfind(|(name, _)| name == key);
            column.append_option(value.map(|(_, value)| budget.cut(text_of(value, &mut self.number))));
        }
        let mut types = std::mem::take(&mut self.types);
        match dropped_attributes(span.dropped) {
            more if more.is_empty() => self.attributes.push(&span.attributes, budget, &mut types),
            more => self.attributes.push(&[span.attributes.as_slice(), &more].concat(), budget, &mut types),
        }
        self.events.push(&span.events, budget, &mut types);
        self.value_types.append_value(&types);
        types.clear();
        self.types = types;
    }

    /// The rows so far as a batch; the next begins empty.
    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.text_bytes = 0;
        let rows = std::mem::take(&mut self.len);
        let cost = Decimal128Array::new_null(rows).with_precision_and_scale(COST_PRECISION, COST_SCALE)?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.parent_span_id.finish()),
            Arc::new(self.service.finish()),
            Arc::new(self.operation.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.status.finish()),
            Arc::new(self.status_message.finish()),
            Arc::new(self.started_at.finish().with_timezone("+00:00")),
            Arc::new(self.start_unix_nano.finish()),
            Arc::new(self.end_unix_nano.finish()),
            Arc::new(self.duration_ms.finish()),
        ];
        columns.extend(self.dedicated.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.extend([
            Arc::new(cost) as ArrayRef,
            Arc::new(self.resource.finish()?),
            Arc::new(self.scope.finish()?),
            Arc::new(self.attributes.finish()?),
            Arc::new(self.events.finish()?),
            Arc::new(self.links.finish()?),
            Arc::new(self.keep_reason.finish()),
            Arc::new(self.adjusted_count.finish()),
            Arc::new(self.value_types.finish()),
        ]);
        // Builders start with room for a thousand rows; most batches are a few, and many may be in memory.
        columns.iter_mut().filter_map(Arc::get_mut).for_each(Array::shrink_to_fit);
        RecordBatch::try_new(block_schema(), columns)
    }
}

/// What was left out of a span, under the names OpenTelemetry gives it where there is no field of its own.
fn dropped_attributes(dropped: Dropped) -> Vec<Attribute> {
    let counts = [
        ("otel.dropped_attributes_count", dropped.attributes),
        ("otel.dropped_events_count", dropped.events),
        ("otel.dropped_links_count", dropped.links),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(key, count)| (key.into(), count.into())).collect()
}

/// Zero for a span that ends before it starts, as skewed clocks make them.
#[expect(clippy::cast_precision_loss, reason = "exact to the nanosecond up to 104 days")]
fn duration_ms(start_unix_nano: i64, end_unix_nano: i64) -> f64 {
    end_unix_nano.saturating_sub(start_unix_nano).max(0) as f64 / 1e6
}

/// A value as text; numbers are written into `number` first.
fn text_of<'a>(value: &'a AttributeValue, number: &'a mut String) -> &'a str {
    number.clear();
    let written = match value {
        AttributeValue::Str(text) => return text,
        AttributeValue::Bool(flag) => return if *flag { "true" } else { "false" },
        AttributeValue::Int(value) => write!(number, "{value}"),
        AttributeValue::Float(value) => write!(number, "{value}"),
        AttributeValue::List(values) => write!(number, "{}", json_of(values)),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
    number
}

/// Values as JSON has them; a number it does not have becomes text.
fn json_of(values: &[AttributeValue]) -> Value {
    let json = |value: &AttributeValue| match value {
        AttributeValue::Str(text) => Value::from(text.as_str()),
        AttributeValue::Int(number) => Value::from(*number),
        AttributeValue::Float(number) => {
            Number::from_f64(*number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        AttributeValue::Bool(flag) => Value::from(*flag),
        AttributeValue::List(values) => json_of(values),
    };
    values.iter().map(json).collect()
}

const fn type_letter(value: &AttributeValue) -> char {
    match value {
        AttributeValue::Str(_) => 's',
        AttributeValue::Int(_) => 'i',
        AttributeValue::Float(_) => 'f',
        AttributeValue::Bool(_) => 'b',
        AttributeValue::List(_) => 'l',
    }
}

const fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn status(status: &SpanStatus) -> (&'static str, Option<&str>) {
    match status {
        SpanStatus::Unset => ("unset", None),
        SpanStatus::Ok => ("ok", None),
        SpanStatus::Error(message) => ("error", Some(message)),
    }
}

/// Bytes in lowercase hexadecimal, `N` digits.
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    fn of(bytes: &[u8]) -> Self {
        let mut digits = [b'0'; N];
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for (digit, nibble) in digits.iter_mut().zip(nibbles) {
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
        Self(digits)
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
