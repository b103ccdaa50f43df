//! Names are as the contract says, and the page about them is up to date.

use std::collections::BTreeSet;
use std::fmt::Write;

use expect_test::expect_file;

use super::{ALL_METRICS, Metric, MetricKind, Unit};

#[test]
fn names_are_unique_and_carry_their_unit() {
    let names: BTreeSet<_> = ALL_METRICS.iter().map(|m| m.name).collect();
    assert_eq!(names.len(), ALL_METRICS.len());
    for metric in ALL_METRICS {
        let base = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        assert_eq!(metric.kind == MetricKind::Counter, base != metric.name, "{}", metric.name);
        let suffix = match metric.unit {
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::Ratio => "_ratio",
            Unit::Count => "",
        };
        assert!(base.ends_with(suffix), "{}", metric.name);
    }
}

const HEAD: &str = "\
# Metrics

Generated from `crates/sabot-common/src/registry.rs`, where every metric is declared; a test fails when this page is out of date.
`GET /metrics` exports them as Prometheus or OpenMetrics text, and `GET /api/v1/telemetry/metrics` as JSON with rates and percentiles.
Series of an agent, those of the metrics it declares itself included, go when the agent is deleted.
";

fn row(page: &mut String, metric: &Metric) {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help).expect("text");
}

#[test]
fn the_page_is_up_to_date() {
    let mut page = HEAD.to_owned();
    let mut components: Vec<&str> = ALL_METRICS.iter().map(|metric| metric.component).collect();
    components.dedup();
    for component in components {
        let (first, rest) = component.split_at(1);
        let title = first.to_uppercase() + rest;
        write!(page, "\n## {title}\n\n| metric | kind | labels | what it says |\n|---|---|---|---|\n").expect("text");
        for metric in ALL_METRICS.iter().filter(|metric| metric.component == component) {
            row(&mut page, metric);
        }
    }
    expect_file!["../../../../docs/metrics.md"].assert_eq(&page);
}
