//! An index from keys to row numbers, specialised for one integer or one text column.

use std::hash::BuildHasher;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::StoreError;

/// Keys and the row each stands for.
pub(super) enum KeyIndex {
    Int { entries: HashTable<(i64, u32)>, hasher: DefaultHashBuilder },
    Text { entries: HashTable<(Box<[u8]>, u32)>, hasher: DefaultHashBuilder },
    Rows { entries: HashTable<(OwnedRow, u32)>, hasher: DefaultHashBuilder, converter: RowConverter },
}

impl KeyIndex {
    /// Points each row's key at it; of several rows with the same key at the last. Null keys are left out.
    pub(super) fn new(keys: &[ArrayRef]) -> Result<Self, StoreError> {
        let hasher = DefaultHashBuilder::default();
        let rows = keys.first().map_or(0, Array::len);
        let types: Vec<&DataType> = keys.iter().map(Array::data_type).collect();
        Ok(match (types.as_slice(), keys) {
            ([DataType::Int64], [keys]) => {
                let mut entries = HashTable::with_capacity(rows);
                let hash = |key: &i64| hasher.hash_one(key);
                for (row, key) in (0..).zip(keys.as_primitive::<Int64Type>()) {
                    let Some(key) = key else { continue };
                    match entries.entry(hash(&key), |(k, _)| *k == key, |(k, _)| hash(k)) {
                        Entry::Occupied(mut known) => known.get_mut().1 = row,
                        Entry::Vacant(place) => drop(place.insert((key, row))),
                    }
                }
                Self::Int { entries, hasher }
            }
            ([DataType::Utf8], [keys]) => {
                let texts = (0..).zip(keys.as_string::<i32>());
                let texts = texts.filter_map(|(row, key)| Some((key?.as_bytes(), row)));
                Self::Text { entries: by_bytes(rows, &hasher, texts, Box::from), hasher }
            }
            (types, keys) => {
                let fields = types.iter().map(|&data_type| SortField::new(data_type.clone())).collect();
                let converter = RowConverter::new(fields).map_err(invalid)?;
                let encoded = converter.convert_columns(keys).map_err(invalid)?;
                let whole = (0_u32..).zip(encoded.iter()).filter(|(row, _)| is_whole(keys, *row as usize));
                let entries = by_bytes(rows, &hasher, whole.map(|(row, key)| (key, row)), |key| key.owned());
                Self::Rows { entries, hasher, converter }
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

/// Entries for keys that are bytes, owned as `own` makes them.
fn by_bytes<K: AsRef<[u8]>, O: AsRef<[u8]>>(
    rows: usize,
    hasher: &DefaultHashBuilder,
    keys: impl Iterator<Item = (K, u32)>,
    own: impl Fn(K) -> O,
) -> HashTable<(O, u32)> {
    let mut entries = HashTable::with_capacity(rows);
    let hash = |key: &[u8]| hasher.hash_one(key);
    for (key, row) in keys {
        match entries.entry(
            hash(key.as_ref()),
            |(k, _): &(O, u32)| k.as_ref() == key.as_ref(),
            |(k, _)| hash(k.as_ref()),
        ) {
            Entry::Occupied(mut known) => known.get_mut().1 = row,
            Entry::Vacant(place) => drop(place.insert((own(key), row))),
        }
    }
    entries
}

/// Whether a row's key has no null in it; a key with one stands for nothing.
pub(super) fn is_whole(keys: &[ArrayRef], row: usize) -> bool {
    keys.iter().all(|key| key.is_valid(row))
}

pub(super) fn invalid(error: impl std::fmt::Display) -> StoreError {
    StoreError::InvalidData(error.to_string())
}
