//! Verdicts on texts that are written in the program, by where they are.
//!
//! Such a text never changes and never goes away, so that its address and length stand for it. Bounded: two texts that
//! fall on the same slot take it from each other in turn, and then are judged more often than once.

use std::sync::atomic::{AtomicU64, Ordering};

use super::keys::Verdict;

/// Slots; many times the texts that a usual program puts into its spans, in 8 KiB.
const SLOTS: usize = 1_024;
/// Addresses above this, and longer texts, are not remembered: they do not fit into a slot.
const ADDRESS_BITS: u32 = 48;
const LENGTH_BITS: u32 = 14;

/// Each slot: address, length and verdict in one word, so that it is read and written whole. Zero is empty.
#[derive(Debug)]
pub(super) struct Known(Box<[AtomicU64]>);

impl Default for Known {
    fn default() -> Self {
        Self(std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect())
    }
}

impl Known {
    pub(super) fn get_or_judge(&self, text: &'static str, judge: impl FnOnce() -> Verdict) -> Verdict {
        let (Ok(address), Ok(length)) = (u64::try_from(text.as_ptr().addr()), u64::try_from(text.len())) else {
            return judge();
        };
        if address >> ADDRESS_BITS != 0 || length >> LENGTH_BITS != 0 {
            return judge();
        }
        // Texts lie side by side, so that the low bits of their addresses tell them apart.
        let number = usize::try_from((address ^ address >> 10 ^ length << 3) % 1_024).unwrap_or_default();
        let Some(slot) = self.0.get(number) else { return judge() };
        let name = address << (LENGTH_BITS + 2) | length << 2;
        let known = slot.load(Ordering::Relaxed);
        if known & !0b11 == name && known != 0 {
            return match known & 0b11 {
                0 => Verdict::Look,
                1 => Verdict::Secret,
                2 => Verdict::Content,
                _ => Verdict::Allowed,
            };
        }
        let verdict = judge();
        let code = match verdict {
            Verdict::Look => 0,
            Verdict::Secret => 1,
            Verdict::Content => 2,
            Verdict::Allowed => 3,
        };
        slot.store(name | code, Ordering::Relaxed);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Verdict};

    /// A part of one text in memory.
    fn part(text: &'static str, part: std::ops::Range<usize>) -> &'static str {
        text.get(part).unwrap()
    }

    #[test]
    fn a_key_is_judged_once_and_a_part_of_it_is_another_key() {
        let known = Known::default();
        let text: &'static str = "tokentoken";
        assert_eq!(known.get_or_judge(text, || Verdict::Secret), Verdict::Secret);
        assert_eq!(known.get_or_judge(text, || panic!("judged twice")), Verdict::Secret);
        for (part, verdict) in [
            (part(text, 0..5), Verdict::Content),
            (part(text, 5..10), Verdict::Allowed),
            (part(text, 0..4), Verdict::Look),
        ] {
            assert_eq!(known.get_or_judge(part, || verdict), verdict);
            assert_eq!(known.get_or_judge(part, || panic!("judged twice")), verdict);
        }
        assert_eq!(known.get_or_judge(text, || panic!("judged twice")), Verdict::Secret);
    }

    #[test]
    fn keys_that_share_a_slot_keep_their_own_verdicts() {
        let known = Known::default();
        let text: &'static str = "x".repeat(5_000).leak();
        let keys = || (0..4_000_usize).map(|at| part(text, at..at + 1));
        let verdict = |at: usize| if at.is_multiple_of(3) { Verdict::Secret } else { Verdict::Look };
        for _ in 0..2 {
            for (at, key) in keys().enumerate() {
                assert_eq!(known.get_or_judge(key, || verdict(at)), verdict(at));
            }
        }
    }
}
