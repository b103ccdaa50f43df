//! Ids are unlikely to meet.

use super::ids::{Generator, new_span_id, new_trace_id};
use crate::{TelemetryConfig, init_telemetry};

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
    // s = 43; six times s = s * 0xda942042e4dd58b5 % 2**128; s >> 64: in Python.
    let published = [
        0x0000_0000_0000_0024,
        0x58fa_5017_9d77_1566,
        0xdcf2_f5ac_5885_eb0f,
        0x529e_3193_51a5_24b5,
        0x7519_2d84_258a_b660,
        0x4e36_9430_a588_2c6b,
    ];
    let mut own = Generator::of(42);
    assert_eq!(published.map(|_| own.next()), published);
}

#[test]
fn a_draft_that_is_never_started_is_no_span() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry");
    drop(telemetry.spans().start("forgotten").root().attribute("rows", 1));
    drop(telemetry.spans().start("kept").root().start());
    let names: Vec<_> = telemetry.span_queue().drain(10).into_iter().map(|span| span.name.to_string()).collect();
    assert_eq!((names, telemetry.span_queue().received()), (vec!["kept".to_owned()], 1));
}
