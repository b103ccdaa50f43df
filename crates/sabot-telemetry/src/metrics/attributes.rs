//! The attributes of an observation, borrowed: hashed, compared and, the first time only, made into labels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use opentelemetry::{Array, KeyValue, Value};

use super::desc::valid_label_name;
use crate::Text;
use crate::record::{Attribute, AttributeValue};

/// Most attributes of one series; those after them are left out.
pub(super) const MAX_ATTRIBUTES: usize = 64;
/// Most bytes of a key and of a value; the rest is cut off.
const MAX_VALUE_BYTES: usize = 1_024;
/// Most values of a list.
const MAX_ITEMS: usize = 64;

/// Random, because attribute values come from outside and must not be able to pick their place in a table.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A key with its value, however it is kept. Implemented for OpenTelemetry's [`KeyValue`], for [`Attribute`], and for
/// pairs of borrowed text and a borrowed value.
pub trait MetricAttribute {
    /// The key.
    fn key(&self) -> &str;

    /// The value.
    fn value(&self) -> LabelValue<'_>;
}

/// The value of a metric's attribute, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum LabelValue<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Values in order.
    List(LabelList<'a>),
}

/// Values in order, as the value of one attribute.
#[derive(Clone, Copy, Debug)]
pub struct LabelList<'a>(ListKind<'a>);

#[derive(Clone, Copy, Debug)]
enum ListKind<'a> {
    Values(&'a [AttributeValue]),
    Array(&'a Array),
}

impl MetricAttribute for KeyValue {
    #[inline]
    fn key(&self) -> &str {
        self.key.as_str()
    }

    #[inline]
    fn value(&self) -> LabelValue<'_> {
        match &self.value {
            Value::String(text) => LabelValue::Str(text.as_str()),
            Value::I64(number) => LabelValue::Int(*number),
            Value::F64(number) => LabelValue::Float(*number),
            Value::Bool(flag) => LabelValue::Bool(*flag),
            Value::Array(array) => LabelValue::List(LabelList(ListKind::Array(array))),
            // The API may get kinds of values that are not known here.
            _ => LabelValue::Str(""),
        }
    }
}

impl MetricAttribute for Attribute {
    #[inline]
    fn key(&self) -> &str {
        self.0.as_str()
    }

    #[inline]
    fn value(&self) -> LabelValue<'_> {
        LabelValue::from(&self.1)
    }
}

impl<'a> From<&'a AttributeValue> for LabelValue<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::Str(text) => Self::Str(text.as_str()),
            AttributeValue::Int(number) => Self::Int(*number),
            AttributeValue::Float(number) => Self::Float(*number),
            AttributeValue::Bool(flag) => Self::Bool(*flag),
            AttributeValue::List(values) => Self::List(LabelList(ListKind::Values(values))),
        }
    }
}

macro_rules! label_from {
    ($($type:ty => $variant:ident;)+) => {
        $(impl<'a> From<$type> for LabelValue<'a> {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }

        impl<'a> MetricAttribute for (&'a str, $type) {
            #[inline]
            fn key(&self) -> &str {
                self.0
            }

            #[inline]
            fn value(&self) -> LabelValue<'_> {
                LabelValue::from(self.1)
            }
        })+
    };
}

label_from! {
    &'a str => Str;
    i64 => Int;
    i32 => Int;
    u32 => Int;
    f64 => Float;
    bool => Bool;
}

impl LabelList<'_> {
    /// Hands the values to `with`, whatever they are kept in.
    fn items<R>(self, with: impl FnOnce(&mut dyn Iterator<Item = LabelValue<'_>>) -> R) -> R {
        match self.0 {
            ListKind::Values(values) => with(&mut values.iter().map(LabelValue::from)),
            ListKind::Array(Array::Bool(flags)) => with(&mut flags.iter().map(|flag| LabelValue::Bool(*flag))),
            ListKind::Array(Array::I64(numbers)) => with(&mut numbers.iter().map(|number| LabelValue::Int(*number))),
            ListKind::Array(Array::F64(numbers)) => with(&mut numbers.iter().map(|number| LabelValue::Float(*number))),
            ListKind::Array(Array::String(texts)) => with(&mut texts.iter().map(|text| LabelValue::Str(text.as_str()))),
            ListKind::Array(_) => with(&mut std::iter::empty()),
        }
    }

    fn is(self, kept: &[AttributeValue]) -> bool {
        self.items(|given| {
            kept.iter().all(|kept| given.next().is_some_and(|given| given.is(kept))) && given.next().is_none()
        })
    }

    fn values(self) -> Vec<AttributeValue> {
        self.items(|values| values.take(MAX_ITEMS).map(LabelValue::to_value).collect())
    }
}

