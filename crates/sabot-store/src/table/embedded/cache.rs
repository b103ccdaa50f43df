//! The newest rows looked up in a database: two generations of rows in memory.
//!
//! Rows are found in the young generation, or in the old one and then move to the young. When the young is full it
//! becomes the old, and what nobody has asked for since goes. Both keep up with changes: a changed row that is here is
//! replaced, and nothing else goes for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::super::memory::MemoryRows;
use crate::StoreError;

/// Rows of a full generation.
const ROWS: usize = 50_000;
/// Bytes of a full generation.
const BYTES: usize = 32 << 20;

pub(super) struct Cache {
    schema: SchemaRef,
    key: Vec<usize>,
    generations: RwLock<Generations>,
    /// Held while rows are put in or replaced, never while somebody reads.
    filling: Mutex<()>,
    /// Changes of the table so far.
    version: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Where rows are looked up.
#[derive(Clone)]
pub(super) struct Generations {
    pub(super) young: Arc<MemoryRows>,
    pub(super) old: Arc<MemoryRows>,
}

impl Cache {
    pub(super) fn new(schema: &SchemaRef, key: &[usize]) -> Self {
        let empty = || Arc::new(MemoryRows::new(schema, key));
        Self {
            schema: Arc::clone(schema),
            key: key.to_vec(),
            generations: RwLock::new(Generations { young: empty(), old: empty() }),
            filling: Mutex::new(()),
            version: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn generations(&self) -> Generations {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be asked before the database is read, and given to [`Cache::fill`] with what it said.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Keeps rows that were looked up, unless the table has changed since: they may be replaced already.
    pub(super) fn fill(&self, version: u64, rows: &[RecordBatch]) -> Result<(), StoreError> {
        // Not kept is as good as kept; a lookup does not wait for it.
        let Ok(_filling) = self.filling.try_lock() else { return Ok(()) };
        if self.version() != version {
            return Ok(());
        }
        let Generations { young, .. } = self.generations();
        young.upsert(rows)?;
        if young.len() > ROWS || young.bytes() > BYTES {
            let next = Arc::new(MemoryRows::new(&self.schema, &self.key));
            *self.generations.write().unwrap_or_else(PoisonError::into_inner) = Generations { young: next, old: young };
        }
        Ok(())
    }

    /// Takes in changes that the database has, where the rows they replace are here.
    pub(super) fn refresh(&self, changed: &RecordBatch) -> Result<(), StoreError> {
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.version.fetch_add(1, Ordering::AcqRel);
        let Generations { young, old } = self.generations();
        young.refresh(changed).and_then(|()| old.refresh(changed)).inspect_err(|_failed| self.empty())
    }

    /// Forgets all rows.
    fn empty(&self) {
        let empty = || Arc::new(MemoryRows::new(&self.schema, &self.key));
        *self.generations.write().unwrap_or_else(PoisonError::into_inner) =
            Generations { young: empty(), old: empty() };
    }

    pub(super) fn count(&self, hits: u64, misses: u64) {
        self.hits.fetch_add(hits, Ordering::Relaxed);
        self.misses.fetch_add(misses, Ordering::Relaxed);
    }

    /// Keys found here, and those that were not.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}
