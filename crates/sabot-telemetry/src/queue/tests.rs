//! A full queue drops and counts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::SpanQueue;
use crate::sync::lock;
use crate::{
    HeadSampler, RecordLimits, Redaction, Redactor, Resource, SpanJudges, Spans, TelemetryConfig, TelemetryProviders,
    init_telemetry,
};

fn telemetry(capacity: usize) -> TelemetryProviders {
    init_telemetry(TelemetryConfig::new("test").without_globals().with_span_queue_capacity(capacity))
        .expect("telemetry")
}

fn end_spans(telemetry: &TelemetryProviders, count: usize) {
    (0..count).for_each(|_| drop(telemetry.spans().start("work").root().start()));
}

fn woken(queue: &SpanQueue) -> bool {
    lock(&queue.shared.signal).woken
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_exactly() {
    let telemetry = telemetry(10);
    let queue = telemetry.span_queue();
    for name in ["kept", "lost"] {
        (0..10).for_each(|_| drop(telemetry.spans().start(name).root().start()));
    }
    assert_eq!((queue.received(), queue.dropped()), (20, 10));
    let drained = queue.drain(usize::MAX);
    assert_eq!(drained.len(), 10);
    assert!(drained.iter().all(|span| span.name == "kept"));

    end_spans(&telemetry, 1);
    assert_eq!((queue.received(), queue.dropped(), queue.drain(usize::MAX).len()), (21, 10, 1));
}

#[test]
fn many_producers_lose_and_duplicate_nothing_unaccounted() {
    let telemetry = telemetry(1_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| end_spans(&telemetry, 500));
        }
    });
    let queue = telemetry.span_queue();
    let mut ids: Vec<_> = queue.drain(usize::MAX).into_iter().map(|span| span.span_id).collect();
    assert_eq!((queue.received(), queue.dropped(), ids.len()), (2_000, 1_000, 1_000));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
}

#[test]
fn drains_at_most_what_is_asked_for() {
    let telemetry = telemetry(10);
    end_spans(&telemetry, 5);
    let sizes: Vec<_> = (0..3).map(|_| telemetry.span_queue().drain(3).len()).collect();
    assert_eq!(sizes, [3, 2, 0]);
}

#[test]
fn the_consumer_is_woken_once_per_eighth_of_the_capacity() {
    let telemetry = telemetry(16);
    let queue = telemetry.span_queue();
    end_spans(&telemetry, 1);
    assert!(!woken(queue));
    end_spans(&telemetry, 1);
    assert!(woken(queue));
    assert!(queue.wait(Duration::from_hours(1)), "returns at once and says the queue is open");
    assert!(!woken(queue));
    assert!(queue.wait(Duration::ZERO));
}

#[test]
fn shutdown_closes_the_queue_and_leaves_what_is_in_it() {
    let telemetry = telemetry(16);
    end_spans(&telemetry, 1);
    telemetry.close();
    assert!(!telemetry.span_queue().wait(Duration::ZERO));
    assert_eq!(telemetry.span_queue().drain(usize::MAX).len(), 1);
}

#[test]
fn a_waiting_consumer_gets_every_span_and_ends_with_the_queue() {
    let telemetry = telemetry(16);
    let queue = telemetry.span_queue();
    std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            let mut spans = 0;
            for _ in 0..20 {
                let is_open = queue.wait(Duration::from_secs(10));
                spans += queue.drain(usize::MAX).len();
                if !is_open {
                    return spans;
                }
            }
            panic!("the queue was never closed");
        });
        end_spans(&telemetry, 9);
        telemetry.close();
        assert_eq!(consumer.join().unwrap(), 9);
    });
}

#[test]
fn what_is_drained_is_redacted() {
    let redactor = Arc::new(Redactor::new(&Redaction::default()).unwrap());
    let queue = SpanQueue::with_redactor(
        NonZeroUsize::new(8).unwrap(),
        NonZeroU32::new(1_000).unwrap(),
        Some(Arc::clone(&redactor)),
        RecordLimits::default(),
    );
    let spans = Spans::recording_with(
        Arc::new(Resource::of_service("test")),
        queue.clone(),
        SpanJudges::new(HeadSampler::of_rate(1.0)),
    );
    drop(spans.start("work").root().attribute("token", "abc").attribute("prompt_id", "p1").start());
    let [span] = queue.drain(8).try_into().unwrap();
    assert_eq!(span.attributes[0].1, "[redacted]".into());
    assert_eq!(span.attributes[1].1, "p1".into());
    assert_eq!(redactor.counts().keys, 1);
}
