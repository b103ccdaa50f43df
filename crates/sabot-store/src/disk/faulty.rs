//! A disk in memory that fails the way disks do.
//!
//! It keeps two images of every file and directory: what a program sees, and what would be left after the power went.
//! A crash forgets names that were not synced and writes that were not synced, except that a part of the last write of
//! each file may have reached the platter. Every sync, rename and removal is a *durable step*; a test can stop the
//! world at any of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, DiskLock, OpenMode};

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Names as programs see them.
    names: BTreeMap<PathBuf, u64>,
    /// Names that survive a crash.
    durable_names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, Contents>,
    next_file: u64,
    steps: u64,
    crash_at: Option<u64>,
    crashed: bool,
    capacity: Option<u64>,
    locks: BTreeMap<PathBuf, std::sync::Weak<LockToken>>,
    bytes_written: u64,
    file_syncs: u64,
    refusals: u64,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Offset and length of the newest write since the last sync.
    last_write: Option<(u64, usize)>,
}

#[derive(Debug)]
struct LockToken;

#[derive(Debug)]
struct FaultyLock(#[expect(dead_code, reason = "the lock lives as long as the token")] Arc<LockToken>);

impl DiskLock for FaultyLock {}

impl FaultyDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Durable step `step` (counted from 1) and everything after it fails.
    pub fn crash_at_step(&self, step: u64) {
        self.state().crash_at = Some(step);
    }

    /// Durable steps so far.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Whether the crash has come.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Bytes written and files synced so far.
    pub fn written(&self) -> (u64, u64) {
        let state = self.state();
        (state.bytes_written, state.file_syncs)
    }

    /// Bytes all files together may hold; writes beyond fail with `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// How often a write did not fit.
    pub fn refusals(&self) -> u64 {
        self.state().refusals
    }

    /// Bytes all files hold.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Flips a bit, in both images.
    pub fn corrupt(&self, path: &Path, offset: u64) {
        let mut state = self.state();
        let Some(file) = state.names.get(path).copied() else { return };
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(contents) = state.files.get_mut(&file) {
            for image in [&mut contents.seen, &mut contents.durable] {
                if let Some(byte) = image.get_mut(at) {
                    *byte ^= 0x40;
                }
            }
        }
    }

    /// Files there are, with their lengths.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let len = |file: &u64| state.files.get(file).map_or(0, |contents| contents.seen.len() as u64);
        state.names.iter().map(|(path, file)| (path.clone(), len(file))).collect()
    }

    /// What is left when the power goes now. `seed` decides how much of each torn write reached the disk.
    #[must_use]
    pub fn after_crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut left = State { next_file: state.next_file, ..State::default() };
        for (path, file) in &state.durable_names {
            let Some(contents) = state.files.get(file) else { continue };
            let survived = contents.torn(seed ^ file.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            left.names.insert(path.clone(), *file);
            left.durable_names.insert(path.clone(), *file);
            left.files.insert(*file, Contents { seen: survived.clone(), durable: survived, last_write: None });
        }
        Self { state: Arc::new(Mutex::new(left)) }
    }
}

impl Contents {
    /// The durable image with a part of the last write.
    fn torn(&self, seed: u64) -> Vec<u8> {
        let mut image = self.durable.clone();
        let Some((offset, len)) = self.last_write else { return image };
        let Ok(offset) = usize::try_from(offset) else { return image };
        let part = usize::try_from(seed % (len as u64 + 1)).unwrap_or(0);
        let end = (offset + part).min(self.seen.len());
        if image.len() < end {
            image.resize(end, 0);
        }
        if let (Some(to), Some(from)) = (image.get_mut(offset..end), self.seen.get(offset..end)) {
            to.copy_from_slice(from);
        }
        image
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|contents| contents.seen.len() as u64).sum()
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the disk has crashed")) } else { Ok(()) }
    }

    /// Counts a durable step, or crashes at it.
    fn step(&mut self) -> io::Result<()> {
        self.alive()?;
        self.steps += 1;
        if self.crash_at.is_some_and(|at| self.steps >= at) {
            self.crashed = true;
        }
        self.alive()
    }

    fn reserve(&mut self, more: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if more > 0 && self.used() + more > capacity => {
                self.refusals += 1;
                Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: u64,
}

impl Disk for FaultyDisk {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        self.state().alive()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        let first_part = |path: &PathBuf| {
            let rest = path.strip_prefix(dir).ok()?;
            Some(rest.components().next()?.as_os_str().to_string_lossy().into_owned())
        };
        let mut names: Vec<_> = state.names.keys().filter_map(first_part).collect();
        names.dedup();
        Ok(names)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let file = match state.names.get(path) {
            Some(file) => *file,
            None if mode == OpenMode::Create => {
                state.next_file += 1;
                let file = state.next_file;
                state.names.insert(path.to_owned(), file);
                state.files.insert(file, Contents::default());
                file
            }
            None => return Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        };
        Ok(Arc::new(FaultyFile { disk: self.clone(), file }))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove(path).map(drop).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.retain(|path, _| !path.starts_with(dir));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let file = state.names.remove(from).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let inside = |path: &Path| path.parent() == Some(dir);
        state.durable_names.retain(|path, _| !inside(path));
        let now: Vec<_> = state.names.iter().filter(|(path, _)| inside(path)).map(|(p, f)| (p.clone(), *f)).collect();
        state.durable_names.extend(now);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.state();
        state.alive()?;
        if state.locks.get(path).is_some_and(|token| token.upgrade().is_some()) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "locked"));
        }
        let token = Arc::new(LockToken);
        state.locks.insert(path.to_owned(), Arc::downgrade(&token));
        Ok(Box::new(FaultyLock(token)))
    }
}

impl FaultyFile {
    fn with<T>(&self, act: impl FnOnce(&mut State, u64) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        state.alive()?;
        act(&mut state, self.file)
    }
}

fn contents(state: &mut State, file: u64) -> io::Result<&mut Contents> {
    state.files.get_mut(&file).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl DiskFile for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|state, file| {
            let start = position(offset)?;
            let end = start + bytes.len();
            let grows = end.saturating_sub(contents(state, file)?.seen.len());
            state.reserve(grows as u64)?;
            state.bytes_written += bytes.len() as u64;
            let contents = contents(state, file)?;
            if contents.seen.len() < end {
                contents.seen.resize(end, 0);
            }
            if let Some(place) = contents.seen.get_mut(start..end) {
                place.copy_from_slice(bytes);
            }
            contents.last_write = Some((offset, bytes.len()));
            Ok(())
        })
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|state, file| {
            let start = position(offset)?;
            let from = contents(state, file)?.seen.get(start..start + bytes.len());
            let from = from.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "past the end"))?;
            bytes.copy_from_slice(from);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|state, file| Ok(contents(state, file)?.seen.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state, file| {
            let len = position(len)?;
            let grows = len.saturating_sub(contents(state, file)?.seen.len());
            state.reserve(grows as u64)?;
            contents(state, file)?.seen.resize(len, 0);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let now = self.len()?;
        if len > now { self.set_len(len) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state, file| {
            state.step()?;
            state.file_syncs += 1;
            let contents = contents(state, file)?;
            contents.durable = contents.seen.clone();
            contents.last_write = None;
            Ok(())
        })
    }
}
