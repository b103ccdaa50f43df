//! Values behind a name that names a secret: `token=…` in queries, connection strings and logs, `"token": "…"` in JSON.

use std::ops::Range;

use super::super::REDACTED;
use super::super::keys::is_secret_key;
use super::{before, positions, run_after, run_before, slice};

/// Longest name that is looked at.
const NAME_BYTES: usize = 64;

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name that ends at `end`.
fn name_before(text: &str, end: usize) -> &str {
    let start = run_before(text.as_bytes(), end, NAME_BYTES, is_name);
    text.get(start..end).unwrap_or_default()
}

/// `name=value`, with or without quotes, and with or without a space on either side.
pub(super) fn parameters(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for equals in positions(bytes, b'=') {
        if equals < from {
            continue;
        }
        let end = if before(bytes, equals) == Some(b' ') { equals - 1 } else { equals };
        let name = name_before(text, end);
        if !is_secret_key(name) {
            continue;
        }
        let start = if bytes.get(equals + 1) == Some(&b' ') { equals + 2 } else { equals + 1 };
        let value = parameter(bytes, start, name);
        let content = slice(bytes, value.clone());
        if !content.is_empty() && content != REDACTED.as_bytes() {
            from = value.end;
            found.push(value);
        }
    }
}

fn parameter(bytes: &[u8], start: usize, name: &str) -> Range<usize> {
    if let Some(quote @ (b'"' | b'\'')) = bytes.get(start) {
        return start + 1..quoted_end(bytes, start + 1, &[*quote]);
    }
    if name.to_ascii_lowercase().contains("cookie") {
        return start..run_after(bytes, start, |byte| byte != b'\n');
    }
    let is_value = |byte: u8| {
        !byte.is_ascii_whitespace() && !matches!(byte, b'&' | b';' | b',' | b'"' | b'\'' | b')' | b'}' | b'<')
    };
    let end = run_after(bytes, start, is_value);
    let is_scheme = [&b"bearer"[..], b"basic", b"digest", b"token", b"apikey"]
        .iter()
        .any(|scheme| slice(bytes, start..end).eq_ignore_ascii_case(scheme));
    // `authorization=Bearer abc`: the secret is behind the scheme.
    if is_scheme && bytes.get(end) == Some(&b' ') { start..run_after(bytes, end + 1, is_value) } else { start..end }
}

/// `"name": "value"` or `"name": 123`, also with single quotes, and within a string of JSON with its quotes escaped.
pub(super) fn fields(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for colon in positions(bytes, b':') {
        let Some(quote @ (b'"' | b'\'')) = before(bytes, colon) else { continue };
        let is_escaped = before(bytes, colon - 1) == Some(b'\\');
        let quote: &[u8] = match (quote, is_escaped) {
            (b'"', true) => b"\\\"",
            (b'"', false) => b"\"",
            (_, true) => b"\\'",
            (_, false) => b"'",
        };
        if !is_secret_key(name_before(text, colon - quote.len())) {
            continue;
        }
        let start = run_after(bytes, colon + 1, |byte| byte.is_ascii_whitespace());
        let value = if slice(bytes, start..start + quote.len()) == quote {
            start + quote.len()..quoted_end(bytes, start + quote.len(), quote)
        } else {
            start..run_after(bytes, start, |byte| byte.is_ascii_digit())
        };
        let content = slice(bytes, value.clone());
        if !content.is_empty() && content != REDACTED.as_bytes() {
            found.push(value);
        }
    }
}

/// Where the quote that closes stands; the end of the text if there is none.
fn quoted_end(bytes: &[u8], start: usize, quote: &[u8]) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        if slice(bytes, at..at + quote.len()) == quote {
            return at;
        }
        at += if *byte == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}
