//! Whether a key names a secret.
//!
//! A key is cut into segments, and a secret is a segment, or a few that follow each other. What follows may turn it into
//! something harmless (`token_count`, `session.id`), except in captured headers, where every value is as it was sent.

use super::config::{Redaction, RedactionError};
use super::content::{is_content_event, is_content_key};
use super::known::Known;
use super::pattern;
use crate::Text;

/// Most patterns for keys, and for keys that are allowed.
const MAX_PATTERNS: usize = 256;
/// How much of a key is judged at a time by configured segments, and by how much the pieces of a longer one overlap.
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
    known: Known,
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
        Ok(Self {
            keeps_secrets,
            keeps_content,
            segments,
            patterns,
            allowed: redaction.allow.clone(),
            known: Known::default(),
        })
    }

    /// What to do with the attribute of this key. Keys written in the program are judged once.
    pub(super) fn judge(&self, key: &Text) -> Verdict {
        match key {
            Text::Static(key) => self.known.get_or_judge(key, || self.judge_anew(key)),
            Text::Shared(key) => self.judge_anew(key),
            Text::Owned(key) => self.judge_anew(key),
        }
    }

    /// The same for a key from anywhere.
    pub(super) fn judge_anew(&self, key: &str) -> Verdict {
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
    let (mut previous, mut is_secret) = (0, false);
    for word in Words::of(key) {
        if is_secret && !is_one_of(HARMLESS, word) {
            return true;
        }
        is_secret =
            is_one_of(SECRETS, word) || is_one_of(SECRET_PAIRS, pair(previous, word)) || has_secret_ending(word);
        if is_secret && is_header {
            return true;
        }
        previous = word;
    }
    is_secret
}

/// Whether a segment ends in a word that makes it a secret: `pgpassword`, `idtoken`.
fn has_secret_ending(word: u128) -> bool {
    SECRET_ENDINGS.iter().any(|(ending, mask)| word & mask == *ending)
}

/// What a segment may end in, and the bits of a [`word`] that it takes.
const SECRET_ENDINGS: &[(u128, u128)] = &[
    (word("apikey"), (1 << 48) - 1),
    (word("cookie"), (1 << 48) - 1),
    (word("passwd"), (1 << 48) - 1),
    (word("password"), (1 << 64) - 1),
    (word("secret"), (1 << 48) - 1),
    (word("token"), (1 << 40) - 1),
];

/// Segments that name a secret alone.
const SECRETS: &[u128] = &sorted([
    word("accesskey"),
    word("accesstoken"),
    word("apikey"),
    word("apikeys"),
    word("authorization"),
    word("authtoken"),
    word("bearer"),
    word("clientsecret"),
    word("cookie"),
    word("cookies"),
    word("credential"),
    word("credentials"),
    word("creditcard"),
    word("csrf"),
    word("csrftoken"),
    word("cvc"),
    word("cvv"),
    word("jsessionid"),
    word("jwt"),
    word("passcode"),
    word("passphrase"),
    word("passwd"),
    word("password"),
    word("passwords"),
    word("phpsessid"),
    word("privatekey"),
    word("pwd"),
    word("refreshtoken"),
    word("secret"),
    word("secretkey"),
    word("secrets"),
    word("session"),
    word("sessionid"),
    word("sessiontoken"),
    word("ssn"),
    word("token"),
    word("xsrf"),
]);

/// Two segments that name a secret together.
const SECRET_PAIRS: &[u128] = &sorted([
    pair(word("access"), word("key")),
    pair(word("account"), word("key")),
    pair(word("api"), word("key")),
    pair(word("api"), word("keys")),
    pair(word("card"), word("number")),
    pair(word("connection"), word("string")),
    pair(word("credit"), word("card")),
    pair(word("encryption"), word("key")),
    pair(word("master"), word("key")),
    pair(word("private"), word("key")),
    pair(word("signing"), word("key")),
    pair(word("subscription"), word("key")),
]);

