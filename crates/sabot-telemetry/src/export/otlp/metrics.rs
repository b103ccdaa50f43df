//! Metrics as OTLP, with their exemplars.
//!
//! A series that knows what instrument and attributes it came from goes out as these; any other as its name and labels.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, exemplar, number_data_point,
};

use super::{AnyValue, encode, key_values, resource, scope};
use crate::config::{Signal, Temporality};
use crate::export::batch::Batch;
use crate::{Exemplar, HistogramBucket, InstrumentKind, MetricKind, MetricSample, Resource, Scope};

/// What was sent before, which deltas are counted from.
#[derive(Debug)]
pub(crate) struct MetricsState {
    temporality: Temporality,
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
        Self { temporality, last: HashMap::new(), last_unix_nano: began_unix_nano }
    }

    fn start_unix_nano(&self, sample: &MetricSample) -> u64 {
        match self.temporality {
            Temporality::Cumulative => sample.since_unix_nano,
            Temporality::Delta => self.last_unix_nano.max(sample.since_unix_nano),
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
            // Less than before is another series of that name, from its start.
            total: if now.total < before.total { now.total } else { now.total - before.total },
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
    let mut scopes: Vec<(Option<Arc<Scope>>, Vec<Metric>)> = Vec::new();
    for sample in samples {
        let by = sample.origin.as_ref().and_then(|origin| origin.scope.clone());
        let at = scopes.iter().position(|(other, _)| *other == by).unwrap_or_else(|| {
            scopes.push((by, Vec::new()));
            scopes.len() - 1
        });
        let (_, metrics) = scopes.get_mut(at)?;
        // Series of one metric come one after another.
        if metrics.last().is_none_or(|last| last.name != name(sample)) {
            metrics.push(empty(sample, state.temporality));
        }
        add(metrics.last_mut()?, sample, state, now_unix_nano);
    }
    // What is gone needs no memory any more, and begins anew when it comes back.
    if !state.last.is_empty() {
        let there: std::collections::HashSet<(&str, &[(String, String)])> =
            samples.iter().map(|sample| (&*sample.name, &sample.labels[..])).collect();
        state.last.retain(|(name, labels), _| there.contains(&(name.as_str(), labels.as_slice())));
    }
    state.last_unix_nano = now_unix_nano;
    let scope_metrics = scopes
        .into_iter()
        .map(|(by, metrics)| ScopeMetrics { scope: scope(by.as_deref()), metrics, ..ScopeMetrics::default() })
        .collect();
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource(of)), scope_metrics, ..ResourceMetrics::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics };
    (!samples.is_empty()).then(|| encode(Signal::Metrics, samples.len(), &request))
}

fn name(sample: &MetricSample) -> &str {
    sample.origin.as_ref().map_or(&*sample.name, |origin| &*origin.instrument.name)
}

fn kind(sample: &MetricSample) -> InstrumentKind {
    match (&sample.origin, sample.kind) {
        (Some(origin), _) => origin.instrument.kind,
        (None, MetricKind::Counter) => InstrumentKind::Counter,
        (None, MetricKind::Gauge) => InstrumentKind::Gauge,
        (None, MetricKind::Histogram) => InstrumentKind::Histogram,
    }
}

