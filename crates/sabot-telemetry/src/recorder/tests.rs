//! By name: what is cached, what is refused, what the text looks like.

use opentelemetry::KeyValue;

use crate::{InstrumentDesc, InstrumentKind, MetricDesc, MetricKind, MetricsRecorder, Registry, Scope};

fn line(registry: &Registry, start: &str) -> String {
    let text = registry.prometheus_text();
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {text}")).to_owned()
}

#[test]
fn each_kind_does_what_it_is_called() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    for value in [1_u32, 2, 3] {
        recorder.record_counter("events", value.into());
        recorder.record_amount_with("cost", f64::from(value) / 2.0, &[("model", "small")]);
        recorder.record_gauge("level", value.into());
        recorder.record_histogram("size", value.into());
    }
    assert_eq!(line(&registry, "events_total"), "events_total 6");
    assert_eq!(line(&registry, "cost_total"), "cost_total{model=\"small\"} 3");
    assert_eq!(line(&registry, "level"), "level 3");
    assert_eq!(line(&registry, "size_sum"), "size_sum 6");
    assert_eq!(line(&registry, "size_count"), "size_count 3");
}

#[test]
fn an_observation_may_replace_the_recorders_attributes() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry).with_attribute("agent", "a").with_attribute("agent", "b");
    let other = recorder.clone().with_attribute("stage", 1);
    recorder.record_counter("events", 1);
    recorder.record_counter_with("events", 2, &[("agent", "c")]);
    other.record_counter_with("events", 4, &[KeyValue::new("late", true)]);
    let text = registry.prometheus_text();
    let expected = "events_total{agent=\"b\"} 1\nevents_total{agent=\"b\",late=\"true\",stage=\"1\"} 4\n\
                    events_total{agent=\"c\"} 2\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_name_used_as_two_kinds_is_what_it_was_first() {
    let registry = Registry::new();
    registry.counter(&MetricDesc::new("bound_total", MetricKind::Counter, ""), &[]).inc();
    let recorder = MetricsRecorder::new(&registry);
    recorder.record_counter("events", 1);
    for _ in 0..3 {
        recorder.record_gauge("events", 7.0);
        recorder.record_histogram("events", 7.0);
        recorder.record_counter("bound", 7);
    }
    assert_eq!(registry.refused(), 9);
    assert_eq!(line(&registry, "events_total"), "events_total 1");
    assert_eq!(line(&registry, "bound_total"), "bound_total 1");
    assert_eq!(registry.snapshot().len(), 2);
}

#[test]
fn a_description_given_before_is_used() {
    let registry = Registry::new();
    registry.describe(
        InstrumentDesc::new("wait", InstrumentKind::Histogram)
            .with_unit("s")
            .with_description("Time waited.")
            .with_buckets([1.0]),
    );
    let recorder = MetricsRecorder::new(&registry);
    recorder.record_histogram("wait", 0.5);
    assert_eq!(line(&registry, "# HELP wait_seconds"), "# HELP wait_seconds Time waited.");
    assert_eq!(line(&registry, "wait_seconds_bucket"), "wait_seconds_bucket{le=\"1.0\"} 1");
}

#[test]
fn names_from_outside_do_not_fill_the_memory() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    (0..3_000).for_each(|number| recorder.record_counter(&format!("name{number}"), 1));
    assert_eq!(registry.snapshot().len(), 2_000);
    assert_eq!(registry.refused(), 1_000);
    recorder.record_counter("name2999", 1);
    assert_eq!(registry.refused(), 1_001);
}

#[test]
fn a_library_says_who_it_is() {
    let registry = Registry::new();
    let scope = Scope { name: "orders".into(), version: Some("1.0".into()) };
    MetricsRecorder::new(&registry).with_scope(scope).record_counter("events", 1);
    assert_eq!(line(&registry, "events"), "events_total{otel_scope_name=\"orders\",otel_scope_version=\"1.0\"} 1");
}
