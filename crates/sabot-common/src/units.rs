//! Durations, byte sizes, counts and replay speeds as people write and read them.
//!
//! There are two ways to write a quantity. `format_*` is for people and rounds; `exact_*` is for files and stored
//! configurations, and what it writes reads back as the same value.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not a quantity of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a {kind}; write it like {example}")]
pub struct InvalidQuantity {
    /// What was given.
    pub text: String,
    /// The kind of quantity that was expected.
    pub kind: &'static str,
    /// Valid spellings.
    pub example: &'static str,
}

/// Largest first.
const DURATION_UNITS: [(&str, u64); 9] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Largest first.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `100ms`, `24h`, `1h30m`, `7d`, `1.5s`, `0`.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidQuantity> {
    let invalid =
        || InvalidQuantity { text: text.to_owned(), kind: "duration", example: "100ms, 20s, 24h, 1h30m or 7d" };
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    sum_of_parts(text, &DURATION_UNITS, str::eq).map(Duration::from_nanos).ok_or_else(invalid)
}

/// Reads `32MiB`, `1GiB`, `500MB`, `4096B`.
pub fn parse_size(text: &str) -> Result<u64, InvalidQuantity> {
    let invalid = || InvalidQuantity { text: text.to_owned(), kind: "size", example: "64KiB, 32MiB or 1GiB" };
    sum_of_parts(text, &SIZE_UNITS, str::eq_ignore_ascii_case).ok_or_else(invalid)
}

fn sum_of_parts(text: &str, units: &[(&str, u64)], is: impl Fn(&str, &str) -> bool) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_len);
        let tail = tail.trim_start();
        let unit_len = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_len);
        let (_, scale) = units.iter().find(|(name, _)| is(unit, name))?;
        total = total.checked_add(scaled(number, *scale)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "range is checked first"
)]
fn scaled(number: &str, scale: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let value = number.parse::<f64>().ok()? * scale as f64;
    (value < 9.0e18).then_some(value as u64)
}

/// `1d1h30m`, `1s234ms`: every unit needed, so that [`parse_duration`] reads back the same duration.
pub fn exact_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let mut rest = duration.as_nanos();
    // A week is written as its days, and a minute as `m`.
    let units = DURATION_UNITS.iter().filter(|(unit, _)| !matches!(*unit, "w" | "min"));
    let parts = units.filter_map(|(unit, nanos)| {
        let count = rest / u128::from(*nanos);
        rest %= u128::from(*nanos);
        (count > 0).then(|| format!("{count}{unit}"))
    });
    parts.collect()
}

/// `32MiB`, `1500MB`, `1537B`: in the largest unit that divides evenly, so that [`parse_size`] reads back the same size.
pub fn exact_size(bytes: u64) -> String {
    let unit = SIZE_UNITS.iter().find(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale));
    unit.map_or_else(|| format!("{bytes}B"), |(unit, scale)| format!("{}{unit}", bytes / scale))
}

/// `1h 30m`, `20s`, `1.5ms`: at most two units, for people.
pub fn format_duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    let pair = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit} {small}{small_unit}") }
    };
    match secs {
        0 => {
            let micros = duration.as_secs_f64() * 1e6;
            if micros == 0.0 {
                "0s".to_owned()
            } else if micros < 1_000.0 {
                format!("{}us", round(micros))
            } else {
                format!("{}ms", round(micros / 1e3))
            }
        }
        1..60 => format!("{}s", round(duration.as_secs_f64())),
        60..3_600 => pair(secs / 60, "m", secs % 60, "s"),
        3_600..86_400 => pair(secs / 3_600, "h", secs % 3_600 / 60, "m"),
        _ => pair(secs / 86_400, "d", secs % 86_400 / 3_600, "h"),
    }
}

/// `1.2 MiB`.
#[expect(clippy::cast_precision_loss, reason = "for people, to three digits")]
pub fn format_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1_024.0 {
            return format!("{} {unit}", round(value));
        }
        value /= 1_024.0;
    }
    format!("{} TiB", round(value))
}

/// `336,776`.
pub fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn round(value: f64) -> String {
    let text = if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A duration that reads and writes as text in project files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// Whole microseconds, the unit of event time.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(Span).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&exact_duration(self.0))
    }
}

/// A byte size that reads and writes as text in project files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_size(self.0))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_size(&text).map(Size).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&exact_size(self.0))
    }
}

/// How fast a bounded source replays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Speed {
    /// As fast as the agents behind it keep up.
    #[default]
    Max,
    /// This many times real time, by the source's order column.
    Times(f64),
    /// The whole source spread over this time.
    Over(Duration),
}

impl std::str::FromStr for Speed {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let invalid = || InvalidQuantity { text: text.to_owned(), kind: "speed", example: "max, 3600x or 20s" };
        let text_trimmed = text.trim();
        if text_trimmed == "max" {
            return Ok(Self::Max);
        }
        if let Some(times) = text_trimmed.strip_suffix('x') {
            return times.parse().ok().filter(|t: &f64| t.is_finite() && *t > 0.0).map(Self::Times).ok_or_else(invalid);
        }
        parse_duration(text_trimmed).ok().filter(|over| !over.is_zero()).map(Self::Over).ok_or_else(invalid)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(times) => write!(f, "{times}x"),
            Self::Over(over) => f.write_str(&format_duration(*over)),
        }
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Speed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Over(over) => serializer.serialize_str(&exact_duration(*over)),
            Self::Max | Self::Times(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests;
