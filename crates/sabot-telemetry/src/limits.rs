//! How much one record may hold when it leaves its queue.
//!
//! Invariant: limits take away at the ends and count what they take. Whoever records does not pay for them; there, a span
//! has room for 128 of each, and limits can only be lower.

use crate::record::{AttributeValue, SpanRecord};
use crate::{Attribute, LogRecord, Text};

/// What a record has room for while it is made, which is the specification's default for all counts.
const ROOM: usize = 128;
/// Characters of a text unless said otherwise.
const LONGEST_TEXT: usize = 65_536;

/// How much is kept of one span or log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    /// Attributes, at most 128.
    pub attributes: usize,
    /// Characters of each text among attributes.
    pub attribute_value_length: usize,
    /// Events of a span, at most 128.
    pub events: usize,
    /// Attributes of each event, at most 128.
    pub attributes_per_event: usize,
    /// Links of a span, at most 128.
    pub links: usize,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self {
            attributes: ROOM,
            attribute_value_length: LONGEST_TEXT,
            events: ROOM,
            attributes_per_event: ROOM,
            links: ROOM,
        }
    }
}

impl RecordLimits {
    /// The largest of a count.
    pub(crate) const ROOM: usize = ROOM;

    pub(crate) fn span(&self, span: &mut SpanRecord) {
        let mut dropped = self.attributes(&mut span.attributes, self.attributes);
        for event in &mut span.events {
            dropped += self.attributes(&mut event.attributes, self.attributes_per_event);
        }
        span.drop_attributes(dropped);
        let (events, links) = (cut(&mut span.events, self.events), cut(&mut span.links, self.links));
        span.dropped.events = span.dropped.events.saturating_add(count(events));
        span.dropped.links = span.dropped.links.saturating_add(count(links));
    }

    pub(crate) fn log(&self, record: &mut LogRecord) {
        let dropped = self.attributes(&mut record.attributes, self.attributes);
        record.dropped_attributes = record.dropped_attributes.saturating_add(count(dropped));
    }

    /// How many did not fit.
    fn attributes(&self, attributes: &mut Vec<Attribute>, most: usize) -> usize {
        let dropped = cut(attributes, most);
        for (_, value) in attributes.iter_mut() {
            self.value(value);
        }
        dropped
    }

    fn value(&self, value: &mut AttributeValue) {
        match value {
            // Bytes are never fewer than characters.
            AttributeValue::Str(text) if text.len() > self.attribute_value_length => {
                if let Some((end, _)) = text.char_indices().nth(self.attribute_value_length) {
                    *text = Text::from(text.get(..end).unwrap_or_default().to_owned());
                }
            }
            AttributeValue::List(values) => values.iter_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }
}

/// Keeps the first, and says how many there were besides.
fn cut<T>(items: &mut Vec<T>, most: usize) -> usize {
    let dropped = items.len().saturating_sub(most);
    items.truncate(most);
    dropped
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::RecordLimits;
    use crate::record::Dropped;
    use crate::{AttributeValue, LogQueue, LogRecord, Severity, TelemetryConfig, TraceContext, init_telemetry};

    fn low() -> RecordLimits {
        RecordLimits { attributes: 2, attribute_value_length: 3, events: 1, attributes_per_event: 1, links: 0 }
    }

    #[test]
    fn a_span_leaves_its_queue_within_its_limits() {
        let mut config = TelemetryConfig::new("limited").without_environment().without_globals();
        config.span_limits = low();
        let telemetry = init_telemetry(config).unwrap();
        let cause = TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 };
        let mut span = telemetry.spans().start("work").root().link(cause).start();
        span.set_attribute("a", "größe");
        span.set_attribute("b", AttributeValue::List(Box::new(["long".into(), 5.into(), "abc".into()])));
        span.set_attribute("c", 1);
        span.add_event("first", [("x", "abcd".into()), ("y", 1.into())]);
        span.add_event("second", [("x", 1.into())]);
        drop(span);
        let spans = telemetry.span_queue().drain(10);
        let [span] = &spans[..] else { panic!("{spans:?}") };
        let list = AttributeValue::List(Box::new(["lon".into(), 5.into(), "abc".into()]));
        assert_eq!(span.attributes, [("a".into(), "grö".into()), ("b".into(), list)]);
        assert_eq!(span.events.len(), 1);
        assert_eq!(span.events[0].attributes, [("x".into(), "abc".into())]);
        assert!(span.links.is_empty());
        assert_eq!(span.dropped, Dropped { attributes: 2, events: 1, links: 1 });
    }

    #[test]
    fn a_log_record_too() {
        let queue = LogQueue::with_limits(10, None, low());
        let attributes = vec![("a".into(), "abcd".into()), ("b".into(), 1.into()), ("c".into(), 1.into())];
        let record = LogRecord {
            at_unix_nano: 1,
            severity: Severity::Info,
            target: "t".into(),
            body: "a body is not cut".into(),
            attributes,
            dropped_attributes: 1,
            trace: None,
        };
        queue.push(record);
        let record = queue.drain(1).remove(0);
        assert_eq!(record.attributes, [("a".into(), "abc".into()), ("b".into(), 1.into())]);
        assert_eq!((record.dropped_attributes, &*record.body), (2, "a body is not cut"));
    }

    #[test]
    fn what_is_within_the_limits_is_not_touched() {
        let queue = crate::SpanQueue::new(NonZeroUsize::MIN, NonZeroU32::MIN);
        assert!(queue.drain(1).is_empty());
        let mut value: AttributeValue = "ééé".into();
        low().value(&mut value);
        assert_eq!(value, "ééé".into());
    }
}
