//! A span as plain data: what is filled while it runs, and what the queue's consumer stores.

use std::sync::Arc;

use crate::Text;

mod unfinished;

pub(crate) use unfinished::Unfinished;

/// Most attributes of a span, and of one of its events; the standard's default.
const MAX_ATTRIBUTES: usize = 128;
/// Most events of a span.
const MAX_EVENTS: usize = 128;
/// Most links of a span.
const MAX_LINKS: usize = 128;
/// Room for the attributes of a usual span, start and end together, so that the list is allocated once.
const USUAL_ATTRIBUTES: usize = 8;

/// A key with its value.
pub type Attribute = (Text, AttributeValue);

/// What recorded a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// `service.name`.
    pub service_name: Text,
    /// The rest.
    pub attributes: Vec<Attribute>,
}

impl Resource {
    /// A service of which only the name is known.
    pub fn of_service(name: impl Into<Text>) -> Self {
        Self { service_name: name.into(), attributes: Vec::new() }
    }
}

/// What recorded a span within its process: OpenTelemetry's instrumentation scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// Name of the library.
    pub name: Text,
    /// Its version.
    pub version: Option<Text>,
}

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRecord {
    /// Trace id, big-endian.
    pub trace_id: [u8; 16],
    /// Span id, big-endian.
    pub span_id: [u8; 8],
    /// The parent; `None` for a root.
    pub parent_span_id: Option<[u8; 8]>,
    /// W3C `tracestate` it began with; empty without one.
    pub trace_state: Text,
    /// The process that recorded it.
    pub resource: Arc<Resource>,
    /// The library that recorded it, where that has been said.
    pub scope: Option<Arc<Scope>>,
    /// What was done.
    pub name: Text,
    /// The span's place in a conversation.
    pub kind: SpanKind,
    /// Start, in nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// End, in nanoseconds since the Unix epoch.
    pub end_unix_nano: u64,
    /// How it went.
    pub status: SpanStatus,
    /// Attributes in the order they were set.
    pub attributes: Vec<Attribute>,
    /// Events in the order they happened.
    pub events: Vec<SpanEvent>,
    /// Other spans that caused this one.
    pub links: Vec<SpanLink>,
    /// What there was no room for.
    pub dropped: Dropped,
}

/// How much of a span was left out because it had too much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Attributes, those of events and links included.
    pub attributes: u32,
    /// Events.
    pub events: u32,
    /// Links.
    pub links: u32,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// Text.
    Str(Text),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Values in order.
    List(Box<[Self]>),
}

/// A span's place in a conversation, as in OpenTelemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Work inside the process.
    #[default]
    Internal,
    /// Answers a request from elsewhere.
    Server,
    /// Asks something elsewhere and waits.
    Client,
    /// Hands over a message and does not wait.
    Producer,
    /// Works on a message from a producer.
    Consumer,
}

/// How a span went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpanStatus {
    /// Nothing was said, which counts as success.
    #[default]
    Unset,
    /// Said to have succeeded.
    Ok,
    /// Failed, with the reason.
    Error(Text),
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What happened.
    pub name: Text,
    /// When, in nanoseconds since the Unix epoch.
    pub at_unix_nano: u64,
    /// Details in the order they were given.
    pub attributes: Vec<Attribute>,
}

/// Another span that caused this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLink {
    /// Its trace, big-endian.
    pub trace_id: [u8; 16],
    /// Its span, big-endian.
    pub span_id: [u8; 8],
}

impl SpanRecord {
    pub(crate) fn add_attribute(&mut self, key: Text, value: AttributeValue) {
        if self.attributes.len() < MAX_ATTRIBUTES {
            if self.attributes.capacity() == 0 {
                self.attributes = Vec::with_capacity(USUAL_ATTRIBUTES);
            }
            self.attributes.push((key, value));
        } else {
            self.drop_attributes(1);
        }
    }

    /// Sets an attribute in the place of one with the same key, as OpenTelemetry's API has it.
    pub(crate) fn replace_attribute(&mut self, key: Text, value: AttributeValue) {
        match self.attributes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.add_attribute(key, value),
        }
    }

    /// Keeps of each key the last value, in the place of the first. For the consumer: whoever sets attributes does not look
    /// for those that are there.
    fn make_keys_unique(&mut self) {
        let attributes = &self.attributes;
        let is_repeated =
            |(at, (key, _)): (usize, &Attribute)| attributes.iter().take(at).any(|(known, _)| known == key);
        if attributes.iter().enumerate().any(is_repeated) {
            for (key, value) in std::mem::take(&mut self.attributes) {
                self.replace_attribute(key, value);
            }
        }
    }

    /// Success is final, and a status is not taken back.
    pub(crate) fn set_status(&mut self, status: SpanStatus) {
        if self.status != SpanStatus::Ok && status != SpanStatus::Unset {
            self.status = status;
        }
    }

    pub(crate) fn add_event(&mut self, mut event: SpanEvent) {
        if self.events.len() < MAX_EVENTS {
            self.drop_attributes(event.attributes.len().saturating_sub(MAX_ATTRIBUTES));
            event.attributes.truncate(MAX_ATTRIBUTES);
            self.events.push(event);
        } else {
            self.dropped.events = self.dropped.events.saturating_add(1);
        }
    }

    /// Counts attributes that are not kept.
    pub(crate) fn drop_attributes(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.dropped.attributes = self.dropped.attributes.saturating_add(count);
    }

    pub(crate) fn add_link(&mut self, link: SpanLink) {
        if self.links.len() < MAX_LINKS {
            self.links.push(link);
        } else {
            self.dropped.links = self.dropped.links.saturating_add(1);
        }
    }
}

macro_rules! value_from {
    ($($type:ty: $value:ident => $converted:expr;)+) => {
        $(impl From<$type> for AttributeValue {
            fn from($value: $type) -> Self {
                $converted
            }
        })+
    };
}

value_from! {
    &'static str: text => Self::Str(text.into());
    String: text => Self::Str(text.into());
    std::borrow::Cow<'static, str>: text => Self::Str(text.into());
    Arc<str>: text => Self::Str(text.into());
    Text: text => Self::Str(text);
    bool: flag => Self::Bool(flag);
    f64: number => Self::Float(number);
    i64: number => Self::Int(number);
    i32: number => Self::Int(number.into());
    u32: number => Self::Int(number.into());
    u64: number => Self::Int(i64::try_from(number).unwrap_or(i64::MAX));
    usize: number => Self::Int(i64::try_from(number).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests;
