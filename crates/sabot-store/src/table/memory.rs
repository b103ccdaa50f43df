//! Rows in memory: chunks that never change, newest last, of which readers take what is there.
//!
//! Rows taken in become a chunk of their own. Chunks are merged as they grow, so that each row is copied a few times at
//! most; and whole when so much has been looked up in several that one would have been cheaper. Nobody who reads waits
//! for any of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{
    concat_batches, filter, filter_record_batch, interleave_record_batch, is_not_null, take_record_batch,
};
use arrow::datatypes::SchemaRef;

use super::index::invalid;
use crate::StoreError;
use crate::key::canonical_key;

mod chunk;

use chunk::Chunk;

/// A chunk with up to so many rows for each key looked up is returned whole; of a larger one the rows found are copied.
const WHOLE: usize = 8;
/// Lookups beside the first chunk that cost as much as taking a row over into another chunk.
const LOOKUPS_PER_ROW: u64 = 8;
/// A chunk does not grow beyond this: Arrow's columns of text end at 2 GiB.
const MAX_CHUNK_BYTES: usize = 1 << 30;

pub(super) struct MemoryRows {
    schema: SchemaRef,
    key: Arc<[usize]>,
    shown: RwLock<Arc<Shown>>,
    /// Held by whoever makes the next thing to show.
    changing: Mutex<()>,
    lookups: AtomicU64,
}

/// What readers see.
struct Shown {
    /// Newest last.
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    bytes: usize,
    /// Lookups that one chunk would have saved.
    extra: AtomicU64,
}

impl Shown {
    fn new(chunks: Vec<Arc<Chunk>>, len: usize, extra: u64) -> Self {
        let bytes = chunks.iter().map(|chunk| chunk.bytes()).sum();
        Self { chunks, len, bytes, extra: AtomicU64::new(extra) }
    }

    /// Chunk and row of each key.
    fn find(&self, keys: &[ArrayRef]) -> Result<Vec<Option<(usize, usize)>>, StoreError> {
        let mut places = vec![None; keys.first().map_or(0, Array::len)];
        for (number, chunk) in self.chunks.iter().enumerate().rev() {
            let mut missing = false;
            for (place, row) in places.iter_mut().zip(&chunk.find(keys)?) {
                *place = place.or_else(|| row.map(|row| (number, row as usize)));
                missing |= place.is_none();
            }
            if !missing {
                break;
            }
        }
        Ok(places)
    }

    /// How many chunks from the newest on are to be one: each that is not larger than all newer ones together, so that
    /// a row is copied only into something at least twice as large.
    fn mergeable(chunks: &[Arc<Chunk>]) -> usize {
        let mut newest = chunks.iter().rev();
        let Some(first) = newest.next() else { return 0 };
        let (mut count, mut rows, mut bytes) = (1, first.len(), first.bytes());
        for chunk in newest {
            bytes += chunk.bytes();
            if chunk.len() > rows || bytes > MAX_CHUNK_BYTES {
                break;
            }
            rows += chunk.len();
            count += 1;
        }
        count
    }
}

