//! Columns that hold several values per span: attribute maps, events and links.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, ListArray, MapArray, StringBuilder, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Fields;
use arrow::error::ArrowError;
use sabot_telemetry::{Attribute, SpanEvent, SpanLink};

use super::{Hex, TextBudget, text_of, type_letter};
use crate::schema::{entries_field, entry_fields, event_fields, item_field, link_fields};

/// A column of maps from text to text.
#[derive(Default)]
pub(super) struct TextMaps {
    keys: StringBuilder,
    values: StringBuilder,
    lengths: Vec<usize>,
    open: usize,
    /// Memory for a number as text.
    number: String,
}

impl TextMaps {
    /// An entry of the map that is being filled.
    pub(super) fn entry(&mut self, key: &str, value: &str) {
        self.keys.append_value(key);
        self.values.append_value(value);
        self.open += 1;
    }

    /// Ends the map that is being filled and opens the next.
    pub(super) fn end_map(&mut self) {
        self.lengths.push(self.open);
        self.open = 0;
    }

    /// One map, and the letters of its values' types. Of a key that was set twice, the later value counts.
    pub(super) fn push(&mut self, attributes: &[Attribute], budget: &mut TextBudget, types: &mut String) {
        let mut rest = attributes;
        while let Some(((key, value), later)) = rest.split_first() {
            rest = later;
            if budget.is_spent() {
                break;
            }
            if later.iter().all(|(other, _)| other != key) {
                let key = budget.cut(key);
                self.keys.append_value(key);
                self.values.append_value(budget.cut(text_of(value, &mut self.number)));
                self.open += 1;
                types.push(type_letter(value));
            }
        }
        self.end_map();
    }

    pub(super) fn finish(&mut self) -> Result<MapArray, ArrowError> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())];
        let entries = StructArray::try_new(entry_fields(), columns, None)?;
        let offsets = OffsetBuffer::from_lengths(self.lengths.drain(..));
        MapArray::try_new(Arc::new(entries_field()), offsets, entries, None, false)
    }
}

/// A column of event lists.
#[derive(Default)]
pub(super) struct Events {
    names: StringBuilder,
    at_unix_nano: Int64Builder,
    attributes: TextMaps,
    lengths: Vec<usize>,
}

impl Events {
    /// One span's events; the letters of each follow behind a `;`.
    pub(super) fn push(&mut self, events: &[SpanEvent], budget: &mut TextBudget, types: &mut String) {
        for event in events {
            self.names.append_value(budget.cut(&event.name));
            self.at_unix_nano.append_value(i64::try_from(event.at_unix_nano).unwrap_or(i64::MAX));
            types.push(';');
            self.attributes.push(&event.attributes, budget, types);
        }
        self.lengths.push(events.len());
    }

    pub(super) fn finish(&mut self) -> Result<ListArray, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.names.finish()),
            Arc::new(self.at_unix_nano.finish()),
            Arc::new(self.attributes.finish()?),
        ];
        list(event_fields(), columns, &mut self.lengths)
    }
}

/// A column of link lists.
#[derive(Default)]
pub(super) struct Links {
    trace_ids: StringBuilder,
    span_ids: StringBuilder,
    lengths: Vec<usize>,
}

impl Links {
    pub(super) fn push(&mut self, links: &[SpanLink]) {
        for link in links {
            self.trace_ids.append_value(Hex::<32>::of(&link.trace_id).as_str());
            self.span_ids.append_value(Hex::<16>::of(&link.span_id).as_str());
        }
        self.lengths.push(links.len());
    }

    pub(super) fn finish(&mut self) -> Result<ListArray, ArrowError> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.trace_ids.finish()), Arc::new(self.span_ids.finish())];
        list(link_fields(), columns, &mut self.lengths)
    }
}

fn list(fields: Fields, columns: Vec<ArrayRef>, lengths: &mut Vec<usize>) -> Result<ListArray, ArrowError> {
    let items = StructArray::try_new(fields.clone(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths.drain(..));
    ListArray::try_new(Arc::new(item_field(fields)), offsets, Arc::new(items), None)
}
