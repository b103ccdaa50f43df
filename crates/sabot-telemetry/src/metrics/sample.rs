//! Metrics as values, for APIs that are not text.

use std::borrow::Cow;

use super::family::{Family, Series};
use super::{HistogramBucket, MetricDesc, MetricKind};

/// One series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSample {
    /// The name in Prometheus text.
    pub name: Cow<'static, str>,
    /// What it counts, for people.
    pub help: Cow<'static, str>,
    /// The part of the program it belongs to.
    pub component: Option<Cow<'static, str>>,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// The base unit; empty for a plain count.
    pub unit: Cow<'static, str>,
    /// Label names and values.
    pub labels: Vec<(String, String)>,
    /// A counter's total or a gauge's value; a histogram's mean, or zero before its first observation.
    pub value: f64,
    /// Observations of a histogram; zero otherwise.
    pub count: u64,
    /// Sum of a histogram's observations; zero otherwise.
    pub sum: f64,
    /// A histogram's buckets, cumulative; empty otherwise.
    pub buckets: Vec<HistogramBucket>,
}

/// The series of one metric as samples.
pub(super) fn samples(family: &Family) -> impl Iterator<Item = MetricSample> {
    family.series.iter().map(|(values, series)| sample(&family.desc, values, series))
}

fn sample(desc: &MetricDesc, values: &[String], series: &Series) -> MetricSample {
    let (value, sum, buckets) = match series {
        Series::Counter(counter) => (counter.value(), 0.0, Vec::new()),
        Series::Gauge(gauge) => (gauge.value(), 0.0, Vec::new()),
        Series::Histogram(histogram) => {
            let (sum, buckets) = (histogram.sum(), histogram.buckets());
            (mean(sum, total(&buckets)), sum, buckets)
        }
    };
    MetricSample {
        name: desc.name.clone(),
        help: desc.help.clone(),
        component: desc.component.clone(),
        kind: desc.kind,
        unit: desc.unit.clone(),
        labels: desc.labels.iter().map(|label| label.clone().into_owned()).zip(values.iter().cloned()).collect(),
        value,
        count: total(&buckets),
        sum,
        buckets,
    }
}

/// Observations in cumulative buckets.
pub(super) fn total(buckets: &[HistogramBucket]) -> u64 {
    buckets.last().map_or(0, |bucket| bucket.count)
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people")]
fn mean(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

/// The value that a share `q` of the observations in cumulative buckets does not exceed, by linear interpolation inside
/// its bucket as Prometheus' `histogram_quantile` does it. The highest finite bound if it lies above that. `None` without
/// observations, without finite bounds, or for a `q` outside 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "an estimate whose error is the width of a bucket")]
pub fn quantile(buckets: &[HistogramBucket], q: f64) -> Option<f64> {
    let count = total(buckets);
    if count == 0 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = q * count as f64;
    let index = buckets.partition_point(|bucket| bucket.count == 0 || (bucket.count as f64) < rank);
    let bucket = buckets.get(index)?;
    let before = index.checked_sub(1).and_then(|before| buckets.get(before));
    if bucket.le.is_infinite() {
        return before.map(|last_finite| last_finite.le);
    }
    let (lower, below) = match before {
        Some(before) => (before.le, before.count),
        // Observations are taken to start at zero, unless the bound itself is below it.
        None if bucket.le <= 0.0 => return Some(bucket.le),
        None => (0.0, 0),
    };
    let inside = bucket.count.saturating_sub(below).max(1);
    Some(lower + (bucket.le - lower) * (rank - below as f64) / inside as f64)
}

#[cfg(test)]
mod tests;
