//! One look at every byte of a text: enough to let nearly every text pass.

use memchr::{memchr_iter, memchr2_iter};

use super::scan::{is_known_prefix, is_scheme_before};

/// Digits of the shortest card number.
pub(super) const CARD_DIGITS_MIN: usize = 13;

/// What in a text deserves a closer look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspicion(u8);

impl Suspicion {
    /// An at sign, perhaps percent-encoded: e-mail addresses and passwords in URLs.
    pub(super) const AT: u8 = 1;
    /// An equals sign: parameters of queries and connection strings.
    pub(super) const PAIR: u8 = 2;
    /// A colon behind a quote, or before one or a space: fields of JSON, headers, settings.
    pub(super) const FIELD: u8 = 4;
    /// `bearer` or `basic` and a space: credentials.
    pub(super) const SCHEME: u8 = 8;
    /// The beginning of a known kind of key.
    pub(super) const PREFIX: u8 = 16;
    /// Enough digits for a card number.
    pub(super) const DIGITS: u8 = 32;

    pub(super) fn of(text: &[u8]) -> Self {
        let (mut seen, mut digits) = (0, 0);
        for part in text.chunks(PART_BYTES) {
            // Eights, because a loop over eight bytes is none.
            let (eights, rest) = part.as_chunks::<8>();
            let eights =
                eights.iter().fold(0, |counts, eight| counts + eight.iter().fold(0, |sum, byte| sum + marks(*byte)));
            let counts = rest.iter().fold(eights, |counts, byte| counts + marks(*byte));
            seen |= counts;
            digits += counts & DIGITS;
        }
        if seen & !DIGITS == 0 && digits < CARD_DIGITS_MIN as u64 {
            return Self(0);
        }
        let mut found = 0;
        let has = |marks: u64| seen & marks != 0;
        if has(COLONS) && memchr_iter(b':', text).any(|at| is_between_name_and_value(text, at)) {
            found |= Self::FIELD;
        }
        if has(BS) && has(SPACES) && memchr_iter(b' ', text).any(|at| is_scheme_before(text, at)) {
            found |= Self::SCHEME;
        }
        let mut ends = memchr2_iter(b'-', b'_', text).chain(memchr2_iter(b'I', b'J', text));
        if has(ENDS) && ends.any(|at| is_known_prefix(text, at)) {
            found |= Self::PREFIX;
        }
        found |= if has(ATS) { Self::AT } else { 0 };
        found |= if has(EQUALS) { Self::PAIR } else { 0 };
        found |= if digits < CARD_DIGITS_MIN as u64 { 0 } else { Self::DIGITS };
        Self(found)
    }

    pub(super) const fn is_clear(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

/// Bytes whose marks are counted together: few enough that no count runs into the next.
const PART_BYTES: usize = 255;

/// Counts of bytes that matter, eight bits each in one word, so that a byte costs a look-up and an addition.
const DIGITS: u64 = 0xff;
const ATS: u64 = 0xff << 8;
const EQUALS: u64 = 0xff << 16;
const COLONS: u64 = 0xff << 32;
/// Letters `b` and spaces: a scheme has both.
const BS: u64 = 0xff << 40;
const SPACES: u64 = 0xff << 48;
/// The last bytes of the parts by which prefixes are told.
const ENDS: u64 = 0xff << 56;

static MARKS: [u64; 256] = all_marks();

#[inline]
fn marks(byte: u8) -> u64 {
    // There is an entry for every byte.
    MARKS.get(usize::from(byte)).copied().unwrap_or_default()
}

const fn all_marks() -> [u64; 256] {
    let mut marks = [0; 256];
    let mut rest: &mut [u64] = &mut marks;
    let mut byte = 0_u8;
    while let Some((mark, after)) = rest.split_first_mut() {
        let count = match byte {
            b'0'..=b'9' => DIGITS,
            b'@' | b'%' => ATS,
            b'=' => EQUALS,
            b':' => COLONS,
            b'b' | b'B' => BS,
            b' ' => SPACES,
            b'-' | b'_' | b'I' | b'J' => ENDS,
            _ => 0,
        };
        // One, in the place of this count.
        *mark = count / 0xff;
        rest = after;
        byte = byte.wrapping_add(1);
    }
    marks
}

/// Whether the colon at `at` may stand between a name and its value.
pub(super) fn is_between_name_and_value(text: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| text.get(at)) else { return false };
    match before {
        b'"' | b'\'' | b' ' => true,
        name if name.is_ascii_alphanumeric() => matches!(text.get(at + 1), Some(b' ' | b'\t' | b'"' | b'\'' | b'\\')),
        _ => false,
    }
}
