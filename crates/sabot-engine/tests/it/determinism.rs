//! The same input gives the same rows, whatever the threads and instances.

use std::sync::Arc;

use sabot_store::FaultyDisk;

use crate::harness::{DERIVED, rows, sensors};

#[test]
fn threads_do_not_matter() {
    let run = |threads| {
        let harness = sensors(20_000, 4, 1, "10m");
        let store = harness.run(Arc::new(FaultyDisk::new()), threads).expect("a run");
        DERIVED.map(|stream| rows(&store, stream))
    };
    let one = run(1);
    assert_eq!(run(4), one);
    assert_eq!(run(2), one);
}

#[test]
fn instances_do_not_matter() {
    let run = |count| {
        let harness = sensors(20_000, 4, count, "0s");
        let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
        DERIVED.map(|stream| rows(&store, stream))
    };
    let one = run(1);
    assert_eq!(run(2), one);
    assert_eq!(run(4), one);
    assert_eq!(run(64), one, "more than there are partitions");
}
