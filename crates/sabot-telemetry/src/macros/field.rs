//! Parameters as attributes.
//!
//! Which trait's method is meant is settled by how often the value has to be borrowed for it, so that the best one there
//! is comes first.

use std::fmt::{self, Debug, Write};

use crate::correlation::CorrelationId;
use crate::record::AttributeValue;
use crate::text::Text;

/// Longest `Debug` text of a field.
const MAX_FIELD_BYTES: usize = 1_024;

/// The traits alone, to be in scope beside names of others.
pub mod via {
    pub use super::{ViaDebug, ViaValue};
}

/// A parameter on its way to an attribute.
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
