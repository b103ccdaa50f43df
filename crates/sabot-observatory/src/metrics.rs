//! Current metrics with rates and percentiles, for the UI and `telemetry metrics`.
//!
//! A rate needs two readings, so a few past ones are kept, far enough apart to smooth and bounded in number.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sabot_common::clock::SharedClock;
use sabot_common::registry::{ALL_METRICS, Metric, Unit};
use sabot_telemetry::{HistogramBucket, MetricKind, MetricSample, Registry, quantile};
use serde::Serialize;
use serde_json::{Map, Value};

/// Metrics that no registry entry names were declared by the project.
const BUSINESS: &str = "business";
/// Distance of two readings that are kept, and the least time a rate is taken over once there are that old ones.
const READING_EVERY: Duration = Duration::from_secs(5);
const MAX_READINGS: usize = 3;

/// All series at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricsReport {
    /// RFC 3339, UTC.
    pub timestamp: String,
    /// One entry per series, by name and labels.
    pub metrics: Vec<MetricReading>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricReading {
    /// The name in Prometheus text.
    pub name: String,
    /// The part it belongs to; `business` for metrics the project declares.
    pub component: String,
    /// `counter`, `gauge` or `histogram`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `count`, `seconds`, `bytes` or `ratio`.
    pub unit: String,
    /// Label names and values.
    pub labels: Map<String, Value>,
    /// A counter's total, a gauge's value, or a histogram's number of observations.
    pub value: f64,
    /// How fast a counter, or a histogram's number of observations, grows per second; none on the first reading.
    pub rate: Option<f64>,
    /// Half of a histogram's observations lie below: of those since the reading the rate is taken from, or of all if
    /// there were none since.
    pub p50: Option<f64>,
    /// The same for 95 in 100.
    pub p95: Option<f64>,
    /// The same for 99 in 100.
    pub p99: Option<f64>,
}

/// Name and label values, which tell the series of a registry apart.
type SeriesKey = (String, Vec<(String, String)>);

/// What later readings are compared with: totals, and buckets of histograms.
#[derive(Debug)]
struct Reading {
    at: Duration,
    series: HashMap<SeriesKey, Past>,
}

#[derive(Debug)]
struct Past {
    total: f64,
    buckets: Vec<HistogramBucket>,
}

/// Reads a registry now and then and tells what has changed.
#[derive(Debug)]
pub struct MetricsHistory {
    clock: SharedClock,
    registry: Registry,
    readings: Mutex<VecDeque<Reading>>,
}

impl MetricsHistory {
    /// Takes the first reading, so that the next one has rates.
    pub fn new(clock: SharedClock, registry: Registry) -> Self {
        let history = Self { clock, registry, readings: Mutex::default() };
        history.remember(&history.registry.snapshot(), history.clock.monotonic());
        history
    }

    /// Takes a reading if the last one is old enough; for a timer, so that rates are of the last seconds also when nobody
    /// has asked for long.
    pub fn tick(&self) {
        let now = self.clock.monotonic();
        if self.is_due(now) {
            self.remember(&self.registry.snapshot(), now);
        }
    }

    /// All series, or those of one component.
    pub fn report(&self, component: Option<&str>) -> MetricsReport {
        let now = self.clock.monotonic();
        let samples = self.registry.snapshot();
        let readings = self.readings();
        let base = base(&readings, now);
        let all = samples.iter().map(|sample| reading(sample, base, now));
        let metrics = all.filter(|metric| component.is_none_or(|component| metric.component == component)).collect();
        drop(readings);
        if self.is_due(now) {
            self.remember(&samples, now);
        }
        MetricsReport { timestamp: self.clock.now().to_string(), metrics }
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, VecDeque<Reading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, now: Duration) -> bool {
        self.readings().back().is_none_or(|last| now.saturating_sub(last.at) >= READING_EVERY)
    }

    fn remember(&self, samples: &[MetricSample], at: Duration) {
        let past = |sample: &MetricSample| Past { total: total(sample), buckets: sample.buckets.clone() };
        let series = samples.iter().filter(|sample| sample.kind != MetricKind::Gauge);
        let series = series.map(|sample| (key(sample), past(sample))).collect();
        let mut readings = self.readings();
        readings.push_back(Reading { at, series });
        if readings.len() > MAX_READINGS {
            readings.pop_front();
        }
    }
}

/// The newest reading that is old enough to take a rate over, or the oldest there is.
fn base(readings: &VecDeque<Reading>, now: Duration) -> Option<&Reading> {
    let old_enough = readings.iter().rev().find(|reading| now.saturating_sub(reading.at) >= READING_EVERY);
    old_enough.or_else(|| readings.front()).filter(|reading| reading.at < now)
}

fn key(sample: &MetricSample) -> SeriesKey {
    (sample.name.to_string(), sample.labels.clone())
}

#[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles; exact up to 2^53")]
fn total(sample: &MetricSample) -> f64 {
    if sample.kind == MetricKind::Histogram { sample.count as f64 } else { sample.value }
}

fn reading(sample: &MetricSample, base: Option<&Reading>, now: Duration) -> MetricReading {
    let known = ALL_METRICS.iter().find(|metric| metric.name == sample.name);
    let past = base.map(|base| (now.saturating_sub(base.at), base.series.get(&key(sample))));
    let grows = sample.kind != MetricKind::Gauge;
    let rate = past.filter(|_| grows).map(|(elapsed, past)| {
        // A series that was not there yet began at zero.
        (total(sample) - past.map_or(0.0, |past| past.total)).max(0.0) / elapsed.as_secs_f64()
    });
    let buckets = since(sample, past.and_then(|(_, past)| past));
    MetricReading {
        name: sample.name.to_string(),
        component: component(known, sample),
        kind: sample.kind.as_str(),
        unit: unit(known, sample),
        labels: sample.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect(),
        value: total(sample),
        rate,
        p50: quantile(&buckets, 0.5),
        p95: quantile(&buckets, 0.95),
        p99: quantile(&buckets, 0.99),
    }
}

/// The observations since the past reading, or all if there were none.
fn since(sample: &MetricSample, past: Option<&Past>) -> Vec<HistogramBucket> {
    let Some(past) = past.filter(|past| past.total < total(sample)) else { return sample.buckets.clone() };
    let pairs = sample.buckets.iter().zip(&past.buckets);
    pairs.map(|(now, then)| HistogramBucket { count: now.count.saturating_sub(then.count), ..*now }).collect()
}

fn component(known: Option<&Metric>, sample: &MetricSample) -> String {
    match (known, &sample.component) {
        (Some(metric), _) => metric.component.to_owned(),
        (None, Some(component)) => component.to_string(),
        (None, None) => BUSINESS.to_owned(),
    }
}

fn unit(known: Option<&Metric>, sample: &MetricSample) -> String {
    match known.map(|metric| metric.unit) {
        Some(Unit::Seconds) => "seconds".to_owned(),
        Some(Unit::Bytes) => "bytes".to_owned(),
        Some(Unit::Ratio) => "ratio".to_owned(),
        None if !sample.unit.is_empty() => sample.unit.to_string(),
        Some(Unit::Count) | None => "count".to_owned(),
    }
}

#[cfg(test)]
mod tests;
