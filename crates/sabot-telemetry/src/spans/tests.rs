//! Which share of traces is sampled, and which.

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use super::RatioSampler;
use super::ids::{Generator, new_span_id, new_trace_id};
use crate::{TelemetryConfig, init_telemetry};

/// Ids whose last 56 bits are spread evenly.
fn trace_ids() -> impl Iterator<Item = [u8; 16]> {
    (0..10_000_u128).map(|i| ((1 << 100) | ((i << 56) / 10_000)).to_be_bytes())
}

fn sampled(rate: f64) -> Vec<[u8; 16]> {
    trace_ids().filter(|id| RatioSampler::new(rate).samples(*id)).collect()
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
    let quarter = RatioSampler::new(0.25);
    for (last, kept) in [(0xc0_0000_0000_0000_u64, true), (0xbf_ffff_ffff_ffff, false)] {
        for before in [0_u128, 0x00ff_ffff_ffff_ffff_ffff] {
            assert_eq!(quarter.samples(((before << 56) | u128::from(last)).to_be_bytes()), kept, "{last:x}");
        }
    }
}

#[test]
fn ids_of_different_threads_do_not_meet() {
    let draw = || (0..1_000).map(|_| (new_trace_id(), new_span_id())).collect::<Vec<_>>();
    let mut ids = std::thread::scope(|scope| {
        let threads = [scope.spawn(draw), scope.spawn(draw)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    ids.sort_unstable();
    ids.dedup_by_key(|(trace_id, _)| *trace_id);
    assert_eq!(ids.len(), 2_000);
    ids.sort_unstable_by_key(|(_, span_id)| *span_id);
    ids.dedup_by_key(|(_, span_id)| *span_id);
    assert_eq!(ids.len(), 2_000);
}

#[test]
fn the_generator_is_the_published_one() {
    let state = [1_u64, 2, 3, 4];
    let seed: Vec<u8> = state.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut published = SmallRng::from_seed(seed.try_into().unwrap());
    let mut own = Generator(state);
    for _ in 0..1_000 {
        assert_eq!(own.next(), published.next_u64());
    }
}

#[test]
fn a_draft_that_is_never_started_is_no_span() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry");
    drop(telemetry.spans().start("forgotten").root().attribute("rows", 1));
    drop(telemetry.spans().start("kept").root().start());
    let names: Vec<_> = telemetry.span_queue().drain(10).into_iter().map(|span| span.name.to_string()).collect();
    assert_eq!((names, telemetry.span_queue().received()), (vec!["kept".to_owned()], 1));
}
