//! The golden files beside this one were read by the strict parsers of Prometheus' Python client.

use expect_test::expect_file;

use crate::{MetricDesc, MetricKind, Registry, TraceContext};

/// One metric of each kind, every character that needs escaping, an exemplar, a series above the cap.
fn registry() -> Registry {
    let registry = Registry::with_series_cap(3);
    let events =
        MetricDesc::new("sabot_events_total", MetricKind::Counter, "Events, \"all\" of them:\\n is a\nline feed.")
            .with_labels(["stream", "path"]);
    registry.counter(&events, &["orders", "C:\\data\\new"]).add(1_234_567);
    registry.counter(&events, &["quote\"d", "two\nlines"]).add_f64(0.25);
    registry.counter(&events, &["größe, {x=\"1\"} # 7", ""]).inc();
    registry.counter(&events, &["one", "too many"]).add(9);

    let waited = MetricDesc::new("sabot_wait_seconds_total", MetricKind::Counter, "Time waited.").with_unit("seconds");
    registry.counter(&waited, &[]).add_f64(1.5);

    let gauge = |name, unit| MetricDesc::new(name, MetricKind::Gauge, "A level.").with_unit(unit).with_labels(["of"]);
    for (of, value) in [("least", -1.5e-9), ("most", f64::INFINITY), ("none", f64::NAN)] {
        registry.gauge(&gauge("sabot_memory_bytes", "bytes"), &[of]).set(value);
    }
    registry.gauge(&gauge("sabot_unit_is_elsewhere", "ratio"), &["all"]).set(0.5);

    let seconds = MetricDesc::new("sabot_batch_duration_seconds", MetricKind::Histogram, "Time per batch.")
        .with_unit("seconds")
        .with_labels(["agent"])
        .with_buckets([0.0005, 1.0, 2.5]);
    let histogram = registry.histogram(&seconds, &["totals"]);
    let context = TraceContext { trace_id: [0x4b; 16], span_id: [0xf0; 8], flags: 1 };
    histogram.observe_at(0.25, context, 1_700_000_000_123_999_999);
    histogram.observe_at(40.0, context, 1_700_000_001_000_000_000);
    histogram.observe(0.000_25);
    let rows = MetricDesc::new("sabot_batch_rows", MetricKind::Histogram, "Rows per batch.").with_buckets([4096.0]);
    registry.histogram(&rows, &[]).observe(8192.0);
    registry
}

#[test]
fn prometheus_text() {
    expect_file!["golden/prometheus.txt"].assert_eq(&registry().prometheus_text());
}

#[test]
fn openmetrics_text() {
    expect_file!["golden/openmetrics.txt"].assert_eq(&registry().openmetrics_text());
}

#[test]
fn an_empty_registry_is_valid_in_both_formats() {
    assert_eq!(Registry::new().prometheus_text(), "");
    assert_eq!(Registry::new().openmetrics_text(), "# EOF\n");
}
