//! What an attribute can be set to.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::Value;

/// The value of an attribute on its way into a span. Static and shared text is not copied.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanValue(pub(super) Value);

macro_rules! from {
    ($($type:ty: $value:ident => $converted:expr;)+) => {
        $(impl From<$type> for SpanValue {
            fn from($value: $type) -> Self {
                Self(Value::from($converted))
            }
        })+
    };
}

from! {
    &'static str: text => text;
    String: text => text;
    Cow<'static, str>: text => text;
    Arc<str>: text => text;
    bool: flag => flag;
    f64: number => number;
    i64: number => number;
    i32: number => i64::from(number);
    u32: number => i64::from(number);
    u64: number => i64::try_from(number).unwrap_or(i64::MAX);
    usize: number => i64::try_from(number).unwrap_or(i64::MAX);
}
