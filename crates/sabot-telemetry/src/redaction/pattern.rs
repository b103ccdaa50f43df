//! Patterns for whole keys: `*` stands for any characters, and case does not matter.

/// Whether the whole of `text` is matched. Linear in practice: only the last `*` is tried again.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(byte) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((after_star, tried)) = retry else { return false };
                retry = Some((after_star, tried + 1));
                at = after_star;
                from = tried + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}
