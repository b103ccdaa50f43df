//! Credentials that are told by how they begin: `Bearer …`, `Basic …`, JWTs, private keys, and the keys of services that
//! put their name in front.

use std::ops::Range;

use super::{before, is_token, positions, run_after, slice};

/// What stands in front of a key, told by its last byte, and how many bytes follow at least.
const PREFIXES: &[(&[u8], usize)] = &[
    (b"dop_v1_", 32),
    (b"gho_", 16),
    (b"ghp_", 16),
    (b"ghr_", 16),
    (b"ghs_", 16),
    (b"ghu_", 16),
    (b"github_pat_", 16),
    (b"glpat-", 16),
    (b"glsa_", 20),
    (b"gsk_", 20),
    (b"hf_", 24),
    (b"lin_api_", 20),
    (b"npm_", 24),
    (b"pplx-", 20),
    (b"pypi-", 16),
    (b"rk_live_", 10),
    (b"rk_test_", 10),
    (b"shpat_", 16),
    (b"sk-", 16),
    (b"sk_live_", 10),
    (b"sk_test_", 10),
    (b"tvly-", 16),
    (b"whsec_", 16),
    (b"xai-", 20),
    (b"xapp-", 8),
    (b"xoxa-", 8),
    (b"xoxb-", 8),
    (b"xoxe-", 8),
    (b"xoxp-", 8),
    (b"xoxr-", 8),
    (b"xoxs-", 8),
];

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_END: &[u8] = b"-----END ";
const PEM_KEY: &[u8] = b"PRIVATE KEY";

/// Whether a known prefix is told by the byte at `at`. Asked for every dash, underscore, `I` and `J` of every text.
pub(in super::super) fn is_known_prefix(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        Some(b'-' | b'_') => {
            may_end_prefix(slice(bytes, 0..at + 1)) && (is_pem(bytes, at) || prefix_ending(bytes, at).is_some())
        }
        Some(b'I') => is_amazon(bytes, at) || is_google(bytes, at),
        Some(b'J') => is_jwt(bytes, at),
        _ => false,
    }
}

/// Tells by the last letters of the prefixes above, before they are looked up.
const fn may_end_prefix(until: &[u8]) -> bool {
    match until {
        [.., before, last, b'-'] => matches!(
            (*before, *last),
            (b's', b'k')
                | (b'a', b't' | b'i')
                | (b'l', b'x' | b'y')
                | (b'p', b'i' | b'p')
                | (b'x', b'a' | b'b' | b'e' | b'p' | b'r' | b's')
                | (b'-', b'-')
        ),
        [.., before, last, b'_'] => matches!(
            (*before, *last),
            (b'v', b'1' | b'e')
                | (b'h', b'o' | b'p' | b'r' | b's' | b'u' | b'f')
                | (b'a', b't')
                | (b's', b'a' | b'k' | b't')
                | (b'p', b'i' | b'm')
                | (b'e', b'c')
        ),
        _ => false,
    }
}

fn prefix_ending(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let until = slice(bytes, 0..at + 1);
    PREFIXES.iter().find_map(|(prefix, least)| {
        let start = until.len() - until.strip_suffix(*prefix).map(|_| prefix.len())?;
        is_boundary(bytes, start).then_some((start, *least))
    })
}

fn is_pem(bytes: &[u8], dash: usize) -> bool {
    dash.checked_sub(4).is_some_and(|start| slice(bytes, start..start + PEM_BEGIN.len()) == PEM_BEGIN)
}

/// `AKIA` and `ASIA`, told by the `I`.
fn is_amazon(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(2)
        .is_some_and(|start| matches!(slice(bytes, start..start + 4), b"AKIA" | b"ASIA") && is_boundary(bytes, start))
}

/// `AIza`, told by the `I`.
fn is_google(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|start| slice(bytes, start..start + 4) == b"AIza" && is_boundary(bytes, start))
}

/// `eyJ`, told by the `J`: base64 of `{"`.
fn is_jwt(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(2).is_some_and(|start| slice(bytes, start..start + 3) == b"eyJ" && is_boundary(bytes, start))
}

