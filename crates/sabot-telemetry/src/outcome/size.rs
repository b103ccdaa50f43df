//! How much memory a span takes. Text that others share is counted in full: it may be the last to hold it.

use crate::Text;
use crate::record::{Attribute, AttributeValue, SpanEvent, SpanLink, SpanRecord, SpanStatus, Unfinished};

/// A span, its place in a list and all it holds.
pub(super) fn size_bytes(span: &SpanRecord) -> usize {
    let status = if let SpanStatus::Error(message) = &span.status { text_bytes(message) } else { 0 };
    // A list that grows has up to twice the places it needs.
    let place = 2 * size_of::<Box<SpanRecord>>();
    let events: usize =
        span.events.iter().map(|event| text_bytes(&event.name) + attributes_bytes(&event.attributes)).sum();
    place
        + size_of::<Unfinished>()
        + text_bytes(&span.name)
        + text_bytes(&span.trace_state)
        + status
        + attributes_bytes(&span.attributes)
        + span.events.capacity() * size_of::<SpanEvent>()
        + events
        + span.links.capacity() * size_of::<SpanLink>()
}

fn attributes_bytes(attributes: &Vec<Attribute>) -> usize {
    let held: usize = attributes.iter().map(|(key, value)| text_bytes(key) + value_bytes(value)).sum();
    attributes.capacity() * size_of::<Attribute>() + held
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::Str(text) => text_bytes(text),
        AttributeValue::Int(_) | AttributeValue::Float(_) | AttributeValue::Bool(_) => 0,
        AttributeValue::List(values) => size_of_val(&**values) + values.iter().map(value_bytes).sum::<usize>(),
    }
}

fn text_bytes(text: &Text) -> usize {
    match text {
        Text::Static(_) => 0,
        Text::Shared(text) => text.len(),
        Text::Owned(text) => text.capacity(),
    }
}