impl LabelValue<'_> {
    #[inline]
    fn hash<H: Hasher>(self, hasher: &mut H) {
        match self {
            Self::Str(text) => hasher.write(text.as_bytes()),
            Self::Int(number) => hasher.write_u64(number.cast_unsigned()),
            Self::Float(number) => hasher.write_u64(number.to_bits()),
            Self::Bool(flag) => hasher.write_u64(u64::from(flag)),
            Self::List(list) => list.items(|values| values.for_each(|value| value.hash(hasher))),
        }
    }

    #[inline]
    fn is(self, kept: &AttributeValue) -> bool {
        match (self, kept) {
            (Self::Str(given), AttributeValue::Str(kept)) => is_same_text(given, kept.as_str()),
            (Self::Int(given), AttributeValue::Int(kept)) => given == *kept,
            (Self::Float(given), AttributeValue::Float(kept)) => given.to_bits() == kept.to_bits(),
            (Self::Bool(given), AttributeValue::Bool(kept)) => given == *kept,
            (Self::List(given), AttributeValue::List(kept)) => given.is(kept),
            _ => false,
        }
    }

    /// A copy that is kept; of what is too long, the start.
    pub(super) fn to_value(self) -> AttributeValue {
        match self {
            Self::Str(text) => AttributeValue::from(start_of(text).to_owned()),
            Self::Int(number) => AttributeValue::Int(number),
            Self::Float(number) => AttributeValue::Float(number),
            Self::Bool(flag) => AttributeValue::Bool(flag),
            Self::List(list) => AttributeValue::List(list.values().into()),
        }
    }
}

/// A hash that does not depend on the order of the attributes: the sum of one hash each.
#[inline]
pub(super) fn hash_of<A: MetricAttribute>(attributes: &[A]) -> u64 {
    let seed = &*SEED;
    attributes.iter().fold(0, |sum: u64, attribute| {
        let mut hasher = seed.build_hasher();
        hasher.write(attribute.key().as_bytes());
        attribute.value().hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

/// The hash of a name.
#[inline]
pub(crate) fn hash_of_name(name: &str) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write(name.as_bytes());
    hasher.finish()
}

#[inline]
pub(super) fn is_same<A: MetricAttribute>(given: &A, kept: &Attribute) -> bool {
    is_same_text(given.key(), kept.0.as_str()) && given.value().is(&kept.1)
}

/// Equality of text, which is short here: two overlapping words are compared without a call.
#[inline]
fn is_same_text(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        4..8 => left.first_chunk::<4>() == right.first_chunk() && left.last_chunk::<4>() == right.last_chunk(),
        8..=16 => left.first_chunk::<8>() == right.first_chunk() && left.last_chunk::<8>() == right.last_chunk(),
        _ => left == right,
    }
}

/// A copy of the key; of one that is too long, the start.
pub(super) fn kept_key(attribute: &impl MetricAttribute) -> Text {
    start_of(attribute.key()).to_owned().into()
}

/// Attributes as they are kept: the last value of a key wins, and those above the limit are left out.
pub(super) fn kept<'a, A: MetricAttribute + 'a>(attributes: impl Iterator<Item = &'a A>) -> Vec<Attribute> {
    let mut kept: Vec<Attribute> = Vec::new();
    for attribute in attributes {
        let value = attribute.value().to_value();
        if let Some((_, earlier)) = kept.iter_mut().find(|(key, _)| key.as_str() == attribute.key()) {
            *earlier = value;
        } else if kept.len() < MAX_ATTRIBUTES {
            kept.push((kept_key(attribute), value));
        }
    }
    kept
}

/// Label names and values by name. Keys that become the same name share it, their values joined by `;` in the order of
/// the keys, as the OpenTelemetry specification has it. An empty value means that there is no such label.
pub(super) type Labels = Vec<(String, String)>;

/// The labels of attributes without repeated keys.
pub(super) fn labels_of(attributes: &[Attribute]) -> Labels {
    let mut sorted: Vec<&Attribute> = attributes.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in sorted {
        let text = label_text(LabelValue::from(value));
        if text.is_empty() {
            continue;
        }
        let label = labels.entry(valid_label_name(key.as_str())).or_default();
        if !label.is_empty() {
            label.push(';');
        }
        label.push_str(&text);
        label.truncate(label.floor_char_boundary(MAX_VALUE_BYTES));
    }
    labels.into_iter().collect()
}

fn start_of(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_VALUE_BYTES)).unwrap_or(text)
}

fn label_text(value: LabelValue<'_>) -> Cow<'_, str> {
    match value {
        LabelValue::Str(text) => Cow::Borrowed(text),
        LabelValue::Int(number) => number.to_string().into(),
        LabelValue::Float(number) => number.to_string().into(),
        LabelValue::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        LabelValue::List(list) => {
            let mut text = String::new();
            write_json(&mut text, &list.values());
            text.into()
        }
    }
}

/// A list as the specification writes it into a label: JSON.
fn write_json(text: &mut String, values: &[AttributeValue]) {
    text.push('[');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        match value {
            AttributeValue::Str(item) => write_json_text(text, item),
            AttributeValue::List(items) => write_json(text, items),
            other => text.push_str(&label_text(LabelValue::from(other))),
        }
    }
    text.push(']');
}

fn write_json_text(text: &mut String, item: &str) {
    text.push('"');
    for c in item.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c < ' ' => write!(text, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
