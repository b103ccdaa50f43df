//! Rows that never change: one per key, and where each is.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;

use super::keys_of;
use crate::StoreError;
use crate::size::size_of_rows;
use crate::table::index::{KeyIndex, invalid};

/// The fewest rows whose order is worked out at a time: those who ask for a few often ask for a few more.
const ORDER_ROWS: usize = 1_024;

/// Rows of different keys.
pub(super) struct Chunk {
    rows: RecordBatch,
    key: Arc<[usize]>,
    index: KeyIndex,
    bytes: usize,
    /// The first rows in the order of their keys, as far as somebody has asked.
    order: Mutex<UInt32Array>,
}

impl Chunk {
    /// Of several rows with the same key the last counts. Rows whose key has a null are left out.
    pub(super) fn new(rows: RecordBatch, key: &Arc<[usize]>) -> Result<Self, StoreError> {
        let index = KeyIndex::new(&keys_of(&rows, key))?;
        if index.len() == rows.num_rows() {
            return Ok(Self::of(rows, key, index));
        }
        let mut newest = index.rows();
        newest.sort_unstable();
        let rows = take_record_batch(&rows, &UInt32Array::from(newest)).map_err(invalid)?;
        let index = KeyIndex::new(&keys_of(&rows, key))?;
        Ok(Self::of(rows, key, index))
    }

    fn of(rows: RecordBatch, key: &Arc<[usize]>, index: KeyIndex) -> Self {
        let bytes = size_of_rows(&rows);
        let order = Mutex::new(UInt32Array::new_null(0));
        Self { rows, key: Arc::clone(key), index, bytes, order }
    }

    /// One of several, of which later ones replace rows of earlier ones.
    pub(super) fn merge(chunks: &[Arc<Self>], schema: &SchemaRef, key: &Arc<[usize]>) -> Result<Self, StoreError> {
        let mut parts = Vec::with_capacity(chunks.len());
        let mut newer = chunks;
        while let Some((oldest, rest)) = newer.split_first() {
            parts.push(oldest.without(rest)?);
            newer = rest;
        }
        Self::new(concat_batches(schema, &parts).map_err(invalid)?, key)
    }

    /// The rows whose keys others do not have.
    fn without(&self, others: &[Arc<Self>]) -> Result<RecordBatch, StoreError> {
        let mut replaced = vec![false; self.rows.num_rows()];
        for other in others {
            for (replaced, row) in replaced.iter_mut().zip(&other.find(&self.keys())?) {
                *replaced |= row.is_some();
            }
        }
        if replaced.contains(&true) {
            let kept: BooleanArray = replaced.into_iter().map(|replaced| Some(!replaced)).collect();
            return filter_record_batch(&self.rows, &kept).map_err(invalid);
        }
        Ok(self.rows.clone())
    }

    pub(super) fn keys(&self) -> Vec<ArrayRef> {
        keys_of(&self.rows, &self.key)
    }

    pub(super) const fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    pub(super) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The row of each key, null where it is not there.
    pub(super) fn find(&self, keys: &[ArrayRef]) -> Result<UInt32Array, StoreError> {
        self.index.find(keys)
    }

    /// The first rows in the order of their keys.
    pub(super) fn first(&self, limit: usize) -> Result<RecordBatch, StoreError> {
        let limit = limit.min(self.len());
        let order = self.order(limit)?;
        take_record_batch(&self.rows, &order.slice(0, limit)).map_err(invalid)
    }

    fn order(&self, limit: usize) -> Result<UInt32Array, StoreError> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if order.len() >= limit {
            return Ok(order);
        }
        let columns: Vec<_> = self.keys().into_iter().map(|values| SortColumn { values, options: None }).collect();
        let order = lexsort_to_indices(&columns, Some(limit.max(ORDER_ROWS))).map_err(invalid)?;
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order.clone();
        Ok(order)
    }
}