fn is_boundary(bytes: &[u8], start: usize) -> bool {
    before(bytes, start).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Keys and tokens that say what they are.
pub(super) fn prefixed(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    let mut run = Run::default();
    for (at, byte) in bytes.iter().enumerate() {
        if at < from || !matches!(byte, b'-' | b'_' | b'I' | b'J') {
            continue;
        }
        if at >= run.end {
            run = Run::at(bytes, at);
        }
        if let Some(range) = prefixed_at(bytes, at, &run) {
            from = range.end;
            found.push(range);
        }
    }
}

/// Bytes side by side that a key may be made of. Looked at once, however many prefixes stand in them: a text that is
/// nothing but prefixes costs no more than any other.
#[derive(Default)]
struct Run {
    end: usize,
    /// The last dash in it.
    dash: usize,
    /// The last digit or capital letter in it.
    random: usize,
}

impl Run {
    fn at(bytes: &[u8], start: usize) -> Self {
        let end = run_after(bytes, start, is_key);
        let last =
            |wanted: fn(&u8) -> bool| slice(bytes, start..end).iter().rposition(wanted).map_or(0, |at| start + at);
        let is_random = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        Self { end, dash: last(|byte| *byte == b'-'), random: last(is_random) }
    }
}

fn prefixed_at(bytes: &[u8], at: usize, run: &Run) -> Option<Range<usize>> {
    match bytes.get(at)? {
        b'I' if is_amazon(bytes, at) => {
            let end = run_after(bytes, at + 2, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            (end - at >= 18).then_some(at - 2..end)
        }
        b'I' if is_google(bytes, at) => (run.end - at >= 33).then_some(at - 1..run.end),
        b'J' if is_jwt(bytes, at) => jwt_end(bytes, at, run.end).map(|end| at - 2..end),
        b'-' if is_pem(bytes, at) => private_key_end(bytes, at - 4).map(|end| at - 4..end),
        b'-' | b'_' => {
            let (start, least) = prefix_ending(bytes, at)?;
            // Words with dashes between them are a name.
            let is_key = run.random > at || run.dash <= at;
            (run.end - at > least && is_key).then_some(start..run.end)
        }
        _ => None,
    }
}

const fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Header, payload and, unless it is left out, signature.
fn jwt_end(bytes: &[u8], at: usize, header: usize) -> Option<usize> {
    let payload = run_after(bytes, header + 1, is_key);
    if bytes.get(header) != Some(&b'.') || header - at < 4 || payload - header < 5 {
        return None;
    }
    Some(run_after(bytes, payload, |byte| is_key(byte) || byte == b'.'))
}

/// The end of a private key's last line; of the text if the key is cut off.
fn private_key_end(bytes: &[u8], start: usize) -> Option<usize> {
    let label = start + PEM_BEGIN.len();
    let label_end = run_after(bytes, label, |byte| byte != b'-' && byte != b'\n');
    if !slice(bytes, label..label_end).ends_with(PEM_KEY) {
        return None;
    }
    let body = slice(bytes, label_end..bytes.len());
    let Some(last_line) = body.windows(PEM_END.len()).position(|window| window == PEM_END) else {
        return Some(bytes.len());
    };
    let label = label_end + last_line + PEM_END.len();
    let label_end = run_after(bytes, label, |byte| byte.is_ascii_uppercase() || byte == b' ');
    Some(run_after(bytes, label_end, |byte| byte == b'-'))
}

/// Whether `bearer` or `basic` stands before the space at `at`.
pub(in super::super) fn is_scheme_before(bytes: &[u8], at: usize) -> bool {
    match before(bytes, at) {
        Some(b'r' | b'R') => word_before(bytes, at, b"bearer"),
        Some(b'c' | b'C') => word_before(bytes, at, b"basic"),
        _ => false,
    }
}

fn word_before(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    let start = at.checked_sub(word.len());
    start.is_some_and(|start| slice(bytes, start..at).eq_ignore_ascii_case(word) && is_boundary(bytes, start))
}

/// What follows `Bearer` or `Basic`.
pub(super) fn schemes(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    for at in positions(bytes, b' ').filter(|at| is_scheme_before(bytes, *at)) {
        let start = run_after(bytes, at, |byte| byte == b' ');
        let end = run_after(bytes, start, is_token);
        let token = slice(bytes, start..end);
        let is_basic = before(bytes, at).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'c'));
        let is_credential = if is_basic { is_user_and_password(token) } else { is_bearer_token(token) };
        // A text that is nothing but a scheme and one word is a header's value.
        let is_header = !token.is_empty() && end == bytes.len() && at <= b"bearer".len();
        if is_credential || is_header {
            found.push(start..end);
        }
    }
}

/// Not a word of a sentence.
pub(super) fn is_bearer_token(token: &[u8]) -> bool {
    let Some((_, after_first)) = token.split_first() else { return false };
    let is_word = after_first.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'-'));
    token.len() >= if is_word { 20 } else { 6 }
}

/// Base64 of something with a colon in it, and nothing but text around it.
fn is_user_and_password(token: &[u8]) -> bool {
    let digits = token.iter().map(|byte| base64_digit(*byte));
    let digits: Vec<u32> = digits.map_while(|digit| digit).collect();
    let padding = token.len() - digits.len();
    let is_padded = slice(token, digits.len()..token.len()).iter().all(|byte| *byte == b'=');
    if token.len() < 4 || padding > 2 || !is_padded {
        return false;
    }
    let decoded = digits.chunks(4).flat_map(|group| {
        let bits =
            group.iter().chain(std::iter::repeat_n(&0, 4 - group.len())).fold(0, |bits, digit| bits << 6 | digit);
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes.into_iter().take(group.len() - 1)
    });
    let mut has_colon = false;
    let is_text = decoded.into_iter().all(|byte| {
        has_colon |= byte == b':';
        byte >= b' ' && byte != 0x7f
    });
    is_text && has_colon
}

fn base64_digit(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{PREFIXES, is_known_prefix};

    #[test]
    fn every_prefix_is_known_by_its_last_byte() {
        for (prefix, _) in PREFIXES {
            assert!(is_known_prefix(prefix, prefix.len() - 1), "{}", String::from_utf8_lossy(prefix));
        }
    }
}
