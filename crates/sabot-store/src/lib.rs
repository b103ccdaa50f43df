//! Durable storage: streams in segments, one commit journal, snapshots of operator state, tables.
//!
//! The law is *data first, pointer last*: files with data are synced, then one journal append names what of them
//! counts. Nothing is visible before that append is durable, and recovery is reading it back. `docs/storage.md` draws
//! the bytes.
//!
//! - [`disk`](Disk): the file system behind a trait, real and [faulty](FaultyDisk).
//! - [`Store`]: opens a data directory, hands out writers and readers, commits.
//! - `segment`: how a partition's rows lie in files. `journal`: the keyed records that are the truth.
//! - [`Table`]: keyed state over a changelog stream; a cache that can always be rebuilt.
//!
//! Deliberately absent: agents, SQL, HTTP, and any second way to decide what is committed.

mod disk;
mod error;
mod journal;
mod key;
mod record;
mod segment;
mod size;
mod snapshot;
mod store;
mod table;

pub use disk::{Disk, DiskFile, DiskLock, FaultyDisk, OpenMode, RealDisk};
pub use error::StoreError;
pub use key::canonical_key;
pub use record::{
    CommitRecord, CommitRequest, FileEnd, InputPosition, OutputEnd, PLACE_COLUMNS, StreamKind, StreamSpec, TableSpec,
};
pub use segment::{Frame, FrameMeta, PartitionReader, PartitionWriter};
pub use size::size_of_rows;
pub use snapshot::Section;
pub use store::{
    DiskUsage, PartitionInfo, RetentionStats, Store, StoreOptions, StreamInfo, is_data_dir, remove_data_dir,
};
pub use table::Table;
