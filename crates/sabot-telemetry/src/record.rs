//! An ended span as plain data: what the queue's consumer stores.
//!
//! Owns everything and names no OpenTelemetry type, so stores do not depend on the SDK.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::{self, Event, Link, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use crate::clock::unix_nanos;

/// One ended span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRecord {
    /// Trace id, big-endian.
    pub trace_id: [u8; 16],
    /// Span id, big-endian.
    pub span_id: [u8; 8],
    /// The parent; `None` for a root.
    pub parent_span_id: Option<[u8; 8]>,
    /// `service.name` of the process that recorded it.
    pub service_name: Arc<str>,
    /// What was done.
    pub name: Cow<'static, str>,
    /// The span's place in a conversation.
    pub kind: SpanKind,
    /// Start, in nanoseconds since the Unix epoch.
    pub start_unix_nano: u64,
    /// End, in nanoseconds since the Unix epoch.
    pub end_unix_nano: u64,
    /// How it went.
    pub status: SpanStatus,
    /// Attributes in the order they were set.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Events in the order they happened.
    pub events: Vec<SpanEvent>,
    /// Other spans that caused this one.
    pub links: Vec<SpanLink>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// Text.
    Str(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
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
    Error(String),
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What happened.
    pub name: Cow<'static, str>,
    /// When, in nanoseconds since the Unix epoch.
    pub at_unix_nano: u64,
    /// Details in the order they were given.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
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
    pub(crate) fn new(span: SpanData, service: &Arc<str>) -> Self {
        let parent = span.parent_span_id.to_bytes();
        Self {
            trace_id: span.span_context.trace_id().to_bytes(),
            span_id: span.span_context.span_id().to_bytes(),
            parent_span_id: (parent != [0; 8]).then_some(parent),
            service_name: Arc::clone(service),
            name: span.name,
            kind: span.span_kind.into(),
            start_unix_nano: unix_nanos(span.start_time),
            end_unix_nano: unix_nanos(span.end_time),
            status: span.status.into(),
            attributes: plain(span.attributes),
            events: span.events.into_iter().map(SpanEvent::from).collect(),
            links: span.links.into_iter().map(SpanLink::from).collect(),
        }
    }
}

fn plain(attributes: Vec<KeyValue>) -> Vec<(Cow<'static, str>, AttributeValue)> {
    attributes.into_iter().map(|attribute| (String::from(attribute.key).into(), attribute.value.into())).collect()
}

impl From<Value> for AttributeValue {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Str(text.into()),
            Value::I64(number) => Self::Int(number),
            Value::F64(number) => Self::Float(number),
            Value::Bool(flag) => Self::Bool(flag),
            // Arrays, which Sabot's own spans do not use.
            other => Self::Str(other.to_string()),
        }
    }
}

impl From<trace::SpanKind> for SpanKind {
    fn from(kind: trace::SpanKind) -> Self {
        match kind {
            trace::SpanKind::Internal => Self::Internal,
            trace::SpanKind::Server => Self::Server,
            trace::SpanKind::Client => Self::Client,
            trace::SpanKind::Producer => Self::Producer,
            trace::SpanKind::Consumer => Self::Consumer,
        }
    }
}

impl From<SpanKind> for trace::SpanKind {
    fn from(kind: SpanKind) -> Self {
        match kind {
            SpanKind::Internal => Self::Internal,
            SpanKind::Server => Self::Server,
            SpanKind::Client => Self::Client,
            SpanKind::Producer => Self::Producer,
            SpanKind::Consumer => Self::Consumer,
        }
    }
}

impl From<Status> for SpanStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Unset => Self::Unset,
            Status::Ok => Self::Ok,
            Status::Error { description } => Self::Error(description.into_owned()),
        }
    }
}

impl From<Event> for SpanEvent {
    fn from(event: Event) -> Self {
        Self { name: event.name, at_unix_nano: unix_nanos(event.timestamp), attributes: plain(event.attributes) }
    }
}

impl From<Link> for SpanLink {
    fn from(link: Link) -> Self {
        Self { trace_id: link.span_context.trace_id().to_bytes(), span_id: link.span_context.span_id().to_bytes() }
    }
}
