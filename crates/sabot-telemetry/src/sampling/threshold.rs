//! Rejection thresholds: a trace is kept if its 56 random bits are at least the threshold.

use std::fmt;

/// How many values the randomness of a trace has.
const RANDOMNESS: u64 = 1 << 56;
/// Hexadecimal digits of a threshold.
const DIGITS: usize = 14;
/// Digits kept behind those that only say how small a probability is: an error below one in a million.
const PRECISION: u32 = 5;

/// From 0, which keeps everything, to 2^56, which keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Threshold(u64);

impl Threshold {
    pub(crate) const ALWAYS: Self = Self(0);
    pub(crate) const NEVER: Self = Self(RANDOMNESS);

    /// The threshold of a ratio from 0 to 1, rounded to what is written in `tracestate`, so that the weight read from
    /// there is exactly the weight that was used. Ratios too small for 56 bits keep nothing.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2^56 and its products with a ratio from 0 to 1 are exact enough, and not negative"
    )]
    pub(crate) fn of_ratio(ratio: f64) -> Self {
        let kept = (ratio * RANDOMNESS as f64).round() as u64;
        let exact = RANDOMNESS.saturating_sub(kept);
        if exact == 0 || exact == RANDOMNESS {
            return Self(exact);
        }
        // The leading digits `f` of a small ratio carry no precision.
        let leading = (!(exact << 8)).leading_zeros() / 4;
        let digits = (leading + PRECISION).min(14);
        let step = 1_u64 << (4 * (14 - digits));
        let rounded = (exact + step / 2) / step * step;
        // What is not zero must not become so.
        Self(if rounded >= RANDOMNESS { exact } else { rounded })
    }

    /// Reads the 1 to 14 hexadecimal digits behind `th:`; trailing zeros may be missing.
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        let value = hex(digits)?;
        let missing = u32::try_from(DIGITS.checked_sub(digits.len())?).ok()?;
        Some(Self(value << (4 * missing)))
    }

    /// As a number, to keep where only numbers can be.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The threshold that had these bits.
    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) const fn keeps(self, randomness: u64) -> bool {
        randomness >= self.0
    }

    /// How many traces each kept one stands for. Zero for a threshold that keeps nothing.
    #[expect(clippy::cast_precision_loss, reason = "weights are doubles")]
    pub(crate) fn adjusted_count(self) -> f64 {
        if self.0 >= RANDOMNESS { 0.0 } else { RANDOMNESS as f64 / (RANDOMNESS - self.0) as f64 }
    }
}

/// As in `tracestate`: trailing zeros cut, at least one digit.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:014x}", self.0);
        let cut = digits.trim_end_matches('0');
        f.write_str(if cut.is_empty() { "0" } else { cut })
    }
}

/// The random bits of a trace id: its last 56, as W3C Trace Context level 2 has them.
#[inline]
pub(crate) fn randomness_of(trace_id: &[u8; 16]) -> u64 {
    let [.., last_8] = trace_id.as_chunks::<8>().0 else { return 0 };
    u64::from_be_bytes(*last_8) & (RANDOMNESS - 1)
}

/// Reads the 14 hexadecimal digits behind `rv:`.
pub(super) fn explicit_randomness(digits: &str) -> Option<u64> {
    if digits.len() == DIGITS { hex(digits) } else { None }
}

/// 1 to 14 lowercase hexadecimal digits.
fn hex(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty()
        && digits.len() <= DIGITS
        && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if valid { u64::from_str_radix(digits, 16).ok() } else { None }
}
