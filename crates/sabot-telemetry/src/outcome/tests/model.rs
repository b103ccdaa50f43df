//! The buffer against a slow and obvious model, which looks at whole traces, over random trees, ends and limits.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::pending::ENTRY_BYTES;
use super::super::size::size_bytes;
use super::super::{OutcomeRules, OutcomeSampler};
use super::{reason, span, unfinished};
use crate::Text;
use crate::record::{SpanRecord, SpanStatus};
use crate::sampling::{adjusted_count, randomness};

const NAMES: [&str; 4] = ["any", "query", "pay", "report"];
const STATES: [&str; 3] = ["", "ot=th:4", "ot=rv:c0000000000001;th:8,other=1"];
const TRACES: usize = 6;

#[derive(Clone, Debug)]
enum Step {
    /// A span begins; `apart` is one whose parent is not at hand.
    Begin { trace: usize, name: usize, apart: bool },
    /// One of the running spans ends.
    End { pick: usize, ms: u64, has_failed: bool, value: Option<i64>, text: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let begin =
        (0..TRACES, 0..NAMES.len(), any::<bool>()).prop_map(|(trace, name, apart)| Step::Begin { trace, name, apart });
    let end = (
        any::<usize>(),
        0..200_u64,
        proptest::bool::weighted(0.15),
        proptest::option::weighted(0.2, 0..900_i64),
        0..800_usize,
    )
        .prop_map(|(pick, ms, has_failed, value, text)| Step::End { pick, ms, has_failed, value, text });
    proptest::collection::vec(prop_oneof![begin, end], 1..80)
}

/// A trace that waits.
#[derive(Debug)]
struct Waiting {
    id: [u8; 16],
    root: SpanRecord,
    spans: Vec<SpanRecord>,
    /// Ended before, as the local root of a part of the trace that was decided early: still judged as one.
    earlier_roots: Vec<SpanRecord>,
}

/// What was released: span, reason on it, and weight.
type Out = Vec<([u8; 8], Option<String>, f64)>;

struct Model {
    rules: OutcomeRules,
    waiting: Vec<Waiting>,
    verdicts: HashMap<[u8; 16], Option<&'static str>>,
    dropped: usize,
}

impl Model {
    fn bytes(&self) -> usize {
        let bytes =
            |trace: &Waiting| ENTRY_BYTES + trace.root.name.len() + trace.spans.iter().map(size_bytes).sum::<usize>();
        self.waiting.iter().map(bytes).sum()
    }

    fn begin(&mut self, root: &SpanRecord, out: &mut Out) -> bool {
        if self.waiting.iter().any(|trace| trace.id == root.trace_id) {
            return false;
        }
        self.waiting.push(Waiting {
            id: root.trace_id,
            root: root.clone(),
            spans: Vec::new(),
            earlier_roots: Vec::new(),
        });
        self.make_room(root.start_unix_nano, out);
        true
    }

    fn end(&mut self, span: SpanRecord, is_local_root: bool, out: &mut Out) {
        let now = span.end_unix_nano;
        match self.waiting.iter().position(|trace| trace.id == span.trace_id) {
            Some(at) if is_local_root && self.waiting[at].root.span_id == span.span_id => {
                let mut trace = self.waiting.remove(at);
                trace.spans.push(span.clone());
                let verdict = self.decide(&trace, &span);
                self.let_go(trace.spans, Some(span.span_id), verdict, out);
            }
            Some(at) => {
                if is_local_root {
                    self.waiting[at].earlier_roots.push(span.clone());
                }
                self.waiting[at].spans.push(span);
                self.make_room(now, out);
            }
            None => {
                let verdict = self.verdicts[&span.trace_id];
                let root = is_local_root.then_some(span.span_id);
                self.let_go(vec![span], root, verdict, out);
            }
        }
    }

    fn make_room(&mut self, now: u64, out: &mut Out) {
        while self.bytes() > self.rules.buffer_bytes {
            self.decide_oldest(now, out);
        }
    }

    fn decide_oldest(&mut self, now: u64, out: &mut Out) {
        let trace = self.waiting.remove(0);
        let root = SpanRecord { end_unix_nano: now, ..trace.root.clone() };
        let verdict = self.decide(&trace, &root);
        self.let_go(trace.spans, None, verdict, out);
    }

    fn decide(&mut self, trace: &Waiting, root: &SpanRecord) -> Option<&'static str> {
        let ms = |span: &SpanRecord| span.end_unix_nano.saturating_sub(span.start_unix_nano) / 1_000_000;
        let all = || trace.spans.iter().chain([root]);
        let value = |span: &SpanRecord| {
            let mut values = span.attributes.iter().filter(|(key, _)| key == "business.value");
            values.any(|(_, value)| matches!(value, crate::AttributeValue::Int(value) if *value >= 500))
        };
        let rule = if all().any(|span| span.status != SpanStatus::Unset) {
            Some("error")
        } else if trace
            .earlier_roots
            .iter()
            .chain([root])
            .any(|root| ms(root) >= if root.name == "query" { 30 } else { 120 })
            || trace.spans.iter().any(|span| span.name == "query" && ms(span) >= 30)
        {
            Some("slow")
        } else if all().any(value) {
            Some("high_value")
        } else if all().any(|span| span.name == "pay") {
            Some("operation")
        } else {
            None
        };
        let earlier = self.verdicts.get(&trace.id).copied().flatten();
        // One in four: the random bits begin with two ones.
        let is_lucky = randomness(&trace.root.trace_state, &trace.id) >> 54 == 0b11;
        let verdict = rule.or(earlier).or(if is_lucky { Some("baseline") } else { None });
        self.verdicts.insert(trace.id, verdict);
        verdict
    }

