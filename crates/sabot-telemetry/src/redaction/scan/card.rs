//! Card numbers: 13 to 19 digits, perhaps in groups, whose check digit is right.

use std::ops::Range;

use super::super::suspicion::CARD_DIGITS_MIN;
use super::{before, slice};

/// Digits of the longest card number.
const CARD_DIGITS_MAX: usize = 19;

pub(super) fn cards(bytes: &[u8], found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(start) = next_group(bytes, from) {
        from = match card_at(bytes, start) {
            Some(end) => {
                found.push(start..end);
                end
            }
            None => start + 1,
        };
    }
}

/// The next digit that begins a group of them.
fn next_group(bytes: &[u8], from: usize) -> Option<usize> {
    let is_start = |(at, byte): (usize, &u8)| {
        let begins = byte.is_ascii_digit() && before(bytes, at).is_none_or(|byte| !is_word(byte));
        begins.then_some(at)
    };
    bytes.iter().enumerate().skip(from).find_map(is_start)
}

/// Where the card number that begins at `start` ends, if one does.
fn card_at(bytes: &[u8], start: usize) -> Option<usize> {
    if !matches!(bytes.get(start), Some(b'2'..=b'6')) || follows_decimal_point(bytes, start) {
        return None;
    }
    let mut digits = [0_u8; CARD_DIGITS_MAX];
    let mut count = 0;
    let mut at = start;
    let mut card = None;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_digit() {
            let Some(place) = digits.get_mut(count) else { break };
            *place = byte - b'0';
            count += 1;
        } else if !matches!(byte, b' ' | b'-') || !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            break;
        }
        at += 1;
        let ends_here = byte.is_ascii_digit() && bytes.get(at).is_none_or(|next| !is_word(*next));
        let number = slice(&digits, 0..count);
        if ends_here && count >= CARD_DIGITS_MIN && is_issued(number) && passes_luhn(number) {
            card = Some(at);
        }
    }
    card
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn follows_decimal_point(bytes: &[u8], start: usize) -> bool {
    let point = start.checked_sub(1).filter(|point| bytes.get(*point) == Some(&b'.'));
    point.is_some_and(|point| before(bytes, point).is_some_and(|byte| byte.is_ascii_digit()))
}

/// Whether a network has numbers of this length that begin so (ISO/IEC 7812). Every tenth number passes Luhn's check, and
/// few of the ids and times of a program pass this.
fn is_issued(digits: &[u8]) -> bool {
    let begin = |count: usize| digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (two, four) = (begin(2), begin(4));
    match digits.len() {
        13 => matches!(two, 40..=49),
        14 => matches!(two, 36 | 38 | 39) || matches!(four, 3000..=3059 | 3090..=3099),
        15 => matches!(two, 34 | 37),
        16 => {
            matches!(two, 36 | 40..=58 | 60..=69)
                || matches!(four, 2200..=2204 | 2221..=2720 | 3000..=3059 | 3528..=3589)
        }
        17 | 18 => matches!(two, 50 | 56..=58 | 60..=69),
        19 => matches!(two, 40..=50 | 56..=58 | 60..=69),
        _ => false,
    }
}

/// Luhn's check: every second digit from the right counts double, and the sum ends in zero.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let weighed = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
            weighed / 10 + weighed % 10
        })
        .sum();
    sum.is_multiple_of(10)
}
