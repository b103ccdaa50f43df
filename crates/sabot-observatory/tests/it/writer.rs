//! The background writer: what it takes, what it counts, what it does when the disk fails.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use sabot_observatory::{SpanWriter, TraceQuery};
use sabot_telemetry::{
    ExportersConfig, LogRecord, Severity, Signal, Target, TargetKind, TelemetryConfig, TelemetryProviders,
    init_telemetry,
};

use crate::support::{Bench, count, root};

fn telemetry(capacity: usize) -> TelemetryProviders {
    init_telemetry(TelemetryConfig::new("shop").with_span_queue_capacity(capacity)).expect("telemetry")
}

fn writer(bench: &Bench, telemetry: &TelemetryProviders) -> SpanWriter {
    SpanWriter::spawn(Arc::clone(&bench.store), telemetry.span_queue().clone(), telemetry.outlet().clone())
        .expect("threads")
}

fn end_spans(telemetry: &TelemetryProviders, spans: usize) {
    (0..spans).for_each(|_| drop(telemetry.spans().start("work").root().start()));
}

#[tokio::test]
async fn stop_writes_everything_that_has_ended() {
    let bench = Bench::new();
    let telemetry = telemetry(100_000);
    let writer = writer(&bench, &telemetry);
    end_spans(&telemetry, 20_000);
    telemetry.close();
    writer.stop().expect("stopped");
    let (_dir, reopened) = bench.reopened_copy();
    assert_eq!(count(&reopened).await, (20_000, 20_000));
    assert!((bench.counter("sabot_spans_stored_total") - 20_000.0).abs() < 0.5);
    assert!(bench.counter("sabot_spans_refused_total").abs() < 0.5);
}

#[tokio::test]
async fn spans_are_stored_and_sent_and_log_records_are_sent() {
    let (bench, dir) = (Bench::new(), tempfile::tempdir().expect("a directory"));
    let file = |name: &str, signals: &[Signal]| {
        let kind = TargetKind::File { path: dir.path().join(name) };
        let targets = vec![Target::new(name, kind).with_signals(signals.iter().copied())];
        let exporters = ExportersConfig { targets, ..ExportersConfig::default() };
        TelemetryConfig::new("shop").with_exporters(exporters).with_queues_left_to_the_caller()
    };
    for (name, signals) in [("all", &Signal::ALL[..]), ("spans", &[Signal::Traces])] {
        let config = file(name, signals);
        let settings = config.export_settings().expect("settings");
        let telemetry = init_telemetry(config).expect("telemetry");
        telemetry.outlet().change(&settings, telemetry.resource(), Duration::ZERO).expect("an exporter");
        let writer = writer(&bench, &telemetry);
        end_spans(&telemetry, 1);
        telemetry.log_queue().push(LogRecord {
            at_unix_nano: 1,
            severity: Severity::Warn,
            target: "shop".into(),
            body: "the disk is full".into(),
            attributes: Vec::new(),
            dropped_attributes: 0,
            trace: None,
        });
        telemetry.close();
        writer.stop().expect("stopped");
        assert!(telemetry.shutdown_within(Duration::from_secs(20)).await);
        let sent = fs::read_to_string(dir.path().join(name)).expect("lines");
        assert!(sent.contains("\"work\""), "{sent}");
        assert_eq!(sent.contains("the disk is full"), signals.contains(&Signal::Logs), "{sent}");
    }
    assert_eq!(count(&bench.store).await, (2, 2));
}

#[tokio::test]
async fn stop_works_while_the_queue_is_open() {
    let bench = Bench::new();
    let telemetry = telemetry(1_000);
    let writer = writer(&bench, &telemetry);
    end_spans(&telemetry, 10);
    writer.stop().expect("stopped");
    assert_eq!(count(&bench.store).await, (10, 10));
    assert_eq!(bench.blocks().len(), 1);
}

#[tokio::test]
async fn what_the_queue_drops_is_counted() {
    let bench = Bench::new();
    let telemetry = telemetry(10);
    end_spans(&telemetry, 100);
    let writer = writer(&bench, &telemetry);
    telemetry.close();
    writer.stop().expect("stopped");
    assert_eq!(count(&bench.store).await, (10, 10));
    for (what, expected) in [("received", 100.0), ("refused", 90.0), ("stored", 10.0)] {
        let counted = bench.counter(&format!("sabot_spans_{what}_total"));
        assert!((counted - expected).abs() < 0.5, "{counted} {what}");
    }
}

#[test]
fn a_flush_is_due_by_time_and_by_number() {
    let bench = Bench::new();
    assert!(!bench.store.flush_is_due());
    bench.advance(60);
    assert!(!bench.store.flush_is_due(), "there is nothing to write");
    bench.store.append(vec![root(1, "work")]);
    bench.advance(4);
    assert!(!bench.store.flush_is_due());
    bench.advance(1);
    assert!(bench.store.flush_is_due(), "after five seconds");
    bench.store.flush().expect("a block");
    assert!(!bench.store.flush_is_due());
    bench.store.append(vec![root(1, "work"); 50_000]);
    assert!(bench.store.flush_is_due(), "with fifty thousand spans");
}

#[tokio::test]
async fn while_the_disk_fails_spans_are_kept_then_refused_and_later_written() {
    let bench = Bench::new();
    let (spans, away) = (bench.dir.path().join("spans"), bench.dir.path().join("away"));
    fs::rename(&spans, &away).expect("the disk fails");
    bench.store.append(vec![root(1, "first")]);
    bench.store.flush().expect_err("no directory");
    assert!(!bench.store.flush_is_due(), "it is not tried again at once");
    let batch = vec![root(2, "work"); 50_000];
    for _ in 0..5 {
        bench.store.append(batch.clone());
        assert!(!bench.store.flush_is_due(), "also not for being full");
    }
    let refused = bench.counter("sabot_spans_refused_total");
    assert!((50_000.0..100_000.0).contains(&refused), "{refused} refused of 250,001");
    let query = TraceQuery { operation: Some("first".to_owned()), ..TraceQuery::default() };
    assert_eq!(bench.search(query).await.len(), 1, "what is kept can be read");
    bench.advance(5);
    assert!(bench.store.flush_is_due(), "it is tried again");

    fs::rename(&away, &spans).expect("the disk is back");
    bench.store.flush().expect("a block");
    let (stored, received) = (bench.counter("sabot_spans_stored_total"), bench.counter("sabot_spans_received_total"));
    assert!((stored + refused - received).abs() < 0.5, "{stored} stored, {refused} refused, {received} received");
    assert_eq!(bench.blocks().len(), 1, "nothing half-written stays");
}
