//! Baggage: what a caller wants known all the way down, in the context and in the `baggage` header.
//!
//! It is kept as OpenTelemetry's `Baggage`, so that what is set here is seen there. Members are written in the order of
//! their keys; those beyond the limits are left out, and so are those that do not read. What is only passed on means to
//! the next service what it meant to the one before: a `+` goes out as it came, because to the standard it is a plus and
//! to some libraries, Python's and .NET's among them, a space.

use std::fmt::Write;

use opentelemetry::Context;
use opentelemetry::baggage::{Baggage, BaggageExt, KeyValueMetadata};
use opentelemetry::propagation::{Extractor, Injector};

use super::percent;
use crate::text::Text;

pub(super) const HEADER: &str = "baggage";
/// Most members of a header, W3C Baggage's limit.
const MAX_MEMBERS: usize = 64;
/// Longest header, W3C Baggage's limit.
const MAX_BYTES: usize = 8_192;

/// Values that came with a `+`, each behind its key, in the form in which they came. No key is there twice.
#[derive(Debug)]
struct AsReceived(Vec<(String, String)>);

impl AsReceived {
    /// The form in which a value came, if it still is that value.
    fn form_of(&self, key: &str, value: &str) -> Option<&str> {
        let (_, form) = self.0.iter().find(|(received, _)| received == key)?;
        (percent::decode(form).as_deref() == Some(value)).then_some(form)
    }
}

/// One member of the baggage.
///
/// ```
/// use sabot_telemetry::{BaggageItem, get_trace_context_headers, with_baggage};
///
/// let item = BaggageItem::new("user.name", "Amélie").with_metadata("private");
/// let _attached = with_baggage([item]).attach();
/// assert_eq!(get_trace_context_headers()["baggage"], "user.name=Am%C3%A9lie;private");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaggageItem {
    key: Text,
    value: Text,
    metadata: String,
}

impl BaggageItem {
    /// A key and its value. The key has to be a token as HTTP has it, such as `tenant.id`; one that is not is left out of
    /// the baggage. The value may be any text.
    pub fn new(key: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { key: key.into(), value: value.into(), metadata: String::new() }
    }

    /// Properties as they are sent behind the value, such as `ttl=30;private`.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }

    fn into_member(self) -> KeyValueMetadata {
        KeyValueMetadata::new(self.key, self.value, self.metadata)
    }
}

impl<K: Into<Text>, V: Into<Text>> From<(K, V)> for BaggageItem {
    fn from((key, value): (K, V)) -> Self {
        Self::new(key, value)
    }
}

/// The current context with more in its baggage; a key that is there already gets the new value.
///
/// ```
/// use sabot_telemetry::{BaggageItem, get_baggage, with_baggage};
///
/// let _outer = with_baggage([BaggageItem::new("tenant.id", "acme"), BaggageItem::new("plan", "free")]).attach();
/// let _inner = with_baggage([("plan", "gold")]).attach(); // a pair will do
/// assert_eq!(get_baggage("plan").as_deref(), Some("gold"));
/// assert_eq!(get_baggage("tenant.id").as_deref(), Some("acme"));
/// ```
#[must_use]
pub fn with_baggage<I: Into<BaggageItem>>(items: impl IntoIterator<Item = I>) -> Context {
    Context::map_current(|context| add(context, items.into_iter().map(|item| item.into().into_member())))
}

/// A value of the current baggage.
///
/// ```
/// use sabot_telemetry::{BaggageItem, get_baggage, with_baggage};
///
/// let _attached = with_baggage([BaggageItem::new("tenant.id", "acme")]).attach();
/// assert_eq!(get_baggage("tenant.id").as_deref(), Some("acme"));
/// assert_eq!(get_baggage("user.id"), None);
/// ```
pub fn get_baggage(key: &str) -> Option<String> {
    Context::map_current(|context| context.baggage().get(key).map(|value| value.as_str().to_owned()))
}

fn add(context: &Context, members: impl Iterator<Item = KeyValueMetadata>) -> Context {
    let known = context
        .baggage()
        .iter()
        .map(|(key, (value, metadata))| KeyValueMetadata::new(key.clone(), value.clone(), metadata.as_str()));
    let baggage: Baggage = known.chain(members).collect();
    context.with_baggage(baggage)
}

pub(super) fn inject(context: &Context, injector: &mut dyn Injector) {
    let baggage = context.baggage();
    if baggage.is_empty() {
        return;
    }
    let header = write(baggage, context.get::<AsReceived>());
    if !header.is_empty() {
        injector.set(HEADER, header);
    }
}

fn write(baggage: &Baggage, received: Option<&AsReceived>) -> String {
    let mut members: Vec<_> = baggage.iter().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    let (mut header, mut written) = (String::new(), 0);
    for (key, (value, metadata)) in members {
        let before = header.len();
        let comma = if before == 0 { "" } else { "," };
        // Writing to a String does not fail.
        if write!(header, "{comma}{key}=").is_err() {
            break;
        }
        match received.and_then(|received| received.form_of(key.as_str(), value.as_str())) {
            Some(form) => header.push_str(form),
            None => percent::encode_into(&mut header, value.as_str()),
        }
        let metadata = metadata.as_str();
        if !metadata.is_empty() && are_properties(metadata) {
            header.push(';');
            header.push_str(metadata);
        }
        written += 1;
        if header.len() > MAX_BYTES {
            header.truncate(before); // a shorter one may still fit
            written -= 1;
        }
        if written == MAX_MEMBERS {
            break;
        }
    }
    header
}

pub(super) fn extract(context: Context, extractor: &dyn Extractor) -> Context {
    let Some(headers) = extractor.get_all(HEADER) else { return context };
    let mut room = MAX_BYTES;
    let members = headers.iter().flat_map(|header| header.split(',')).take_while(|member| {
        let fits = member.len() <= room;
        room = room.saturating_sub(member.len() + 1);
        fits
    });
    let mut received = Vec::new();
    let members = members.filter_map(|member| {
        let (key, value, metadata) = read(member)?;
        let decoded = percent::decode(value)?.into_owned();
        received.retain(|(known, _): &(String, String)| known != key);
        if value.contains('+') {
            received.push((key.to_owned(), value.to_owned()));
        }
        Some(KeyValueMetadata::new(key.to_owned(), decoded, metadata))
    });
    let mut members = members.take(MAX_MEMBERS).peekable();
    if members.peek().is_none() {
        return context;
    }
    let context = add(&context, members);
    if received.is_empty() { context } else { context.with_value(AsReceived(received)) }
}

/// Key, value as it is written, and properties of one member: `key=value;property;property=value`, with optional white
/// space around each part.
fn read(member: &str) -> Option<(&str, &str, &str)> {
    let (pair, metadata) = member.split_once(';').unwrap_or((member, ""));
    let (key, value) = pair.split_once('=')?;
    let [key, value, metadata] = [key, value, metadata].map(|part| part.trim_matches([' ', '\t']));
    let is_value = value.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b',' | b';' | b'\\'));
    (is_key(key) && is_value && are_properties(metadata)).then_some((key, value, metadata))
}

/// A token as HTTP has it.
fn is_key(key: &str) -> bool {
    let is_mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

/// Whether it can stand behind a value without breaking out of its member.
fn are_properties(metadata: &str) -> bool {
    metadata.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t') && byte != b',')
}
