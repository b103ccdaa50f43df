//! Taking secrets and the content of conversations out of telemetry before it leaves the process.
//!
//! Invariant: what a [`Redactor`] has seen holds no value under a key that names a secret, no text that looks like one,
//! and no prompt, completion or tool argument unless that was asked for. Redacting twice is the same as once, and what is
//! clean stays as it is, byte for byte, at the cost of one look at every byte.
//!
//! Keys are judged by their segments (split at `.`, `_`, `-` and at a capital letter), so that `api_key` and
//! `db.user.password` are secrets and `llm.token_count` is none. Numbers are redacted by their key only: by their value a
//! duration cannot be told from a card's number.

mod config;
mod content;
mod keys;
mod known;
mod pattern;
mod scan;
mod suspicion;
mod values;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

pub use config::{Redaction, RedactionError, ValueRule};

use keys::{KeyRules, Verdict};
use known::Known;
use values::ValueRules;

use crate::Text;
use crate::record::{Attribute, AttributeValue, SpanRecord, SpanStatus};

/// What stands where something was taken out.
pub(crate) const REDACTED: &str = "[redacted]";
/// How deep lists of lists are looked into; what is deeper is taken out.
const MAX_DEPTH: usize = 16;

/// Takes out what a [`Redaction`] says.
#[derive(Debug)]
pub struct Redactor {
    keys: KeyRules,
    values: ValueRules,
    /// Which texts that are written in the program are clean.
    constants: Known,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    keys: AtomicU64,
    values: AtomicU64,
    content: AtomicU64,
}

/// How much has been taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedactionCounts {
    /// Values of attributes whose keys name secrets.
    pub keys: u64,
    /// Texts that held something that looks like a secret.
    pub values: u64,
    /// Attributes and events that held the content of a conversation.
    pub content: u64,
}

impl Redactor {
    /// Checks the rules and makes them ready.
    pub fn new(redaction: &Redaction) -> Result<Self, RedactionError> {
        Ok(Self {
            keys: KeyRules::new(redaction)?,
            values: ValueRules::new(redaction)?,
            constants: Known::default(),
            counts: Counts::default(),
        })
    }

    /// Redacts a span in place: name, status message, attributes and events.
    pub fn span(&self, span: &mut SpanRecord) {
        self.in_place(&mut span.name);
        if let SpanStatus::Error(message) = &mut span.status {
            self.in_place(message);
        }
        self.attributes(&mut span.attributes);
        if span.events.is_empty() {
            return;
        }
        let before = span.events.len();
        span.events.retain(|event| !self.keys.drops_event(&event.name));
        count(&self.counts.content, before - span.events.len());
        for event in &mut span.events {
            self.in_place(&mut event.name);
            self.attributes(&mut event.attributes);
        }
    }

    /// Redacts attributes in place: of a span, an event, a log record or a resource.
    pub fn attributes(&self, attributes: &mut Vec<Attribute>) {
        let mut has_content = false;
        for (key, value) in attributes.iter_mut() {
            match self.keys.judge(key) {
                Verdict::Look => self.value(value, MAX_DEPTH),
                Verdict::Secret => {
                    let redacted = AttributeValue::Str(REDACTED.into());
                    if *value != redacted {
                        *value = redacted;
                        count(&self.counts.keys, 1);
                    }
                }
                Verdict::Content => has_content = true,
                Verdict::Allowed => {}
            }
        }
        if has_content {
            let before = attributes.len();
            attributes.retain(|(key, _)| self.keys.judge(key) != Verdict::Content);
            count(&self.counts.content, before - attributes.len());
        }
    }

    /// Text without what looks like a secret.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.values.redact(text) {
            Some(redacted) => {
                count(&self.counts.values, 1);
                Cow::Owned(redacted)
            }
            None => Cow::Borrowed(text),
        }
    }

    /// The value of a metric's label as it may be seen. A label cannot be dropped: its metric lists it.
    pub(crate) fn label<'a>(&self, key: &str, value: &'a str) -> Cow<'a, str> {
        match self.keys.judge_anew(key) {
            Verdict::Look => self.text(value),
            Verdict::Secret | Verdict::Content => Cow::Borrowed(REDACTED),
            Verdict::Allowed => Cow::Borrowed(value),
        }
    }

    /// How much has been taken out so far.
    pub fn counts(&self) -> RedactionCounts {
        let Counts { keys, values, content } = &self.counts;
        RedactionCounts {
            keys: keys.load(Ordering::Relaxed),
            values: values.load(Ordering::Relaxed),
            content: content.load(Ordering::Relaxed),
        }
    }

    fn value(&self, value: &mut AttributeValue, depth: usize) {
        match value {
            AttributeValue::Str(text) => self.in_place(text),
            AttributeValue::Int(_) | AttributeValue::Float(_) | AttributeValue::Bool(_) => {}
            AttributeValue::List(values) => match depth.checked_sub(1) {
                Some(depth) => values.iter_mut().for_each(|value| self.value(value, depth)),
                None => *value = AttributeValue::Str(REDACTED.into()),
            },
        }
    }

    fn in_place(&self, text: &mut Text) {
        if let Text::Static(text) = text {
            let judge = || if self.values.redact(text).is_none() { Verdict::Allowed } else { Verdict::Look };
            if self.constants.get_or_judge(text, judge) == Verdict::Allowed {
                return;
            }
        }
        if let Cow::Owned(redacted) = self.text(text) {
            *text = redacted.into();
        }
    }
}

fn count(counter: &AtomicU64, count: usize) {
    if count > 0 {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
