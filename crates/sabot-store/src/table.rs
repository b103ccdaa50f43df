//! Keyed state: the newest row of each key of a changelog.
//!
//! What is committed is the changelog. A table is a cache of it that can be rebuilt at any time and never decides
//! anything: in memory (rebuilt at start), or embedded (a database on disk that remembers how much it has applied).

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use sabot_common::config::Backend;

use crate::{PartitionReader, StoreError, StreamSpec, TableSpec};

mod embedded;
mod index;
mod memory;

/// Rows of the changelog applied at a time.
const APPLY_ROWS: usize = 8_192;

/// Name of a table's changelog.
pub(crate) fn changelog_name(table: &str) -> String {
    format!("{table}.changelog")
}

/// A table.
pub struct Table {
    spec: TableSpec,
    key: Vec<usize>,
    changelog: StreamSpec,
    state: Mutex<State>,
}

struct State {
    reader: PartitionReader,
    rows: Rows,
}

enum Rows {
    Memory(memory::MemoryRows),
    Embedded(embedded::EmbeddedRows),
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.spec.name)
    }
}

impl Table {
    pub(crate) fn open(
        spec: TableSpec,
        changelog: impl Fn(&TableSpec) -> StreamSpec,
        database: Option<fjall::Database>,
        mut reader: PartitionReader,
    ) -> Result<Self, StoreError> {
        let key = spec.key.iter().map(|column| spec.schema.index_of(column)).collect::<Result<Vec<_>, _>>();
        let key = key.map_err(|error| StoreError::InvalidData(error.to_string()))?;
        let rows = match database {
            None => Rows::Memory(memory::MemoryRows::new(&spec.schema, &key)?),
            Some(database) => {
                let mut rows = embedded::EmbeddedRows::open(database, &spec, &key)?;
                if rows.applied() > reader.end() {
                    // Of another changelog than the one there is now.
                    rows.clear()?;
                }
                reader.seek(rows.applied());
                Rows::Embedded(rows)
            }
        };
        let changelog = changelog(&spec);
        Ok(Self { spec, key, changelog, state: Mutex::new(State { reader, rows }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Takes in what has been committed to the changelog since the last call, and returns how many rows that were.
    pub fn apply(&self) -> Result<u64, StoreError> {
        let mut state = self.state();
        let mut applied = 0;
        while let Some(frame) = state.reader.next(APPLY_ROWS)? {
            let rows = frame.batch.num_rows() as u64;
            let taken = match &mut state.rows {
                Rows::Memory(memory) => memory.upsert(&frame.batch),
                Rows::Embedded(embedded) => embedded.upsert(&frame.batch, frame.offset + rows),
            };
            if let Err(error) = taken {
                // The next call must not go on behind them.
                state.reader.seek(frame.offset);
                return Err(error);
            }
            applied += rows;
        }
        Ok(applied)
    }

    /// For each row of the key columns, the row of the returned batch that holds its table row; null where there is
    /// none. The batch has the table's columns and may hold rows nobody asked for.
    pub fn lookup(&self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        let keys = self.typed(keys)?;
        match &mut self.state().rows {
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

    /// Rows in the order of their keys.
    pub fn scan(&self, limit: usize) -> Result<RecordBatch, StoreError> {
        match &mut self.state().rows {
            Rows::Memory(memory) => memory.scan(limit),
            Rows::Embedded(embedded) => embedded.scan(limit),
        }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        match &self.state().rows {
            Rows::Memory(memory) => memory.len(),
            Rows::Embedded(embedded) => embedded.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory or disk its rows take.
    pub fn bytes(&self) -> usize {
        match &self.state().rows {
            Rows::Memory(memory) => memory.bytes(),
            Rows::Embedded(embedded) => embedded.bytes(),
        }
    }

    /// Lookups answered from memory, and those that went to disk.
    pub fn cache_counts(&self) -> (u64, u64) {
        match &self.state().rows {
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
            if key.data_type() == wanted { Ok(std::sync::Arc::clone(key)) } else { cast(key, wanted) }
        };
        let typed = keys.iter().zip(&self.key).map(cast_one).collect::<Result<Vec<_>, _>>();
        typed.map_err(|error| StoreError::InvalidData(format!("table \"{}\": key: {error}", self.spec.name)))
    }
}
