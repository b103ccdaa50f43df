//! Which services a block has spans of, and what their operations are called.
//!
//! Blocks never change, so that this is found out once per block: from the rows while they are in memory, from the blocks
//! a merge has read, or by reading two columns of a block that an earlier run wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::{Arc, OnceLock};

use arrow::array::{AsArray, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Block, required};
use crate::StoreError;

/// Most pairs of service and operation that are remembered; names that hold ids must not fill the memory.
pub(crate) const MAX_OPERATIONS: usize = 10_000;

/// Operations by service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    by_service: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    pairs: usize,
}

/// What is known of a block.
pub(crate) type KnownOperations = OnceLock<Operations>;

impl Operations {
    /// Those of the blocks together, if all are known.
    pub(crate) fn union(blocks: &[Arc<Block>]) -> Option<Self> {
        let mut operations = Self::default();
        for block in blocks {
            operations.extend(block.operations.get()?);
        }
        Some(operations)
    }

    /// Takes in those of a batch.
    pub(crate) fn read(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let (services, operations) = (required(batch, "service")?, required(batch, "operation")?);
        if let (Some(services), Some(operations)) = (services.as_string_opt::<i32>(), operations.as_string_opt::<i32>())
        {
            for (service, operation) in services.iter().flatten().zip(operations.iter().flatten()) {
                if !self.has(service, operation) {
                    self.insert(service.into(), operation.into());
                }
            }
        }
        Ok(())
    }

    /// Takes in what others are; names are shared with them.
    pub(crate) fn extend(&mut self, others: &Self) {
        for (service, operation) in others.iter() {
            if !self.has(service, operation) {
                self.insert(Arc::clone(service), Arc::clone(operation));
            }
        }
    }

    fn has(&self, service: &str, operation: &str) -> bool {
        self.by_service.get(service).is_some_and(|operations| operations.contains(operation))
    }

    fn insert(&mut self, service: Arc<str>, operation: Arc<str>) {
        if self.pairs < MAX_OPERATIONS {
            self.pairs += usize::from(self.by_service.entry(service).or_default().insert(operation));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.by_service.iter().flat_map(|(service, operations)| operations.iter().map(move |name| (service, name)))
    }

    /// Services with their operations, both in alphabetical order.
    pub(crate) fn into_sorted(self) -> impl Iterator<Item = (Arc<str>, BTreeSet<Arc<str>>)> {
        self.by_service.into_iter()
    }
}

impl Block {
    /// Its services and operations; the block is read unless they are known.
    pub(crate) fn operations(&self) -> Result<&Operations, StoreError> {
        if let Some(known) = self.operations.get() {
            return Ok(known);
        }
        let read = self.read_operations()?;
        Ok(self.operations.get_or_init(|| read))
    }

    fn read_operations(&self) -> Result<Operations, StoreError> {
        let file = File::open(&self.path).map_err(StoreError::io("open the block", &self.path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(StoreError::parquet(&self.path))?;
        let columns = ProjectionMask::columns(builder.parquet_schema(), ["service", "operation"]);
        let reader = builder.with_projection(columns).build().map_err(StoreError::parquet(&self.path))?;
        let mut operations = Operations::default();
        for batch in reader {
            operations.read(&batch?)?;
        }
        Ok(operations)
    }
}
