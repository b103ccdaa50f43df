//! Ids are unlikely to meet.

use super::ids::{new_span_id, new_trace_id};

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
