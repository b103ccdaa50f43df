//! Whether a key names a secret.
//!
//! A key is cut into segments, and a secret is a segment, or a few that follow each other. What follows may turn it into
//! something harmless (`token_count`, `session.id`), except in captured headers, where every value is as it was sent.

use super::config::{Redaction, RedactionError};
use super::content::{is_content_event, is_content_key};
use super::pattern;

/// Most patterns for keys, and for keys that are allowed.
const MAX_PATTERNS: usize = 256;
/// How much of a key is judged at a time, and by how much the pieces of a longer one overlap.
const PIECE_BYTES: usize = 128;
const OVERLAP_BYTES: usize = 32;

/// What to do with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look at its value.
    Look,
    /// Take its value out.
    Secret,
    /// Drop it.
    Content,
    /// Leave it.
    Allowed,
}

/// The rules for keys.
#[derive(Debug)]
pub(super) struct KeyRules {
    keeps_secrets: bool,
    keeps_content: bool,
    /// Lowercase segments with a dot in front of each and behind the last.
    segments: Vec<String>,
    patterns: Vec<String>,
    allowed: Vec<String>,
}

impl KeyRules {
    pub(super) fn new(redaction: &Redaction) -> Result<Self, RedactionError> {
        for (what, list) in [("keys", &redaction.keys), ("allowed keys", &redaction.allow)] {
            if list.len() > MAX_PATTERNS {
                return Err(RedactionError::TooMany { what, given: list.len(), limit: MAX_PATTERNS });
            }
            if let Some(pattern) = list.iter().find(|pattern| !pattern.contains(char::is_alphanumeric)) {
                return Err(RedactionError::EmptyKey { pattern: pattern.clone() });
            }
        }
        let (patterns, segments): (Vec<_>, Vec<_>) = redaction.keys.iter().cloned().partition(|key| key.contains('*'));
        let segments = segments.iter().map(|key| Segments::of(key.as_bytes()).with_dots().to_owned()).collect();
        let (keeps_secrets, keeps_content) = (redaction.off, redaction.capture_message_content);
        Ok(Self { keeps_secrets, keeps_content, segments, patterns, allowed: redaction.allow.clone() })
    }

    pub(super) fn judge(&self, key: &str) -> Verdict {
        if self.allowed.iter().any(|allowed| pattern::matches(allowed, key)) {
            Verdict::Allowed
        } else if !self.keeps_content && is_content_key(key) {
            Verdict::Content
        } else if self.keeps_secrets {
            Verdict::Allowed
        } else if is_secret_key(key) || self.is_named(key) {
            Verdict::Secret
        } else {
            Verdict::Look
        }
    }

    pub(super) fn drops_event(&self, name: &str) -> bool {
        !self.keeps_content && is_content_event(name) && !self.allowed.iter().any(|key| pattern::matches(key, name))
    }

    fn is_named(&self, key: &str) -> bool {
        if self.patterns.iter().any(|pattern| pattern::matches(pattern, key)) {
            return true;
        }
        if self.segments.is_empty() {
            return false;
        }
        pieces(key).any(|piece| {
            let segments = Segments::of(piece);
            self.segments.iter().any(|wanted| segments.with_dots().contains(wanted.as_str()))
        })
    }
}

/// Whether a key names a secret by itself.
pub(super) fn is_secret_key(key: &str) -> bool {
    let is_header = key.starts_with("http.request.header.") || key.starts_with("http.response.header.");
    pieces(key).any(|piece| holds_secret(&Segments::of(piece), is_header))
}

/// The whole key, or pieces of it that overlap.
fn pieces(key: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(key.as_bytes());
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        let Some((piece, _)) = bytes.split_at_checked(PIECE_BYTES) else { return Some(bytes) };
        rest = bytes.get(PIECE_BYTES - OVERLAP_BYTES..);
        Some(piece)
    })
}

fn holds_secret(segments: &Segments, is_header: bool) -> bool {
    let mut previous = "";
    let mut rest = segments.iter().peekable();
    while let Some(segment) = rest.next() {
        let is_secret = is_secret_word(segment) || is_secret_pair(previous, segment);
        if is_secret && (is_header || rest.peek().is_none_or(|next| !is_harmless(next))) {
            return true;
        }
        previous = segment;
    }
    false
}

/// Segments that name a secret alone.
fn is_secret_word(segment: &str) -> bool {
    matches!(
        segment,
        "apikey"
            | "apikeys"
            | "authorization"
            | "authtoken"
            | "bearer"
            | "accesskey"
            | "accesstoken"
            | "clientsecret"
            | "cookie"
            | "cookies"
            | "credential"
            | "credentials"
            | "creditcard"
            | "csrf"
            | "csrftoken"
            | "cvc"
            | "cvv"
            | "jsessionid"
            | "jwt"
            | "passphrase"
            | "passwd"
            | "password"
            | "passwords"
            | "phpsessid"
            | "privatekey"
            | "pwd"
            | "refreshtoken"
            | "secret"
            | "secretkey"
            | "secrets"
            | "session"
            | "sessionid"
            | "sessiontoken"
            | "ssn"
            | "token"
            | "xsrf"
    )
}

/// Two segments that name a secret together.
fn is_secret_pair(first: &str, second: &str) -> bool {
    match second {
        "key" | "keys" => {
            matches!(
                first,
                "access" | "account" | "api" | "encryption" | "master" | "private" | "signing" | "subscription"
            )
        }
        "card" => first == "credit",
        "number" => first == "card",
        "string" => first == "connection",
        _ => false,
    }
}

/// What behind a secret's name makes it a fact about the secret.
fn is_harmless(segment: &str) -> bool {
    matches!(
        segment,
        "age"
            | "budget"
            | "bytes"
            | "cost"
            | "count"
            | "counts"
            | "duration"
            | "expires"
            | "expiry"
            | "id"
            | "kind"
            | "length"
            | "limit"
            | "max"
            | "min"
            | "name"
            | "rate"
            | "seconds"
            | "size"
            | "status"
            | "total"
            | "ttl"
            | "type"
            | "usage"
            | "version"
    )
}

/// A key in lowercase, with a dot in front of every segment and behind the last. On the stack.
struct Segments {
    bytes: [u8; 2 * PIECE_BYTES + 2],
    length: usize,
}

impl Segments {
    /// Of at most [`PIECE_BYTES`] of a key.
    fn of(key: &[u8]) -> Self {
        let mut bytes = [0; 2 * PIECE_BYTES + 2];
        let mut length = 0;
        let mut put = |byte: u8| {
            if let Some(place) = bytes.get_mut(length) {
                *place = byte;
                length += 1;
            }
        };
        put(b'.');
        let mut previous = b'.';
        for byte in key.iter().copied().take(PIECE_BYTES) {
            match byte {
                b'.' | b'_' | b'-' | b' ' | b'/' | b':' => {
                    if previous != b'.' {
                        put(b'.');
                    }
                    previous = b'.';
                }
                _ if byte.is_ascii_alphanumeric() => {
                    if byte.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
                        put(b'.');
                    }
                    put(byte.to_ascii_lowercase());
                    previous = byte;
                }
                // Letters of other scripts belong to a segment that is none of ours.
                _ => {
                    put(b'?');
                    previous = byte;
                }
            }
        }
        if previous != b'.' {
            put(b'.');
        }
        Self { bytes, length }
    }

    fn with_dots(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.with_dots().split('.').filter(|segment| !segment.is_empty())
    }
}
