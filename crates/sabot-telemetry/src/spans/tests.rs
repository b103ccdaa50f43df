//! Sampling, suppression and errors of spans.

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider};

use super::ids::{Ids, with_trace_id};
use super::{Mode, Recorder, Spans};

fn with_recorder<T>(sample_rate: f64, check: impl FnOnce(&Recorder) -> T) -> T {
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).build();
    let Mode::Recording(recorder) = Spans::recording(&provider, sample_rate).mode else { panic!("does not record") };
    check(&recorder)
}

/// Ids spread evenly over the low half, which decides.
fn trace_ids() -> impl Iterator<Item = TraceId> {
    (1..=10_000_u64).map(|i| TraceId::from(u128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1 << 100))
}

fn sampled(sample_rate: f64) -> Vec<TraceId> {
    with_recorder(sample_rate, |recorder| trace_ids().filter(|id| recorder.samples(*id)).collect())
}

#[test]
fn the_share_of_sampled_traces_is_the_rate() {
    for (rate, expected) in [(0.0, 0), (0.01, 100), (0.1, 1_000), (0.5, 5_000), (0.9, 9_000), (1.0, 10_000)] {
        let count = sampled(rate).len();
        assert!(count.abs_diff(expected) <= 10, "{count} of 10,000 at {rate}");
    }
}

#[test]
fn the_decision_depends_on_the_trace_id_alone() {
    let tenth = sampled(0.1);
    assert_eq!(tenth, sampled(0.1), "another service decides the same");
    let half = sampled(0.5);
    assert!(tenth.iter().all(|id| half.contains(id)), "a higher rate keeps what a lower one keeps");
}

#[test]
fn a_chosen_trace_id_does_not_outlive_its_span() {
    let chosen = TraceId::from(42);
    assert_eq!(with_trace_id(chosen, || Ids::default().new_trace_id()), chosen);
    with_trace_id(chosen, || ());
    assert_ne!(Ids::default().new_trace_id(), chosen);
}
