//! Outcome rules through the span API, weights that add up, and a buffer that never loses anything.

mod model;
mod weights;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::pending::ENTRY_BYTES;
use super::{OutcomeCounts, OutcomeReason, OutcomeRules, OutcomeSampler};
use crate::record::{AttributeValue, Dropped, Resource, SpanKind, SpanRecord, SpanStatus, Unfinished};
use crate::sampling::{HeadSampler, Sampling, SamplingStrategy, adjusted_count};
use crate::spans::SpanJudges;
use crate::{SpanQueue, Spans, Text, TraceContext};

fn span(trace_id: [u8; 16], span_id: u64, name: &'static str) -> SpanRecord {
    SpanRecord {
        trace_id,
        span_id: span_id.to_be_bytes(),
        parent_span_id: None,
        trace_state: Text::default(),
        resource: Arc::new(Resource::of_service("test")),
        scope: None,
        name: name.into(),
        kind: SpanKind::Internal,
        start_unix_nano: 0,
        end_unix_nano: 0,
        status: SpanStatus::Unset,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        dropped: Dropped::default(),
    }
}

fn unfinished(span: SpanRecord) -> Box<Unfinished> {
    Box::new(Unfinished::new(span))
}

fn reason(span: &SpanRecord) -> Option<String> {
    let value = span.attributes.iter().find(|(key, _)| key == "sampling.reason")?;
    if let AttributeValue::Str(text) = &value.1 { Some(text.to_string()) } else { None }
}

/// Spans under these rules, and where they end.
fn spans(rules: &OutcomeRules) -> (Spans, SpanQueue) {
    let queue = SpanQueue::new(NonZeroUsize::new(100_000).unwrap(), NonZeroU32::new(1_000_000).unwrap());
    let judges = SpanJudges::new(HeadSampler::of_rate(1.0)).with_outcome(OutcomeSampler::new(rules).unwrap());
    (Spans::recording_with(Arc::new(Resource::of_service("test")), queue.clone(), judges), queue)
}

fn only_rules() -> OutcomeRules {
    OutcomeRules { baseline: 0.0, ..OutcomeRules::default() }
}

fn drained(queue: &SpanQueue) -> Vec<(String, Option<String>, String)> {
    let spans = queue.drain(usize::MAX).into_iter();
    spans.map(|span| (span.name.to_string(), reason(&span), span.trace_state.to_string())).collect()
}

#[test]
fn a_trace_with_an_error_is_kept_whole_when_its_local_root_ends() {
    let (spans, queue) = spans(&only_rules());
    let root = spans.start("root").root().start();
    let mut child = root.child("child").start();
    let apart = spans.start("apart").parent(child.context()).start();
    child.record_error(&std::fmt::Error, "format");
    drop((apart, child));
    assert_eq!(drained(&queue), [], "nothing is known before the root ends");
    assert_eq!(spans.outcome_counts().unwrap().spans_held, 2);
    drop(root);
    let kept = |name: &str, reason: Option<&str>| (name.to_owned(), reason.map(str::to_owned), String::new());
    assert_eq!(drained(&queue), [kept("apart", None), kept("child", None), kept("root", Some("error"))]);
    let counts = spans.outcome_counts().unwrap();
    assert_eq!((counts.kept_by(OutcomeReason::Error), counts.spans_kept, counts.bytes_held), (1, 3, 0));
}

#[test]
fn a_trace_no_rule_names_is_dropped_whole_with_what_comes_late() {
    let (spans, queue) = spans(&only_rules());
    let root = spans.start("root").root().start();
    let mut late = root.child("late").start();
    drop(root);
    late.record_error(&std::fmt::Error, "too late");
    drop(late);
    assert_eq!(drained(&queue), []);
    let counts = spans.outcome_counts().unwrap();
    assert_eq!((counts.traces_dropped, counts.spans_dropped, counts.spans_late), (1, 2, 1));
}

#[test]
fn a_span_below_a_remote_parent_is_a_local_root() {
    let (spans, queue) = spans(&only_rules());
    let remote = TraceContext { trace_id: [7; 16], span_id: [7; 8], flags: 1 };
    let known = |_: &str| None;
    let first = spans.start("first").parent_with(remote, "ot=th:c", SpanKind::Server, known).start();
    let mut second = spans.start("second").parent_with(remote, "ot=th:c", SpanKind::Server, known).start();
    second.record_error(&std::fmt::Error, "x");
    drop(second);
    assert_eq!(drained(&queue), [], "the trace has a local root that runs");
    drop(first);
    assert_eq!(
        drained(&queue).into_iter().map(|span| (span.1, span.2)).collect::<Vec<_>>(),
        [(None, "ot=th:c".to_owned()), (Some("error".to_owned()), "ot=th:c".to_owned())]
    );
    // A request that follows in the same trace is judged anew, and what was kept once stays kept.
    drop(spans.start("third").parent(remote).start());
    assert_eq!(drained(&queue)[0].1.as_deref(), Some("error"));
}

