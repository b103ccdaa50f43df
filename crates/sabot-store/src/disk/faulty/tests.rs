//! What the faulty disk forgets, and what it keeps.

use std::path::Path;

use super::{Disk, DiskFile, FaultyDisk, OpenMode};

fn bytes(disk: &FaultyDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn create(disk: &FaultyDisk, path: &str) -> std::sync::Arc<dyn DiskFile> {
    disk.open(Path::new(path), OpenMode::Create).unwrap()
}

#[test]
fn what_was_synced_survives_and_the_rest_may_be_torn() {
    let disk = FaultyDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    let file = create(&disk, "/d/f");
    file.write_all_at(b"synced", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_all_at(b"torn", 6).unwrap();
    let left: Vec<_> = (0..100).map(|seed| bytes(&disk.after_crash(seed), "/d/f").unwrap()).collect();
    assert!(left.iter().all(|bytes| bytes.starts_with(b"synced") && b"syncedtorn".starts_with(bytes)));
    assert!(left.iter().any(|bytes| bytes.len() == 6) && left.iter().any(|bytes| bytes.len() == 10));
    assert!(left.iter().any(|bytes| bytes.len() == 8));
}

#[test]
fn names_that_were_not_synced_come_and_go() {
    let disk = FaultyDisk::new();
    create(&disk, "/kept");
    disk.sync_dir(Path::new("/")).unwrap();
    create(&disk, "/made");
    disk.remove_file(Path::new("/kept")).unwrap();
    let left: Vec<_> = (0..100).map(|seed| disk.after_crash(seed).list(Path::new("/")).unwrap()).collect();
    for expected in [vec!["kept"], vec!["kept", "made"], vec!["made"]] {
        assert!(left.iter().any(|names| *names == expected), "{expected:?} never came out");
    }
    assert!(left.iter().all(|names| !names.is_empty()), "the removal came before the file was made");
}

#[test]
fn a_directory_that_was_not_synced_takes_its_files_with_it() {
    let disk = FaultyDisk::new();
    disk.create_dir_all(Path::new("/a/b")).unwrap();
    create(&disk, "/a/b/f").sync_data().unwrap();
    disk.sync_dir(Path::new("/a/b")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let found = (0..100).filter(|seed| bytes(&disk.after_crash(*seed), "/a/b/f").is_some()).count();
    assert!(found > 0 && found < 100, "{found}");
}

#[test]
fn the_same_seed_leaves_the_same() {
    let disk = FaultyDisk::new();
    let file = create(&disk, "/f");
    disk.sync_dir(Path::new("/")).unwrap();
    for n in 0..20 {
        file.write_all_at(&[n; 7], u64::from(n) * 5).unwrap();
    }
    for seed in 0..20 {
        assert_eq!(bytes(&disk.after_crash(seed), "/f"), bytes(&disk.after_crash(seed), "/f"));
    }
}

#[test]
fn one_step_fails_or_all_from_one_on() {
    let disk = FaultyDisk::new();
    let file = create(&disk, "/f");
    disk.fail_at_step(1);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    disk.crash_at_step(3);
    file.sync_data().unwrap_err();
    file.write_all_at(b"x", 0).unwrap_err();
    assert!(disk.has_crashed());
}