impl MemoryRows {
    pub(super) fn new(schema: &SchemaRef, key: &[usize]) -> Self {
        Self {
            schema: Arc::clone(schema),
            key: key.into(),
            shown: RwLock::new(Arc::new(Shown::new(Vec::new(), 0, 0))),
            changing: Mutex::new(()),
            lookups: AtomicU64::new(0),
        }
    }

    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, shown: Shown) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
    }

    pub(super) fn upsert<'a>(&self, batches: impl IntoIterator<Item = &'a RecordBatch>) -> Result<(), StoreError> {
        let new = Chunk::new(concat_batches(&self.schema, batches).map_err(invalid)?, &self.key)?;
        if new.len() == 0 {
            return Ok(());
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = self.shown();
        let len = shown.len + shown.find(&new.keys())?.iter().filter(|place| place.is_none()).count();
        let mut chunks = shown.chunks.clone();
        chunks.push(Arc::new(new));
        let newest = chunks.split_off(chunks.len() - Shown::mergeable(&chunks));
        match newest.as_slice() {
            [_] => chunks.extend(newest),
            several => chunks.push(Arc::new(Chunk::merge(several, &self.schema, &self.key)?)),
        }
        self.show(Shown::new(chunks, len, shown.extra.load(Ordering::Relaxed)));
        Ok(())
    }

    /// Takes in those rows whose keys are there.
    pub(super) fn refresh(&self, batch: &RecordBatch) -> Result<(), StoreError> {
        let places = self.shown().find(&keys_of(batch, &self.key))?;
        if places.iter().all(Option::is_none) {
            return Ok(());
        }
        let there = places.iter().map(|place| Some(place.is_some())).collect();
        self.upsert([&filter_record_batch(batch, &there).map_err(invalid)?])
    }

    /// For each key the row of the returned batch; null where it is not there. The batch holds no more than some rows
    /// for each key.
    pub(super) fn lookup(&self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        let asked = keys.first().map_or(0, Array::len);
        self.lookups.fetch_add(asked as u64, Ordering::Relaxed);
        let shown = self.worth_looking_in(asked)?;
        match shown.chunks.as_slice() {
            [] => Ok((RecordBatch::new_empty(Arc::clone(&self.schema)), UInt32Array::new_null(asked))),
            [only] => {
                let found = only.find(keys)?;
                let whole = only.len() <= asked.saturating_mul(WHOLE);
                if whole { Ok((only.rows().clone(), found)) } else { taken(only.rows(), &found) }
            }
            chunks => gathered(chunks, &shown.find(keys)?),
        }
    }

    /// What is shown, as one chunk if by now that has paid off.
    fn worth_looking_in(&self, asked: usize) -> Result<Arc<Shown>, StoreError> {
        let shown = self.shown();
        let extra = (asked * shown.chunks.len().saturating_sub(1)) as u64;
        if extra == 0
            || shown.extra.fetch_add(extra, Ordering::Relaxed) + extra < shown.len as u64 * LOOKUPS_PER_ROW
            || shown.bytes > MAX_CHUNK_BYTES
        {
            return Ok(shown);
        }
        // Somebody else is at it, or makes something newer.
        let Ok(_changing) = self.changing.try_lock() else { return Ok(shown) };
        let shown = self.shown();
        let whole = Arc::new(Chunk::merge(&shown.chunks, &self.schema, &self.key)?);
        self.show(Shown::new(vec![whole], shown.len, 0));
        Ok(self.shown())
    }

    /// Rows in the order of their keys.
    pub(super) fn scan(&self, limit: usize) -> Result<RecordBatch, StoreError> {
        let shown = self.shown();
        if let [only] = shown.chunks.as_slice() {
            return only.first(limit);
        }
        // What comes first of all comes first in its chunk too, and there is the newest row of its key.
        let firsts = shown.chunks.iter().map(|chunk| chunk.first(limit)).collect::<Result<Vec<_>, _>>()?;
        Chunk::new(concat_batches(&self.schema, &firsts).map_err(invalid)?, &self.key)?.first(limit)
    }

    pub(super) fn len(&self) -> usize {
        self.shown().len
    }

    pub(super) fn bytes(&self) -> usize {
        self.shown().bytes
    }

    pub(super) fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::Relaxed)
    }
}

/// The key columns of rows.
pub(super) fn keys_of(rows: &RecordBatch, key: &[usize]) -> Vec<ArrayRef> {
    key.iter().map(|column| canonical_key(rows.column(*column))).collect()
}

/// Only the rows that are found.
pub(super) fn taken(rows: &RecordBatch, found: &UInt32Array) -> Result<(RecordBatch, UInt32Array), StoreError> {
    let there = is_not_null(found).map_err(invalid)?;
    let rows = take_record_batch(rows, &filter(found, &there).map_err(invalid)?).map_err(invalid)?;
    Ok((rows, numbered(there.iter().map(|there| there == Some(true)))))
}

/// Only the rows that are found, of several chunks.
fn gathered(
    chunks: &[Arc<Chunk>],
    places: &[Option<(usize, usize)>],
) -> Result<(RecordBatch, UInt32Array), StoreError> {
    let batches: Vec<&RecordBatch> = chunks.iter().map(|chunk| chunk.rows()).collect();
    let wanted: Vec<(usize, usize)> = places.iter().flatten().copied().collect();
    let rows = interleave_record_batch(&batches, &wanted).map_err(invalid)?;
    Ok((rows, numbered(places.iter().map(Option::is_some))))
}

/// Numbers those that are there one after the other.
fn numbered(there: impl Iterator<Item = bool>) -> UInt32Array {
    let mut numbers = 0_u32..;
    there.map(|there| if there { numbers.next() } else { None }).collect()
}
