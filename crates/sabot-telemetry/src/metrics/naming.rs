//! OpenTelemetry's names and units as Prometheus writes them.
//!
//! The translation of the specification (compatibility/prometheus_and_openmetrics): what is no letter or digit becomes
//! one `_`, the unit is spelled out at the end unless the name holds it, and a counter ends in `_total`.

use super::InstrumentKind;

/// Prometheus' name of a metric, and its unit there.
pub(super) fn prometheus_name(name: &str, unit: &str, kind: InstrumentKind) -> (String, String) {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut words: Vec<&str> = name.split(|c| !is_valid(c)).filter(|word| !word.is_empty()).collect();
    if kind == InstrumentKind::Counter {
        words.retain(|word| *word != "total");
    }
    let (main, per) = unit_words(unit, kind);
    let spelled = match (main.is_empty(), per.is_empty()) {
        (_, true) => main.clone(),
        (true, false) => format!("per_{per}"),
        (false, false) => format!("{main}_per_{per}"),
    };
    if !ends_with(&words, &spelled) {
        if !main.is_empty() && !words.contains(&main.as_str()) {
            words.push(&main);
        }
        if !per.is_empty() && !words.contains(&per.as_str()) {
            words.extend(["per", per.as_str()]);
        }
    }
    if kind == InstrumentKind::Counter {
        words.push("total");
    }
    (words.join("_"), spelled)
}

fn ends_with(words: &[&str], unit: &str) -> bool {
    let unit: Vec<&str> = unit.split('_').collect();
    words.ends_with(&unit)
}

/// A unit before and after its `/`, spelled out.
fn unit_words(unit: &str, kind: InstrumentKind) -> (String, String) {
    match unit.split_once('/') {
        Some((main, per)) => (spell(main, kind), spell_per(per)),
        None => (spell(unit, kind), String::new()),
    }
}

fn spell(unit: &str, kind: InstrumentKind) -> String {
    let spelled = match unit.trim() {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" | "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => match kind {
            InstrumentKind::Gauge => "ratio",
            InstrumentKind::Counter | InstrumentKind::UpDownCounter | InstrumentKind::Histogram => "",
        },
        other => return plain(other),
    };
    spelled.to_owned()
}

fn spell_per(unit: &str) -> String {
    let spelled = match unit.trim() {
        "s" => "second",
        "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        "m" => "meter",
        other => return plain(other),
    };
    spelled.to_owned()
}

/// A unit nobody knows, as far as a name can hold it. What stands in braces is a remark.
fn plain(unit: &str) -> String {
    let mut depth = 0_u32;
    let said = unit.chars().filter(|c| {
        depth += u32::from(*c == '{');
        let outside = depth == 0;
        depth = depth.saturating_sub(u32::from(*c == '}'));
        outside
    });
    let said: String = said.collect();
    let words: Vec<&str> = said.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::prometheus_name;
    use crate::InstrumentKind::{self, Counter, Gauge, Histogram, UpDownCounter};

    fn check(name: &str, unit: &str, kind: InstrumentKind, expected: (&str, &str)) {
        let (name, unit) = prometheus_name(name, unit, kind);
        assert_eq!((name.as_str(), unit.as_str()), expected);
    }

    #[test]
    fn names_follow_the_specification() {
        check("processor.events.processed", "{event}", Counter, ("processor_events_processed_total", ""));
        check("http.server.request.duration", "s", Histogram, ("http_server_request_duration_seconds", "seconds"));
        check("lag.seconds", "s", Gauge, ("lag_seconds", "seconds"));
        check("disk.io", "By", Counter, ("disk_io_bytes_total", "bytes"));
        check("disk.bytes.read", "By", Counter, ("disk_bytes_read_total", "bytes"));
        check("cpu.utilization", "1", Gauge, ("cpu_utilization_ratio", "ratio"));
        check("pool.size", "1", UpDownCounter, ("pool_size", ""));
        check("speed", "m/s", Gauge, ("speed_meters_per_second", "meters_per_second"));
        check("rate", "{request}/s", Gauge, ("rate_per_second", "per_second"));
        check("requests.total", "", Counter, ("requests_total", ""));
        check("total.wait", "s", Counter, ("wait_seconds_total", "seconds"));
        check("a..b--c//d", "", Gauge, ("a_b_c_d", ""));
        check("used.floor.space", "floor_space", Gauge, ("used_floor_space", "floor_space"));
        check("cost", "USD", Counter, ("cost_USD_total", "USD"));
        check("cost", "k{of all}USD/h", Counter, ("cost_kUSD_per_hour_total", "kUSD_per_hour"));
    }
}
