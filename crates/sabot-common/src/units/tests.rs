//! Quantities read and written as people do.

use std::time::Duration;

use super::{Speed, format_count, format_duration, format_size, parse_duration, parse_size};

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
