//! A disk in memory that fails the way disks do.
//!
//! It keeps what programs see apart from what a power cut would leave (`image`). Every sync, rename and removal is a
//! *durable step*; a test can stop the world at any of them, or have one of them fail.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::image::{Contents, Entry, Names, Random};
use super::{Disk, DiskFile, DiskLock, OpenMode};

mod image;

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    names: Names,
    files: BTreeMap<u64, Contents>,
    next_file: u64,
    steps: u64,
    crash_at: Option<u64>,
    fail_at: Option<u64>,
    crashed: bool,
    capacity: Option<u64>,
    locks: BTreeMap<PathBuf, std::sync::Weak<LockToken>>,
    bytes_written: u64,
    file_syncs: u64,
    refusals: u64,
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

    /// Durable step `step` (counted from 1) fails, and nothing after it.
    pub fn fail_at_step(&self, step: u64) {
        self.state().fail_at = Some(step);
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
        let Ok(file) = state.names.file(path) else { return };
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
        state.names.files().map(|(path, file)| (path.clone(), state.len_of(file))).collect()
    }

    /// What is left when the power goes now. `seed` decides what of the things that were not synced reached the disk.
    #[must_use]
    pub fn after_crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut random = Random(seed);
        let names = state.names.survivors(&mut random);
        let files = state.files.iter().map(|(file, contents)| (*file, contents.survivor(&mut random))).collect();
        let left = State { names, files, next_file: state.next_file, ..State::default() };
        Self { state: Arc::new(Mutex::new(left)) }
    }
}

impl State {
    fn len_of(&self, file: u64) -> u64 {
        self.files.get(&file).map_or(0, |contents| contents.seen.len() as u64)
    }

    fn used(&self) -> u64 {
        self.names.files().map(|(_, file)| self.len_of(file)).sum()
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
        if self.fail_at == Some(self.steps) {
            return Err(io::Error::other("the disk failed"));
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
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.names.add_dirs(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(state.names.inside(dir).filter_map(name).collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let file = match state.names.get(path) {
            None if mode == OpenMode::Create => {
                state.next_file += 1;
                let file = state.next_file;
                state.names.add(path, Entry::File(file))?;
                state.files.insert(file, Contents::default());
                file
            }
            _ => state.names.file(path)?,
        };
        Ok(Arc::new(FaultyFile { disk: self.clone(), file }))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.file(path)?;
        state.names.remove(path);
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.remove_all(dir);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.names.sync(dir)
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

    fn sync_threads(&self) -> usize {
        // The same steps in the same order in every run.
        1
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
            let grows = (start + bytes.len()).saturating_sub(contents(state, file)?.seen.len());
            state.reserve(grows as u64)?;
            state.bytes_written += bytes.len() as u64;
            contents(state, file)?.write(start, bytes);
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
            contents(state, file)?.set_len(len);
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
            contents(state, file)?.sync();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
