//! Whatever decides, the weights of what is kept add up to what there was, and a child is kept no more surely than said.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{Resource, SpanKind};
use crate::sampling::{AlwaysKeep, HeadSampler, Sampling, SamplingStrategy, adjusted_count, randomness_of, threshold};
use crate::spans::SpanJudges;
use crate::{AttributeValue, OutcomeRules, OutcomeSampler, SpanQueue, Spans, TraceContext};

const TRACES: u32 = 3_000;
/// Sorts of traces: their names, tiers, whether they fail, and whether they come from elsewhere.
const SORTS: [(&str, &str, bool, bool); 6] = [
    ("any", "none", false, false),
    ("any", "none", true, false),
    ("report", "none", false, false),
    ("any", "gold", false, false),
    ("pay", "none", false, false),
    ("any", "none", false, true),
];

fn ratio() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), 0.2..1.0_f64]
}

#[derive(Clone, Debug)]
struct Case {
    base: f64,
    report: f64,
    gold: f64,
    follows_parents: bool,
    /// The ratio of outcome rules, if there are any.
    baseline: Option<f64>,
    /// What the service in front has kept.
    elsewhere: f64,
    /// Traces that run at once, so that a small buffer decides early.
    at_once: usize,
}

fn cases() -> impl Strategy<Value = Case> {
    let ratios = (ratio(), ratio(), ratio(), proptest::option::of(ratio()), ratio());
    (ratios, any::<bool>(), 1..40_usize).prop_map(
        |((base, report, gold, baseline, elsewhere), follows_parents, at_once)| Case {
            base,
            report,
            gold,
            follows_parents,
            baseline,
            elsewhere,
            at_once,
        },
    )
}

fn spans(case: &Case) -> (Spans, SpanQueue) {
    let ratio = SamplingStrategy::TraceIdRatio { ratio: case.base };
    let sampling = Sampling {
        strategy: if case.follows_parents { ratio.parent_based() } else { ratio },
        operation_rates: [("report".to_owned(), case.report)].into(),
        customer_tiers: [("gold".to_owned(), case.gold)].into(),
        always_keep: AlwaysKeep { operations: vec!["pay".to_owned()], ..AlwaysKeep::default() },
    };
    let mut judges = SpanJudges::new(HeadSampler::new(&sampling).unwrap());
    if let Some(baseline) = case.baseline {
        let rules = OutcomeRules { baseline, buffer_bytes: 64 * 1024, ..OutcomeRules::default() };
        judges = judges.with_outcome(OutcomeSampler::new(&rules).unwrap());
    }
    let queue = SpanQueue::new(NonZeroUsize::new(100_000).unwrap(), NonZeroU32::new(u32::MAX).unwrap());
    (Spans::recording_with(Arc::new(Resource::of_service("test")), queue.clone(), judges), queue)
}

/// Works on every trace; the weights of kept roots and of kept children by sort, and the sums of their squares.
fn weights(case: &Case, seed: u64) -> [(f64, f64); 2 * SORTS.len()] {
    let (spans, queue) = spans(case);
    let front = HeadSampler::new(&Sampling {
        strategy: SamplingStrategy::TraceIdRatio { ratio: case.elsewhere },
        ..Sampling::default()
    });
    let front = front.unwrap();
    let mut random = SmallRng::seed_from_u64(seed);
    let mut running = Vec::new();
    for (sort, (name, tier, fails, is_remote)) in SORTS.iter().enumerate() {
        for _ in 0..TRACES {
            let known = |key: &str| (key == "user.tier").then(|| AttributeValue::from(*tier));
            let start = spans.start(*name);
            let draft = if *is_remote {
                let trace_id: [u8; 16] = random.random();
                let state = front.root(&trace_id, name, |_| None);
                let parent = TraceContext { trace_id, span_id: [1; 8], flags: u8::from(state.is_some()) };
                start.parent_with(parent, state.unwrap_or_default(), SpanKind::Server, known)
            } else {
                start.root_with(SpanKind::Server, known)
            };
            let root = draft.attribute("sort", sort).start();
            let mut child = root.child("child").attribute("sort", sort).start();
            if *fails {
                child.record_error(&std::fmt::Error, "format");
            }
            drop(child);
            running.push(root);
            if running.len() > case.at_once {
                drop(running.swap_remove(random.random_range(0..running.len())));
            }
        }
    }
    drop(running);
    spans.decide_pending();
    let mut sums = [(0.0, 0.0); 2 * SORTS.len()];
    for span in queue.drain(usize::MAX) {
        let Some((_, AttributeValue::Int(sort))) = span.attributes.iter().find(|(key, _)| key == "sort") else {
            panic!("{span:?}")
        };
        let kept_with = threshold(&span.trace_state);
        let is_kept = kept_with.is_none_or(|threshold| threshold.keeps(randomness_of(&span.trace_id)));
        let (name, _, fails, _) = SORTS[usize::try_from(*sort).unwrap()];
        assert!(is_kept || fails || name == "pay", "its threshold would not have kept it: {span:?}");
        let weight = adjusted_count(&span.trace_state);
        let sum = &mut sums[2 * usize::try_from(*sort).unwrap() + usize::from(span.name == "child")];
        *sum = (sum.0 + weight, sum.1 + weight * (weight - 1.0));
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn they_add_up(case in cases(), seed in any::<u64>()) {
        let expected = f64::from(TRACES);
        for (place, (sum, variance)) in weights(&case, seed).into_iter().enumerate() {
            // The sum of weight * (weight - 1) estimates the variance; six deviations, and room for its own error.
            let most = 7.0 * (variance + expected * 0.01).sqrt();
            prop_assert!((sum - expected).abs() <= most, "{:?}, child {}: {sum}, not {expected}", SORTS[place / 2], place % 2);
        }
    }
}
