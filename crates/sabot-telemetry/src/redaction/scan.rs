//! Finding the parts of a text that are secrets.
//!
//! Every finder works on bytes, looks at each a bounded number of times, and ends its ranges beside ASCII, so that no
//! character is ever cut.

use std::ops::Range;

use super::suspicion::Suspicion;

mod address;
mod card;
mod credential;
mod pair;

pub(super) use credential::{is_known_prefix, is_scheme_before};

/// The parts of `text` to take out, in order and apart.
pub(super) fn secrets(text: &str, suspicion: Suspicion) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    if suspicion.has(Suspicion::AT) {
        address::emails(bytes, &mut found);
        address::url_passwords(bytes, &mut found);
    }
    if suspicion.has(Suspicion::PAIR) {
        pair::parameters(text, &mut found);
    }
    if suspicion.has(Suspicion::FIELD) {
        pair::fields(text, &mut found);
    }
    if suspicion.has(Suspicion::SCHEME) {
        credential::schemes(bytes, &mut found);
    }
    if suspicion.has(Suspicion::PREFIX) {
        credential::prefixed(bytes, &mut found);
    }
    if suspicion.has(Suspicion::DIGITS) {
        card::cards(bytes, &mut found);
    }
    found.sort_unstable_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// Where `wanted` stands in `bytes`.
fn positions(bytes: &[u8], wanted: u8) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(move |(_, byte)| **byte == wanted).map(|(at, _)| at)
}

/// Where a run of bytes that are `part` begins, going back from `end` by at most `most`.
fn run_before(bytes: &[u8], end: usize, most: usize, part: impl Fn(u8) -> bool) -> usize {
    let before = bytes.get(..end).unwrap_or_default();
    end - before.iter().rev().take(most).take_while(|byte| part(**byte)).count()
}

/// Where a run of bytes that are `part` ends, going on from `start`.
fn run_after(bytes: &[u8], start: usize, part: impl Fn(u8) -> bool) -> usize {
    let after = bytes.get(start..).unwrap_or_default();
    start + after.iter().take_while(|byte| part(**byte)).count()
}

/// The byte before `at`.
fn before(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at.checked_sub(1)?).copied()
}

fn slice(bytes: &[u8], range: Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

/// What base64, in either alphabet, is made of.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'-')
}
