//! What a commit takes, refuses and tells.

use sabot_store::{CommitRequest, FaultyDisk, InputPosition, OutputEnd, StoreError};

use super::support::{at_second, bare, commit, dir, ids, open, read, record, request, stream, with_stream};

#[test]
fn rows_are_visible_once_committed() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    let mut ticks = store.commits();
    writer.append(&ids([1]), &at_second(1)).unwrap();
    assert!(read(&store, "s").is_empty() && !ticks.has_changed().unwrap());
    commit(&store, 1, &mut writer).unwrap();
    assert!(ticks.has_changed().unwrap());
    assert_eq!((*ticks.borrow_and_update(), read(&store, "s")), (1, vec![1]));
}

#[test]
fn a_record_comes_back_as_it_was() {
    let disk = FaultyDisk::new();
    let mut sent = record("a", 3, 1);
    let input = InputPosition { stream: "in".to_owned(), partition: 1, offset: 7, ..InputPosition::default() };
    sent.inputs = vec![InputPosition { watermark: Some(-5), max_event_time: Some(i64::MAX), ..input }];
    sent.snapshots = vec!["one".to_owned()];
    sent.extra = serde_json::json!({ "z": 1, "a": [null, 1.5] });
    open(&disk).unwrap().commit(&bare(sent.clone())).unwrap();
    assert_eq!(open(&disk).unwrap().last_commit("a"), Some(sent));
}

#[test]
fn a_lower_generation_is_fenced_off() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    store.commit(&bare(record("a", 2, 1))).unwrap();
    let reopened = || open(&disk).unwrap();
    drop(store);
    let store = reopened();
    let outcome = store.commit(&bare(record("a", 1, 2)));
    assert!(
        matches!(&outcome, Err(StoreError::Fenced { agent, generation: 1, current: 2 }) if agent == "a"),
        "{outcome:?}"
    );
    store.commit(&bare(record("a", 3, 2))).unwrap();
    let within = store.commit_group(&[bare(record("a", 4, 3)), bare(record("a", 3, 4))]).unwrap();
    assert!(matches!(&within[..], [Ok(()), Err(StoreError::Fenced { .. })]));
    assert_eq!(store.last_commit("a").map(|last| last.epoch), Some(3));
}

#[test]
fn an_epoch_is_committed_once() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    writer.append(&ids([1]), &at_second(1)).unwrap();
    let group = [request(1, &mut writer), bare(record("a", 1, 2)), bare(record("b", 1, 1))];
    assert!(store.commit_group(&group).unwrap().iter().all(Result::is_ok));
    let (journal, rows) = (store.disk_usage().journal, read(&store, "s"));
    assert!(store.commit_group(&group).unwrap().iter().all(Result::is_ok));
    assert_eq!((store.disk_usage().journal, read(&store, "s")), (journal, rows), "a retry changes nothing");
    let mut other = record("a", 1, 2);
    other.finished = true;
    for stale in [record("a", 1, 1), other] {
        assert!(matches!(store.commit(&bare(stale)), Err(StoreError::Conflict(_))));
    }
    assert_eq!(store.last_commit("a").map(|last| (last.epoch, last.finished)), Some((2, false)));
}

#[test]
fn one_refused_request_does_not_hold_up_the_others() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    store.commit(&bare(record("old", 2, 1))).unwrap();
    let group = [record("x", 1, 1), record("old", 1, 2), record("old", 2, 3), record("y", 1, 1)].map(bare);
    let outcomes = store.commit_group(&group).unwrap();
    assert!(matches!(&outcomes[..], [Ok(()), Err(StoreError::Fenced { .. }), Err(StoreError::Conflict(_)), Ok(())]));
    let epoch = |agent| store.last_commit(agent).map(|last| last.epoch);
    assert_eq!((epoch("x"), epoch("old"), epoch("y")), (Some(1), Some(1), Some(1)));
}

