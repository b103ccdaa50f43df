//! Keyed state: the newest row of each key of a changelog.
//!
//! What is committed is the changelog. A table is a cache of it that can be rebuilt at any time and never decides
//! anything: in memory (rebuilt at start), or embedded (a database on disk that remembers how much it has applied).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use sabot_common::config::Backend;

use crate::key::canonical_key;
use crate::{PartitionReader, StoreError, StreamSpec, TableSpec};

mod embedded;
mod index;
mod memory;

use embedded::EmbeddedRows;
use memory::MemoryRows;

/// Rows of the changelog read at a time.
const FRAME_ROWS: usize = 8_192;

/// Name of a table's changelog.
pub(crate) fn changelog_name(table: &str) -> String {
    format!("{table}.changelog")
}

/// A table. Lookups, scans and sizes wait neither for each other nor for rows being taken in.
pub struct Table {
    spec: TableSpec,
    key: Vec<usize>,
    changelog: StreamSpec,
    /// Where the changelog goes on; held by whoever takes rows in.
    reader: Mutex<PartitionReader>,
    rows: Rows,
}

enum Rows {
    Memory(MemoryRows),
    Embedded(Box<EmbeddedRows>),
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.spec.name)
    }
}

impl Table {
    /// Opens a table whose database, if it is embedded, is at `path`.
    pub(crate) fn open(
        spec: TableSpec,
        changelog: StreamSpec,
        path: PathBuf,
        mut reader: PartitionReader,
    ) -> Result<Self, StoreError> {
        let key = spec.key.iter().map(|column| spec.schema.index_of(column)).collect::<Result<Vec<_>, _>>();
        let key = key.map_err(index::invalid)?;
        let rows = match spec.backend {
            Backend::Memory => Rows::Memory(MemoryRows::new(&spec.schema, &key)),
            Backend::Embedded => {
                let rows = EmbeddedRows::open(path, &spec, &key, reader.end())?;
                reader.seek(rows.applied());
                Rows::Embedded(Box::new(rows))
            }
        };
        Ok(Self { spec, key, changelog, reader: Mutex::new(reader), rows })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its key columns.
    pub fn key(&self) -> &[String] {
        &self.spec.key
    }

    /// Its columns.
    pub const fn schema(&self) -> &SchemaRef {
        &self.spec.schema
    }

    /// Where its rows are.
    pub const fn backend(&self) -> Backend {
        self.spec.backend
    }

    /// The stream its writer appends to.
    pub fn changelog_spec(&self) -> StreamSpec {
        self.changelog.clone()
    }

    /// Takes in what has been committed to the changelog since the last call, and returns how many rows that were. When
    /// the disk is full what did not fit has not been taken in, and the call can be made again.
    pub fn apply(&self) -> Result<u64, StoreError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut applied = 0;
        loop {
            let start = reader.offset();
            let (batches, read) = next_rows(&mut reader, self.rows.rows_at_a_time());
            if !batches.is_empty() {
                let taken = self.rows.take_in(&batches, reader.offset());
                // What was not taken in must not be passed over by the next call.
                reader.seek(*taken.as_ref().unwrap_or(&start));
                applied += taken?.saturating_sub(start);
            }
            read?;
            if batches.is_empty() {
                return Ok(applied);
            }
        }
    }

    /// For each row of the key columns, the row of the returned batch that holds its table row; null where there is
    /// none. The batch has the table's columns. It may hold rows nobody asked for, but no more than some for each key.
    pub fn lookup(&self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        let keys = self.typed(keys)?;
        match &self.rows {
            Rows::Memory(memory) => memory.lookup(&keys),
            Rows::Embedded(embedded) => embedded.lookup(&keys),
        }
    }

    /// The row under a key given as text, one part per key column.
    pub fn get(&self, key: &[&str]) -> Result<Option<RecordBatch>, StoreError> {
        let texts: Vec<ArrayRef> =
            key.iter().map(|part| std::sync::Arc::new(StringArray::from(vec![*part])) as ArrayRef).collect();
        let (rows, indices) = self.lookup(&texts)?;
        let found = indices.iter().next().flatten();
        Ok(found.map(|row| rows.slice(row as usize, 1)))
    }

    /// The first rows in the order of their keys.
    pub fn scan(&self, limit: usize) -> Result<RecordBatch, StoreError> {
        match &self.rows {
            Rows::Memory(memory) => memory.scan(limit),
            Rows::Embedded(embedded) => embedded.scan(limit),
        }
    }

    /// How many keys it has. Never waits.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Memory(memory) => memory.len(),
            Rows::Embedded(embedded) => embedded.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory or disk its rows take. Never waits.
    pub fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Memory(memory) => memory.bytes(),
            Rows::Embedded(embedded) => embedded.bytes(),
        }
    }

    /// Keys looked up that were answered from memory, and those for which the disk was asked.
    pub fn cache_counts(&self) -> (u64, u64) {
        match &self.rows {
            Rows::Memory(memory) => (memory.lookups(), 0),
            Rows::Embedded(embedded) => embedded.cache_counts(),
        }
    }

    /// Key columns in the types the table has them in; what cannot be cast becomes null and is not found.
    fn typed(&self, keys: &[ArrayRef]) -> Result<Vec<ArrayRef>, StoreError> {
        if keys.len() != self.key.len() {
            let (name, has, given) = (&self.spec.name, self.key.len(), keys.len());
            return Err(StoreError::InvalidData(format!("table \"{name}\": its key has {has} columns, not {given}")));
        }
        let cast_one = |(key, column): (&ArrayRef, &usize)| {
            let wanted = self.spec.schema.field(*column).data_type();
            let key = if key.data_type() == wanted { std::sync::Arc::clone(key) } else { cast(key, wanted)? };
            Ok(canonical_key(&key))
        };
        let typed = keys.iter().zip(&self.key).map(cast_one).collect::<Result<Vec<_>, ArrowError>>();
        typed.map_err(|error| StoreError::InvalidData(format!("table \"{}\": key: {error}", self.spec.name)))
    }
}

impl Rows {
    /// How many rows of the changelog are taken in together.
    const fn rows_at_a_time(&self) -> usize {
        match self {
            // The fewer chunks there are, the less there is to merge.
            Self::Memory(_) => 64 * FRAME_ROWS,
            Self::Embedded(_) => FRAME_ROWS,
        }
    }

    /// Takes in rows of the changelog up to the one numbered `end`, and returns up to which one it has been taken in.
    fn take_in(&self, batches: &[RecordBatch], end: u64) -> Result<u64, StoreError> {
        match self {
            Self::Memory(memory) => memory.upsert(batches).map(|()| end),
            Self::Embedded(embedded) => embedded.take_in(batches, end),
        }
    }
}

/// The next rows of a changelog, and how reading them ended.
fn next_rows(reader: &mut PartitionReader, at_least: usize) -> (Vec<RecordBatch>, Result<(), StoreError>) {
    let (mut batches, mut rows) = (Vec::new(), 0);
    while rows < at_least {
        match reader.next(FRAME_ROWS) {
            Ok(Some(frame)) => {
                rows += frame.batch.num_rows();
                batches.push(frame.batch);
            }
            Ok(None) => break,
            Err(error) => return (batches, Err(error)),
        }
    }
    (batches, Ok(()))
}
