//! Killed at every durable step, with un-synced writes forgotten and the last one torn: the rows are the same.

use std::sync::Arc;

use sabot_store::{Disk, FaultyDisk};

use crate::harness::{DERIVED, Harness, rows, sensors};

fn expected(harness: &Harness) -> Vec<Vec<String>> {
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new());
    let store = harness.run(disk, 2).expect("an undisturbed run");
    DERIVED.iter().map(|stream| rows(&store, stream)).collect()
}

fn check_every_step(harness: &Harness, stride: usize) {
    let expected = expected(harness);
    assert!(
        expected.iter().all(|stream| stream.iter().any(|partition| !partition.is_empty())),
        "every stream has rows"
    );
    let mut crashes = 0;
    for step in (1..100_000).step_by(stride) {
        let disk = FaultyDisk::new();
        disk.crash_at_step(step);
        let outcome = harness.run(Arc::new(disk.clone()), 2);
        if !disk.has_crashed() {
            outcome.expect("a run without a crash");
            break;
        }
        drop(outcome);
        crashes += 1;
        let survivor: Arc<dyn Disk> = Arc::new(disk.after_crash(step));
        let store = harness.run(survivor, 2).unwrap_or_else(|error| panic!("after a crash at step {step}: {error}"));
        for (stream, expected) in DERIVED.iter().zip(&expected) {
            assert_eq!(&rows(&store, stream), expected, "stream {stream} after a crash at step {step}");
        }
    }
    assert!(crashes > 20, "only {crashes} steps to crash at");
}

#[test]
fn one_instance() {
    check_every_step(&sensors(1_500, 2, 1, "0s"), 1);
}

#[test]
fn parallel_instances_with_corrected_windows() {
    check_every_step(&sensors(2_500, 3, 2, "10m"), 2);
}
