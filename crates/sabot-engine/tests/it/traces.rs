//! What is recorded of a run when there is too much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sabot_store::FaultyDisk;
use sabot_telemetry::{AttributeValue, SpanRecord, SpanStatus, TelemetryConfig, init_telemetry};

use crate::harness::{Harness, events};

/// A file, a window over it, and two agents behind that, with at most so many spans a second.
fn run_at(spans_per_second: u32, sample_rate: f64) -> (Vec<SpanRecord>, (u64, u64)) {
    let config = TelemetryConfig::new("test").with_sample_rate(sample_rate);
    let telemetry = init_telemetry(config.with_max_spans_per_second(spans_per_second)).expect("telemetry");
    let agent = |name: &str, sql: &str, output: &str| {
        format!("name: {name}\nkind: stream\nsql: {sql}\noutput: {{ stream: {output} }}\n")
    };
    let windows = "SELECT window_start, sensor, count(*) AS n FROM TUMBLE(s, at, INTERVAL '1 minute') \
                   GROUP BY window_start, sensor";
    let mut harness = Harness::new(&[
        ("s.csv", &events(2_000, 20)),
        ("sabot.yaml", "streams:\n  - { name: s, event_time: at, source: { file: s.csv } }\n"),
        ("agents/a.yaml", &agent("a", windows, "t")),
        ("agents/b.yaml", &agent("b", "SELECT * FROM t WHERE n > 1", "u")),
        ("agents/c.yaml", &agent("c", "SELECT n + 1 AS m FROM u", "v")),
    ]);
    harness.spans = telemetry.spans().clone();
    harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    (telemetry.span_queue().drain(usize::MAX), telemetry.span_queue().routine())
}

#[test]
fn every_batch_of_a_file_is_in_a_trace_that_ends_with_a_commit() {
    let telemetry =
        init_telemetry(TelemetryConfig::new("test").with_max_spans_per_second(1_000_000)).expect("telemetry");
    let yaml = "streams:\n  - { name: s, event_time: at, source: { file: s.csv, speed: 500ms } }\n";
    let mut harness = Harness::new(&[("s.csv", &events(2_000, 20)), ("sabot.yaml", yaml)]);
    harness.spans = telemetry.spans().clone();
    harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    let spans = telemetry.span_queue().drain(usize::MAX);
    let traces_with = |name: &str| -> BTreeSet<[u8; 16]> {
        spans.iter().filter(|span| span.name.as_ref() == name).map(|span| span.trace_id).collect()
    };
    let batches = spans.iter().filter(|span| span.name.as_ref() == "process_batch source:s").count();
    let traces = traces_with("process_batch source:s");
    assert!(traces.len() > 1 && traces.len() < batches, "{batches} batches in {} traces", traces.len());
    assert!(traces_with("sink") == traces, "every trace has a sink and no sink another");
    assert!(traces_with("commit") == traces, "every trace has a commit and no commit another");
}

#[test]
fn an_epoch_is_sampled_as_a_whole() {
    let config = TelemetryConfig::new("test").with_max_spans_per_second(1_000_000).with_sample_rate(0.5);
    let telemetry = init_telemetry(config).expect("telemetry");
    let yaml = "streams:\n  - { name: s, event_time: at, source: { file: s.csv, speed: 500ms } }\n";
    let mut harness = Harness::new(&[("s.csv", &events(2_000, 20)), ("sabot.yaml", yaml)]);
    harness.spans = telemetry.spans().clone();
    harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    let spans = telemetry.span_queue().drain(usize::MAX);
    let rows_by_trace = |name: &str| {
        let mut rows: BTreeMap<[u8; 16], i64> = BTreeMap::new();
        for span in spans.iter().filter(|span| span.name.as_ref() == name) {
            let of_span = span.attributes.iter().find(|(key, _)| key.as_ref() == "sabot.rows");
            let Some((_, AttributeValue::Int(count))) = of_span else { panic!("{span:#?}") };
            *rows.entry(span.trace_id).or_default() += count;
        }
        rows
    };
    // What a commit says it committed is what the batches of its trace brought.
    let (batches, commits) = (rows_by_trace("process_batch source:s"), rows_by_trace("commit"));
    assert!(batches == commits, "a batch was recorded without the others of its epoch");
    let recorded: i64 = commits.values().sum();
    assert!((1..2_000).contains(&recorded), "{recorded} rows of 2,000 were recorded at half the traces");
}

/// Names of the spans that hang below nothing.
fn roots(spans: &[SpanRecord]) -> BTreeSet<&str> {
    spans.iter().filter(|span| span.parent_span_id.is_none()).map(|span| span.name.as_ref()).collect()
}

#[test]
fn traces_begin_with_the_file_and_have_no_gaps_wherever_batches_are_left_out() {
    let mut cut = 0;
    for spans_per_second in [1, 3, 5, 8, 1_000_000] {
        let (spans, (recorded, left_out)) = run_at(spans_per_second, 1.0);
        assert!(recorded > 0, "the first batch is always recorded");
        cut += u32::from(left_out > 0);
        let ids: BTreeSet<[u8; 8]> = spans.iter().map(|span| span.span_id).collect();
        for span in &spans {
            let parent = span.parent_span_id;
            assert!(
                parent.is_none_or(|parent| ids.contains(&parent)),
                "{span:#?} hangs below a span that is not there"
            );
            assert!(span.links.iter().all(|link| ids.contains(&link.span_id)), "{span:#?}");
        }
        assert_eq!(roots(&spans), BTreeSet::from(["process_batch source:s"]), "at {spans_per_second}");
    }
    assert!((1..5).contains(&cut), "batches were left out in {cut} of 5 runs");
}

#[test]
fn what_is_not_sampled_at_the_file_begins_no_trace_later_on() {
    assert_eq!(run_at(1_000_000, 0.0), (Vec::new(), (0, 0)));
}

#[test]
fn a_batch_that_fails_is_recorded_though_batches_like_it_are_left_out() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").with_max_spans_per_second(1)).expect("telemetry");
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

    assert!(telemetry.span_queue().routine().1 > 0, "the batch of the file, which the agent's follows");
    let spans = telemetry.span_queue().drain(usize::MAX);
    let failed: Vec<_> = spans.iter().filter(|span| matches!(span.status, SpanStatus::Error(_))).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((failed.name.as_ref(), failed.events.len()), ("process_batch more", 1));
}