#[test]
fn an_output_that_does_not_exist_commits_nothing() {
    let disk = FaultyDisk::new();
    let (store, writer) = with_stream(&disk);
    for (name, partition) in [("nowhere", 0), ("s", 1)] {
        let mut bad = record("a", 1, 1);
        bad.outputs = vec![OutputEnd { stream: name.to_owned(), partition, offset: 5, ..OutputEnd::default() }];
        assert!(matches!(store.commit(&bare(bad)), Err(StoreError::NotFound(_))));
    }
    assert_eq!(store.last_commit("a"), None);
    drop((store, writer));
    assert_eq!(open(&disk).unwrap().last_commit("a"), None);
}

#[test]
fn finished_is_told_of_outputs_and_of_streams_without_rows() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    for name in ["empty", "other"] {
        store.create_stream(stream(name, 1)).unwrap();
    }
    writer.append(&ids([1]), &at_second(1)).unwrap();
    commit(&store, 1, &mut writer).unwrap();
    writer.append(&ids([2]), &at_second(1)).unwrap();
    let mut last = request(2, &mut writer);
    last.record.finished = true;
    last.record.extra = serde_json::json!({ "streams": ["empty"] });
    let finished =
        |store: &sabot_store::Store| ["s", "empty", "other"].map(|name| store.stream(name).unwrap().finished);
    assert_eq!(finished(&store), [false, false, false]);
    store.commit(&last).unwrap();
    assert_eq!(finished(&store), [true, true, false]);
    drop((store, writer));
    assert_eq!(finished(&open(&disk).unwrap()), [true, true, false]);
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_until_reopened() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    writer.append(&ids([1]), &at_second(1)).unwrap();
    let group = [request(1, &mut writer)];
    disk.fail_at_step(disk.steps() + 1);
    let failed = store.commit_group(&group);
    assert!(matches!(failed, Err(StoreError::Io { .. })), "{failed:?}");
    let message = store.commit_group(&group).unwrap_err().to_string();
    assert!(message.contains("restart"), "{message}");
    assert!(store.put_record("test", "key", &1).is_err() && store.create_stream(stream("t", 1)).is_err());
    drop(writer);
    assert!(store.writer("s", 0, "a").is_err());
    drop(store);
    let store = open(&disk).unwrap();
    assert!(read(&store, "s").is_empty());
    store.put_record("test", "key", &1).unwrap();
}

#[test]
fn a_directory_outside_that_is_gone_fails_its_commit_alone() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let gone = CommitRequest { dirty_dirs: vec!["/elsewhere".into()], ..bare(record("a", 1, 1)) };
    assert!(matches!(store.commit(&gone), Err(StoreError::Io { file, .. }) if file.ends_with("elsewhere")));
    store.commit(&bare(record("b", 1, 1))).unwrap();
}

#[test]
fn a_journal_that_cannot_be_replaced_goes_on() {
    // Each step of a rewrite fails once: what was appended by then is there in any case.
    let steps = |disk: &FaultyDisk| {
        let store = open(disk).unwrap();
        let mut acknowledged = 0;
        for n in 1..=200_u64 {
            if store.put_record("test", "key", &n).is_err() {
                break;
            }
            acknowledged = n;
        }
        acknowledged
    };
    let opened = FaultyDisk::new();
    drop(open(&opened).unwrap());
    let good = opened.after_crash(0);
    assert_eq!(steps(&good), 200);
    for step in 2..good.steps() {
        let disk = opened.after_crash(0);
        disk.fail_at_step(step);
        let acknowledged = steps(&disk);
        for seed in 0..3 {
            let found: u64 = open(&disk.after_crash(seed)).unwrap().get_record("test", "key").unwrap().unwrap_or(0);
            assert!(found == acknowledged || found == acknowledged + 1, "step {step}: {found}, not {acknowledged}");
        }
    }
    let files = super::support::files_in(&good, "journal");
    assert!(files.len() == 1 && files[0] > dir().join("journal/0000000003.log"), "{files:?}");
}
