//! Snapshots: kept while a commit needs them, and each agent's on its own.

use sabot_store::{CommitRequest, FaultyDisk, Section, Store};

use super::support::{bare, dir, files_in, ids, open, record};

fn write(store: &Store, agent: &str, epoch: u64, value: i64) -> CommitRequest {
    let sections = [Section { name: "0.state".to_owned(), full: true, batch: ids([value]) }];
    let (id, file, dir) = store.write_snapshot(agent, 1, epoch, &sections).unwrap();
    let mut request = bare(record(agent, 1, epoch));
    request.record.snapshots.push(id);
    request.dirty.push(file);
    request.dirty_dirs.push(dir);
    request
}

fn value(store: &Store, agent: &str) -> arrow::array::RecordBatch {
    let id = &store.last_commit(agent).unwrap().snapshots[0];
    store.read_snapshot(agent, id).unwrap().remove(0).batch
}

#[test]
fn agents_with_names_alike_do_not_share_a_directory() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let agents = ["source:x", "source_x", "source.x", "source:x_y", "source_x:y"];
    for (number, agent) in (0..).zip(agents) {
        store.commit(&write(&store, agent, 1, number)).unwrap();
    }
    for agent in agents {
        store.retain_snapshots(agent, &store.last_commit(agent).unwrap().snapshots, (1, 1)).unwrap();
    }
    drop(store);
    let store = open(&disk).unwrap();
    for (number, agent) in (0..).zip(agents) {
        assert_eq!(value(&store, agent), ids([number]), "{agent}");
    }
    assert_eq!(files_in(&disk, "snapshots").len(), agents.len());
}

#[test]
fn only_what_is_older_and_not_needed_goes() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let requests: Vec<_> = (1..=4).map(|epoch| write(&store, "a", epoch, 0)).collect();
    let id = |epoch: usize| requests[epoch - 1].record.snapshots[0].clone();
    store.retain_snapshots("a", &[id(1), id(3)], (1, 3)).unwrap();
    let left: Vec<bool> = (1..=4).map(|epoch| store.read_snapshot("a", &id(epoch)).is_ok()).collect();
    assert_eq!(left, [true, false, true, true]);
}

#[test]
fn what_no_commit_names_is_gone_after_reopening() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    store.commit(&write(&store, "a", 1, 1)).unwrap();
    write(&store, "a", 2, 2);
    write(&store, "never-committed", 1, 3);
    let len = |inside: &str| -> u64 {
        let inside = dir().join(inside);
        disk.files().into_iter().filter(|(path, _)| path.starts_with(&inside)).map(|(_, len)| len).sum()
    };
    let usage = store.disk_usage().snapshots;
    assert_eq!(usage, len("snapshots"));
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!((value(&store, "a"), files_in(&disk, "snapshots").len()), (ids([1]), 1));
    assert_eq!(store.disk_usage().snapshots, len("snapshots/a"));
    assert!(store.disk_usage().snapshots < usage);
}
