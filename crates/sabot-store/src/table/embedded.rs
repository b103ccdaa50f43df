//! Rows in an embedded database, with a bounded cache of rows in front.
//!
//! Key and row are stored in Arrow's row encoding, whose order is the order of the keys. How much of the changelog has
//! been applied is written in the same batch as the rows. Another version of the encoding means rebuilding.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use super::index::{invalid, is_whole};
use super::memory::MemoryRows;
use crate::{StoreError, TableSpec};

/// Rows the cache holds before it is emptied.
const CACHE_ROWS: usize = 100_000;
/// Changes with the encoding of keys and rows.
const ENCODING: &[u8] = b"1/arrow-row-59";

pub(super) struct EmbeddedRows {
    database: Database,
    rows: Keyspace,
    meta: Keyspace,
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowConverter,
    values: RowConverter,
    applied: u64,
    count: u64,
    cache: MemoryRows,
    hits: u64,
    misses: u64,
}

impl EmbeddedRows {
    pub(super) fn open(database: Database, spec: &TableSpec, key: &[usize]) -> Result<Self, StoreError> {
        let rows = database.keyspace(&spec.name, KeyspaceCreateOptions::default).map_err(invalid)?;
        let meta =
            database.keyspace(&format!("{}.meta", spec.name), KeyspaceCreateOptions::default).map_err(invalid)?;
        let converter = |columns: &[usize]| {
            let field = |column: &usize| SortField::new(spec.schema.field(*column).data_type().clone());
            RowConverter::new(columns.iter().map(field).collect()).map_err(invalid)
        };
        let all: Vec<usize> = (0..spec.schema.fields().len()).collect();
        let mut opened = Self {
            keys: converter(key)?,
            values: converter(&all)?,
            schema: Arc::clone(&spec.schema),
            key: key.to_vec(),
            cache: MemoryRows::new(&spec.schema, key)?,
            applied: 0,
            count: 0,
            hits: 0,
            misses: 0,
            database,
            rows,
            meta,
        };
        let known = opened.meta.get("encoding").map_err(invalid)?;
        if known.as_deref() == Some(ENCODING) {
            opened.applied = opened.number("applied")?;
            opened.count = opened.number("count")?;
        } else {
            opened.clear()?;
        }
        Ok(opened)
    }

    fn number(&self, name: &str) -> Result<u64, StoreError> {
        let bytes = self.meta.get(name).map_err(invalid)?;
        Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_le_bytes))
    }

    /// Forgets all rows; they come again from the changelog.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        for entry in self.rows.iter() {
            batch.remove(&self.rows, entry.key().map_err(invalid)?);
        }
        batch.insert(&self.meta, "encoding", ENCODING);
        batch.insert(&self.meta, "applied", 0_u64.to_le_bytes());
        batch.insert(&self.meta, "count", 0_u64.to_le_bytes());
        batch.commit().map_err(invalid)?;
        (self.applied, self.count) = (0, 0);
        Ok(())
    }

    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    pub(super) fn upsert(&mut self, batch: &RecordBatch, applied: u64) -> Result<(), StoreError> {
        let key_columns: Vec<_> = self.key.iter().map(|column| Arc::clone(batch.column(*column))).collect();
        let keys = self.keys.convert_columns(&key_columns).map_err(invalid)?;
        let values = self.values.convert_columns(batch.columns()).map_err(invalid)?;
        let mut writes = self.database.batch();
        let mut new_keys = std::collections::BTreeSet::new();
        for (row, (key, value)) in keys.iter().zip(values.iter()).enumerate() {
            if !is_whole(&key_columns, row) {
                continue;
            }
            if !self.rows.contains_key(key.as_ref()).map_err(invalid)? {
                new_keys.insert(key.as_ref().to_vec());
            }
            writes.insert(&self.rows, key.as_ref(), value.as_ref());
        }
        let count = self.count + new_keys.len() as u64;
        writes.insert(&self.meta, "applied", applied.to_le_bytes());
        writes.insert(&self.meta, "count", count.to_le_bytes());
        writes.commit().map_err(invalid)?;
        (self.applied, self.count) = (applied, count);
        self.empty_cache()
    }

    fn empty_cache(&mut self) -> Result<(), StoreError> {
        self.cache = MemoryRows::new(&self.schema, &self.key)?;
        Ok(())
    }

    /// Answers from the cache, after fetching what it does not have.
    pub(super) fn lookup(&mut self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        let (rows, found) = self.cache.lookup(keys)?;
        let asked = found.len() as u64;
        if found.null_count() == 0 {
            self.hits += asked;
            return Ok((rows, found));
        }
        self.hits += asked - found.null_count() as u64;
        self.misses += found.null_count() as u64;
        if self.cache.len() > CACHE_ROWS {
            self.empty_cache()?;
        }
        let encoded = self.keys.convert_columns(keys).map_err(invalid)?;
        let mut fetched = std::collections::BTreeMap::new();
        for (row, key) in encoded.iter().enumerate() {
            let wanted = found.is_null(row) || self.cache.len() == 0;
            if wanted
                && !fetched.contains_key(key.as_ref())
                && let Some(value) = self.rows.get(key.as_ref()).map_err(invalid)?
            {
                fetched.insert(key.as_ref().to_vec(), value);
            }
        }
        if !fetched.is_empty() {
            let batch = self.decode(fetched.values().map(AsRef::as_ref))?;
            self.cache.upsert(&batch)?;
        }
        self.cache.lookup(keys)
    }

    fn decode<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Result<RecordBatch, StoreError> {
        let parser = self.values.parser();
        let rows: Vec<_> = values.map(|value| parser.parse(value)).collect();
        let columns = self.values.convert_rows(rows).map_err(invalid)?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(invalid)
    }

    pub(super) fn scan(&mut self, limit: usize) -> Result<RecordBatch, StoreError> {
        let values = self.rows.iter().take(limit).map(|entry| entry.value().map_err(invalid));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        self.decode(values.iter().map(AsRef::as_ref))
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.rows.disk_space()).unwrap_or(usize::MAX)
    }

    pub(super) const fn cache_counts(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }
}
