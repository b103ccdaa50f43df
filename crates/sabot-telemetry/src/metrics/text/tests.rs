//! The golden files beside this one were read by the strict parsers of Prometheus' Python client.

use expect_test::expect_file;

use super::{Format, strict};
use crate::{
    InstrumentDesc, InstrumentKind, MetricDesc, MetricKind, MetricsRecorder, Registry, Resource, Scope, TraceContext,
};

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
    registry.histogram(&rows.with_unit("1"), &[]).observe(8192.0);
    let found = MetricDesc::new("sabot_found_total", MetricKind::Counter, "With an exemplar.");
    registry.counter(&found, &[]).add_at(3, context, 1_700_000_002_000_000_000);
    record_open(&registry);
    registry
}

/// Metrics whose series have labels of their own.
fn record_open(registry: &Registry) {
    let wait = InstrumentDesc::new("processor.wait", InstrumentKind::Histogram).with_unit("s").with_buckets([0.5]);
    registry.describe(wait.with_description("Time waited.\nBy stage."));
    registry.describe(InstrumentDesc::new("processor.use", InstrumentKind::Gauge).with_unit("1"));
    let recorder = MetricsRecorder::new(registry);
    let scope = Scope { name: "orders".into(), version: Some("1.0".into()) };
    recorder.record_histogram_with("processor.wait", 0.25, &[("stage", "read \"all\"")]);
    recorder.clone().with_scope(scope).record_histogram_with("processor.wait", 0.75, &[("partition.id", 7)]);
    recorder.record_gauge("processor.use", 0.5);
    for user in 0..5 {
        recorder.record_counter_with("processor.events.processed", 1, &[("user.id", user)]);
    }
    recorder.record_counter("processor.events.processed", 10);
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

#[test]
fn both_formats_are_what_a_strict_reader_takes() {
    let registry = registry();
    let mut resource = Resource::of_service("shop \"one\"");
    resource.attributes = vec![("host.name".into(), "größe\n".into())];
    registry.set_target(&resource);
    strict::check(&registry.prometheus_text(), Format::Prometheus);
    strict::check(&registry.openmetrics_text(), Format::OpenMetrics);
}

/// Business metrics are named, labelled and filled by users.
#[test]
fn whatever_users_write_the_formats_stay_valid() {
    let registry = Registry::with_series_cap(20);
    let hostile =
        ["", "2nd", "a b", "größe", "a{b=\"c\"} 1\n# EOF", "le", "__name__", "x_total", "x", "x_count", "\\", "\""];
    for (number, name) in hostile.into_iter().enumerate() {
        for (kind, more) in
            [(MetricKind::Counter, "total"), (MetricKind::Gauge, ""), (MetricKind::Histogram, "seconds")]
        {
            let desc = MetricDesc::new(format!("{name}{more}"), kind, format!("{name}\n\"help\" \\"))
                .with_unit(hostile[(number + 1) % hostile.len()])
                .with_labels([name, "le", name]);
            let values = [name, "\r\n\\n\"", "}"];
            match kind {
                MetricKind::Counter => registry.counter(&desc, &values).add_f64(1e21),
                MetricKind::Gauge => registry.gauge(&desc, &values).set(-1e300),
                MetricKind::Histogram => {
                    let context = TraceContext { trace_id: [0xff; 16], span_id: [0xff; 8], flags: 1 };
                    registry.histogram(&desc, &values).observe_at(1e-9, context, u64::MAX);
                }
            }
        }
    }
    let recorder = MetricsRecorder::new(&registry);
    for (number, name) in hostile.into_iter().enumerate() {
        let unit = hostile[(number + 1) % hostile.len()];
        registry.describe(InstrumentDesc::new(format!("open.{name}"), InstrumentKind::Counter).with_unit(unit));
        let attributes = [(name, "\r\n\\n\""), ("a.b", "x"), ("a_b", "y"), ("otel_metric_overflow", name)];
        recorder.record_counter_with(&format!("open.{name}"), 1, &attributes);
        recorder.record_gauge_with(name, 1.0, &attributes);
        recorder.record_histogram_with(&format!("{name}.size"), 1.0, &attributes);
    }
    strict::check(&registry.prometheus_text(), Format::Prometheus);
    strict::check(&registry.openmetrics_text(), Format::OpenMetrics);
    assert!(registry.snapshot().len() > 45, "most of them are there");
}
