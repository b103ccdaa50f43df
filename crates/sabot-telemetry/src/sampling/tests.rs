//! Thresholds, `tracestate`, strategies and rules.
#![expect(clippy::float_cmp, reason = "weights of powers of two are exact")]

use std::collections::HashMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::threshold::Threshold;
use super::tracestate::{randomness, threshold, with_threshold};
use super::{AlwaysKeep, HeadSampler, Sampling, SamplingStrategy, adjusted_count};
use crate::context::TraceContext;
use crate::record::AttributeValue;

/// Ids whose last 56 bits are spread evenly.
fn trace_ids() -> impl Iterator<Item = [u8; 16]> {
    (0..10_000_u128).map(|i| ((1 << 100) | ((i << 56) / 10_000)).to_be_bytes())
}

const fn nothing(_: &str) -> Option<AttributeValue> {
    None
}

fn sampled(rate: f64) -> Vec<[u8; 16]> {
    let sampler = HeadSampler::of_rate(rate);
    trace_ids().filter(|id| sampler.root(id, "any", nothing).is_some()).collect()
}

fn with(change: impl FnOnce(&mut Sampling)) -> HeadSampler {
    let mut sampling = Sampling::default();
    change(&mut sampling);
    HeadSampler::new(&sampling).unwrap()
}

fn share(sampler: &HeadSampler, name: &str, known: &[(&str, &str)]) -> usize {
    let known: HashMap<&str, &str> = known.iter().copied().collect();
    let known = |key: &str| known.get(key).map(|value| AttributeValue::from((*value).to_owned()));
    trace_ids().filter(|id| sampler.root(id, name, known).is_some()).count()
}

#[test]
fn the_share_of_sampled_traces_is_the_rate() {
    for (rate, expected) in [(0.0, 0), (0.01, 100), (0.1, 1_000), (0.5, 5_000), (0.9, 9_000), (1.0, 10_000)] {
        let count = sampled(rate).len();
        assert!(count.abs_diff(expected) <= 1, "{count} of 10,000 at {rate}");
    }
}

#[test]
fn the_decision_depends_on_the_trace_id_alone() {
    let tenth = sampled(0.1);
    let half = sampled(0.5);
    assert!(tenth.iter().all(|id| half.contains(id)), "a higher rate keeps what a lower one keeps");
    // The specification's example: 25 % keeps randomness from 0xc0000000000000 on, whatever comes before it.
    let quarter = HeadSampler::of_rate(0.25);
    for (last, kept) in [(0xc0_0000_0000_0000_u64, true), (0xbf_ffff_ffff_ffff, false)] {
        for before in [0_u128, 0x00ff_ffff_ffff_ffff_ffff] {
            let id = ((before << 56) | u128::from(last)).to_be_bytes();
            assert_eq!(quarter.root(&id, "any", nothing).is_some(), kept, "{last:x}");
        }
    }
}

#[test]
fn thresholds_are_written_as_the_specification_writes_them() {
    for (ratio, written) in [(1.0, "0"), (0.5, "8"), (0.25, "c"), (0.75, "4"), (0.01, "fd70a4"), (1.0 / 3.0, "aaaab")] {
        assert_eq!(Threshold::of_ratio(ratio).to_string(), written, "{ratio}");
        assert_eq!(Threshold::from_hex(written), Some(Threshold::of_ratio(ratio)));
    }
    for wrong in ["", "C", "g", "+1", "123456789abcdef", "é"] {
        assert_eq!(Threshold::from_hex(wrong), None, "{wrong}");
    }
    let least = 2.0_f64.powi(-56);
    assert_eq!(Threshold::of_ratio(least).to_string(), "ffffffffffffff");
    assert_eq!(Threshold::of_ratio(f64::MIN_POSITIVE), Threshold::NEVER);
    assert_eq!(Threshold::of_ratio(1.0 - f64::EPSILON / 2.0).adjusted_count(), 1.0);
}

