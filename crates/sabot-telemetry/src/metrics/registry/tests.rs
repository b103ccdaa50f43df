//! Binding, caps and concurrent adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use std::sync::mpsc::channel;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;

use crate::{
    COUNT_BUCKETS, MetricDesc, MetricKind, MetricsRecorder, OVERFLOW_LABEL_VALUE, Redaction, Redactor, Registry,
    RegistryMeterProvider, SECONDS_BUCKETS, TraceContext,
};

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
fn series_of_what_is_gone_can_be_let_go_of_together() {
    let registry = Registry::with_series_cap(3);
    let gauge = MetricDesc::new("lag", MetricKind::Gauge, "For a test.").with_labels(["stream", "agent"]);
    for (stream, agent) in [("s", "kept"), ("s", "gone"), ("t", "gone"), ("t", "above the cap")] {
        registry.gauge(&gauge, &[stream, agent]).set(1.0);
    }
    registry.counter(&counter("events_total"), &["gone"]).inc();
    let is_known = |values: &[String]| values[1] == "kept";
    assert_eq!(registry.retain("lag", is_known), 2);
    assert_eq!(registry.retain("lag", is_known), 0);
    assert_eq!(registry.retain("no_such_metric", is_known), 0);
    let left: Vec<_> = values(&registry).into_iter().map(|(labels, _)| labels).collect();
    assert_eq!(left, ["gone", "__overflow____overflow__", "skept"], "the counter, what was folded, what is known");
    assert_eq!(registry.retain("events_total", |_| false), 1, "a counter goes by its name in Prometheus");
    assert!(!registry.prometheus_text().contains("events"));
}

#[test]
fn a_forgotten_metric_may_come_back_as_another() {
    let registry = Registry::new();
    registry.counter(&counter("events_total"), &["a"]).inc();
    assert!(registry.forget("events_total") && !registry.forget("events_total"));
    assert_eq!(registry.snapshot().len(), 0);
    registry.gauge(&MetricDesc::new("events_total", MetricKind::Gauge, "For a test."), &[]).set(1.0);
    assert_eq!(registry.snapshot().len(), 1);
}

#[test]
fn metrics_whose_samples_would_have_the_same_name_are_not_exported() {
    let registry = Registry::new();
    let bind = |name: &'static str, kind| {
        let before = registry.snapshot().len();
        let desc = MetricDesc::new(name, kind, "For a test.");
        match kind {
            MetricKind::Counter => registry.counter(&desc, &[]).inc(),
            MetricKind::Gauge => registry.gauge(&desc, &[]).set(1.0),
            MetricKind::Histogram => registry.histogram(&desc, &[]).observe(1.0),
        }
        registry.snapshot().len() > before
    };
    assert!(bind("rows", MetricKind::Histogram));
    assert!(bind("row_count", MetricKind::Gauge));
    assert!(bind("events_total", MetricKind::Counter));
    for taken in ["rows_count", "rows_sum", "rows_bucket", "rows_created", "events_created"] {
        assert!(!bind(taken, MetricKind::Gauge), "{taken}");
    }
    assert!(!bind("events_total_total", MetricKind::Counter), "in OpenMetrics its family is events_total");
    assert!(!bind("row", MetricKind::Histogram), "row_count is there");
    assert!(bind("row_counts", MetricKind::Histogram));
}

