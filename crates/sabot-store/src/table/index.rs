//! An index from keys to row numbers, specialised for one integer or one text column.

use std::hash::BuildHasher;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::StoreError;

/// Keys and the row each stands for.
pub(super) enum KeyIndex {
    Int { entries: HashTable<(i64, u32)>, hasher: DefaultHashBuilder },
    Text { entries: HashTable<(Box<[u8]>, u32)>, hasher: DefaultHashBuilder },
    Rows { entries: HashTable<(OwnedRow, u32)>, hasher: DefaultHashBuilder, converter: RowConverter },
}

impl KeyIndex {
    pub(super) fn new(types: &[DataType]) -> Result<Self, StoreError> {
        let hasher = DefaultHashBuilder::default();
        Ok(match types {
            [DataType::Int64] => Self::Int { entries: HashTable::new(), hasher },
            [DataType::Utf8] => Self::Text { entries: HashTable::new(), hasher },
            types => {
                let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
                Self::Rows { entries: HashTable::new(), hasher, converter: RowConverter::new(fields).map_err(invalid)? }
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int { entries, .. } => entries.len(),
            Self::Text { entries, .. } => entries.len(),
            Self::Rows { entries, .. } => entries.len(),
        }
    }

    /// Points each row's key at `first + row`; a key that is there already is moved. Null keys are left out.
    pub(super) fn upsert(&mut self, keys: &[ArrayRef], first: u32) -> Result<(), StoreError> {
        match (self, keys) {
            (Self::Int { entries, hasher }, [keys]) => {
                for (row, key) in (first..).zip(keys.as_primitive::<Int64Type>()) {
                    let Some(key) = key else { continue };
                    let hash = |key: &i64| hasher.hash_one(key);
                    match entries.entry(hash(&key), |(k, _)| *k == key, |(k, _)| hash(k)) {
                        hashbrown::hash_table::Entry::Occupied(mut known) => known.get_mut().1 = row,
                        hashbrown::hash_table::Entry::Vacant(place) => drop(place.insert((key, row))),
                    }
                }
            }
            (Self::Text { entries, hasher }, [keys]) => {
                for (row, key) in (first..).zip(keys.as_string::<i32>()) {
                    let Some(key) = key.map(str::as_bytes) else { continue };
                    let hash = |key: &[u8]| hasher.hash_one(key);
                    match entries.entry(hash(key), |(k, _)| k.as_ref() == key, |(k, _)| hash(k)) {
                        hashbrown::hash_table::Entry::Occupied(mut known) => known.get_mut().1 = row,
                        hashbrown::hash_table::Entry::Vacant(place) => drop(place.insert((key.into(), row))),
                    }
                }
            }
            (Self::Rows { entries, hasher, converter }, keys) => {
                let rows = converter.convert_columns(keys).map_err(invalid)?;
                for ((row, key), place) in (first..).zip(rows.iter()).zip(0..) {
                    if !is_whole(keys, place) {
                        continue;
                    }
                    let hash = |key: &[u8]| hasher.hash_one(key);
                    match entries.entry(
                        hash(key.as_ref()),
                        |(k, _)| k.as_ref() == key.as_ref(),
                        |(k, _)| hash(k.as_ref()),
                    ) {
                        hashbrown::hash_table::Entry::Occupied(mut known) => known.get_mut().1 = row,
                        hashbrown::hash_table::Entry::Vacant(place) => drop(place.insert((key.owned(), row))),
                    }
                }
            }
            _ => return Err(StoreError::InvalidData("a key has another number of columns".to_owned())),
        }
        Ok(())
    }

    /// The row of each key, null where it is not there.
    pub(super) fn find(&self, keys: &[ArrayRef]) -> Result<UInt32Array, StoreError> {
        Ok(match (self, keys) {
            (Self::Int { entries, hasher }, [keys]) => {
                let keys = keys.as_primitive::<Int64Type>();
                let find = |key: i64| entries.find(hasher.hash_one(key), |(k, _)| *k == key).map(|(_, row)| *row);
                if keys.null_count() == 0 {
                    keys.values().iter().map(|key| find(*key)).collect()
                } else {
                    keys.iter().map(|key| find(key?)).collect()
                }
            }
            (Self::Text { entries, hasher }, [keys]) => {
                let find =
                    |key: &[u8]| entries.find(hasher.hash_one(key), |(k, _)| k.as_ref() == key).map(|(_, row)| *row);
                keys.as_string::<i32>().iter().map(|key| find(key?.as_bytes())).collect()
            }
            (Self::Rows { entries, hasher, converter }, keys) => {
                let rows = converter.convert_columns(keys).map_err(invalid)?;
                let find =
                    |key: &[u8]| entries.find(hasher.hash_one(key), |(k, _)| k.as_ref() == key).map(|(_, row)| *row);
                let numbered = rows.iter().enumerate();
                numbered.map(|(row, key)| if is_whole(keys, row) { find(key.as_ref()) } else { None }).collect()
            }
            _ => return Err(StoreError::InvalidData("a key has another number of columns".to_owned())),
        })
    }

    /// Rows that are the newest of their key.
    pub(super) fn rows(&self) -> Vec<u32> {
        match self {
            Self::Int { entries, .. } => entries.iter().map(|(_, row)| *row).collect(),
            Self::Text { entries, .. } => entries.iter().map(|(_, row)| *row).collect(),
            Self::Rows { entries, .. } => entries.iter().map(|(_, row)| *row).collect(),
        }
    }
}

/// Whether a row's key has no null in it; a key with one stands for nothing.
pub(super) fn is_whole(keys: &[ArrayRef], row: usize) -> bool {
    keys.iter().all(|key| key.is_valid(row))
}

pub(super) fn invalid(error: impl std::fmt::Display) -> StoreError {
    StoreError::InvalidData(error.to_string())
}
