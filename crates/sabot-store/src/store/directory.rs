//! The data directory itself: its format version and its lock.

use std::path::Path;
use std::sync::Arc;

use crate::error::at;
use crate::{Disk, DiskLock, OpenMode, StoreError};

/// Version of the directory's layout.
const VERSION: u32 = 1;
const FORMAT: &str = "FORMAT";
const LOCK: &str = "LOCK";

/// Takes the lock and checks the version, which it writes into a new directory.
pub(super) fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Box<dyn DiskLock>, StoreError> {
    disk.create_dir_all(dir).map_err(at(dir))?;
    let lock = disk.lock(&dir.join(LOCK)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::WouldBlock {
            let by = read_text(disk, &dir.join(LOCK)).filter(|pid| !pid.is_empty());
            StoreError::Locked { dir: dir.to_owned(), by: by.map(|pid| format!(" (pid {pid})")).unwrap_or_default() }
        } else {
            StoreError::io(dir, error)
        }
    })?;
    let path = dir.join(FORMAT);
    match read_text(disk, &path) {
        Some(text) if text.trim() == format!("sabot {VERSION}") => {}
        Some(text) if !text.is_empty() => {
            let found = text.trim().trim_start_matches("sabot ").to_owned();
            return Err(StoreError::UnknownFormat { file: path, found, supported: VERSION });
        }
        _ => {
            let file = disk.open(&path, OpenMode::Create).map_err(at(&path))?;
            file.write_all_at(format!("sabot {VERSION}\n").as_bytes(), 0).map_err(at(&path))?;
            file.sync_data().map_err(at(&path))?;
            disk.sync_dir(dir).map_err(at(dir))?;
        }
    }
    Ok(lock)
}

fn read_text(disk: &Arc<dyn Disk>, path: &Path) -> Option<String> {
    let file = disk.open(path, OpenMode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().ok()?.min(256)).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether a directory was made by a store.
pub fn is_data_dir(dir: &Path) -> bool {
    dir.join(FORMAT).is_file()
}

/// Removes a data directory that no process uses.
pub fn remove_data_dir(dir: &Path) -> Result<(), StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(crate::RealDisk);
    let lock = disk.lock(&dir.join(LOCK)).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => {
            let by = read_text(&disk, &dir.join(LOCK)).map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            StoreError::Locked { dir: dir.to_owned(), by }
        }
        _ => StoreError::io(dir, error),
    })?;
    disk.remove_dir_all(dir).map_err(at(dir))?;
    drop(lock);
    Ok(())
}
