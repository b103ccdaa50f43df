//! One look at every byte of a text: enough to let nearly every text pass.

use super::scan::{is_known_prefix, is_scheme_before};

/// Digits of the shortest card number.
pub(super) const CARD_DIGITS_MIN: usize = 13;

/// What in a text deserves a closer look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspicion(u8);

impl Suspicion {
    /// An at sign: e-mail addresses and passwords in URLs.
    pub(super) const AT: u8 = 1;
    /// An equals sign: parameters of queries and connection strings.
    pub(super) const PAIR: u8 = 2;
    /// A colon behind a quote: fields of JSON.
    pub(super) const FIELD: u8 = 4;
    /// `bearer` or `basic` and a space: credentials.
    pub(super) const SCHEME: u8 = 8;
    /// The beginning of a known kind of key.
    pub(super) const PREFIX: u8 = 16;
    /// Enough digits for a card number.
    pub(super) const DIGITS: u8 = 32;

    pub(super) fn of(text: &[u8]) -> Self {
        let mut found = 0;
        let mut digits = 0;
        for (at, byte) in text.iter().enumerate() {
            let class = class(*byte);
            if class > DIGIT {
                found |= Self::at(text, at, class);
            } else {
                digits += usize::from(class);
            }
        }
        Self(if digits >= CARD_DIGITS_MIN { found | Self::DIGITS } else { found })
    }

    /// What a byte that may belong to a secret says with those before it.
    fn at(text: &[u8], at: usize, class: u8) -> u8 {
        match class {
            AT => Self::AT,
            EQUALS => Self::PAIR,
            COLON if matches!(before(text, at), Some(b'"' | b'\'')) => Self::FIELD,
            SPACE if is_scheme_before(text, at) => Self::SCHEME,
            PREFIX if is_known_prefix(text, at) => Self::PREFIX,
            _ => 0,
        }
    }

    pub(super) const fn is_clear(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

fn before(text: &[u8], at: usize) -> Option<u8> {
    text.get(at.checked_sub(1)?).copied()
}

const PLAIN: u8 = 0;
const DIGIT: u8 = 1;
const AT: u8 = 2;
const EQUALS: u8 = 3;
const COLON: u8 = 4;
const SPACE: u8 = 5;
/// Ends the part of a known prefix by which it is told.
const PREFIX: u8 = 6;

static CLASSES: [u8; 256] = classes();

#[inline]
fn class(byte: u8) -> u8 {
    // There is an entry for every byte.
    CLASSES.get(usize::from(byte)).copied().unwrap_or(PLAIN)
}

const fn classes() -> [u8; 256] {
    let mut classes = [PLAIN; 256];
    let mut rest: &mut [u8] = &mut classes;
    let mut byte = 0_u8;
    while let Some((class, after)) = rest.split_first_mut() {
        *class = match byte {
            b'0'..=b'9' => DIGIT,
            b'@' => AT,
            b'=' => EQUALS,
            b':' => COLON,
            b' ' => SPACE,
            b'-' | b'_' | b'I' | b'J' => PREFIX,
            _ => PLAIN,
        };
        rest = after;
        byte = byte.wrapping_add(1);
    }
    classes
}
