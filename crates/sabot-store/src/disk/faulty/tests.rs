use std::io;
use std::path::Path;

use super::{Disk, DiskFile, FaultyDisk, OpenMode};

fn contents(disk: &FaultyDisk, path: &str) -> Option<Vec<u8>> {
    crate::disk::read_all(disk, Path::new(path)).ok()
}

#[test]
fn a_crash_keeps_what_was_synced() {
    for seed in 0..50 {
        let disk = FaultyDisk::new(seed);
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/f"), OpenMode::Create).unwrap();
        file.write_all_at(b"synced", 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_all_at(b"lost or torn", 6).unwrap();
        let left = contents(&disk.after_crash(), "/d/f").unwrap();
        assert!(left.starts_with(b"synced") && b"syncedlost or torn".starts_with(&left), "{left:?}");
    }
}

#[test]
fn a_name_that_was_not_synced_may_be_gone() {
    let left = (0..50).filter(|seed| {
        let disk = FaultyDisk::new(*seed);
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        file.sync_data().unwrap();
        contents(&disk.after_crash(), "/f").is_some()
    });
    let left = left.count();
    assert!(left > 0 && left < 50, "{left}");
}

#[test]
fn the_chosen_step_and_all_after_it_fail() {
    let disk = FaultyDisk::new(1);
    let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
    disk.crash_at_step(1);
    file.sync_data().unwrap();
    file.sync_data().unwrap_err();
    file.write_all_at(b"x", 0).unwrap_err();
    assert!(disk.has_crashed());
    assert_eq!(contents(&disk.after_crash(), "/f").unwrap_or_default(), b"");
}

#[test]
fn a_full_disk_says_so() {
    let disk = FaultyDisk::new(1);
    let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
    disk.set_capacity(Some(4));
    assert_eq!(file.write_all_at(b"123456", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.allocate(5).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_all_at(b"abcd", 0).unwrap();
    disk.set_capacity(None);
    file.write_all_at(b"efgh", 4).unwrap();
    assert_eq!(contents(&disk, "/f").unwrap(), b"abcdefgh");
}
