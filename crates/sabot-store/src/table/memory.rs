//! Rows in memory: one batch that grows, and an index into it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;

use super::index::{KeyIndex, invalid};
use crate::StoreError;

/// Rows that wait to be joined to the large batch; joining copies it, so it is done rarely.
const MAX_PENDING: usize = 64;

pub(super) struct MemoryRows {
    schema: SchemaRef,
    key: Vec<usize>,
    index: KeyIndex,
    rows: RecordBatch,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    lookups: u64,
}

impl MemoryRows {
    pub(super) fn new(schema: &SchemaRef, key: &[usize]) -> Result<Self, StoreError> {
        let types: Vec<_> = key.iter().map(|column| schema.field(*column).data_type().clone()).collect();
        Ok(Self {
            schema: Arc::clone(schema),
            key: key.to_vec(),
            index: KeyIndex::new(&types)?,
            rows: RecordBatch::new_empty(Arc::clone(schema)),
            pending: Vec::new(),
            pending_rows: 0,
            lookups: 0,
        })
    }

    fn keys_of(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|column| Arc::clone(batch.column(*column))).collect()
    }

    pub(super) fn upsert(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let first = u32::try_from(self.rows.num_rows() + self.pending_rows).map_err(invalid)?;
        self.index.upsert(&self.keys_of(batch), first)?;
        self.pending_rows += batch.num_rows();
        self.pending.push(batch.clone());
        if self.pending.len() >= MAX_PENDING {
            self.settle()?;
        }
        Ok(())
    }

    /// Joins what waits to the large batch, and drops replaced rows when they are most of it.
    fn settle(&mut self) -> Result<(), StoreError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let all = std::iter::once(&self.rows).chain(&self.pending);
        self.rows = concat_batches(&self.schema, all).map_err(invalid)?;
        self.pending.clear();
        self.pending_rows = 0;
        if self.rows.num_rows() > 1_024 && self.index.len() * 2 < self.rows.num_rows() {
            let newest = UInt32Array::from(self.index.rows());
            self.rows = take_record_batch(&self.rows, &newest).map_err(invalid)?;
            self.index.upsert(&self.keys_of(&self.rows), 0)?;
        }
        Ok(())
    }

    pub(super) fn lookup(&mut self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        self.settle()?;
        self.lookups += keys.first().map_or(0, |key| key.len() as u64);
        Ok((self.rows.clone(), self.index.find(keys)?))
    }

    pub(super) fn scan(&mut self, limit: usize) -> Result<RecordBatch, StoreError> {
        self.settle()?;
        let newest = take_record_batch(&self.rows, &UInt32Array::from(self.index.rows())).map_err(invalid)?;
        let columns = self.keys_of(&newest).into_iter().map(|values| SortColumn { values, options: None });
        let order = lexsort_to_indices(&columns.collect::<Vec<_>>(), Some(limit)).map_err(invalid)?;
        take_record_batch(&newest, &order).map_err(invalid)
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let pending: usize = self.pending.iter().map(RecordBatch::get_array_memory_size).sum();
        self.rows.get_array_memory_size() + pending
    }

    pub(super) const fn lookups(&self) -> u64 {
        self.lookups
    }
}
