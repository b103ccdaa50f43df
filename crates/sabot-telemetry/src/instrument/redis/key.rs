//! What keys have in common: their words, with `*` for whom or what one is about.

/// Most of a key that is looked at, in bytes.
const MAX_KEY_BYTES: usize = 256;
/// Most parts that are told; what follows is one more `*`.
const MAX_PARTS: usize = 8;
/// Longest part that is a word, in bytes; what is longer is a token.
const MAX_WORD_BYTES: usize = 24;
/// Longest word that looks like hexadecimal digits and is none, such as `facade`.
const MAX_HEX_BYTES: usize = 6;
/// From here on capital letters inside of a word make it a token.
const MIN_MIXED_BYTES: usize = 16;

/// `user:123:cart` is `user:*:cart`. Kept are words of plain letters, with a version such as `v2` at most; not numbers,
/// UUIDs, hexadecimal, e-mail addresses, long tokens or anything in another alphabet.
pub(super) fn pattern_of(key: &[u8]) -> String {
    let Ok(key) = std::str::from_utf8(key) else { return "*".to_owned() };
    if key.len() > MAX_KEY_BYTES {
        return "*".to_owned();
    }
    let mut pattern = String::with_capacity(key.len());
    let mut parts = 0_usize;
    for part in key.split_inclusive(is_separator) {
        let (word, separator) = match part.char_indices().next_back() {
            Some((at, last)) if is_separator(last) => part.split_at_checked(at).unwrap_or((part, "")),
            _ => (part, ""),
        };
        parts = parts.saturating_add(usize::from(!word.is_empty()));
        if parts > MAX_PARTS {
            pattern.push('*');
            break;
        }
        pattern.push_str(if word.is_empty() || is_word(word) { word } else { "*" });
        pattern.push_str(separator);
    }
    pattern
}

/// A dot or a dash is none: names, addresses and UUIDs have them.
const fn is_separator(c: char) -> bool {
    matches!(c, ':' | '/' | '|' | '{' | '}')
}

/// Letters joined by `_`, `-` or `.`, and no more than a version's digits at the end.
fn is_word(part: &str) -> bool {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = part.len().saturating_sub(letters.len());
    let plain = letters.split(['_', '-', '.']).all(|piece| {
        piece.bytes().all(|byte| byte.is_ascii_alphabetic()) && !(piece.len() > MAX_HEX_BYTES && is_hex(piece))
    });
    let inner_capitals = letters.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    let all_capitals = !letters.bytes().any(|byte| byte.is_ascii_lowercase());
    let token = part.len() >= MIN_MIXED_BYTES && inner_capitals && !(all_capitals && letters.contains('_'));
    plain
        && !token
        && part.len() <= MAX_WORD_BYTES
        && letters.starts_with(|c: char| c.is_ascii_alphabetic())
        && letters.ends_with(|c: char| c.is_ascii_alphabetic())
        && digits <= 2
        // `a1` is the beginning of something hexadecimal, `v1` is a version.
        && (digits == 0 || !is_hex(letters))
}

fn is_hex(piece: &str) -> bool {
    piece.bytes().all(|byte| byte.is_ascii_hexdigit())
}
