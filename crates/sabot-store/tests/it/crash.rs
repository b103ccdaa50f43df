//! The power goes at every durable step: what was acknowledged is there, and the run goes on to the same end.

use std::cell::RefCell;
use std::sync::Arc;

use sabot_store::{FaultyDisk, RealDisk, Store};

use super::script::{Runner, Step, View, script, view};
use super::support::{TINY, files_in, open};

fn no_room_needed() {
    panic!("the disk is not full");
}

/// How many ways of being torn each crash is tried in.
fn seeds() -> u64 {
    std::env::var("SABOT_STORE_CRASH_SEEDS").map_or(2, |seeds| seeds.parse().unwrap())
}

/// What a store shows before the first step and after each.
fn model(steps: &[Step]) -> (Vec<View>, FaultyDisk) {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let mut views = vec![view(&store).unwrap()];
    let mut runner = Runner::new(Arc::clone(&store), no_room_needed);
    for (number, step) in steps.iter().enumerate() {
        runner.step(number, step).unwrap();
        views.push(view(&store).unwrap());
    }
    (views, disk)
}

/// Opens, checks against the model and goes on; returns how many steps are acknowledged when the disk crashes or the run
/// ends.
fn go_on(disk: &FaultyDisk, steps: &[Step], model: &[View], acknowledged: usize, context: &str) -> usize {
    let store = match open(disk) {
        Ok(store) => store,
        Err(error) => {
            assert!(disk.has_crashed(), "{context}: it does not open: {error}");
            return acknowledged;
        }
    };
    let shown = match view(&store) {
        Ok(shown) => shown,
        Err(error) => panic!("{context}: {error}"),
    };
    let next = model.get(acknowledged + 1);
    let mut done = acknowledged;
    if shown != model[acknowledged] {
        assert_eq!(Some(&shown), next, "{context}: neither before nor after {:?}", steps.get(acknowledged));
        done += 1;
    }
    let mut runner = Runner::new(store, no_room_needed);
    for (number, step) in steps.iter().enumerate().skip(done) {
        if let Err(error) = runner.step(number, step) {
            assert!(disk.has_crashed(), "{context}: {step:?}: {error}");
            return done;
        }
        done += 1;
    }
    done
}

fn check_end(disk: &FaultyDisk, model: &[View], context: &str) {
    let shown = view(&open(disk).unwrap()).unwrap();
    assert_eq!(Some(&shown), model.last(), "{context}");
}

#[test]
fn the_run_does_what_it_is_for() {
    let steps = script();
    let (model, disk) = model(&steps);
    let rolled = files_in(&disk, "streams/orders/0").len();
    assert!(rolled > 2, "segments do not roll: {rolled}");
    let journal = files_in(&disk, "journal").pop().unwrap();
    assert!(journal > super::support::dir().join("journal/0000000003.log"), "the journal is not rewritten");
    let rows = |view: &View| view.rows.get(&("short".to_owned(), 0)).map_or(0, Vec::len);
    let retained = steps.iter().zip(model.windows(2)).filter(|(step, _)| matches!(step, Step::Retain));
    assert!(retained.clone().all(|(_, views)| rows(&views[1]) <= rows(&views[0])));
    assert!(retained.clone().any(|(_, views)| rows(&views[1]) < rows(&views[0])), "retention removes nothing");
    check_end(&disk, &model, "reopened");
}

#[test]
fn a_crash_at_every_durable_step() {
    let steps = script();
    let (model, undisturbed) = model(&steps);
    let mut crashes = 0;
    for step in 1..=undisturbed.steps() {
        for seed in 0..seeds() {
            let context = format!("crash at step {step}, seed {seed}");
            let disk = FaultyDisk::new();
            disk.crash_at_step(step);
            let done = go_on(&disk, &steps, &model, 0, &context);
            assert!(disk.has_crashed(), "{context}: the run had fewer steps this time");
            crashes += 1;
            let left = disk.after_crash(seed);
            let done = go_on(&left, &steps, &model, done, &context);
            assert_eq!(done, steps.len(), "{context}");
            check_end(&left, &model, &context);
        }
    }
    assert!(crashes > 200, "{crashes}");
}

#[test]
fn a_crash_soon_after_a_crash() {
    let steps = script();
    let (model, undisturbed) = model(&steps);
    for step in (1..=undisturbed.steps()).step_by(5) {
        for soon in [1, 2, 4, 9] {
            let context = format!("crash at step {step}, and again at {soon}");
            let disk = FaultyDisk::new();
            disk.crash_at_step(step);
            let mut done = go_on(&disk, &steps, &model, 0, &context);
            let again = disk.after_crash(step);
            again.crash_at_step(soon);
            done = go_on(&again, &steps, &model, done, &context);
            let left = again.after_crash(soon);
            done = go_on(&left, &steps, &model, done, &context);
            assert_eq!(done, steps.len(), "{context}");
            check_end(&left, &model, &context);
        }
    }
}

/// A sync that fails once, without a crash: nothing more is accepted, and opening again brings the same as a crash.
#[test]
fn one_failed_step_then_reopened() {
    let steps = script();
    let (model, undisturbed) = model(&steps);
    for step in 1..=undisturbed.steps() {
        let context = format!("step {step} fails");
        let disk = FaultyDisk::new();
        disk.fail_at_step(step);
        let done = RefCell::new(0);
        if let Ok(store) = open(&disk) {
            let mut runner = Runner::new(store, no_room_needed);
            for (number, step) in steps.iter().enumerate() {
                if runner.step(number, step).is_err() {
                    break;
                }
                *done.borrow_mut() += 1;
            }
        }
        for left in [disk.clone(), disk.after_crash(step)] {
            let done = go_on(&left, &steps, &model, *done.borrow(), &context);
            assert_eq!(done, steps.len(), "{context}");
            check_end(&left, &model, &context);
        }
    }
}

#[test]
fn the_machines_own_disk_shows_the_same() {
    let steps = script();
    let (model, _) = model(&steps);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new/data");
    for (number, step) in steps.iter().enumerate() {
        let store = Store::open(Arc::new(RealDisk), &data, TINY).unwrap();
        let mut runner = Runner::new(Arc::clone(&store), no_room_needed);
        runner.step(number, step).unwrap();
        assert_eq!(view(&store).unwrap(), model[number + 1], "after {step:?}");
    }
}