#[test]
fn each_rule_keeps_what_it_names() {
    let rules = OutcomeRules {
        slow_ms: Some(100),
        slow_operations_ms: [("query".to_owned(), 10), ("report".to_owned(), 1_000)].into(),
        high_value: Some(500.0),
        operations: vec!["pay".to_owned()],
        ..only_rules()
    };
    let sampler = OutcomeSampler::new(&rules).unwrap();
    let mut next = 0_u64;
    let mut check =
        |name: &'static str, ms: u64, attribute: Option<(&'static str, AttributeValue)>, expected: Option<&str>| {
            next += 1;
            let trace_id = u128::from(next).to_be_bytes();
            let mut released = Vec::new();
            let root = span(trace_id, 1, name);
            assert!(sampler.begin(&root, &mut released));
            let mut ended = span(trace_id, 1, name);
            ended.end_unix_nano = ms * 1_000_000;
            ended.attributes.extend(attribute.map(|(key, value)| (key.into(), value)));
            sampler.end(unfinished(ended), true, &mut released);
            let reasons: Vec<_> = released.into_iter().map(|span| reason(&span.finish())).collect();
            assert_eq!(
                reasons,
                expected.map(|reason| Some(reason.to_owned())).into_iter().collect::<Vec<_>>(),
                "{name} {ms}"
            );
        };
    check("any", 99, None, None);
    check("any", 100, None, Some("slow"));
    check("query", 10, None, Some("slow"));
    check("report", 999, None, None);
    check("any", 0, Some(("business.value", 500.into())), Some("high_value"));
    check("any", 0, Some(("business.value", 499.9.into())), None);
    check("any", 0, Some(("business.value", "1e3".into())), Some("high_value"));
    check("any", 0, Some(("business.value", f64::NAN.into())), None);
    check("pay", 0, None, Some("operation"));
    check("any", 0, Some(("operation.type", "pay".into())), Some("operation"));
}

