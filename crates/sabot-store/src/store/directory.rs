//! The data directory itself: its format version and its lock, and that it is ours.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use crate::error::at;
use crate::{Disk, DiskLock, OpenMode, StoreError};

/// Version of the directory's layout.
const VERSION: u32 = 1;
/// What the version's text begins with.
const MARK: &str = "sabot ";
const FORMAT: &str = "FORMAT";
const FORMAT_PARTIAL: &str = "FORMAT.partial";
const LOCK: &str = "LOCK";
/// Where the commit journal is.
pub(super) const JOURNAL: &str = "journal";
/// Where segments are.
pub(super) const STREAMS: &str = "streams";
/// Where snapshots are.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// Where embedded tables are.
pub(super) const TABLES: &str = "tables";
/// All that a store, and the server beside it, makes in a directory before its version and its lock.
const OURS: [&str; 7] = [JOURNAL, STREAMS, SNAPSHOTS, TABLES, "telemetry", "spill", FORMAT_PARTIAL];

/// A directory that is ours.
pub(super) struct Opened {
    pub(super) lock: Box<dyn DiskLock>,
    /// It has no format version: nothing in it has ever been acknowledged.
    pub(super) is_new: bool,
}

/// Takes the lock and checks the version.
pub(super) fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Opened, StoreError> {
    // Looked at first: a directory of another version or of somebody else is not touched, not even to lock it.
    let version = read_text(disk, &dir.join(FORMAT))?.filter(|text| text.starts_with(MARK));
    let is_new = version.is_none();
    if let Some(version) = version {
        check_version(&dir.join(FORMAT), version.trim())?;
    } else if let Some(found) = foreign_in(disk, dir)? {
        return Err(StoreError::ForeignDir { dir: dir.to_owned(), found });
    }
    disk.create_dir_all(dir).map_err(at(dir))?;
    Ok(Opened { lock: lock(disk, dir)?, is_new })
}

fn lock(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Box<dyn DiskLock>, StoreError> {
    let path = dir.join(LOCK);
    disk.lock(&path).map_err(|error| {
        if error.kind() != ErrorKind::WouldBlock {
            return StoreError::io(dir, error);
        }
        let by = read_text(disk, &path).ok().flatten().filter(|pid| !pid.is_empty());
        StoreError::Locked { dir: dir.to_owned(), by: by.map(|pid| format!(" (pid {pid})")).unwrap_or_default() }
    })
}

/// What in a directory without a version is not left from a first start of ours that was interrupted. Such a start has
/// put nothing into the directories it made but the journal's header.
fn foreign_in(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Option<String>, StoreError> {
    let list = |dir: &Path| disk.list(dir).map_err(at(dir));
    let names = list(dir)?;
    if let Some(name) = names.iter().find(|name| **name != LOCK && !OURS.contains(&name.as_str())) {
        return Ok(Some(name.clone()));
    }
    for inside in [STREAMS, SNAPSHOTS, TABLES].into_iter().filter(|inside| names.iter().any(|name| name == inside)) {
        if let Some(name) = list(&dir.join(inside))?.first() {
            return Ok(Some(format!("{inside}/{name}")));
        }
    }
    Ok(None)
}

fn check_version(file: &Path, text: &str) -> Result<(), StoreError> {
    if text == format!("{MARK}{VERSION}") {
        return Ok(());
    }
    let found = text.trim_start_matches(MARK).to_owned();
    Err(StoreError::UnknownFormat { file: file.to_owned(), found, supported: VERSION })
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
    file.write_all_at(format!("{MARK}{VERSION}\n").as_bytes(), 0).map_err(at(&partial))?;
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

/// Whether a directory was made by a store: its version says so.
pub fn is_data_dir(dir: &Path) -> bool {
    let disk: Arc<dyn Disk> = Arc::new(crate::RealDisk);
    matches!(read_text(&disk, &dir.join(FORMAT)), Ok(Some(text)) if text.starts_with(MARK))
}

/// Removes what stores and servers have made in a data directory that no process uses, and the directory itself. Nothing
/// happens when there is no directory, or one to which a store has put nothing yet; one of somebody else, or with
/// something of somebody else in it, is refused. After a crash the same call goes on.
pub fn remove_data_dir(dir: &Path) -> Result<(), StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(crate::RealDisk);
    if !is_data_dir(dir) {
        let foreign = foreign_in(&disk, dir)?;
        return foreign.map_or(Ok(()), |found| Err(StoreError::ForeignDir { dir: dir.to_owned(), found }));
    }
    let lock = lock(&disk, dir)?;
    let is_ours = |name: &str| OURS.contains(&name) || [LOCK, FORMAT].contains(&name);
    if let Some(found) = disk.list(dir).map_err(at(dir))?.into_iter().find(|name| !is_ours(name)) {
        return Err(StoreError::ForeignFile { dir: dir.to_owned(), found });
    }
    // The journal first: without it nothing of the rest can be taken for something whole.
    for path in OURS.map(|name| dir.join(name)) {
        remove(&path).map_err(at(&path))?;
    }
    disk.sync_dir(dir).map_err(at(dir))?;
    // The version last: what has it can be removed again.
    for path in [LOCK, FORMAT].map(|name| dir.join(name)) {
        remove(&path).map_err(at(&path))?;
    }
    drop(lock);
    if let Err(error) = fs::remove_dir(dir) {
        tracing::debug!("{} stays: {error}", dir.display());
    }
    Ok(())
}

/// Removes a file, a link, or a directory with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
