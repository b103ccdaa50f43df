//! Which partition a key belongs to.
//!
//! The hash is XXH3 over Arrow's row encoding of the key: the same on every machine and in every run, because a row's
//! partition is part of what a replay must repeat.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use sabot_runtime::exchange::Partitioner;
use sabot_runtime::{Envelope, JobError};
use sabot_sql::Aggregation;
use sabot_store::canonical_key;
use xxhash_rust::xxh3::xxh3_64;

/// Assigns keys to a fixed number of partitions.
#[derive(Debug)]
pub struct KeyHash {
    converter: RowConverter,
    partitions: u32,
}

impl KeyHash {
    /// For keys of these types.
    pub fn new(types: &[DataType], partitions: u32) -> Result<Self, ArrowError> {
        let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
        Ok(Self { converter: RowConverter::new(fields)?, partitions: partitions.max(1) })
    }

    /// How many partitions there are.
    pub const fn partitions(&self) -> u32 {
        self.partitions
    }

    /// The partition of each of `rows` rows, given the key columns. Without keys all rows are of one group.
    pub fn assign(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, ArrowError> {
        if keys.is_empty() {
            return Ok(vec![0; rows]);
        }
        let keys: Vec<ArrayRef> = keys.iter().map(canonical_key).collect();
        let rows = self.converter.convert_columns(&keys)?;
        let partitions = u64::from(self.partitions);
        let partition = |row: arrow::row::Row<'_>| u32::try_from(xxh3_64(row.as_ref()) % partitions).unwrap_or(0);
        Ok(rows.iter().map(partition).collect())
    }

    /// The rows of each partition, in their order; partitions without rows are left out.
    pub fn split(&self, keys: &[ArrayRef], batch: &RecordBatch) -> Result<Vec<(u32, RecordBatch)>, ArrowError> {
        if self.partitions == 1 || keys.is_empty() {
            return Ok(vec![(0, batch.clone())]);
        }
        group_rows(&self.assign(keys, batch.num_rows())?, self.partitions, batch)
    }
}

/// The rows of each group, given each row's group.
fn group_rows(groups: &[u32], count: u32, batch: &RecordBatch) -> Result<Vec<(u32, RecordBatch)>, ArrowError> {
    let mut indices: Vec<Vec<u32>> = vec![Vec::new(); count as usize];
    for (row, group) in groups.iter().enumerate() {
        if let (Some(rows), Ok(row)) = (indices.get_mut(*group as usize), u32::try_from(row)) {
            rows.push(row);
        }
    }
    let occupied = (0..count).zip(indices).filter(|(_, rows)| !rows.is_empty());
    occupied.map(|(group, rows)| Ok((group, take_record_batch(batch, &UInt32Array::from(rows))?))).collect()
}

/// Splits rows between the parallel instances of a windowed agent by their group key.
#[derive(Debug)]
pub(crate) struct GroupPartitioner {
    aggregation: Arc<Aggregation>,
    hash: KeyHash,
    instances: u32,
}

impl GroupPartitioner {
    pub(crate) const fn new(aggregation: Arc<Aggregation>, hash: KeyHash, instances: u32) -> Self {
        Self { aggregation, hash, instances }
    }
}

impl Partitioner for GroupPartitioner {
    fn split(&mut self, envelope: Envelope) -> Result<Vec<(usize, Envelope)>, JobError> {
        let failed = |error: &dyn std::fmt::Display| JobError::operator("exchange", error);
        let keys = self.aggregation.keys_of(&envelope.batch).map_err(|error| failed(&error))?;
        let mut owners = self.hash.assign(&keys, envelope.batch.num_rows()).map_err(|error| failed(&error))?;
        for owner in &mut owners {
            *owner %= self.instances;
        }
        let parts = group_rows(&owners, self.instances, &envelope.batch).map_err(|error| failed(&error))?;
        Ok(parts.into_iter().map(|(owner, rows)| (owner as usize, envelope.with_batch(rows))).collect())
    }
}

/// Which keys one parallel instance owns; the other side of [`GroupPartitioner`].
#[derive(Debug)]
pub(crate) struct Ownership {
    pub(crate) instance: u32,
    pub(crate) instances: u32,
}

impl Ownership {
    pub(crate) const fn owns(&self, partition: u32) -> bool {
        partition % self.instances == self.instance
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use arrow::datatypes::DataType;

    use super::KeyHash;

    #[test]
    fn the_assignment_never_changes() {
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["UA", "AA", "B6", "DL", "9E"]));
        let hash = KeyHash::new(&[DataType::Utf8], 4).expect("a hash");
        // Frozen: a change moves rows between partitions of existing streams.
        assert_eq!(hash.assign(&[keys], 5).expect("partitions"), FROZEN);
    }

    #[test]
    fn equal_keys_have_one_partition() {
        let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0]));
        let hash = KeyHash::new(&[DataType::Float64], 1_024).expect("a hash");
        let assigned = hash.assign(&[zeros], 2).expect("partitions");
        assert_eq!(assigned[0], assigned[1]);
    }

    const FROZEN: [u32; 5] = [3, 2, 3, 3, 3];
}