#[test]
fn rules_that_cannot_be_meant_are_refused_by_name() {
    let refused = |rules: OutcomeRules| OutcomeSampler::new(&rules).unwrap_err().to_string();
    let message = refused(OutcomeRules { baseline: 10.0, ..OutcomeRules::default() });
    assert!(message.starts_with("baseline: 10 is not a ratio"), "{message}");
    let message = refused(OutcomeRules { high_value: Some(f64::NAN), ..OutcomeRules::default() });
    assert!(message.starts_with("high_value: NaN cannot be a threshold"), "{message}");
    let message = refused(OutcomeRules { buffer_bytes: 0, ..OutcomeRules::default() });
    assert!(message.starts_with("buffer_bytes: 0 bytes hold no trace; write at least"), "{message}");
    let error = serde_json::from_str::<OutcomeRules>(r#"{"slow_seconds": 1}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `slow_seconds`"), "{error}");
    assert_eq!(serde_json::from_str::<OutcomeRules>("{}").unwrap(), OutcomeRules::default());
}

/// What is kept by a rule stands for what head sampling made of it. Nothing is claimed where that is not known.
#[test]
fn a_rule_claims_no_weight_that_is_not_known() {
    let (spans, queue) = spans(&OutcomeRules { operations: vec!["pay".to_owned()], ..only_rules() });
    let remote = TraceContext { trace_id: [7; 16], span_id: [7; 8], flags: 1 };
    drop(spans.start("pay").parent_with(remote, "vendor=1", SpanKind::Server, |_| None).start());
    assert_eq!(drained(&queue)[0].2, "vendor=1");
}

/// Head sampling at one half, then one in ten of what has no error; the sums of weights are the true counts.
#[test]
fn weights_add_up_to_what_there_was() {
    let head =
        HeadSampler::new(&Sampling { strategy: SamplingStrategy::TraceIdRatio { ratio: 0.5 }, ..Sampling::default() });
    let head = head.unwrap();
    let outcome = OutcomeSampler::new(&OutcomeRules::default()).unwrap();
    let mut random = SmallRng::seed_from_u64(3);
    let (mut failed, mut well) = (0.0, 0.0);
    let (mut kept_failed, mut kept_well) = (0, 0);
    for number in 0..20_000_u32 {
        let trace_id = random.random::<[u8; 16]>();
        let Some(trace_state) = head.root(&trace_id, "any", |_| None) else { continue };
        let mut released = Vec::new();
        let mut root = SpanRecord { trace_state, ..span(trace_id, 1, "root") };
        outcome.begin(&root, &mut released);
        if number % 10 == 0 {
            root.status = SpanStatus::Error("x".into());
        }
        outcome.end(unfinished(root), true, &mut released);
        for span in released.into_iter().map(|span| span.finish()) {
            let weight = adjusted_count(&span.trace_state);
            let (sum, kept) = if span.status == SpanStatus::Unset {
                (&mut well, &mut kept_well)
            } else {
                (&mut failed, &mut kept_failed)
            };
            *sum += weight;
            *kept += 1;
        }
    }
    // Five standard deviations: the square root of n (1 - p) / p.
    assert!((failed - 2_000.0_f64).abs() < 5.0 * 45.0, "{failed} failed, not 2,000");
    assert!((well - 18_000.0_f64).abs() < 5.0 * 403.0, "{well} went well, not 18,000");
    assert!((900..1_100).contains(&kept_failed) && (1_600..2_000).contains(&kept_well), "{kept_failed} {kept_well}");
}

#[test]
fn a_full_buffer_decides_the_oldest_trace_and_counts_it() {
    let rules = OutcomeRules { buffer_bytes: 10 * ENTRY_BYTES, slow_ms: Some(50), ..only_rules() };
    let sampler = OutcomeSampler::with_shards(&rules, 1).unwrap();
    let mut released = Vec::new();
    for number in 1..=30_u64 {
        let trace_id = u128::from(number).to_be_bytes();
        let mut root = span(trace_id, 1, "");
        root.start_unix_nano = number * 10_000_000;
        assert!(sampler.begin(&root, &mut released));
        assert!(sampler.counts().bytes_held <= rules.buffer_bytes);
    }
    let counts = sampler.counts();
    // Each had been running for 100 ms by then: slow, whatever comes.
    assert_eq!((counts.traces_early, counts.kept_by(OutcomeReason::Slow)), (20, 20));
    let mut late = span(1_u128.to_be_bytes(), 1, "root");
    late.end_unix_nano = 1;
    sampler.end(unfinished(late), true, &mut released);
    assert_eq!(released.into_iter().map(|span| reason(&span.finish())).collect::<Vec<_>>(), [Some("slow".to_owned())]);
}

#[test]
fn verdicts_are_forgotten_in_time_and_what_comes_then_is_judged_alone() {
    let sampler = OutcomeSampler::with_shards(&only_rules(), 1).unwrap();
    let mut released = Vec::new();
    for number in 0..2_000_u128 {
        let root = span(number.to_be_bytes(), 1, "root");
        sampler.begin(&root, &mut released);
        sampler.end(unfinished(root), true, &mut released);
    }
    for number in [0_u128, 1_999] {
        let mut late = span(number.to_be_bytes(), 2, "late");
        late.status = SpanStatus::Error("x".into());
        sampler.end(unfinished(late), false, &mut released);
    }
    assert_eq!(released.len(), 1, "the verdict on the newer one is known");
    let counts = sampler.counts();
    assert_eq!((counts.spans_late, counts.spans_forgotten, counts.spans_dropped), (1, 1, 2_001));
}

#[test]
fn threads_lose_and_duplicate_nothing() {
    let rules = OutcomeRules { baseline: 0.3, buffer_bytes: 40_000, ..OutcomeRules::default() };
    let (spans, queue) = spans(&rules);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let spans = &spans;
            scope.spawn(move || {
                let mut open = Vec::new();
                for number in 0..500_usize {
                    let root = spans.start("root").root().start();
                    let mut child = root.child("child").attribute("text", "x".repeat(number)).start();
                    if number % 7 == thread {
                        child.record_error(&std::fmt::Error, "x");
                    }
                    open.push(root);
                    open.push(child);
                    if open.len() > 40 {
                        drop(open.swap_remove(number % 40));
                    }
                }
            });
        }
    });
    spans.decide_pending();
    let counts = spans.outcome_counts().unwrap();
    assert_eq!(counts.spans_in, 4_000);
    assert_eq!(counts.spans_kept + counts.spans_dropped, 4_000);
    assert_eq!((counts.spans_held, counts.bytes_held, counts.spans_forgotten), (0, 0, 0));
    assert!(counts.traces_early > 0 && counts.spans_late > 0, "{counts:?}");
    let mut ids: Vec<_> = queue.drain(usize::MAX).iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len() as u64, counts.spans_kept);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, counts.spans_kept);
}

#[test]
fn without_rules_nothing_waits_and_nothing_is_counted() {
    let telemetry = crate::init_telemetry(crate::TelemetryConfig::new("test")).unwrap();
    let root = telemetry.spans().start("root").root().start();
    drop(root.child("child").start());
    assert_eq!(telemetry.span_queue().drain(2).len(), 1);
    assert_eq!(telemetry.spans().outcome_counts(), None);
    telemetry.spans().decide_pending();
}

/// Counts of the same decisions are the same, whatever the order of the fields.
#[test]
fn counts_are_found_by_reason() {
    let counts = OutcomeCounts { traces_kept: [1, 2, 3, 4, 5], ..OutcomeCounts::default() };
    assert_eq!(OutcomeReason::ALL.map(|reason| counts.kept_by(reason)), [1, 2, 3, 4, 5]);
}
