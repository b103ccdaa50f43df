//! E-mail addresses, and passwords in URLs.

use std::ops::Range;

use super::super::REDACTED;
use super::{positions, run_after, run_before, slice};

/// Most bytes before and behind the at sign, as RFC 5321 has them.
const LOCAL_PART_BYTES: usize = 64;
const DOMAIN_BYTES: usize = 255;

pub(super) fn emails(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let plain = positions(bytes, b'@').map(|at| (at, at + 1));
    let encoded = positions(bytes, b'%').filter(|at| slice(bytes, at + 1..at + 3) == b"40").map(|at| (at, at + 3));
    for (at, behind) in plain.chain(encoded) {
        let start = run_before(bytes, at, LOCAL_PART_BYTES, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
        });
        let most = bytes.get(..behind + DOMAIN_BYTES).unwrap_or(bytes);
        let end = run_after(most, behind, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        let domain = slice(bytes, behind..end);
        // A full stop or a dash behind an address belongs to the sentence.
        let trimmed = domain.iter().rev().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
        let domain = slice(domain, 0..domain.len() - trimmed);
        let labels = domain.rsplit(|byte| *byte == b'.');
        let top_level = labels.clone().next().unwrap_or_default();
        let is_domain = labels.count() > 1 && top_level.len() > 1 && top_level.iter().all(u8::is_ascii_alphabetic);
        if start < at && is_domain {
            found.push(start..end - trimmed);
        }
    }
}

/// `scheme://user:password@host`.
pub(super) fn url_passwords(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    for colon in positions(bytes, b':') {
        if slice(bytes, colon + 1..colon + 3) != b"//" {
            continue;
        }
        let start = colon + 3;
        let end = run_after(bytes, start, |byte| {
            !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'"' | b'\'' | b'`' | b'<' | b'>' | b',' | b';')
        });
        let authority = slice(bytes, start..end);
        let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else { continue };
        let Some(colon) = authority.iter().position(|byte| *byte == b':').filter(|colon| *colon < at) else { continue };
        let password = slice(authority, colon + 1..at);
        if !password.is_empty() && password != REDACTED.as_bytes() {
            found.push(start + colon + 1..start + at);
        }
    }
}
