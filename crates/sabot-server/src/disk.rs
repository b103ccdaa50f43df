//! What the data directory takes on the disk, part by part.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The parts, each a directory.
pub(crate) const PARTS: [&str; 5] = ["streams", "journal", "snapshots", "tables", "telemetry"];
/// Bytes of a block as the system counts them, whatever the file system's are.
const BLOCK_BYTES: u64 = 512;

/// Bytes of all files below a directory. What goes away while it is counted counts for nothing.
pub(crate) fn usage(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => usage(&entry.path()),
        Ok(found) if found.is_file() => found.blocks() * BLOCK_BYTES,
        _ => 0,
    };
    entries.flatten().map(of).sum()
}