/// What behind a secret's name makes it a fact about the secret.
const HARMLESS: &[u128] = &sorted([
    word("age"),
    word("budget"),
    word("bytes"),
    word("cost"),
    word("count"),
    word("counts"),
    word("duration"),
    word("expires"),
    word("expiry"),
    word("id"),
    word("kind"),
    word("length"),
    word("limit"),
    word("max"),
    word("min"),
    word("name"),
    word("rate"),
    word("seconds"),
    word("size"),
    word("status"),
    word("total"),
    word("ttl"),
    word("type"),
    word("usage"),
    word("version"),
]);

/// A word as a number, so that words are compared at once: its last 16 letters. The words above have fewer, so that a
/// longer one is none of them.
const fn word(text: &str) -> u128 {
    let mut word = 0;
    let mut rest = text.as_bytes();
    while let [letter, after @ ..] = rest {
        word = word << 8 | *letter as u128;
        rest = after;
    }
    word
}

/// Two words in one number: the whole of the second, which is short where it matters, and all that fits of the first.
const fn pair(first: u128, second: u128) -> u128 {
    first.rotate_left(64) ^ second
}

const fn sorted<const N: usize>(mut words: [u128; N]) -> [u128; N] {
    let mut rest: &mut [u128] = &mut words;
    while let [first, after @ ..] = rest {
        let mut others: &mut [u128] = after;
        while let [other, further @ ..] = others {
            if *other < *first {
                (*first, *other) = (*other, *first);
            }
            others = further;
        }
        rest = after;
    }
    words
}

fn is_one_of(words: &[u128], word: u128) -> bool {
    words.binary_search(&word).is_ok()
}

/// The segments of a key as [`word`]s, without their digits: `token2` is as secret as `token`.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    const fn of(key: &'a str) -> Self {
        Self { rest: key.as_bytes() }
    }
}

impl Iterator for Words<'_> {
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        let mut word = 0;
        let mut may_end = false;
        while let [byte, after @ ..] = self.rest {
            match letter(*byte) {
                Letter::Separator if word == 0 => {}
                Letter::Separator => break,
                // A capital letter behind a small one begins a segment, and so does the last of several: `AWSSecret`.
                Letter::Capital if word != 0 && (may_end || begins_word(after)) => return Some(word),
                Letter::Capital => word = word << 8 | u128::from(*byte | 0x20),
                Letter::Digit => may_end = true,
                Letter::Other => {
                    word = word << 8 | u128::from(*byte);
                    may_end = true;
                }
            }
            self.rest = after;
        }
        (word != 0).then_some(word)
    }
}

#[derive(Clone, Copy)]
enum Letter {
    Separator,
    Capital,
    Digit,
    Other,
}

/// Whether a capital letter with this behind it begins a word. The `s` of a plural does not: `SECRETs`.
const fn begins_word(after: &[u8]) -> bool {
    match after {
        [] | [b's'] => false,
        [b's', next, ..] | [next, ..] => next.is_ascii_lowercase(),
    }
}

const fn letter(byte: u8) -> Letter {
    match byte {
        b'.' | b'_' | b'-' | b' ' | b'/' | b':' | 0 => Letter::Separator,
        b'A'..=b'Z' => Letter::Capital,
        b'0'..=b'9' => Letter::Digit,
        _ => Letter::Other,
    }
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
        let mut rest = key.get(..PIECE_BYTES).unwrap_or(key);
        while let [byte, after @ ..] = rest {
            let byte = *byte;
            rest = after;
            match byte {
                b'.' | b'_' | b'-' | b' ' | b'/' | b':' => {
                    if previous != b'.' {
                        put(b'.');
                    }
                    previous = b'.';
                }
                _ if byte.is_ascii_alphanumeric() => {
                    let behind_small = previous.is_ascii_lowercase() || previous.is_ascii_digit();
                    let behind_capital = previous.is_ascii_uppercase() && begins_word(after);
                    if byte.is_ascii_uppercase() && (behind_small || behind_capital) {
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
}
