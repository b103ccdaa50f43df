//! A full disk pauses writing; when there is room it goes on, and nothing is lost or doubled.

use std::sync::Arc;

use sabot_store::FaultyDisk;

use crate::harness::{DERIVED, rows, sensors};

#[test]
fn writing_pauses_and_resumes() {
    let harness = sensors(3_000, 2, 1, "0s");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run with room");
    let expected = DERIVED.map(|stream| rows(&store, stream));
    let mut paused = 0;
    for bytes in [40_000, 60_000, 90_000, 130_000, 200_000] {
        let disk = FaultyDisk::new();
        disk.set_capacity(Some(bytes));
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
        let store = outcome.unwrap_or_else(|error| panic!("with room for {bytes} bytes: {error}"));
        let same = DERIVED.map(|stream| rows(&store, stream)) == expected;
        assert!(same, "rows were lost or doubled with room for {bytes} bytes");
    }
    assert!(paused >= 1, "only {paused} runs had to wait for room");
}
