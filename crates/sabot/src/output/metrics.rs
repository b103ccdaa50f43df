//! Metrics as a table: every value in the unit it is measured in.

use serde_json::Value;

use super::format::{bytes, decimal, rate, seconds, whole};
use super::{Cell, Grid, Style, Tone};

/// One line per series; nothing at all without series.
pub(crate) fn metrics_table(metrics: &[Value], style: Style) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let header = [("NAME", false), ("LABELS", false), ("VALUE", true), ("RATE", true)];
    let percentiles = [("P50", true), ("P95", true), ("P99", true)];
    let mut grid = Grid::new(header.into_iter().chain(percentiles), style);
    for metric in metrics {
        let unit = Unit::of(metric);
        // A histogram's value is its number of observations, whatever unit the observations have.
        let value_unit = if text_of(metric, "type") == "histogram" { Unit::Count } else { unit };
        let percentile = |key: &str| cell(metric.get(key), |value| unit.show(value));
        grid.row([
            Cell::plain(text_of(metric, "name")),
            labels(metric.get("labels")),
            cell(metric.get("value"), |value| value_unit.show(value)),
            cell(metric.get("rate"), |value| format!("{}/s", value_unit.show_rate(value))),
            percentile("p50"),
            percentile("p95"),
            percentile("p99"),
        ]);
    }
    grid.render()
}

/// What a metric is measured in.
#[derive(Clone, Copy)]
enum Unit {
    Count,
    Seconds,
    Bytes,
    Ratio,
}

impl Unit {
    /// By the unit's name, in words or in UCUM.
    fn of(metric: &Value) -> Self {
        match text_of(metric, "unit") {
            "seconds" | "s" => Self::Seconds,
            "bytes" | "By" => Self::Bytes,
            "ratio" => Self::Ratio,
            _ => Self::Count,
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => seconds(value),
            Self::Bytes => bytes(value),
            Self::Ratio => format!("{}%", decimal(value * 100.0)),
            Self::Count if value.fract() == 0.0 => whole(value),
            Self::Count => decimal(value),
        }
    }

    fn show_rate(self, value: f64) -> String {
        if matches!(self, Self::Count) { rate(value) } else { self.show(value) }
    }
}

fn text_of<'a>(metric: &'a Value, key: &str) -> &'a str {
    metric.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn cell(value: Option<&Value>, show: impl Fn(f64) -> String) -> Cell {
    value.and_then(Value::as_f64).map_or_else(|| Cell::toned(Tone::Dim, "-"), |value| Cell::plain(show(value)))
}

/// `agent=hourly-delays,stream=flights`.
fn labels(labels: Option<&Value>) -> Cell {
    let pairs: Vec<String> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    if pairs.is_empty() { Cell::toned(Tone::Dim, "-") } else { Cell::plain(pairs.join(",")) }
}
