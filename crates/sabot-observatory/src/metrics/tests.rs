//! Rates and percentiles between two readings, on a clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::ManualClock;
use sabot_telemetry::{MetricDesc, MetricKind, Registry};

use super::{MetricReading, MetricsHistory};

fn history() -> (Arc<ManualClock>, Registry, MetricsHistory) {
    let (clock, registry) = (Arc::new(ManualClock::default()), Registry::new());
    let history = MetricsHistory::new(Arc::<ManualClock>::clone(&clock), registry.clone());
    (clock, registry, history)
}

fn only(history: &MetricsHistory) -> MetricReading {
    let mut metrics = history.report(None).metrics;
    assert_eq!(metrics.len(), 1);
    metrics.remove(0)
}

fn close(left: Option<f64>, right: f64) -> bool {
    left.is_some_and(|left| (left - right).abs() < 1e-9)
}

#[test]
fn rates_are_of_the_last_seconds() {
    let (clock, registry, history) = history();
    let total = registry.counter(&MetricDesc::new("sales_total", MetricKind::Counter, "Sales."), &[]);
    total.add(1_000);
    assert_eq!(only(&history).rate, None, "no time has passed");
    clock.advance(Duration::from_secs(10));
    assert!(close(only(&history).rate, 100.0));
    for _ in 0..20 {
        total.add(5);
        clock.advance(Duration::from_secs(1));
        history.tick();
    }
    let now = only(&history);
    assert!(close(now.rate, 5.0), "{:?}", now.rate);
    assert_eq!((now.component.as_str(), now.kind, now.unit.as_str()), ("business", "counter", "count"));
    assert_eq!(history.readings().len(), super::MAX_READINGS);
}

#[test]
fn percentiles_are_of_what_came_lately_or_of_all() {
    let (clock, registry, history) = history();
    let desc = MetricDesc::new("sabot_commit_duration_seconds", MetricKind::Histogram, "…").with_buckets([1.0, 2.0]);
    let seconds = registry.histogram(&desc, &[]);
    (0..100).for_each(|_| seconds.observe(0.5));
    clock.advance(Duration::from_secs(6));
    history.tick();
    (0..10).for_each(|_| seconds.observe(1.5));
    clock.advance(Duration::from_secs(5));
    let lately = only(&history);
    assert!(close(lately.p50, 1.5), "{:?}", lately.p50);
    assert!(close(lately.rate, 2.0) && close(Some(lately.value), 110.0));
    assert_eq!((lately.component.as_str(), lately.unit.as_str()), ("stream", "seconds"));

    clock.advance(Duration::from_secs(5));
    let idle = only(&history);
    assert!(close(idle.p50, 0.55) && close(idle.rate, 0.0), "{:?} {:?}", idle.p50, idle.rate);
}

#[test]
fn components_can_be_chosen_and_gauges_have_no_rate() {
    let (clock, registry, history) = history();
    let memory = MetricDesc::new("sabot_memory_usage_bytes", MetricKind::Gauge, "Memory.");
    registry.gauge(&memory, &[]).set(7.0);
    let sales = MetricDesc::new("sales_total", MetricKind::Counter, "Sales.").with_labels(["shop"]);
    registry.counter(&sales, &["a\"b"]).inc();
    clock.advance(Duration::from_secs(1));
    let process = history.report(Some("process")).metrics;
    assert_eq!(
        process.iter().map(|m| (m.name.as_str(), m.rate, m.p50)).collect::<Vec<_>>(),
        [("sabot_memory_usage_bytes", None, None)]
    );
    let business = serde_json::to_value(history.report(Some("business"))).expect("json");
    let wanted = serde_json::json!([{"name": "sales_total", "component": "business", "type": "counter", "unit": "count",
        "labels": {"shop": "a\"b"}, "value": 1.0, "rate": 1.0, "p50": null, "p95": null, "p99": null}]);
    assert_eq!(business["metrics"], wanted);
    assert_eq!(business["timestamp"], "1970-01-01T00:00:01Z");
}
