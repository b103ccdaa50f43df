//! OpenTelemetry's values as ours, and back.
//!
//! The API does not say whether a text of its own is static, and turning a static one into a `String` copies it. Programs
//! use the same few texts over and over, so each thread remembers some of them and shares what it remembers. Invariant:
//! what is remembered is compared by content, so that an address used again is harmless.

use std::cell::RefCell;
use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanKind as OtelSpanKind, Status, TraceState};
use opentelemetry::{Array, Key, KeyValue, SpanId, StringValue, TraceFlags, TraceId, Value};

use crate::context::{KNOWN_FLAGS, TraceContext};
use crate::record::{Attribute, AttributeValue, SpanKind, SpanStatus};
use crate::text::Text;

/// Texts a thread remembers, a power of two.
const REMEMBERED: usize = 128;
/// The longest text that is remembered; longer ones are copied.
const LONGEST: usize = 128;

thread_local! {
    static KNOWN: RefCell<[Option<Arc<str>>; REMEMBERED]> = const { RefCell::new([const { None }; REMEMBERED]) };
}

/// What is made into an attribute: a key with a value, or OpenTelemetry's pair of both.
///
/// ```
/// use sabot_telemetry::{IntoAttribute, OtelKeyValue};
///
/// assert_eq!(("rows", 3).into_attribute(), OtelKeyValue::new("rows", 3).into_attribute());
/// ```
pub trait IntoAttribute {
    /// The attribute.
    fn into_attribute(self) -> Attribute;
}

impl<K: Into<Text>, V: Into<AttributeValue>> IntoAttribute for (K, V) {
    #[inline]
    fn into_attribute(self) -> Attribute {
        (self.0.into(), self.1.into())
    }
}

impl IntoAttribute for KeyValue {
    #[inline]
    fn into_attribute(self) -> Attribute {
        (text(self.key), self.value.into())
    }
}

/// An attribute as the API takes it.
pub(crate) fn key_value(key: Text, value: AttributeValue) -> KeyValue {
    KeyValue::new(Key::from(key), Value::from(value))
}

/// The text without a copy, if it is the caller's own or was seen before.
#[inline]
fn text<T: AsRef<str> + Into<String>>(text: T) -> Text {
    known(text.as_ref()).unwrap_or_else(|| learned(text))
}

/// The text as the thread remembers it.
#[inline]
fn known(text: &str) -> Option<Text> {
    let at = slot(text.as_ptr().addr());
    // Without its memory, at the end of a thread, nothing is known.
    let known = KNOWN.try_with(|known| {
        let known = known.try_borrow().ok()?;
        known.get(at)?.as_ref().filter(|known| ***known == *text).map(Arc::clone)
    });
    known.ok().flatten().map(Text::Shared)
}

#[cold]
fn learned<T: AsRef<str> + Into<String>>(text: T) -> Text {
    let address = text.as_ref().as_ptr().addr();
    let taken: String = text.into();
    if taken.as_ptr().addr() == address || taken.is_empty() || taken.len() > LONGEST {
        return Text::Owned(taken); // it was made for this span and has not been copied, or it is not worth remembering
    }
    let shared: Arc<str> = taken.into();
    let remembered = KNOWN.try_with(|known| {
        let mut known = known.try_borrow_mut().ok()?;
        known.get_mut(slot(address))?.replace(Arc::clone(&shared))
    });
    // What was remembered there before makes room; at the end of a thread there is no memory any more.
    drop(remembered.ok().flatten());
    Text::Shared(shared)
}

/// Where a text is remembered: texts of one program stand side by side, so the lower bits of an address tell them apart.
const fn slot(address: usize) -> usize {
    (address ^ (address >> REMEMBERED.trailing_zeros())) % REMEMBERED
}

impl From<Value> for AttributeValue {
    #[inline]
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::I64(value) => Self::Int(value),
            Value::F64(value) => Self::Float(value),
            Value::String(value) => Self::Str(text(value)),
            other => rare(other),
        }
    }
}