proptest! {
    #[test]
    fn weights_are_those_of_the_ratio(ratio in 1e-12..=1.0_f64) {
        let threshold = Threshold::of_ratio(ratio);
        prop_assert!((threshold.adjusted_count() * ratio - 1.0).abs() < 1e-4, "{ratio}: {threshold}");
        prop_assert_eq!(Threshold::from_hex(&threshold.to_string()), Some(threshold));
    }

    #[test]
    fn any_text_is_a_trace_state_without_panic(text in any::<String>(), id in any::<[u8; 16]>()) {
        prop_assert!(adjusted_count(&text) >= 0.0);
        prop_assert!(randomness(&text, &id) < 1 << 56);
        let changed = with_threshold(&text, Some(Threshold::of_ratio(0.25)));
        prop_assert_eq!(adjusted_count(&changed), 4.0);
        prop_assert_eq!(threshold(&with_threshold(&text, None)), None);
    }

    #[test]
    fn members_of_others_stay(others in proptest::collection::vec("[a-z]{1,5}[0-9]=[a-z0-9:;]{1,9}", 0..20)) {
        let before = others.join(",");
        let changed = with_threshold(&before, Some(Threshold::of_ratio(0.5)));
        prop_assert_eq!(&changed, &[&["ot=th:8".to_owned()], others.as_slice()].concat().join(","));
        prop_assert_eq!(with_threshold(&changed, None), before);
    }
}

#[test]
fn a_threshold_replaces_one_and_leaves_the_rest_of_the_member() {
    let half = Some(Threshold::of_ratio(0.5));
    let cases = [
        (
            "a=1,ot=rv:0123456789abcd;th:c;x:y,b=2",
            "ot=th:8;rv:0123456789abcd;x:y,a=1,b=2",
            "ot=rv:0123456789abcd;x:y,a=1,b=2",
        ),
        ("ot=th:0", "ot=th:8", ""),
        (" a=1 ,\tb=2", "ot=th:8,a=1,b=2", "a=1,b=2"),
    ];
    for (before, set, erased) in cases {
        assert_eq!(with_threshold(before, half), set);
        assert_eq!(with_threshold(before, None), erased);
    }
    let full = (0..32).map(|i| format!("v{i}=1")).collect::<Vec<_>>().join(",");
    let changed = with_threshold(&full, half);
    assert_eq!(changed.split(',').count(), 32);
    assert!(changed.starts_with("ot=th:8,v0=1") && changed.ends_with("v30=1"), "{changed}");
}

#[test]
fn explicit_randomness_wins_over_the_id_and_has_all_its_digits() {
    let id = [0xff; 16];
    assert_eq!(randomness("ot=rv:00000000000001", &id), 1);
    for other in ["", "ot=rv:1", "ot=rv:0000000000000g", "rv=00000000000001"] {
        assert_eq!(randomness(other, &id), (1 << 56) - 1, "{other}");
    }
}

#[test]
fn adjusted_counts_read_the_members_of_a_trace_state() {
    for (state, count) in
        [("", 1.0), ("ot=th:0", 1.0), ("a=1, ot=rv:0;th:c", 4.0), ("ot=th:XYZ", 1.0), ("notot=th:c", 1.0)]
    {
        assert_eq!(adjusted_count(state), count, "{state}");
    }
}

#[test]
fn roots_carry_what_they_were_kept_with() {
    let id = [0xff; 16];
    let state = |sampler: &HeadSampler, name| sampler.root(&id, name, nothing).unwrap().to_string();
    let ratio = with(|sampling| {
        sampling.strategy = SamplingStrategy::TraceIdRatio { ratio: 0.25 };
        sampling.always_keep.operations = vec!["pay".to_owned()];
        sampling.operation_rates = [("half".to_owned(), 0.5)].into();
    });
    assert_eq!(state(&ratio, "any"), "ot=th:c");
    assert_eq!(state(&ratio, "pay"), "ot=th:0");
    assert_eq!(state(&ratio, "half"), "ot=th:8");
    assert_eq!(state(&with(|_| ()), "any"), "");
}

#[test]
fn a_parent_based_strategy_leaves_what_was_decided_elsewhere() {
    let parent = TraceContext { trace_id: [0; 16], span_id: [1; 8], flags: 1 };
    let off = with(|sampling| sampling.strategy = SamplingStrategy::AlwaysOff.parent_based());
    let below = |parent: &TraceContext| off.below(parent, "ot=th:c".into(), "any", nothing);
    assert_eq!(below(&parent).unwrap(), "ot=th:c");
    assert_eq!(below(&parent.unsampled()), None);
}

