//! Binding, caps and concurrent adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{COUNT_BUCKETS, MetricDesc, MetricKind, OVERFLOW_LABEL_VALUE, Registry, SECONDS_BUCKETS, TraceContext};

const SAMPLED: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], flags: 1 };

fn counter(name: &'static str) -> MetricDesc {
    MetricDesc::new(name, MetricKind::Counter, "For a test.").with_labels(["agent"])
}

fn histogram(bounds: &[f64]) -> MetricDesc {
    MetricDesc::new("size", MetricKind::Histogram, "For a test.").with_buckets(bounds.iter().copied())
}

fn values(registry: &Registry) -> Vec<(String, f64)> {
    let label = |labels: Vec<(String, String)>| labels.into_iter().map(|(_, value)| value).collect();
    registry.snapshot().into_iter().map(|sample| (label(sample.labels), sample.value)).collect()
}

#[test]
fn handles_with_the_same_labels_share_a_series() {
    let registry = Registry::new();
    let clone = registry.clone();
    let desc = counter("events_total");
    registry.counter(&desc, &["b"]).add(2);
    clone.counter(&desc, &["b"]).add_f64(0.5);
    clone.counter(&desc, &["a"]).inc();
    assert_eq!(values(&registry), [("a".to_owned(), 1.0), ("b".to_owned(), 2.5)]);
}

#[test]
fn a_counter_only_grows() {
    let registry = Registry::new();
    let total = registry.counter(&counter("events_total"), &["a"]);
    total.raise_to(10);
    total.raise_to(3);
    for ignored in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
        total.add_f64(ignored);
    }
    assert_eq!(values(&registry), [("a".to_owned(), 10.0)]);
}

#[test]
fn series_above_the_cap_fold_into_one_and_are_counted() {
    let registry = Registry::with_series_cap(2);
    let desc = counter("events_total");
    for agent in ["a", "b", "c", "d", "a"] {
        registry.counter(&desc, &[agent]).inc();
    }
    let expected = [(OVERFLOW_LABEL_VALUE, 2.0), ("a", 2.0), ("b", 1.0)];
    assert_eq!(values(&registry), expected.map(|(label, value)| (label.to_owned(), value)));
    assert_eq!(registry.folded(), 2);

    registry.counter(&counter("other_total"), &["c"]).inc();
    assert_eq!(registry.folded(), 2, "the cap is per metric");

    assert!(registry.remove(&desc, &["a"]));
    registry.counter(&desc, &["e"]).inc();
    assert_eq!(registry.folded(), 2, "a removed series makes room");
}

#[test]
fn a_removed_series_is_gone_until_bound_again() {
    let registry = Registry::new();
    let desc = counter("events_total");
    let before = registry.counter(&desc, &["a"]);
    before.add(5);
    assert!(registry.remove(&desc, &["a"]));
    assert!(!registry.remove(&desc, &["a"]));
    before.inc();
    assert_eq!(registry.prometheus_text(), "", "no metadata without series");
    registry.counter(&desc, &["a"]).inc();
    assert_eq!(values(&registry), [("a".to_owned(), 1.0)]);
}

#[test]
fn what_contradicts_a_description_is_not_exported() {
    let registry = Registry::new();
    let desc = counter("events_total");
    registry.counter(&desc, &["a"]).inc();

    registry.counter(&desc, &["a", "b"]).inc();
    registry.gauge(&desc, &["a"]).set(7.0);
    registry.histogram(&desc, &["a"]).observe(7.0);
    registry.counter(&desc.clone().with_labels(["stream"]), &["s"]).inc();
    // The same family in OpenMetrics, where a counter's metadata name has no _total.
    registry.gauge(&MetricDesc::new("events", MetricKind::Gauge, ""), &[]).set(7.0);
    assert!(!registry.remove(&desc.with_labels(["stream"]), &["a"]));

    assert_eq!(values(&registry), [("a".to_owned(), 1.0)]);
}