#[cold]
fn rare(value: Value) -> AttributeValue {
    let list = |values| AttributeValue::List(values);
    match value {
        Value::Array(Array::Bool(values)) => list(values.into_iter().map(AttributeValue::Bool).collect()),
        Value::Array(Array::I64(values)) => list(values.into_iter().map(AttributeValue::Int).collect()),
        Value::Array(Array::F64(values)) => list(values.into_iter().map(AttributeValue::Float).collect()),
        Value::Array(Array::String(values)) => {
            list(values.into_iter().map(|value| AttributeValue::Str(text(value))).collect())
        }
        // Kinds the API may get one day.
        other => AttributeValue::Str(Text::Owned(other.to_string())),
    }
}

impl From<AttributeValue> for Value {
    /// A list of values of one kind becomes an array; of mixed ones, an array of texts.
    fn from(value: AttributeValue) -> Self {
        match value {
            AttributeValue::Str(text) => Self::String(text.into()),
            AttributeValue::Int(value) => Self::I64(value),
            AttributeValue::Float(value) => Self::F64(value),
            AttributeValue::Bool(value) => Self::Bool(value),
            AttributeValue::List(values) => Self::Array(array(values)),
        }
    }
}

fn array(values: Box<[AttributeValue]>) -> Array {
    fn all<T>(values: &[AttributeValue], one: impl Fn(&AttributeValue) -> Option<T>) -> Option<Vec<T>> {
        values.iter().map(one).collect()
    }
    let whole = |value: &AttributeValue| if let AttributeValue::Int(value) = value { Some(*value) } else { None };
    let float = |value: &AttributeValue| if let AttributeValue::Float(value) = value { Some(*value) } else { None };
    let flag = |value: &AttributeValue| if let AttributeValue::Bool(value) = value { Some(*value) } else { None };
    if values.is_empty() {
        return Array::String(Vec::new());
    }
    let numbers = all(&values, whole).map(Array::I64).or_else(|| all(&values, float).map(Array::F64));
    numbers.or_else(|| all(&values, flag).map(Array::Bool)).unwrap_or_else(|| {
        Array::String(values.into_iter().map(|value| StringValue::from(Value::from(value))).collect())
    })
}

impl From<Text> for Key {
    fn from(text: Text) -> Self {
        match text {
            Text::Static(text) => Self::from_static_str(text),
            Text::Shared(text) => Self::from(text),
            Text::Owned(text) => Self::from(text),
        }
    }
}

impl From<Text> for StringValue {
    fn from(text: Text) -> Self {
        match text {
            Text::Static(text) => Self::from(text),
            Text::Shared(text) => Self::from(text),
            Text::Owned(text) => Self::from(text),
        }
    }
}

impl From<&SpanContext> for TraceContext {
    #[inline]
    fn from(context: &SpanContext) -> Self {
        Self {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            flags: context.trace_flags().to_u8() & KNOWN_FLAGS,
        }
    }
}

impl TraceContext {
    /// The same identity as OpenTelemetry has it; `is_remote` says that it came from another process.
    pub fn to_span_context(self, is_remote: bool, trace_state: TraceState) -> SpanContext {
        let (trace_id, span_id) = (TraceId::from_bytes(self.trace_id), SpanId::from_bytes(self.span_id));
        SpanContext::new(trace_id, span_id, TraceFlags::new(self.flags), is_remote, trace_state)
    }
}

impl From<OtelSpanKind> for SpanKind {
    fn from(kind: OtelSpanKind) -> Self {
        match kind {
            OtelSpanKind::Internal => Self::Internal,
            OtelSpanKind::Server => Self::Server,
            OtelSpanKind::Client => Self::Client,
            OtelSpanKind::Producer => Self::Producer,
            OtelSpanKind::Consumer => Self::Consumer,
        }
    }
}

impl From<SpanKind> for OtelSpanKind {
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
            Status::Error { description } => Self::Error(description.into()),
        }
    }
}
