//! The disk is full, room is made, the same call is made again: nothing is lost and nothing is there twice.

use std::sync::Arc;

use sabot_store::{FaultyDisk, StoreError};

use super::script::{Runner, script, view};
use super::support::{at_second, commit, ids, open, read, with_stream};

#[test]
fn full_at_many_capacities_then_more_room() {
    let steps = script();
    let good = FaultyDisk::new();
    let mut runner = Runner::new(open(&good).unwrap(), || panic!("the disk is not full"));
    steps.iter().enumerate().for_each(|(number, step)| runner.step(number, step).unwrap());
    drop(runner);
    let expected = view(&open(&good).unwrap()).unwrap();
    let mut refusals = 0;
    for capacity in (300..16_000).step_by(900).chain((1 << 20..6 << 20).step_by(700_000)) {
        for more in [200, 5_000, 2 << 20] {
            let disk = FaultyDisk::new();
            let store = open(&disk).unwrap();
            disk.set_capacity(Some(capacity));
            let (grows, size) = (disk.clone(), std::cell::Cell::new(capacity));
            let mut runner = Runner::new(Arc::clone(&store), move || {
                size.set(size.get() + more);
                grows.set_capacity(Some(size.get()));
            });
            for (number, step) in steps.iter().enumerate() {
                runner.step(number, step).unwrap_or_else(|error| panic!("capacity {capacity}: {step:?}: {error}"));
            }
            refusals += disk.refusals();
            assert_eq!(view(&store).unwrap(), expected, "capacity {capacity}");
            drop((runner, store));
            assert_eq!(view(&open(&disk).unwrap()).unwrap(), expected, "capacity {capacity}, reopened");
        }
    }
    assert!(refusals > 500, "{refusals}");
}

#[test]
fn an_append_that_does_not_fit_changes_nothing() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    for id in 1..=40 {
        let before = writer.end();
        disk.set_capacity(Some(disk.used()));
        match writer.append(&ids([id]), &at_second(0)) {
            Err(StoreError::DiskFull { file }) => {
                assert!(file.extension().is_some_and(|end| end == "seg"), "{}", file.display());
                assert_eq!(writer.end().offset, before.offset);
                disk.set_capacity(None);
                writer.append(&ids([id]), &at_second(0)).unwrap();
            }
            other => assert!(other.is_ok_and(|bytes| bytes > 0)),
        }
    }
    commit(&store, 1, &mut writer).unwrap();
    assert_eq!(read(&store, "s"), (1..=40).collect::<Vec<_>>());
}

#[test]
fn opening_needs_no_room_to_show_what_is_there() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    writer.append(&ids([1, 2]), &at_second(0)).unwrap();
    commit(&store, 1, &mut writer).unwrap();
    drop((store, writer));
    disk.set_capacity(Some(0));
    assert_eq!(read(&open(&disk).unwrap(), "s"), [1, 2]);
}

#[test]
fn an_entry_of_the_journal_needs_no_more_room_than_its_bytes() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    disk.set_capacity(Some(disk.used() + 200));
    store.put_record("test", "key", &1).unwrap();
    let full = store.put_record("test", "other", &"x".repeat(300));
    assert!(matches!(full, Err(StoreError::DiskFull { .. })), "{full:?}");
    drop(store);
    assert_eq!(open(&disk).unwrap().get_record("test", "key").unwrap(), Some(1));
}
