//! One value as people read it: text, the side it is aligned to, and its tone.

use std::time::Duration;

use sabot_common::units::{format_count, format_duration, format_size};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Tone;
use crate::rows::is_number;

/// What is shown where the API says nothing.
const ABSENT: &str = "-";

/// How a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// As it is; lists with commas.
    Text,
    /// A status word.
    Status,
    /// A number of things.
    Count,
    /// A number of things that should be none.
    Problems,
    /// A number per second.
    Rate,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// A share, shown as a percentage.
    Ratio,
}

/// One value, ready for a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The text, on one line and without control characters.
    pub(crate) text: String,
    /// What it means.
    pub(crate) tone: Tone,
}

impl Cell {
    /// Text without a tone.
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self { text: one_line(text.as_ref()), tone: Tone::Plain }
    }

    /// Text with a tone.
    pub(crate) fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: one_line(text.as_ref()), tone }
    }

    /// A value of the API.
    pub(crate) fn of(value: Option<&Value>, show: Show) -> Self {
        let value = value.unwrap_or(&Value::Null);
        match (show, value) {
            (_, Value::Null) => Self::toned(Tone::Dim, ABSENT),
            (Show::Status, Value::String(status)) => Self::toned(Tone::of_status(status), status),
            (Show::Problems, _) => {
                let tone = if value.as_f64() == Some(0.0) { Tone::Plain } else { Tone::Bad };
                Self::toned(tone, count(value))
            }
            (Show::Count, _) => Self::plain(count(value)),
            (Show::Text | Show::Status, _) => Self::plain(text(value)),
            (Show::Rate, _) => Self::plain(measured(value, rate)),
            (Show::Bytes, _) => Self::plain(measured(value, bytes)),
            (Show::Seconds, _) => Self::plain(measured(value, seconds)),
            (Show::Millis, _) => Self::plain(measured(value, |millis| seconds(millis / 1e3))),
            (Show::Ratio, _) => Self::plain(measured(value, |share| format!("{}%", decimal(share * 100.0)))),
        }
    }

    /// A value of a user's row: `NULL` is told apart from the empty text.
    pub(crate) fn of_data(value: Option<&RawValue>) -> Self {
        let Some(value) = value.filter(|value| value.get() != "null") else { return Self::toned(Tone::Dim, "NULL") };
        if is_number(value) {
            return Self::plain(value.get());
        }
        let parsed = serde_json::from_str::<Value>(value.get()).ok();
        let is_words = |value: &Value| match value {
            Value::String(_) => true,
            Value::Array(items) => items.iter().all(Value::is_string),
            _ => false,
        };
        // Everything else as it came: numbers in it keep their digits.
        let words = parsed.filter(is_words).map(|value| text(&value));
        Self::plain(words.unwrap_or_else(|| value.get().to_owned()))
    }
}

impl Show {
    /// Whether such values line up at their last digit.
    pub(crate) const fn is_number(self) -> bool {
        !matches!(self, Self::Text | Self::Status)
    }
}

/// `1 stream`, `2,000 streams`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    format!("{} {one}{}", format_count(count as u64), if count == 1 { "" } else { "s" })
}

/// Whether a column of this type, as Arrow or SQL names it, holds numbers.
pub(crate) fn is_numeric_type(name: &str) -> bool {
    const NUMERIC: [&str; 10] =
        ["int", "uint", "float", "double", "decimal", "numeric", "real", "bigint", "smallint", "tinyint"];
    let name = name.to_lowercase();
    !name.starts_with("interval") && NUMERIC.iter().any(|prefix| name.starts_with(prefix))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn count(value: &Value) -> String {
    value.as_u64().map_or_else(|| text(value), format_count)
}

fn measured(value: &Value, show: impl Fn(f64) -> String) -> String {
    value.as_f64().map_or_else(|| text(value), show)
}

/// `12,345` or `1.5`: events per second and the like.
pub(super) fn rate(per_second: f64) -> String {
    if per_second.abs() < 100.0 { decimal(per_second) } else { whole(per_second) }
}

/// `1.2 MiB`.
pub(super) fn bytes(bytes: f64) -> String {
    format_size(to_u64(bytes))
}

/// `1.5ms`, `2h 5m`; negative where a clock went backwards.
pub(super) fn seconds(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    Duration::try_from_secs_f64(seconds.abs())
        .map_or_else(|_| decimal(seconds), |duration| format!("{sign}{}", format_duration(duration)))
}

/// Up to three decimals, without trailing zeros; smaller values by their power of ten.
pub(super) fn decimal(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A whole number with thousands separated.
pub(super) fn whole(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", format_count(to_u64(value.abs())))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate, NaN becomes 0")]
fn to_u64(value: f64) -> u64 {
    value.round() as u64
}

/// Line breaks and other control characters escaped: a value can neither break the table nor steer the terminal.
fn one_line(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::{Cell, Show, is_numeric_type};
    use crate::output::Tone;

    fn check(value: &Value, show: Show, expected: &str) {
        assert_eq!(Cell::of(Some(value), show).text, expected, "{value} as {show:?}");
    }

    #[test]
    fn values_read_as_people_write_them() {
        check(&json!(336_776), Show::Count, "336,776");
        check(&json!(0.25), Show::Rate, "0.25");
        check(&json!(801_847.4), Show::Rate, "801,847");
        check(&json!(1_258_291), Show::Bytes, "1.2 MiB");
        check(&json!(0.0015), Show::Seconds, "1.5ms");
        check(&json!(-2.0), Show::Seconds, "-2s");
        check(&json!(12.5), Show::Millis, "12.5ms");
        check(&json!(0.125), Show::Ratio, "12.5%");
        check(&json!(0.000_008_9), Show::Ratio, "8.9e-4%");
        check(&json!(["a", "b"]), Show::Text, "a, b");
        check(&json!(null), Show::Count, "-");
        check(&json!("many"), Show::Count, "many");
    }

    #[test]
    fn problems_are_loud_only_when_there_are_some() {
        assert_eq!(Cell::of(Some(&json!(0)), Show::Problems).tone, Tone::Plain);
        assert_eq!(Cell::of(Some(&json!(2)), Show::Problems).tone, Tone::Bad);
    }

    #[test]
    fn a_value_cannot_break_a_table_or_steer_the_terminal() {
        let data = |json: &str| {
            let value: Box<RawValue> = serde_json::from_str(json).expect(json);
            Cell::of_data(Some(&value)).text
        };
        assert_eq!(data("\"a\\nb\\u001b[31m\""), "a\\nb\\u{1b}[31m");
        assert_eq!(Cell::of_data(None).text, "NULL");
        assert_eq!((data("\"\"").as_str(), data("null").as_str(), data("1.00").as_str()), ("", "NULL", "1.00"));
        assert_eq!(data("[1.00]"), "[1.00]");
    }

    #[test]
    fn types_that_hold_numbers_are_known_by_name() {
        for numeric in ["Int64", "UInt8", "Float64", "Decimal128(10, 2)", "BIGINT", "double precision"] {
            assert!(is_numeric_type(numeric), "{numeric}");
        }
        for other in ["Utf8", "Timestamp(Microsecond, None)", "Interval(MonthDayNano)", "Boolean", "Date32"] {
            assert!(!is_numeric_type(other), "{other}");
        }
    }
}
