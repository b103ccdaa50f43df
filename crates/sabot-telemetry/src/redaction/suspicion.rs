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
            match class(*byte) {
                Class::Digit => digits += 1,
                Class::At => found |= Self::AT,
                Class::Equals => found |= Self::PAIR,
                Class::Colon if before(text, at).is_some_and(|byte| matches!(byte, b'"' | b'\'')) => {
                    found |= Self::FIELD;
                }
                Class::Space if is_scheme_before(text, at) => found |= Self::SCHEME,
                Class::Prefix if is_known_prefix(text, at) => found |= Self::PREFIX,
                Class::Plain | Class::Colon | Class::Space | Class::Prefix => {}
            }
        }
        Self(if digits >= CARD_DIGITS_MIN { found | Self::DIGITS } else { found })
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

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Digit,
    At,
    Equals,
    Colon,
    Space,
    /// Ends the part of a known prefix by which it is told.
    Prefix,
}

fn class(byte: u8) -> Class {
    const CLASSES: [Class; 256] = classes();
    // There is an entry for every byte.
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Plain)
}

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Plain; 256];
    let mut rest: &mut [Class] = &mut classes;
    let mut byte = 0_u8;
    while let Some((class, after)) = rest.split_first_mut() {
        *class = match byte {
            b'0'..=b'9' => Class::Digit,
            b'@' => Class::At,
            b'=' => Class::Equals,
            b':' => Class::Colon,
            b' ' => Class::Space,
            b'-' | b'_' | b'I' | b'J' => Class::Prefix,
            _ => Class::Plain,
        };
        rest = after;
        byte = byte.wrapping_add(1);
    }
    classes
}