    fn let_go(&mut self, spans: Vec<SpanRecord>, root: Option<[u8; 8]>, verdict: Option<&'static str>, out: &mut Out) {
        let Some(verdict) = verdict else {
            self.dropped += spans.len();
            return;
        };
        let own = if verdict == "baseline" { 4.0 } else { 1.0 };
        out.extend(spans.into_iter().map(|span| {
            let reason = (root == Some(span.span_id)).then(|| verdict.to_owned());
            (span.span_id, reason, adjusted_count(&span.trace_state).max(own))
        }));
    }
}

fn rules(buffer_bytes: usize) -> OutcomeRules {
    OutcomeRules {
        errors: true,
        slow_ms: Some(120),
        slow_operations_ms: [("query".to_owned(), 30)].into(),
        high_value: Some(500.0),
        operations: vec!["pay".to_owned()],
        baseline: 0.25,
        buffer_bytes,
    }
}

fn run(ids: &[[u8; 16]], steps: Vec<Step>, buffer_bytes: usize, shards: usize) {
    let rules = rules(buffer_bytes);
    let sampler = OutcomeSampler::with_shards(&rules, shards).unwrap();
    let mut model = Model { rules, waiting: Vec::new(), verdicts: HashMap::new(), dropped: 0 };
    let mut running: Vec<(SpanRecord, bool)> = Vec::new();
    let (mut released, mut expected) = (Vec::new(), Vec::new());
    let (mut ended, mut now) = (0, 0);
    for (number, step) in steps.into_iter().enumerate() {
        now += 1_000_000;
        match step {
            Step::Begin { trace, name, apart } => {
                let mut begun = span(ids[trace], number as u64, NAMES[name]);
                begun.start_unix_nano = now;
                begun.trace_state = Text::Static(STATES[trace % STATES.len()]);
                let has_parent = running.iter().any(|(other, _)| other.trace_id == begun.trace_id);
                let mut is_local_root = false;
                if apart || !has_parent {
                    is_local_root = sampler.begin(&begun, &mut released);
                    assert_eq!(is_local_root, model.begin(&begun, &mut expected));
                }
                running.push((begun, is_local_root));
            }
            Step::End { pick, ms, has_failed, value, text } => {
                if running.is_empty() {
                    continue;
                }
                let (mut span, is_local_root) = running.swap_remove(pick % running.len());
                span.end_unix_nano = (span.start_unix_nano + ms * 1_000_000).max(now);
                if has_failed {
                    span.status = SpanStatus::Error("failed".into());
                }
                span.attributes.extend(value.map(|value| ("business.value".into(), value.into())));
                span.attributes.push(("text".into(), "x".repeat(text).into()));
                ended += 1;
                // The same size: a clone has no room to spare, and what is counted is room.
                sampler.end(unfinished(span.clone()), is_local_root, &mut released);
                model.end(span.clone(), is_local_root, &mut expected);
            }
        }
        assert!(sampler.counts().bytes_held <= buffer_bytes);
    }
    sampler.decide_pending(now, &mut released);
    while !model.waiting.is_empty() {
        model.decide_oldest(now, &mut expected);
    }
    let out = |span: SpanRecord| (span.span_id, reason(&span), adjusted_count(&span.trace_state));
    let released: Out = released.into_iter().map(|span| out(span.finish())).collect();
    let counts = sampler.counts();
    assert_eq!((counts.spans_held, counts.bytes_held, counts.spans_in), (0, 0, ended));
    assert_eq!(counts.spans_kept, released.len() as u64);
    assert_eq!(counts.spans_dropped, model.dropped as u64);
    let sorted = |mut out: Out| {
        // Shards are emptied one after the other at the end; within a run of one shard the order is the same.
        if shards > 1 {
            out.sort_by_key(|(span_id, ..)| *span_id);
        }
        out
    };
    assert_eq!(sorted(released), sorted(expected));
}

fn ids() -> impl Strategy<Value = Vec<[u8; 16]>> {
    proptest::collection::vec(any::<[u8; 16]>(), TRACES)
        .prop_filter("traces are distinct", |ids| ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)))
}

proptest! {
    #[test]
    fn with_room_for_all(ids in ids(), steps in steps()) {
        run(&ids, steps, 1 << 30, 8);
    }

    #[test]
    fn with_room_for_a_few_spans(ids in ids(), steps in steps(), buffer_bytes in ENTRY_BYTES..8 * ENTRY_BYTES) {
        run(&ids, steps, buffer_bytes, 1);
    }
}
