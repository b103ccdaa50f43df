//! What is recorded of a run when there is too much of it.

use std::sync::Arc;

use sabot_store::FaultyDisk;
use sabot_telemetry::{SpanStatus, TelemetryConfig, init_telemetry};

use crate::harness::Harness;

#[test]
fn a_batch_that_fails_is_recorded_though_batches_like_it_are_left_out() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").with_max_spans_per_second(1));
    // Spends the budget of a minute.
    (0..60).for_each(|_| drop(telemetry.spans().start("request").root().start()));
    let mut harness = Harness::new(&[
        ("s.csv", "n\n1\n9223372036854775807\n"),
        ("sabot.yaml", "streams:\n  - { name: s, source: { file: s.csv } }\n"),
        ("agents/more.yaml", "name: more\nkind: stream\nsql: SELECT n + 1 AS m FROM s\noutput: { stream: t }\n"),
    ]);
    harness.spans = telemetry.spans().clone();
    let error = harness.run(Arc::new(FaultyDisk::new()), 1).expect_err("an overflow");
    assert!(error.contains("Overflow"), "{error}");

    assert!(telemetry.span_queue().routine().1 >= 2, "a batch of the file and one of the agent");
    let spans = telemetry.span_queue().drain(usize::MAX);
    let failed: Vec<_> = spans.iter().filter(|span| matches!(span.status, SpanStatus::Error(_))).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((failed.name.as_ref(), failed.events.len()), ("process_batch more", 1));
}
