//! Spans that are not in a block yet.
//!
//! They stay as they came: a block is built from them in its own order, so that rows for readers are only made when there
//! is a reader, and once.

use std::mem::size_of;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use sabot_telemetry::{Attribute, AttributeValue, SpanEvent, SpanLink, SpanRecord, SpanStatus, Text};

use crate::rows;

/// Spans that came together.
#[derive(Debug)]
pub(crate) struct Chunk {
    spans: Vec<SpanRecord>,
    bytes: usize,
    rows: OnceLock<Vec<RecordBatch>>,
}

impl Chunk {
    pub(super) fn new(spans: Vec<SpanRecord>) -> Self {
        let bytes = spans.iter().map(size_bytes).sum();
        Self { spans, bytes, rows: OnceLock::new() }
    }

    /// Keeps as many of the spans as fit into the limits, from the first on; how many it lets go.
    pub(super) fn truncate(&mut self, max_spans: usize, max_bytes: usize) -> usize {
        let before = self.spans.len();
        if before > max_spans || self.bytes > max_bytes {
            let mut bytes = 0;
            let fits = |span: &&SpanRecord| {
                bytes += size_bytes(span);
                bytes <= max_bytes
            };
            let kept = self.spans.iter().take(max_spans).take_while(fits).count();
            self.spans.truncate(kept);
            self.bytes = self.spans.iter().map(size_bytes).sum();
        }
        before - self.spans.len()
    }

    pub(super) const fn has_room_for(&self, other: &Self) -> bool {
        self.spans.len() + other.spans.len() <= rows::MAX_BATCH_ROWS
    }

    /// Adds the spans of another chunk.
    pub(super) fn append(&mut self, mut other: Self) {
        self.spans.append(&mut other.spans);
        self.bytes += other.bytes;
        self.rows = OnceLock::new();
    }

    pub(crate) fn spans(&self) -> &[SpanRecord] {
        &self.spans
    }

    /// Memory its spans take; rows for readers take about as much again.
    pub(super) const fn size_bytes(&self) -> usize {
        self.bytes
    }

    fn rows(&self) -> &[RecordBatch] {
        self.rows.get_or_init(|| {
            let mut batches = Vec::new();
            let made = rows::build(&self.spans, |batch| {
                batches.push(batch);
                Ok(())
            });
            if let Err(error) = made {
                tracing::error!("spans cannot be shown before they are written: {error}");
            }
            batches
        })
    }
}

/// The spans as rows, in the order they came.
pub(super) fn rows_of(chunks: &[Arc<Chunk>]) -> Vec<RecordBatch> {
    chunks.iter().flat_map(|chunk| chunk.rows()).cloned().collect()
}

/// All spans in a block's order: by trace, then by start.
pub(super) fn sorted(chunks: &[Arc<Chunk>]) -> Vec<&SpanRecord> {
    let mut spans: Vec<&SpanRecord> = chunks.iter().flat_map(|chunk| chunk.spans()).collect();
    spans.sort_unstable_by_key(|span| (span.trace_id, span.start_unix_nano));
    spans
}

fn size_bytes(span: &SpanRecord) -> usize {
    let attributes: usize = span.attributes.iter().map(attribute_bytes).sum();
    let events: usize = span.events.iter().map(event_bytes).sum();
    let status = if let SpanStatus::Error(message) = &span.status { message.len() } else { 0 };
    let spare = (span.attributes.capacity() - span.attributes.len()) * size_of::<Attribute>();
    size_of::<SpanRecord>() + status + attributes + spare + events + span.links.capacity() * size_of::<SpanLink>()
}

fn event_bytes(event: &SpanEvent) -> usize {
    size_of::<SpanEvent>() + event.attributes.iter().map(attribute_bytes).sum::<usize>()
}

fn attribute_bytes((_, value): &Attribute) -> usize {
    size_of::<Text>() + value_bytes(value)
}

fn value_bytes(value: &AttributeValue) -> usize {
    let more = match value {
        AttributeValue::Str(text) => text.len(),
        AttributeValue::List(values) => values.iter().map(value_bytes).sum(),
        AttributeValue::Int(_) | AttributeValue::Float(_) | AttributeValue::Bool(_) => 0,
    };
    size_of::<AttributeValue>() + more
}
