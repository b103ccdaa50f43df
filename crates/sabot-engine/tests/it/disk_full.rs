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
    let mut paused = 0;
    for percent in [4, 7, 10, 20, 40] {
        let disk = FaultyDisk::new();
        disk.set_capacity(Some(needed * percent / 100));
        let filling = disk.clone();
        let outcome = std::thread::scope(|scope| {
            let run = scope.spawn(|| harness.run(Arc::new(disk.clone()), 2));
            // Ends with the run, or with refusals that only come when something does not fit.
            while filling.refusals() < 50 && !run.is_finished() {
                std::thread::yield_now();
            }
            paused += usize::from(!run.is_finished());
            filling.set_capacity(None);
            run.join().expect("no panic")
        });
        let store = outcome.unwrap_or_else(|error| panic!("{percent} % of the room: {error}"));
        assert_eq!(DERIVED.map(|stream| rows(&store, stream)), expected, "{percent} % of the room");
    }
    assert!(paused >= 1, "only {paused} runs had to wait for room");
}
