//! Metrics under concurrency, and through the providers.

use std::sync::Barrier;

use sabot_telemetry::{MetricDesc, MetricKind, Registry, TelemetryConfig, TraceContext, init_telemetry};

const THREADS: u32 = 4;
/// Long enough for the threads to meet, even on one core.
const ROUNDS: u32 = 90_000;

fn desc(name: &'static str, kind: MetricKind) -> MetricDesc {
    MetricDesc::new(name, kind, "For a test.").with_labels(["agent"])
}

#[test]
fn concurrent_updates_are_exact() {
    let registry = Registry::new();
    let counter_desc = desc("events_total", MetricKind::Counter);
    let gauge_desc = desc("level", MetricKind::Gauge);
    let histogram_desc = desc("size", MetricKind::Histogram).with_buckets([1.0, 2.0]);
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                let counter = registry.counter(&counter_desc, &["a"]);
                let gauge = registry.gauge(&gauge_desc, &["a"]);
                let histogram = registry.histogram(&histogram_desc, &["a"]);
                for round in 0..ROUNDS {
                    counter.inc();
                    counter.add_f64(0.5); // binary fractions add without error
                    gauge.add(0.25);
                    histogram.observe(f64::from(round % 3) + 0.5);
                }
            });
        }
    });
    let total = f64::from(THREADS * ROUNDS);
    assert_eq!(registry.counter(&counter_desc, &["a"]).value().to_bits(), (total * 1.5).to_bits());
    assert_eq!(registry.gauge(&gauge_desc, &["a"]).value().to_bits(), (total * 0.25).to_bits());
    let sample = registry.snapshot().into_iter().find(|sample| sample.name == "size").unwrap();
    let third = u64::from(THREADS * ROUNDS / 3);
    let counts: Vec<_> = sample.buckets.iter().map(|bucket| bucket.count).collect();
    assert_eq!(counts, [third, 2 * third, 3 * third]);
    assert_eq!(sample.count, 3 * third);
    assert_eq!(sample.sum.to_bits(), (total * 1.5).to_bits(), "the mean of 0.5, 1.5 and 2.5");
}

#[test]
fn reading_while_writing_is_consistent() {
    let registry = Registry::new();
    let desc = desc("latency_seconds", MetricKind::Histogram).with_unit("seconds");
    let context = TraceContext { trace_id: [1; 16], span_id: [1; 8], flags: 1 };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let histogram = registry.histogram(&desc, &["a"]);
                (0..ROUNDS).for_each(|round| histogram.observe_with_exemplar(f64::from(round % 20), context));
            });
        }
        for _ in 0..50 {
            for sample in registry.snapshot() {
                assert!(sample.buckets.is_sorted_by_key(|bucket| bucket.count));
                assert_eq!(sample.buckets.last().unwrap().count, sample.count);
            }
        }
    });
    assert_eq!(registry.histogram(&desc, &["a"]).buckets().last().unwrap().count, u64::from(2 * ROUNDS));
}

#[test]
fn totals_kept_elsewhere_are_refreshed_on_every_reading() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").with_span_queue_capacity(2)).expect("telemetry");
    let received = MetricDesc::new("spans_received_total", MetricKind::Counter, "Spans ended.");
    let refused = MetricDesc::new("spans_refused_total", MetricKind::Counter, "Spans dropped.");
    let counters = [telemetry.registry().counter(&received, &[]), telemetry.registry().counter(&refused, &[])];
    let queue = telemetry.span_queue().clone();
    telemetry.registry().on_collect(Box::new(move || {
        counters[0].raise_to(queue.received());
        counters[1].raise_to(queue.dropped());
    }));
    for ended in 1..=3_u64 {
        drop(telemetry.spans().start("work").root().start());
        let text = telemetry.registry().prometheus_text();
        assert!(text.contains(&format!("\nspans_received_total {ended}\n")), "{text}");
        assert!(text.contains(&format!("\nspans_refused_total {}\n", ended.saturating_sub(2))), "{text}");
    }
}
