//! Metrics as OTLP, with their exemplars.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, exemplar, number_data_point,
};

use super::{AnyValue, encode, resource};
use crate::config::{Signal, Temporality};
use crate::export::batch::Batch;
use crate::{HistogramBucket, MetricKind, MetricSample, Resource};

/// What was sent before, which deltas are counted from.
#[derive(Debug)]
pub(crate) struct MetricsState {
    temporality: Temporality,
    began_unix_nano: u64,
    /// The last value of every series: a total, or a histogram's sum and bucket counts.
    last: HashMap<Series, Last>,
    last_unix_nano: u64,
}

type Series = (String, Vec<(String, String)>);

#[derive(Clone, Debug, Default)]
struct Last {
    total: f64,
    counts: Vec<u64>,
}

impl MetricsState {
    /// Counting began at this instant.
    pub(crate) fn new(temporality: Temporality, began_unix_nano: u64) -> Self {
        Self { temporality, began_unix_nano, last: HashMap::new(), last_unix_nano: began_unix_nano }
    }

    const fn start_unix_nano(&self) -> u64 {
        match self.temporality {
            Temporality::Cumulative => self.began_unix_nano,
            Temporality::Delta => self.last_unix_nano,
        }
    }

    fn since(&mut self, sample: &MetricSample, total: f64, counts: Vec<u64>) -> Last {
        if self.temporality == Temporality::Cumulative {
            return Last { total, counts };
        }
        let series = (sample.name.clone().into_owned(), sample.labels.clone());
        let now = Last { total, counts };
        let before = self.last.insert(series, now.clone()).unwrap_or_default();
        let before_counts = before.counts.iter().copied().chain(std::iter::repeat(0));
        Last {
            total: now.total - before.total,
            counts: now.counts.iter().zip(before_counts).map(|(now, before)| now.saturating_sub(before)).collect(),
        }
    }
}

/// Samples as one request, if there are any.
pub(crate) fn metrics(
    of: &Resource,
    samples: &[MetricSample],
    state: &mut MetricsState,
    now_unix_nano: u64,
) -> Option<Batch> {
    let mut metrics: Vec<Metric> = Vec::new();
    for sample in samples {
        if metrics.last().is_none_or(|last| last.name != *sample.name) {
            metrics.push(empty(sample, state.temporality));
        }
        let metric = metrics.last_mut()?;
        add(metric, sample, state, now_unix_nano);
    }
    state.last_unix_nano = now_unix_nano;
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource(of)), scope_metrics, ..ResourceMetrics::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics };
    (!samples.is_empty()).then(|| encode(Signal::Metrics, samples.len(), &request))
}

fn empty(sample: &MetricSample, temporality: Temporality) -> Metric {
    let aggregation_temporality = match temporality {
        Temporality::Cumulative => AggregationTemporality::Cumulative,
        Temporality::Delta => AggregationTemporality::Delta,
    } as i32;
    let data = match sample.kind {
        MetricKind::Counter => Data::Sum(Sum { is_monotonic: true, aggregation_temporality, ..Sum::default() }),
        MetricKind::Gauge => Data::Gauge(Gauge::default()),
        MetricKind::Histogram => Data::Histogram(Histogram { aggregation_temporality, ..Histogram::default() }),
    };
    Metric {
        name: sample.name.clone().into_owned(),
        description: sample.help.clone().into_owned(),
        unit: ucum(&sample.unit).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// Units as OTLP writes them.
fn ucum(unit: &str) -> &str {
    match unit {
        "seconds" => "s",
        "bytes" => "By",
        "ratio" | "" => "1",
        other => other,
    }
}

fn add(metric: &mut Metric, sample: &MetricSample, state: &mut MetricsState, now_unix_nano: u64) {
    let start_time_unix_nano = state.start_unix_nano();
    let point = |start_time_unix_nano, value: f64| NumberDataPoint {
        attributes: labels(sample),
        start_time_unix_nano,
        time_unix_nano: now_unix_nano,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    match &mut metric.data {
        Some(Data::Sum(sum)) => {
            let value = state.since(sample, sample.value, Vec::new()).total;
            sum.data_points.push(point(start_time_unix_nano, value));
        }
        Some(Data::Gauge(gauge)) => gauge.data_points.push(point(0, sample.value)),
        Some(Data::Histogram(histogram)) => {
            let since = state.since(sample, sample.sum, counts(&sample.buckets));
            histogram.data_points.push(HistogramDataPoint {
                attributes: labels(sample),
                start_time_unix_nano,
                time_unix_nano: now_unix_nano,
                count: since.counts.iter().sum(),
                sum: Some(since.total),
                explicit_bounds: sample.buckets.iter().map(|bucket| bucket.le).filter(|le| le.is_finite()).collect(),
                exemplars: exemplars(&sample.buckets, start_time_unix_nano),
                bucket_counts: since.counts,
                ..HistogramDataPoint::default()
            });
        }
        _ => {}
    }
}

/// Observations of each bucket by itself.
fn counts(buckets: &[HistogramBucket]) -> Vec<u64> {
    let mut below = 0;
    let alone = |bucket: &HistogramBucket| bucket.count.saturating_sub(std::mem::replace(&mut below, bucket.count));
    buckets.iter().map(alone).collect()
}

/// The exemplars of the time the point is about.
fn exemplars(buckets: &[HistogramBucket], since_unix_nano: u64) -> Vec<Exemplar> {
    let exemplars = buckets.iter().filter_map(|bucket| bucket.exemplar);
    let exemplars = exemplars.filter(|exemplar| exemplar.at_unix_nano >= since_unix_nano);
    exemplars
        .map(|exemplar| Exemplar {
            time_unix_nano: exemplar.at_unix_nano,
            span_id: exemplar.context.span_id.to_vec(),
            trace_id: exemplar.context.trace_id.to_vec(),
            value: Some(exemplar::Value::AsDouble(exemplar.value)),
            ..Exemplar::default()
        })
        .collect()
}

fn labels(sample: &MetricSample) -> Vec<KeyValue> {
    let label = |(key, value): &(String, String)| {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) });
        KeyValue { key: key.clone(), value, ..KeyValue::default() }
    };
    sample.labels.iter().map(label).collect()
}
