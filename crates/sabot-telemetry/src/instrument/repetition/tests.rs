//! When a statement becomes a pattern.

use std::collections::BTreeSet;
use std::thread;

use super::{COUNT_MASK, RepetitionDetector, SLOTS};
use crate::TraceContext;

fn parent(id: u8) -> TraceContext {
    TraceContext { trace_id: [7; 16], span_id: [id; 8], flags: 1 }
}

#[test]
fn a_pattern_is_told_once() {
    let detector = RepetitionDetector::new();
    let told: Vec<_> = (1..=1000).filter(|_| detector.observe(parent(1), 5, 10).is_some()).collect();
    assert_eq!(told, [10]);
}

#[test]
fn a_count_ends_and_does_not_begin_again() {
    let detector = RepetitionDetector::new();
    let last = u32::try_from(COUNT_MASK).unwrap();
    let told = (0..last + 100).filter_map(|_| detector.observe(parent(1), 5, last)).count();
    assert_eq!(told, 1);
}

#[test]
fn parents_and_statements_are_counted_apart() {
    let detector = RepetitionDetector::new();
    for id in 1..=9 {
        for fingerprint in 0..9 {
            assert_eq!(detector.observe(parent(id), fingerprint, 2), None, "{id} {fingerprint}");
        }
    }
    let other_trace = TraceContext { trace_id: [8; 16], ..parent(1) };
    assert_eq!(detector.observe(other_trace, 0, 2), None);
    assert_eq!(detector.observe(parent(1), 0, 2), Some(2));
}

#[test]
fn nothing_is_counted_without_a_parent() {
    let detector = RepetitionDetector::new();
    assert_eq!(detector.observe(TraceContext::default(), 5, 1), None);
    assert_eq!(detector.observe(parent(1), 5, 1), Some(1));
}

#[test]
fn too_much_to_count_makes_no_patterns() {
    let detector = RepetitionDetector::new();
    let many = u64::try_from(SLOTS * 4).unwrap();
    let told = (0..many).filter_map(|fingerprint| detector.observe(parent(1), fingerprint, 2)).count();
    assert_eq!(told, 0);
    assert_eq!(detector.slots.len(), SLOTS);
    let used: BTreeSet<_> =
        detector.slots.iter().map(|slot| slot.load(std::sync::atomic::Ordering::Relaxed)).filter(|s| *s > 0).collect();
    assert!(used.len() > SLOTS * 9 / 10, "{} slots of {SLOTS} are used", used.len());
}

#[test]
fn threads_count_together() {
    let detector = RepetitionDetector::new();
    let count = || (0..500).filter_map(|_| detector.observe(parent(1), 5, 1000)).count();
    let told: usize = thread::scope(|scope| {
        let threads = [scope.spawn(count), scope.spawn(count)];
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(told, 1);
}