#[test]
fn other_strategies_judge_spans_with_parents_too() {
    let parent = TraceContext { trace_id: [0; 16], span_id: [1; 8], flags: 0 };
    let on = with(|sampling| sampling.strategy = SamplingStrategy::AlwaysOn);
    assert_eq!(on.below(&parent, "".into(), "any", nothing).unwrap(), "");
    assert_eq!(on.below(&parent, "ot=th:c,a=1".into(), "any", nothing).unwrap(), "ot=th:0,a=1");
    let ratio = with(|sampling| sampling.strategy = SamplingStrategy::TraceIdRatio { ratio: 0.5 });
    assert_eq!(ratio.below(&parent, "".into(), "any", nothing), None);
    let lucky = ratio.below(&parent, "ot=rv:80000000000000".into(), "any", nothing);
    assert_eq!(lucky.unwrap(), "ot=th:8;rv:80000000000000");
    let off = with(|sampling| sampling.strategy = SamplingStrategy::AlwaysOff);
    assert_eq!(off.below(&TraceContext { flags: 1, ..parent }, "".into(), "any", nothing), None);
}

#[test]
fn rates_by_operation_and_tier_and_what_is_always_kept() {
    let sampler = with(|sampling| {
        sampling.strategy = SamplingStrategy::TraceIdRatio { ratio: 0.05 }.parent_based();
        sampling.operation_rates =
            [("api", 0.2), ("GET /health", 0.0), ("report", 0.3)].map(|(name, rate)| (name.to_owned(), rate)).into();
        sampling.customer_tiers = [("premium", 1.0), ("trial", 0.1)].map(|(name, rate)| (name.to_owned(), rate)).into();
        sampling.always_keep = AlwaysKeep {
            operations: vec!["pay".to_owned(), "refund".to_owned()],
            attributes: [("tenant.id".to_owned(), vec!["acme".to_owned()])].into(),
        };
    });
    for (name, known, expected) in [
        ("any", vec![], 500),
        ("any", vec![("operation.type", "api")], 2_000),
        ("report", vec![("operation.type", "api")], 3_000),
        ("any", vec![("operation.type", "api"), ("user.tier", "premium")], 10_000),
        ("any", vec![("customer.tier", "trial")], 1_000),
        ("GET /health", vec![("user.tier", "premium")], 0),
        ("GET /health", vec![("tenant.id", "acme")], 10_000),
        ("pay", vec![], 10_000),
        ("any", vec![("operation.type", "refund")], 10_000),
        ("any", vec![("tenant.id", "other")], 500),
    ] {
        let count = share(&sampler, name, &known);
        assert!(count.abs_diff(expected) <= 1, "{name} {known:?}: {count}, not {expected}");
    }
}

#[test]
fn only_attributes_that_rules_name_are_asked_for() {
    let id = [0xff; 16];
    let asked = std::cell::RefCell::new(Vec::new());
    let known = |key: &str| {
        asked.borrow_mut().push(key.to_owned());
        None
    };
    drop(with(|_| ()).root(&id, "any", known));
    assert_eq!(asked.take(), [""; 0]);
    let by_tier = with(|sampling| sampling.customer_tiers = [("trial".to_owned(), 0.1)].into());
    drop(by_tier.root(&id, "any", known));
    assert_eq!(asked.take(), ["user.tier", "customer.tier"]);
    let by_user =
        with(|sampling| sampling.always_keep.attributes = [("user.id".to_owned(), vec!["7".to_owned()])].into());
    drop(by_user.root(&id, "any", known));
    assert_eq!(asked.take(), ["user.id"]);
    let ratio_zero = with(|sampling| {
        sampling.strategy = SamplingStrategy::AlwaysOff;
        sampling.always_keep.attributes = [("user.id".to_owned(), vec!["7".to_owned()])].into();
    });
    assert!(ratio_zero.root(&id, "any", |_| Some(7.into())).is_some(), "numbers are compared as numbers");
    assert!(ratio_zero.root(&id, "any", |_| Some("8".into())).is_none());
}

