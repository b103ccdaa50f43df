//! The data directory itself: its format version and its lock.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::error::at;
use crate::{Disk, DiskLock, OpenMode, StoreError};

/// Version of the directory's layout.
const VERSION: u32 = 1;
const FORMAT: &str = "FORMAT";
const FORMAT_PARTIAL: &str = "FORMAT.partial";
const LOCK: &str = "LOCK";
/// Where segments are.
pub(super) const STREAMS: &str = "streams";
/// Where snapshots are.
pub(super) const SNAPSHOTS: &str = "snapshots";

/// A directory that is ours.
pub(super) struct Opened {
    pub(super) lock: Box<dyn DiskLock>,
    /// It has no format version: nothing in it has ever been acknowledged.
    pub(super) is_new: bool,
}

/// Takes the lock and checks the version.
pub(super) fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Opened, StoreError> {
    let path = dir.join(FORMAT);
    // Looked at first: a directory of another version is not touched, not even to lock it.
    let is_new = !is_of_this_version(disk, &path)?;
    disk.create_dir_all(dir).map_err(at(dir))?;
    let lock = disk.lock(&dir.join(LOCK)).map_err(|error| {
        if error.kind() == ErrorKind::WouldBlock {
            let by = read_text(disk, &dir.join(LOCK)).ok().flatten().filter(|pid| !pid.is_empty());
            StoreError::Locked { dir: dir.to_owned(), by: by.map(|pid| format!(" (pid {pid})")).unwrap_or_default() }
        } else {
            StoreError::io(dir, error)
        }
    })?;
    Ok(Opened { lock, is_new })
}

/// Whether the directory's version is this one; false when it has none yet.
fn is_of_this_version(disk: &Arc<dyn Disk>, path: &Path) -> Result<bool, StoreError> {
    match read_text(disk, path)? {
        None => Ok(false),
        Some(text) if text.trim() == format!("sabot {VERSION}") => Ok(true),
        Some(text) => {
            let found = text.trim().trim_start_matches("sabot ").to_owned();
            Err(StoreError::UnknownFormat { file: path.to_owned(), found, supported: VERSION })
        }
    }
}

/// Makes a new directory durable, the version last: where it is, everything else must be.
pub(super) fn complete(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), StoreError> {
    for name in [STREAMS, SNAPSHOTS] {
        let inside = dir.join(name);
        disk.create_dir_all(&inside).map_err(at(&inside))?;
    }
    disk.sync_dir(dir).map_err(at(dir))?;
    for above in dir.ancestors().skip(1).map(|above| if above == Path::new("") { Path::new(".") } else { above }) {
        match disk.sync_dir(above) {
            // One that was there before, and is not ours to open.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            outcome => outcome.map_err(at(above))?,
        }
    }
    let (partial, path) = (dir.join(FORMAT_PARTIAL), dir.join(FORMAT));
    let file = disk.open(&partial, OpenMode::Create).map_err(at(&partial))?;
    file.set_len(0).map_err(at(&partial))?;
    file.write_all_at(format!("sabot {VERSION}\n").as_bytes(), 0).map_err(at(&partial))?;
    file.sync_data().map_err(at(&partial))?;
    disk.rename(&partial, &path).map_err(at(&path))?;
    disk.sync_dir(dir).map_err(at(dir))
}

/// The beginning of a file as text; none when there is no file.
fn read_text(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<String>, StoreError> {
    let file = match disk.open(path, OpenMode::Read) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(at(path))?,
    };
    let len = file.len().map_err(at(path))?.min(256);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(at(path))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether a directory was made by a store.
pub fn is_data_dir(dir: &Path) -> bool {
    dir.join(FORMAT).is_file()
}

/// Removes a data directory that no process uses.
pub fn remove_data_dir(dir: &Path) -> Result<(), StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(crate::RealDisk);
    let lock = disk.lock(&dir.join(LOCK)).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => {
            let pid = read_text(&disk, &dir.join(LOCK)).ok().flatten();
            let by = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            StoreError::Locked { dir: dir.to_owned(), by }
        }
        _ => StoreError::io(dir, error),
    })?;
    disk.remove_dir_all(dir).map_err(at(dir))?;
    drop(lock);
    Ok(())
}