#[test]
fn a_bucket_includes_its_bound() {
    let registry = Registry::new();
    let desc = histogram(&[1.0, 2.0, 4.0]);
    let size = registry.histogram(&desc, &[]);
    for value in [-1.0, 0.0, 1.0, 1.000_001, 2.0, 4.0, 4.5, 1e300] {
        size.observe(value);
    }
    for ignored in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        size.observe(ignored);
    }
    let buckets: Vec<_> = size.buckets().iter().map(|bucket| (bucket.le, bucket.count)).collect();
    assert_eq!(buckets, [(1.0, 3), (2.0, 5), (4.0, 6), (f64::INFINITY, 8)]);
    assert!(size.sum() > 9e299);
}

#[test]
fn an_exemplar_is_the_newest_of_its_bucket_and_points_at_a_stored_trace() {
    let registry = Registry::new();
    let size = registry.histogram(&histogram(&[1.0, 2.0]), &[]);
    let newer = TraceContext { span_id: [1; 8], ..SAMPLED };
    size.observe_with_exemplar(0.5, SAMPLED);
    size.observe_with_exemplar(0.7, newer);
    size.observe_with_exemplar(0.9, SAMPLED.unsampled());
    size.observe_with_exemplar(0.9, TraceContext::default());
    size.observe_with_exemplar(3.0, SAMPLED);
    size.observe_with_exemplar(f64::NAN, newer);

    let [first, second, last] = size.buckets()[..] else { panic!("three buckets") };
    assert_eq!((first.count, second.count, last.count), (4, 4, 5));
    let exemplar = first.exemplar.unwrap();
    assert_eq!((exemplar.value, exemplar.context), (0.7, newer));
    assert!(exemplar.at_unix_nano > 1_700_000_000_000_000_000);
    assert_eq!(second.exemplar, None);
    assert_eq!(last.exemplar.unwrap().context, SAMPLED);
}

#[test]
fn buckets_follow_the_unit_unless_given() {
    let bounds = |desc: MetricDesc| desc.bounds().to_vec();
    let desc = MetricDesc::new("d", MetricKind::Histogram, "");
    assert_eq!(bounds(desc.clone().with_unit("seconds")), SECONDS_BUCKETS);
    assert_eq!(bounds(desc.clone()), COUNT_BUCKETS);
    assert_eq!(bounds(desc.with_buckets([5.0, f64::NAN, 1.0, 5.0, f64::INFINITY])), [1.0, 5.0]);
}

#[test]
fn names_given_by_users_are_made_valid() {
    let name = |name: &'static str| MetricDesc::new(name, MetricKind::Gauge, "").name().to_owned();
    assert_eq!(name("processor.latency ms"), "processor_latency_ms");
    assert_eq!(name("2nd"), "_2nd");
    assert_eq!(name(""), "_");
    assert_eq!(name("größe"), "gr__e");
    assert_eq!(name("job:rate"), "job:rate");
    let labels = MetricDesc::new("m", MetricKind::Gauge, "").with_labels(["a b", "a_b", "le", "__name__", "job:x"]);
    assert_eq!(labels.labels.to_vec(), ["a_b", "a_b_", "le_", "label__name__", "job_x"]);
}

#[test]
fn callbacks_run_once_per_reading_and_may_bind() {
    let registry = Registry::new();
    let runs = Arc::new(AtomicU32::new(0));
    let (inner, seen) = (registry.clone(), Arc::clone(&runs));
    registry.on_collect(Box::new(move || {
        seen.fetch_add(1, Ordering::Relaxed);
        inner.gauge(&MetricDesc::new("level", MetricKind::Gauge, "Level."), &[]).set(4.0);
    }));
    assert!(registry.prometheus_text().contains("level 4\n"));
    assert!(registry.openmetrics_text().contains("level 4\n"));
    assert_eq!(registry.snapshot().len(), 1);
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}
