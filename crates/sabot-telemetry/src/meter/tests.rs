//! OpenTelemetry's API, as a library uses it.
#![expect(clippy::float_cmp, reason = "binary fractions add without error")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, InstrumentationScope, KeyValue};

use crate::{Exemplar, InstrumentKind, MetricSample, Registry, RegistryMeterProvider, TraceContext};

fn meter(registry: &Registry) -> Meter {
    RegistryMeterProvider::new(registry).meter("")
}

fn sample(registry: &Registry, name: &str) -> MetricSample {
    registry.snapshot().into_iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("{name}"))
}

fn in_span(flags: u8, span: u8) -> Context {
    let state = TraceState::default();
    let (trace, span) = (TraceId::from_bytes([0xab; 16]), SpanId::from_bytes([span; 8]));
    Context::new().with_remote_span_context(SpanContext::new(trace, span, TraceFlags::new(flags), true, state))
}

#[test]
fn every_synchronous_instrument_records() {
    let registry = Registry::new();
    let meter = meter(&registry);
    let tags = [KeyValue::new("a", 1)];
    let whole = meter.u64_counter("whole").build();
    let parts = meter.f64_counter("parts").with_unit("s").build();
    let up_down = meter.i64_up_down_counter("up").build();
    let up_down_f64 = meter.f64_up_down_counter("upf").build();
    for value in [1_u8, 2, 3] {
        whole.add(value.into(), &tags);
        parts.add(f64::from(value) / 2.0, &tags);
        up_down.add(2 - i64::from(value) * 2, &tags);
        up_down_f64.add(-f64::from(value), &tags);
        meter.u64_gauge("gu").build().record(value.into(), &tags);
        meter.i64_gauge("gi").build().record(-i64::from(value), &tags);
        meter.f64_gauge("gf").build().record(f64::from(value), &tags);
        meter.u64_histogram("hu").build().record(value.into(), &tags);
        meter.f64_histogram("hf").with_boundaries(vec![1.0, 2.5]).build().record(value.into(), &tags);
    }
    parts.add(-5.0, &tags);
    let values = [
        ("whole_total", 6.0),
        ("parts_seconds_total", 3.0),
        ("up", -6.0),
        ("upf", -6.0),
        ("gu", 3.0),
        ("gi", -3.0),
        ("gf", 3.0),
        ("hu", 2.0),
        ("hf", 2.0),
    ];
    for (name, value) in values {
        assert_eq!((name, sample(&registry, name).value), (name, value));
    }
    assert_eq!(sample(&registry, "hf").buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(sample(&registry, "up").origin.unwrap().instrument.kind, InstrumentKind::UpDownCounter);
}

#[test]
fn bound_instruments_record_into_the_same_series() {
    let registry = Registry::new();
    let meter = meter(&registry);
    let tags = [KeyValue::new("a", 1)];
    let events = meter.u64_counter("events").build();
    let bound = events.bind(&tags);
    bound.add(2);
    events.add(3, &tags);
    meter.f64_gauge("level").build().bind(&tags).record(0.5);
    meter.f64_histogram("size").build().bind(&tags).record(4.0);
    assert_eq!(sample(&registry, "events_total").value, 5.0);
    assert_eq!(sample(&registry, "level").value, 0.5);
    assert_eq!(sample(&registry, "size").sum, 4.0);
    meter.f64_gauge("events").build().bind(&tags).record(7.0);
    assert_eq!(registry.refused(), 1);
}

#[test]
fn a_contradiction_records_nothing_and_is_counted() {
    let registry = Registry::new();
    let meter = meter(&registry);
    meter.u64_counter("events").with_unit("s").build().add(1, &[]);
    meter.f64_gauge("events").build().record(7.0, &[]);
    meter.u64_counter("events").with_unit("ms").build().add(7, &[]);
    assert_eq!((registry.snapshot().len(), registry.refused()), (1, 2));
}

#[test]
fn observables_are_asked_at_each_reading_and_a_panic_spoils_nothing() {
    let registry = Registry::new();
    let meter = meter(&registry);
    let (asked, quiet) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (seen, muted, reading) = (Arc::clone(&asked), Arc::clone(&quiet), registry.clone());
    meter
        .u64_observable_counter("asked")
        .with_callback(move |observer| {
            observer.observe(seen.fetch_add(1, Ordering::Relaxed) + 1, &[]);
            if !muted.load(Ordering::Relaxed) {
                observer.observe(7, &[KeyValue::new("more", true)]);
            }
            assert!(reading.snapshot().len() < 100, "it may read the registry");
        })
        .build();
    meter
        .f64_observable_gauge("broken")
        .with_callback(|observer| {
            observer.observe(0.5, &[]);
            panic!("a callback that fails, as it should in this test");
        })
        .with_callback(|observer| observer.observe(1.5, &[KeyValue::new("second", 1)]))
        .build();
    meter.i64_observable_up_down_counter("level").with_callback(|observer| observer.observe(-3, &[])).build();
    registry.on_collect(Box::new(|| panic!("a callback that fails, as it should in this test")));

    let text = registry.prometheus_text();
    for line in ["asked_total 1", "asked_total{more=\"true\"} 7", "broken 0.5", "broken{second=\"1\"} 1.5", "level -3"]
    {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    quiet.store(true, Ordering::Relaxed);
    let text = registry.openmetrics_text();
    assert!(text.contains("\nasked_total 2\n") && !text.contains("more="), "{text}");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "once for each reading from outside");
}

#[test]
fn meters_say_whose_they_are() {
    let registry = Registry::new();
    let provider = RegistryMeterProvider::new(&registry);
    provider.meter("orders").u64_counter("events").build().add(1, &[]);
    let scope = InstrumentationScope::builder("shipping").with_version("2.1").build();
    provider.meter_with_scope(scope).u64_counter("events").build().add(2, &[]);
    let text = registry.prometheus_text();
    let expected = "events_total{otel_scope_name=\"orders\"} 1\n\
                    events_total{otel_scope_name=\"shipping\",otel_scope_version=\"2.1\"} 2\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn observations_in_a_sampled_span_leave_exemplars() {
    let registry = Registry::new();
    let meter = meter(&registry);
    let (events, cost) = (meter.u64_counter("events").build(), meter.f64_counter("cost").build());
    let size = meter.f64_histogram("size").with_boundaries(vec![1.0, 2.0]).build();
    let record = |value: u8| {
        events.add(value.into(), &[]);
        cost.add(f64::from(value) / 2.0, &[]);
        size.record(value.into(), &[]);
    };
    record(1);
    {
        let _unsampled = in_span(0, 1).attach();
        record(1);
    }
    assert!(!registry.openmetrics_text().contains("trace_id"));
    assert!(registry.snapshot().iter().all(|sample| sample.exemplar.is_none()));
    {
        let _sampled = in_span(1, 2).attach();
        record(2);
        // One span has one exemplar, whatever it adds after that.
        events.add(1, &[]);
        cost.add(0.5, &[]);
        size.record(1.5, &[]);
    }
    record(3);
    let context = TraceContext { trace_id: [0xab; 16], span_id: [2; 8], flags: 1 };
    let of = |exemplar: Option<Exemplar>| exemplar.map(|exemplar| (exemplar.value, exemplar.context));
    let total = sample(&registry, "events_total");
    assert_eq!(of(total.exemplar), Some((2.0, context)));
    assert!(total.exemplar.unwrap().at_unix_nano > 1_700_000_000_000_000_000);
    assert_eq!(of(sample(&registry, "cost_total").exemplar), Some((1.0, context)));
    let buckets = sample(&registry, "size").buckets;
    let exemplars: Vec<_> = buckets.iter().map(|bucket| of(bucket.exemplar)).collect();
    assert_eq!(exemplars, [None, Some((2.0, context)), None]);
    let text = registry.openmetrics_text();
    let ids = format!("# {{trace_id=\"{}\",span_id=\"{}\"}} ", "ab".repeat(16), "02".repeat(8));
    assert_eq!(text.matches(&ids).count(), 3, "{text}");
    assert!(text.contains(&format!("events_total 8 {ids}2 1")), "{text}");
}
