//! Values behind a name that names a secret: `token=…` in queries, connection strings and logs, `"token": "…"` in JSON, and
//! `x-api-key: …` in headers and settings.

use std::ops::Range;

use super::super::REDACTED;
use super::super::keys::is_secret_key;
use super::super::suspicion::is_between_name_and_value;
use super::credential::is_bearer_token;
use super::{before, positions, run_after, run_before, slice};

/// Longest name that is looked at.
const NAME_BYTES: usize = 64;
/// How often a text of JSON may be quoted within others and is still understood: three times, with 1, 3 and 7 backslashes.
const MOST_BACKSLASHES: usize = 7;
/// Parameters of signed URLs that the semantic conventions name (`url.query`).
const SIGNATURES: [&str; 5] = ["awsaccesskeyid", "sig", "signature", "x-amz-signature", "x-goog-signature"];

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name that ends at `end`.
fn name_before(text: &str, end: usize) -> &str {
    let start = run_before(text.as_bytes(), end, NAME_BYTES, is_name);
    text.get(start..end).unwrap_or_default()
}

/// What is to be taken out, and is not yet.
fn is_left(content: &[u8]) -> bool {
    !content.is_empty() && content != REDACTED.as_bytes()
}

/// `name=value`, with or without quotes, and with or without a space on either side.
pub(super) fn parameters(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for equals in positions(bytes, b'=') {
        if equals < from {
            continue;
        }
        let name = parameter_name(text, if before(bytes, equals) == Some(b' ') { equals - 1 } else { equals });
        if !is_secret_key(name) && !SIGNATURES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            continue;
        }
        let start = if bytes.get(equals + 1) == Some(&b' ') { equals + 2 } else { equals + 1 };
        let value = value(bytes, start, name);
        if is_left(slice(bytes, value.clone())) {
            from = value.end;
            found.push(value);
        }
    }
}

/// The name in front of an equals sign, also as forms write it: `user[password]`.
fn parameter_name(text: &str, end: usize) -> &str {
    let bytes = text.as_bytes();
    let end = if before(bytes, end) == Some(b']') {
        end - 1
    } else if end.checked_sub(3).is_some_and(|start| slice(bytes, start..end).eq_ignore_ascii_case(b"%5d")) {
        end - 3
    } else {
        end
    };
    name_before(text, end)
}

/// A value that nothing but its end tells from what follows.
fn value(bytes: &[u8], start: usize, name: &str) -> Range<usize> {
    // As Rust prints an option.
    let start = if slice(bytes, start..start + 5) == b"Some(" { start + 5 } else { start };
    if let Some(quote @ (b'"' | b'\'')) = bytes.get(start) {
        return start + 1..quoted_end(bytes, start + 1, *quote, 0);
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

/// `"name": "value"` or `"name": 123`, also with single quotes, with lists and objects, and within strings of JSON with
/// their quotes escaped; and without quotes, `name: value`.
pub(super) fn fields(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for colon in positions(bytes, b':') {
        if colon < from || !is_between_name_and_value(bytes, colon) {
            continue;
        }
        let value = quoted_field(text, colon).or_else(|| plain_field(text, colon));
        if let Some(value) = value.filter(|value| is_left(slice(bytes, value.clone()))) {
            from = value.end;
            found.push(value);
        }
    }
}

/// The value of a secret whose name is quoted.
fn quoted_field(text: &str, colon: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let name_end = run_before(bytes, colon, 4, |byte| byte == b' ').checked_sub(1)?;
    let (b'"' | b'\'') = bytes.get(name_end)? else { return None };
    let slashes_start = run_before(bytes, name_end, MOST_BACKSLASHES, |byte| byte == b'\\');
    let level = name_end - slashes_start;
    if !is_secret_key(name_before(text, slashes_start)) {
        return None;
    }
    let start = run_after(bytes, colon + 1, |byte| byte.is_ascii_whitespace());
    let open = run_after(slice(bytes, 0..start + level), start, |byte| byte == b'\\');
    Some(match bytes.get(open)? {
        quote @ (b'"' | b'\'') => open + 1..quoted_end(bytes, open + 1, *quote, level),
        b'[' | b'{' => open..closing(bytes, open, level),
        _ => {
            let end =
                run_after(bytes, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'));
            // They say whether there is a secret, and not which.
            if matches!(slice(bytes, start..end), b"null" | b"true" | b"false") { start..start } else { start..end }
        }
    })
}

/// The value of a secret whose name is not quoted: a header, a line of a log, a field as Rust prints it.
fn plain_field(text: &str, colon: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let name = name_before(text, colon);
    if !is_secret_key(name) {
        return None;
    }
    let start = run_after(bytes, colon + 1, |byte| matches!(byte, b' ' | b'\t'));
    let open = run_after(slice(bytes, 0..start + MOST_BACKSLASHES), start, |byte| byte == b'\\');
    if let Some(quote @ (b'"' | b'\'')) = bytes.get(open) {
        return Some(open + 1..quoted_end(bytes, open + 1, *quote, open - start));
    }
    let value = value(bytes, start, name);
    // `unexpected token: comma` is a sentence.
    let is_word_of_its_own = matches!(name, "token" | "session" | "secret" | "bearer" | "credential" | "credentials");
    let is_sentence = is_word_of_its_own && !is_bearer_token(slice(bytes, value.clone()));
    match bytes.get(start)? {
        b'[' | b'{' if !is_word_of_its_own => Some(start..closing(bytes, start, 0)),
        _ => (!is_sentence).then_some(value),
    }
}

/// Where the quote stands that closes a text, with the backslashes in front of it; the end if there is none. Within a text
/// whose quotes have `level` backslashes each, more of them belong to the text.
fn quoted_end(bytes: &[u8], start: usize, quote: u8, level: usize) -> usize {
    let mut slashes = 0;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match *byte {
            b'\\' => slashes += 1,
            byte if byte == quote && (slashes < level || slashes % (2 * (level + 1)) == level) => {
                return at - slashes.min(level);
            }
            _ => slashes = 0,
        }
    }
    bytes.len()
}

/// Behind the bracket that closes the one at `open`; the end if there is none.
fn closing(bytes: &[u8], open: usize, level: usize) -> usize {
    let (mut at, mut depth) = (open, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') => at = quoted_end(bytes, at + 1, *quote, level) + level,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}
