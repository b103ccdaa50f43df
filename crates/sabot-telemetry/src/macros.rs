//! What the attribute macros expand to. Only they are to name what is in here.

use std::error::Error;
use std::fmt::{self, Debug, Display, Write};
use std::ops::Deref;

use opentelemetry::Context;

use crate::ambient::{Failure, Operation, SpanBuilder};
use crate::clock::monotonic_nanos;
use crate::correlation::{CorrelationId, ensure_correlation_id};
use crate::performance::PerformanceMetrics;
use crate::record::{AttributeValue, SpanKind};
use crate::text::Text;

/// Longest `Debug` text of a field.
const MAX_FIELD_BYTES: usize = 1_024;

/// Runs a body whose result is looked at. That it runs once lets it return what it borrowed from its parameters.
pub fn run<T>(body: impl FnOnce() -> T) -> T {
    body()
}

/// The operation of a traced function.
pub fn begin(name: &'static str, kind: SpanKind) -> Operation {
    SpanBuilder::new(name).with_kind(kind).start_operation()
}

/// The same below a correlation id, made if there is none.
pub fn begin_correlated(name: &'static str, kind: SpanKind) -> Operation {
    let (context, _) = ensure_correlation_id(Context::current());
    let _current = context.attach();
    begin(name, kind)
}

/// An operation that is measured against a threshold; it says so on its span when it ends.
#[derive(Debug)]
pub struct Timed {
    operation: Operation,
    sli: &'static str,
    threshold_seconds: f64,
    begun_nanos: u64,
}

/// Begins one.
pub fn begin_timed(
    name: &'static str,
    kind: SpanKind,
    sli: &'static str,
    threshold_seconds: f64,
    operation_type: Option<&'static str>,
) -> Timed {
    let operation = begin(name, kind);
    if let Some(operation_type) = operation_type {
        operation.set_attribute("operation.type", operation_type);
    }
    Timed { operation, sli, threshold_seconds, begun_nanos: monotonic_nanos() }
}

impl Deref for Timed {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        &self.operation
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if self.operation.is_recording() {
            #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days, and near enough beyond")]
            let seconds = monotonic_nanos().saturating_sub(self.begun_nanos) as f64 / 1e9;
            let measured = PerformanceMetrics::new(self.sli, self.threshold_seconds, seconds);
            measured.attributes().for_each(|(key, value)| self.operation.set_attribute(key, value));
        }
    }
}

/// A parameter on its way to an attribute. As in the two below, which trait's method is meant is settled by how often the
/// value has to be borrowed for it, so that the best one there is comes first.
#[derive(Debug)]
pub struct FieldRef<'a, T: ?Sized>(pub &'a T);

/// A field with a value of its own.
pub trait ViaValue {
    /// The value.
    fn field_value(&self) -> AttributeValue;
}

impl<T: FieldValue + ?Sized> ViaValue for FieldRef<'_, T> {
    fn field_value(&self) -> AttributeValue {
        self.0.to_value()
    }
}

/// A field as `Debug` writes it.
pub trait ViaDebug {
    /// The text.
    fn field_value(&self) -> AttributeValue;
}

impl<T: Debug + ?Sized> ViaDebug for &FieldRef<'_, T> {
    fn field_value(&self) -> AttributeValue {
        let mut text = Bounded(String::new());
        if write!(text, "{:?}", self.0).is_err() {
            text.0.push('…'); // there was no room for more, or the value could not go on
        }
        AttributeValue::Str(Text::Owned(text.0))
    }
}

/// Takes the first bytes of a text and then stops its writer.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_FIELD_BYTES - self.0.len();
        let (kept, beyond) = text.split_at(text.floor_char_boundary(room));
        self.0.push_str(kept);
        if beyond.is_empty() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// What is an attribute's value without being printed.
pub trait FieldValue {
    /// The value, copied.
    fn to_value(&self) -> AttributeValue;
}

impl<T: FieldValue + ?Sized> FieldValue for &T {
    fn to_value(&self) -> AttributeValue {
        T::to_value(self)
    }
}

macro_rules! field_values {
    ($($type:ty: $value:ident => $converted:expr;)+) => {
        $(impl FieldValue for $type {
            fn to_value(&self) -> AttributeValue {
                let $value = self;
                AttributeValue::from($converted)
            }
        })+
    };
}

field_values! {
    str: text => text.to_owned();
    String: text => text.clone();
    Text: text => text.clone();
    CorrelationId: id => id.to_text();
    bool: flag => *flag;
    f64: number => *number;
    f32: number => f64::from(*number);
    i64: number => *number;
    i32: number => *number;
    i16: number => i64::from(*number);
    i8: number => i64::from(*number);
    u64: number => *number;
    u32: number => *number;
    u16: number => i64::from(*number);
    u8: number => i64::from(*number);
    usize: number => *number;
    isize: number => i64::try_from(*number).unwrap_or(i64::MAX);
}

/// The error of a traced function.
#[derive(Debug)]
pub struct ErrorRef<'a, E: ?Sized>(pub &'a E);

/// An error with a type, a message and causes.
pub trait ViaError {
    /// Marks the operation as failed.
    fn mark(&self, operation: &Operation);
}

impl<E: Error + ?Sized> ViaError for &ErrorRef<'_, E> {
    fn mark(&self, operation: &Operation) {
        operation.record_exception(self.0);
    }
}

/// Something that can be read.
pub trait ViaDisplay {
    /// Marks the operation as failed.
    fn mark(&self, operation: &Operation);
}

impl<E: Display + ?Sized> ViaDisplay for &&ErrorRef<'_, E> {
    fn mark(&self, operation: &Operation) {
        if operation.is_recording() {
            operation.fail(Failure::displayed(self.0));
        }
    }
}

/// Something that failed, without a word.
pub trait ViaNothing {
    /// Marks the operation as failed.
    fn mark(&self, operation: &Operation);
}

impl<E: ?Sized> ViaNothing for ErrorRef<'_, E> {
    fn mark(&self, operation: &Operation) {
        operation.fail(Failure::unknown::<E>());
    }
}

#[cfg(test)]
mod tests;
