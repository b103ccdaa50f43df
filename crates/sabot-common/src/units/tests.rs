//! Quantities read and written as people do.

use std::time::Duration;

use proptest::prelude::{any, prop_assert_eq, proptest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Size, Span, Speed, exact_duration, exact_size, format_count, format_duration, format_size};
use super::{parse_duration, parse_size};

#[test]
fn durations_read_in_every_unit_and_sum() {
    let cases = [("100ms", 100), ("20s", 20_000), ("1h30m", 5_400_000), ("1.5s", 1_500), ("7d", 604_800_000), ("0", 0)];
    for (text, millis) in cases {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "5", "h", "-1s", "1x", "99999999999999999999h", "1e400d"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_know_both_thousands() {
    assert_eq!(parse_size("32MiB"), Ok(32 << 20));
    assert_eq!(parse_size("500mb"), Ok(500_000_000));
    assert!(parse_size("32").is_err());
}

#[test]
fn quantities_are_written_short() {
    assert_eq!(format_duration(Duration::from_micros(1_500)), "1.5ms");
    assert_eq!(format_duration(Duration::from_mins(90)), "1h 30m");
    assert_eq!(format_size(1_536), "1.5 KiB");
    assert_eq!(format_count(336_776), "336,776");
    assert_eq!(format_count(12), "12");
}

#[test]
fn speeds_have_three_spellings() {
    assert_eq!("max".parse(), Ok(Speed::Max));
    assert_eq!("3600x".parse(), Ok(Speed::Times(3600.0)));
    assert_eq!("20s".parse(), Ok(Speed::Over(Duration::from_secs(20))));
    for text in ["0x", "-2x", "infx", "0s", "fast"] {
        assert!(text.parse::<Speed>().is_err(), "{text}");
    }
}

#[test]
fn what_is_stored_keeps_its_meaning() {
    for (written, stored) in [
        ("25h30m", "1d1h30m"),
        ("1234ms", "1s234ms"),
        ("2w", "14d"),
        ("0", "0s"),
        ("1.5us", "1us500ns"),
        ("90m", "1h30m"),
    ] {
        assert_eq!(exact_duration(parse_duration(written).unwrap()), stored);
    }
    for (written, stored) in [
        ("1500MB", "1500MB"),
        ("32MiB", "32MiB"),
        ("1537b", "1537B"),
        ("1024GiB", "1TiB"),
        ("1000kb", "1MB"),
        ("0B", "0B"),
    ] {
        assert_eq!(exact_size(parse_size(written).unwrap()), stored);
    }
    assert_eq!(stored(&Speed::Over(Duration::from_mins(1_530))), "\"1d1h30m\"");
}

fn stored(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn reread<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&stored(value)).unwrap()
}

proptest! {
    #[test]
    fn stored_quantities_read_back_the_same(number in any::<u64>(), shift in 0_u32..64, scale in 1_u64..2_000) {
        // Small, large and round ones.
        for number in [number >> shift, (number >> shift).saturating_mul(scale), scale << (shift % 50)] {
            let span = Span(Duration::from_nanos(number));
            prop_assert_eq!(reread(&span), span);
            prop_assert_eq!(reread(&Size(number)), Size(number));
            if number > 0 {
                prop_assert_eq!(reread(&Speed::Over(span.0)), Speed::Over(span.0));
            }
        }
    }

    #[test]
    fn stored_speeds_read_back_the_same(times in 1e-9_f64..1e18) {
        prop_assert_eq!(reread(&Speed::Times(times)), Speed::Times(times));
    }
}