#[test]
fn samplers_are_known_by_the_names_of_the_specification() {
    let check = |name: &str, argument: Option<&str>, expected: Expect| {
        let result = SamplingStrategy::from_otel(name, argument);
        expected.assert_eq(&result.map_or_else(|error| error.to_string(), |strategy| format!("{strategy:?}")));
    };
    check("always_on", None, expect!["AlwaysOn"]);
    check("always_off", Some("ignored"), expect!["AlwaysOff"]);
    check("traceidratio", Some("0.25"), expect!["TraceIdRatio { ratio: 0.25 }"]);
    check("parentbased_traceidratio", None, expect!["ParentBased { root: TraceIdRatio { ratio: 1.0 } }"]);
    check(" parentbased_always_on ", None, expect!["ParentBased { root: AlwaysOn }"]);
    check("parentbased_always_off", None, expect!["ParentBased { root: AlwaysOff }"]);
    check(
        "jaeger_remote",
        None,
        expect![[
            r#"sampler "jaeger_remote" is not known; write one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio"#
        ]],
    );
    check(
        "traceidratio",
        Some("10%"),
        expect![[r#"sampler "traceidratio": "10%" is not a ratio; write a number from 0 to 1, such as 0.1 for 10 %"#]],
    );
    check(
        "traceidratio",
        Some("NaN"),
        expect!["ratio: NaN is not a ratio; write a number from 0 (nothing) to 1 (everything), such as 0.1 for 10 %"],
    );
    check(
        "traceidratio",
        Some("1.5"),
        expect!["ratio: 1.5 is not a ratio; write a number from 0 (nothing) to 1 (everything), such as 0.1 for 10 %"],
    );
    check(
        "parentbased_traceidratio",
        Some("-1"),
        expect!["ratio: -1 is not a ratio; write a number from 0 (nothing) to 1 (everything), such as 0.1 for 10 %"],
    );
}

#[test]
fn rates_that_are_none_are_refused_by_name() {
    let refused = |sampling: &Sampling| HeadSampler::new(sampling).unwrap_err().to_string();
    let rates = |rate| [("api".to_owned(), rate)].into();
    let message = refused(&Sampling { operation_rates: rates(2.0), ..Sampling::default() });
    assert!(message.starts_with("operation_rates: \"api\": 2 is not a ratio"), "{message}");
    let message = refused(&Sampling { customer_tiers: rates(f64::NAN), ..Sampling::default() });
    assert!(message.starts_with("customer_tiers: \"api\": NaN is not a ratio"), "{message}");
    let strategy = SamplingStrategy::TraceIdRatio { ratio: -0.5 }.parent_based();
    let message = refused(&Sampling { strategy, ..Sampling::default() });
    assert!(message.starts_with("ratio: -0.5 is not a ratio"), "{message}");
}

#[test]
fn a_configuration_is_read_strictly() {
    let read = serde_json::from_str::<Sampling>;
    let sampling = read(
        r#"{"strategy": {"parentbased_traceidratio": {"ratio": 0.1}}, "operation_rates": {"api": 0.2},
            "customer_tiers": {"premium": 1.0}, "always_keep": {"attributes": {"tenant.id": ["acme"]}}}"#,
    );
    let sampling = sampling.unwrap();
    assert_eq!(sampling.strategy, SamplingStrategy::TraceIdRatio { ratio: 0.1 }.parent_based());
    assert_eq!(sampling.operation_rates["api"], 0.2);
    let nested = read(r#"{"strategy": {"parent_based": {"root": {"trace_id_ratio": {"ratio": 0.1}}}}}"#).unwrap();
    assert_eq!(nested.strategy, sampling.strategy);
    for (wrong, problem) in [
        (r#"{"opration_rates": {}}"#, "unknown field `opration_rates`"),
        (r#"{"strategy": "always"}"#, "unknown variant `always`"),
        (r#"{"strategy": {"traceidratio": {"ratio": 10}}}"#, "ratio: 10 is not a ratio; write a number from 0"),
        (r#"{"strategy": {"traceidratio": {"ratio": 1, "x": 2}}}"#, "unknown field `x`"),
    ] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
