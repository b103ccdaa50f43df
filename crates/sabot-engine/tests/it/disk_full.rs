//! A full disk pauses writing; when there is room it goes on, and nothing is lost or doubled.

use std::sync::Arc;

use sabot_store::FaultyDisk;

use crate::harness::{DERIVED, rows, sensors};

#[test]
fn writing_pauses_and_resumes() {
    let harness = sensors(3_000, 2, 1, "0s");
    let free = FaultyDisk::new();
    let store = harness.run(Arc::new(free.clone()), 2).expect("a run with room");
    let expected = DERIVED.map(|stream| rows(&store, stream));
    let needed = free.used();
    for percent in [20, 50, 80, 95] {
        let disk = FaultyDisk::new();
        disk.set_capacity(Some(needed * percent / 100));
        let filling = disk.clone();
        let room = std::thread::scope(|scope| {
            let run = scope.spawn(|| harness.run(Arc::new(disk.clone()), 2));
            // The run cannot end before there is room, so waiting for the first refusal cannot hang.
            while filling.refusals() < 3 && !run.is_finished() {
                std::thread::yield_now();
            }
            assert!(!run.is_finished(), "a full disk must pause the run, not end it");
            filling.set_capacity(None);
            run.join().expect("no panic")
        });
        let store = room.expect("the run goes on");
        assert_eq!(DERIVED.map(|stream| rows(&store, stream)), expected, "{percent} % of the room needed");
    }
}