fn empty(sample: &MetricSample, temporality: Temporality) -> Metric {
    let temporality = match temporality {
        Temporality::Cumulative => AggregationTemporality::Cumulative,
        Temporality::Delta => AggregationTemporality::Delta,
    } as i32;
    // What may shrink is a level, whatever is preferred.
    let sum = |is_monotonic, aggregation_temporality| {
        Data::Sum(Sum { is_monotonic, aggregation_temporality, ..Sum::default() })
    };
    let data = match kind(sample) {
        InstrumentKind::Counter => sum(true, temporality),
        InstrumentKind::UpDownCounter => sum(false, AggregationTemporality::Cumulative as i32),
        InstrumentKind::Gauge => Data::Gauge(Gauge::default()),
        InstrumentKind::Histogram => {
            Data::Histogram(Histogram { aggregation_temporality: temporality, ..Histogram::default() })
        }
    };
    let (description, unit) = match &sample.origin {
        Some(origin) => (origin.instrument.description.to_string(), origin.instrument.unit.to_string()),
        None => (sample.help.to_string(), ucum(&sample.unit).to_owned()),
    };
    Metric { name: name(sample).to_owned(), description, unit, data: Some(data), ..Metric::default() }
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
    let start_time_unix_nano = state.start_unix_nano(sample);
    let point = |start_time_unix_nano, value: f64| NumberDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano,
        time_unix_nano: now_unix_nano,
        exemplars: sample.exemplar.iter().filter_map(|one| exemplar_since(one, start_time_unix_nano)).collect(),
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    match &mut metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic => {
            let value = state.since(sample, sample.value, Vec::new()).total;
            sum.data_points.push(point(start_time_unix_nano, value));
        }
        Some(Data::Sum(sum)) => sum.data_points.push(point(sample.since_unix_nano, sample.value)),
        Some(Data::Gauge(gauge)) => gauge.data_points.push(point(0, sample.value)),
        Some(Data::Histogram(histogram)) => {
            let since = state.since(sample, sample.sum, counts(&sample.buckets));
            let exemplars = sample.buckets.iter().filter_map(|bucket| bucket.exemplar);
            histogram.data_points.push(HistogramDataPoint {
                attributes: attributes(sample),
                start_time_unix_nano,
                time_unix_nano: now_unix_nano,
                count: since.counts.iter().sum(),
                sum: Some(since.total),
                explicit_bounds: sample.buckets.iter().map(|bucket| bucket.le).filter(|le| le.is_finite()).collect(),
                exemplars: exemplars.filter_map(|one| exemplar_since(&one, start_time_unix_nano)).collect(),
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

/// An exemplar, if it is of the time the point is about.
fn exemplar_since(of: &Exemplar, since_unix_nano: u64) -> Option<otlp::Exemplar> {
    (of.at_unix_nano >= since_unix_nano).then(|| otlp::Exemplar {
        time_unix_nano: of.at_unix_nano,
        span_id: of.context.span_id.to_vec(),
        trace_id: of.context.trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(of.value)),
        ..otlp::Exemplar::default()
    })
}

fn attributes(sample: &MetricSample) -> Vec<KeyValue> {
    if let Some(origin) = &sample.origin {
        return key_values(&origin.attributes);
    }
    let label = |(key, value): &(String, String)| {
        let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) });
        KeyValue { key: key.clone(), value, ..KeyValue::default() }
    };
    sample.labels.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
    use prost::Message;

    use super::{MetricsState, metrics};
    use crate::config::Temporality;
    use crate::{MetricDesc, MetricKind, MetricsRecorder, Registry, Resource, Scope};

    fn sent(registry: &Registry, state: &mut MetricsState, now: u64) -> Vec<(String, Metric)> {
        let batch = metrics(&Resource::of_service("shop"), &registry.snapshot(), state, now).expect("a batch");
        let request = ExportMetricsServiceRequest::decode(batch.payload).expect("OTLP");
        let scopes = request.resource_metrics.into_iter().flat_map(|of| of.scope_metrics);
        let named = |scope: &Option<opentelemetry_proto::tonic::common::v1::InstrumentationScope>| {
            scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default()
        };
        scopes.flat_map(|of| of.metrics.into_iter().map(move |metric| (named(&of.scope), metric))).collect()
    }

    fn value(metric: &Metric) -> (f64, bool) {
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:#?}") };
        let Some(number_data_point::Value::AsDouble(value)) = sum.data_points[0].value else { panic!("{sum:#?}") };
        (value, sum.is_monotonic)
    }

    #[test]
    fn deltas_are_what_came_since_the_last_time() {
        let registry = Registry::new();
        let orders = registry.counter(&MetricDesc::new("orders_total", MetricKind::Counter, "Orders."), &[]);
        let seconds = MetricDesc::new("seconds", MetricKind::Histogram, "Time.").with_buckets([1.0, 2.0]);
        let seconds = registry.histogram(&seconds, &[]);
        let mut delta = MetricsState::new(Temporality::Delta, 5);
        let mut cumulative = MetricsState::new(Temporality::Cumulative, 5);
        for (round, expected) in [(1_u32, 3.0), (2, 6.0)] {
            orders.add(3);
            seconds.observe(1.5);
            let all = sent(&registry, &mut delta, u64::MAX);
            let total = |name: &str| {
                all.iter().find(|(_, metric)| metric.name == name).map(|(_, metric)| metric.clone()).expect(name)
            };
            assert_eq!(value(&total("orders_total")), (3.0, true), "round {round}");
            let Some(Data::Histogram(histogram)) = total("seconds").data else { panic!("{all:#?}") };
            assert_eq!(histogram.data_points[0].bucket_counts, [0, 1, 0], "round {round}");
            let all = sent(&registry, &mut cumulative, u64::MAX);
            let (_, metric) = all.iter().find(|(_, metric)| metric.name == "orders_total").expect("the counter");
            assert_eq!(value(metric), (expected, true), "round {round}");
        }
    }

    #[test]
    fn what_came_by_name_goes_out_under_its_own_name_unit_scope_and_types() {
        let registry = Registry::new();
        let recorder = MetricsRecorder::new(&registry);
        let recorder = recorder.with_scope(Scope { name: "cart".into(), version: None });
        recorder.record_counter_with("shop.orders", 2, &[("items", 12_i64)]);
        let all = sent(&registry, &mut MetricsState::new(Temporality::Cumulative, 0), u64::MAX);
        let (scope, metric) = all.iter().find(|(_, metric)| metric.name == "shop.orders").expect("the counter");
        assert_eq!((scope.as_str(), value(metric)), ("cart", (2.0, true)));
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:#?}") };
        let attribute = &sum.data_points[0].attributes[0];
        let kept = attribute.value.clone().and_then(|value| value.value);
        assert_eq!((attribute.key.as_str(), kept), ("items", Some(Value::IntValue(12))));
    }
}
