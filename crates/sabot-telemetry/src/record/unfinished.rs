//! A record on its way: beside it, attributes as OpenTelemetry's API handed them over.
//!
//! Converting those copies texts, so it is left to the consumer of the queue instead of the caller. Invariant: whoever
//! asks for the [`record`](Unfinished::record) sees all attributes in it.

use opentelemetry::KeyValue;

use super::{MAX_ATTRIBUTES, SpanRecord, USUAL_ATTRIBUTES};
use crate::Text;
use crate::otel::IntoAttribute;
use crate::spans::Way;

/// A record whose attributes may not be in it yet.
#[derive(Debug)]
pub(crate) struct Unfinished {
    record: SpanRecord,
    handed_over: Vec<KeyValue>,
    /// Only while it runs.
    way: Option<Way>,
}

impl Unfinished {
    #[cfg(test)]
    pub(crate) const fn new(record: SpanRecord) -> Self {
        Self { record, handed_over: Vec::new(), way: None }
    }

    /// A span that begins.
    #[inline]
    pub(crate) const fn on(way: Way, record: SpanRecord) -> Self {
        Self { record, handed_over: Vec::new(), way: Some(way) }
    }

    #[inline]
    pub(crate) const fn way(&self) -> Option<&Way> {
        self.way.as_ref()
    }

    #[inline]
    pub(crate) const fn take_way(&mut self) -> Option<Way> {
        self.way.take()
    }

    /// The record for what has nothing to do with attributes, and its way.
    pub(crate) const fn with_way(&mut self) -> (&SpanRecord, Option<&mut Way>) {
        (&self.record, self.way.as_mut())
    }

    /// The record with all its attributes.
    #[inline]
    pub(crate) fn record(&mut self) -> &mut SpanRecord {
        if !self.handed_over.is_empty() {
            self.settle();
        }
        &mut self.record
    }

    /// The record for what has nothing to do with attributes.
    #[inline]
    pub(crate) const fn bare(&mut self) -> &mut SpanRecord {
        &mut self.record
    }

    #[inline]
    pub(crate) const fn ids(&self) -> ([u8; 16], [u8; 8]) {
        (self.record.trace_id, self.record.span_id)
    }

    #[inline]
    pub(crate) const fn trace_state(&self) -> &Text {
        &self.record.trace_state
    }

    /// Takes an attribute; one with a key that is there already will take its place.
    #[inline]
    pub(crate) fn hand_over(&mut self, attribute: KeyValue) {
        if self.handed_over.len() + self.record.attributes.len() < MAX_ATTRIBUTES {
            if self.handed_over.capacity() == 0 {
                self.handed_over = Vec::with_capacity(USUAL_ATTRIBUTES);
            }
            self.handed_over.push(attribute);
        } else {
            let (key, value) = attribute.into_attribute();
            self.record().replace_attribute(key, value);
        }
    }

    /// Takes attributes as [`hand_over`](Self::hand_over) does.
    pub(crate) fn hand_over_all(&mut self, attributes: Vec<KeyValue>) {
        if self.handed_over.is_empty() && self.record.attributes.len() + attributes.len() <= MAX_ATTRIBUTES {
            self.handed_over = attributes;
        } else {
            for attribute in attributes {
                self.hand_over(attribute);
            }
        }
    }

    /// The record, complete. Each key is in it once: receivers may refuse what has one twice.
    pub(crate) fn finish(mut self) -> SpanRecord {
        self.record();
        self.record.make_keys_unique();
        self.record
    }

    #[cold]
    fn settle(&mut self) {
        let handed_over = std::mem::take(&mut self.handed_over);
        self.record.attributes.reserve(handed_over.len());
        for (key, value) in handed_over.into_iter().map(IntoAttribute::into_attribute) {
            self.record.replace_attribute(key, value);
        }
    }
}
