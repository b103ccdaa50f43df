//! The disk behind a trait, so that tests can crash it.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

mod faulty;
mod real;

pub use faulty::FaultyDisk;
pub use real::RealDisk;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Read,
    /// It must exist.
    ReadWrite,
    /// It is made when it does not exist.
    Create,
}

/// A file system. Writes are durable after `sync_data` of the file, and names after `sync_dir` of their directory.
pub trait Disk: Debug + Send + Sync {
    /// Makes a directory and those above it.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Names in a directory, sorted; none when it does not exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with everything in it; nothing happens when it does not exist.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file over another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes an exclusive lock that ends with the process or the returned guard; `WouldBlock` when another has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
    /// How many threads may sync at the same time.
    fn sync_threads(&self) -> usize {
        4
    }
}

/// A lock held as long as the value lives.
pub trait DiskLock: Debug + Send + Sync {}

/// A file read and written at offsets.
pub trait DiskFile: Debug + Send + Sync {
    /// Writes all bytes at an offset.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads exactly as many bytes as fit.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes sure `len` bytes are there, extending with zeros, with blocks allocated where possible.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync_data(&self) -> io::Result<()>;
}
