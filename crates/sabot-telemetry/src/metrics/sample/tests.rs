//! Quantiles from buckets.

use super::quantile;
use crate::{HistogramBucket, MetricDesc, MetricKind, Registry};

fn buckets(counts: &[(f64, u64)]) -> Vec<HistogramBucket> {
    counts.iter().map(|&(le, count)| HistogramBucket { le, count, exemplar: None }).collect()
}

#[test]
fn quantiles_interpolate_as_prometheus_does() {
    let ten_each = buckets(&[(1.0, 10), (2.0, 20), (4.0, 30), (f64::INFINITY, 30)]);
    for (q, expected) in [(0.0, 0.0), (0.25, 0.75), (0.5, 1.5), (2.0 / 3.0, 2.0), (0.9, 3.4), (1.0, 4.0)] {
        let value = quantile(&ten_each, q).unwrap();
        assert!((value - expected).abs() < 1e-9, "{value} at {q}");
    }
}

#[test]
fn quantiles_at_the_edges() {
    let check = |counts: &[(f64, u64)], q, expected| assert_eq!(quantile(&buckets(counts), q), expected, "{counts:?}");
    check(&[], 0.5, None);
    check(&[(1.0, 0), (f64::INFINITY, 0)], 0.5, None);
    check(&[(f64::INFINITY, 5)], 0.5, None);
    check(&[(1.0, 0), (f64::INFINITY, 5)], 0.5, Some(1.0)); // above the last bound: all that is known
    check(&[(1.0, 0), (2.0, 4), (f64::INFINITY, 4)], 0.0, Some(1.0));
    check(&[(1.0, 0), (2.0, 4), (f64::INFINITY, 4)], 0.5, Some(1.5));
    check(&[(-1.0, 4), (1.0, 4), (f64::INFINITY, 4)], 0.5, Some(-1.0));
    for outside in [-0.1, 1.1, f64::NAN] {
        check(&[(1.0, 4), (f64::INFINITY, 4)], outside, None);
    }
}

#[test]
fn a_sample_carries_the_description() {
    let registry = Registry::new();
    let desc = MetricDesc::new("batch_seconds", MetricKind::Histogram, "Batches.")
        .with_unit("seconds")
        .with_component("stream")
        .with_labels(["agent"])
        .with_buckets([1.0]);
    let histogram = registry.histogram(&desc, &["totals"]);
    histogram.observe(0.5);
    histogram.observe(1.5);
    let [sample] = &registry.snapshot()[..] else { panic!("one series") };
    assert_eq!((sample.name.as_ref(), sample.kind), ("batch_seconds", MetricKind::Histogram));
    assert_eq!((sample.component.as_deref(), sample.unit.as_ref()), (Some("stream"), "seconds"));
    assert_eq!(sample.labels, [("agent".to_owned(), "totals".to_owned())]);
    assert_eq!((sample.value, sample.count, sample.sum), (1.0, 2, 2.0));
    assert_eq!(sample.buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [1, 2]);
}