#[test]
fn a_count_has_no_unit() {
    for unit in ["1", ""] {
        let registry = Registry::new();
        registry.gauge(&MetricDesc::new("agents", MetricKind::Gauge, "").with_unit(unit), &[]).set(2.0);
        assert_eq!(registry.snapshot()[0].unit, "", "{unit:?}");
        assert!(!registry.openmetrics_text().contains("UNIT"), "{unit:?}");
    }
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
fn an_addition_in_a_stored_trace_is_the_exemplar_of_its_counter() {
    let total = Registry::new().counter(&counter("events_total"), &["a"]);
    total.inc();
    assert_eq!(total.exemplar(), None);
    total.add_with_exemplar(3, SAMPLED);
    total.add_with_exemplar(4, SAMPLED.unsampled());
    total.add_with_exemplar(5, TraceContext::default());
    let exemplar = total.exemplar().unwrap();
    assert_eq!((exemplar.value.to_bits(), exemplar.context), (3_f64.to_bits(), SAMPLED));
    assert!(exemplar.at_unix_nano > 1_700_000_000_000_000_000);
    assert_eq!(total.value().to_bits(), 13_f64.to_bits());
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

#[test]
fn labels_hold_no_secrets_however_they_come() {
    let registry = Registry::with_redactor(Redactor::new(&Redaction::default()).unwrap().into());
    let desc = MetricDesc::new("bound_total", MetricKind::Counter, "").with_labels(["token", "who"]);
    registry.counter(&desc, &["abc", "bob@example.com"]).inc();
    registry.counter(&desc, &["def", "bob"]).inc();
    let recorder = MetricsRecorder::new(&registry).with_attribute("api.key", "abc");
    recorder.record_counter_with("named", 1, &[("who", "bob@example.com"), ("token_type", "input")]);
    recorder.record_counter_with("named", 2, &[("who", "eve@example.com"), ("token_type", "input")]);
    let meter = RegistryMeterProvider::new(&registry).meter("");
    let asked = meter.u64_observable_gauge("asked");
    asked.with_callback(|observer| observer.observe(5, &[opentelemetry::KeyValue::new("cookie", "a=b")])).build();
    let text = registry.openmetrics_text();
    for line in [
        r#"bound_total{token="[redacted]",who="[redacted]"} 1"#,
        r#"bound_total{token="[redacted]",who="bob"} 1"#,
        r#"named_total{api_key="[redacted]",token_type="input",who="[redacted]"} 3"#,
        r#"asked{cookie="[redacted]"} 5"#,
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    let attributes = registry
        .snapshot()
        .into_iter()
        .filter_map(|sample| sample.origin)
        .flat_map(|origin| origin.attributes.iter().map(|(_, value)| format!("{value:?}")).collect::<Vec<_>>());
    assert!(attributes.collect::<String>().find('@').is_none(), "nor do they in OTLP");
    assert!(registry.remove(&desc, &["xyz", "amy@example.com"]), "what looks the same is the same series");
}

#[test]
fn a_callback_that_hangs_keeps_no_other_reading_from_its_end() {
    let registry = Registry::build(10, Duration::ZERO, None);
    registry.counter(&counter("events_total"), &["a"]).inc();
    let (entered, is_entered) = channel();
    let (release, is_released) = channel::<()>();
    let is_released = std::sync::Mutex::new(is_released);
    registry.on_collect(Box::new(move || {
        entered.send(()).unwrap();
        is_released.lock().unwrap().recv().unwrap_or_default();
    }));
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| registry.snapshot().len());
        is_entered.recv().unwrap();
        assert_eq!(values(&registry), [("a".to_owned(), 1.0)]);
        drop(release);
        assert_eq!(hanging.join().unwrap(), 1);
    });
    is_entered.try_recv().unwrap_err();
    assert_eq!((values(&registry).len(), is_entered.try_recv()), (1, Ok(())), "the next one asks again");
}

#[test]
fn what_is_read_while_series_begin_is_never_torn_and_never_shrinks() {
    let registry = Registry::with_series_cap(50);
    let recorder = MetricsRecorder::new(&registry);
    let total = |registry: &Registry, name: &str| {
        let samples = registry.snapshot().into_iter().filter(|sample| sample.name == name);
        samples
            .map(|sample| {
                if sample.kind == MetricKind::Histogram {
                    f64::from(u32::try_from(sample.count).unwrap())
                } else {
                    sample.value
                }
            })
            .sum::<f64>()
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u32)
            .map(|thread| {
                let recorder = recorder.clone();
                scope.spawn(move || {
                    for number in 0..2_000_u32 {
                        let id = format!("{}", (number * 7 + thread) % 120);
                        recorder.record_counter_with("events", 1, &[("id", id.as_str())]);
                        recorder.record_histogram_with("sizes", 1.0, &[("id", id.as_str())]);
                    }
                })
            })
            .collect();
        let mut before = (0.0, 0.0);
        while writers.iter().any(|writer| !writer.is_finished()) {
            let now = (total(&registry, "events_total"), total(&registry, "sizes"));
            assert!(now.0 >= before.0 && now.1 >= before.1, "{before:?} then {now:?}");
            before = now;
            assert!(registry.openmetrics_text().ends_with("# EOF\n"));
        }
    });
    assert_eq!((total(&registry, "events_total"), total(&registry, "sizes")), (6_000.0, 6_000.0));
    assert_eq!(registry.snapshot().len(), 2 * 51, "the cap holds, and overflow has the rest");
}

#[test]
fn a_gauge_is_not_moved_by_what_is_no_number() {
    let gauge = crate::Gauge::default();
    for change in [2.5, f64::NAN, f64::INFINITY, -1.0] {
        gauge.add(change);
    }
    assert_eq!(gauge.value().to_bits(), 1.5_f64.to_bits());
}

#[test]
fn what_is_known_about_the_process_is_told_with_the_text_alone() {
    let registry = Registry::new();
    assert!(!registry.prometheus_text().contains("target"));
    let mut resource = crate::Resource::of_service("shop");
    resource.attributes = vec![("host.name".into(), "a \"b\"".into()), ("process.pid".into(), 7.into())];
    registry.set_target(&resource);
    let labels = r#"{host_name="a \"b\"",process_pid="7",service_name="shop"}"#;
    assert!(registry.prometheus_text().ends_with(&format!("# TYPE target_info gauge\ntarget_info{labels} 1\n")));
    let text = registry.openmetrics_text();
    assert!(text.ends_with(&format!("# TYPE target info\ntarget_info{labels} 1\n# EOF\n")), "{text}");
    assert!(registry.snapshot().is_empty());
    registry.counter(&MetricDesc::new("target_info_total", MetricKind::Counter, "Ours."), &[]).inc();
    assert!(!registry.prometheus_text().contains("# TYPE target_info gauge"), "what the program has counts more");
}
