//! What the journal says, readable while it is being appended to.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Change, Key, encode};
use crate::StoreError;

/// The newest value of every key. Only what is durable is in it, and its lock is never held during a sync.
#[derive(Debug, Default)]
pub(crate) struct Records {
    newest: RwLock<BTreeMap<Key, Value>>,
    bytes: AtomicU64,
    /// The sync that failed: what is durable is unknown, and nothing more is accepted.
    stopped: OnceLock<(PathBuf, String)>,
}

impl Records {
    pub(super) fn new(newest: BTreeMap<Key, Value>) -> Self {
        Self { newest: RwLock::new(newest), ..Self::default() }
    }

    /// The newest record of a kind and key.
    pub(crate) fn get<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Result<Option<T>, StoreError> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let value = newest.get(&(kind.to_owned(), key.to_owned()));
        value.map(|value| decode(kind, key, value)).transpose()
    }

    /// The newest records of a kind, by key.
    pub(crate) fn of_kind<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StoreError> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let from = newest.range((kind.to_owned(), String::new())..);
        let of_kind = from.take_while(|((of, _), _)| of == kind);
        of_kind.map(|((_, key), value)| Ok((key.clone(), decode(kind, key, value)?))).collect()
    }

    /// Shows changes that have become durable, and the bytes the journal has now.
    pub(super) fn show(&self, changes: Vec<Change>, bytes: u64) {
        apply(&mut self.newest.write().unwrap_or_else(PoisonError::into_inner), changes);
        self.set_bytes(bytes);
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of the journal in use.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// One entry per key.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let change = |((kind, key), value): (&Key, &Value)| Change {
            kind: kind.clone(),
            key: key.clone(),
            value: Some(value.clone()),
        };
        newest.iter().try_for_each(|record| encode(&[change(record)], bytes))
    }

    /// Takes no more appends until the store is opened anew: a sync has failed, and trying it again proves nothing,
    /// because the system may have dropped what it could not write.
    pub(crate) fn stop(&self, file: PathBuf, cause: &io::Error) -> StoreError {
        let cause = format!("a sync failed ({cause}): storage has stopped, restart to recover");
        let (file, cause) = self.stopped.get_or_init(|| (file, cause)).clone();
        StoreError::Io { file, source: io::Error::other(cause) }
    }

    /// Whether appends are still taken.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.stopped.get().cloned() {
            None => Ok(()),
            Some((file, cause)) => Err(StoreError::Io { file, source: io::Error::other(cause) }),
        }
    }
}

fn decode<T: DeserializeOwned>(kind: &str, key: &str, value: &Value) -> Result<T, StoreError> {
    // By reference: a record is not copied to be read.
    T::deserialize(value).map_err(|error| StoreError::InvalidData(format!("{kind} \"{key}\" cannot be read: {error}")))
}

/// Makes changes to records.
pub(super) fn apply(records: &mut BTreeMap<Key, Value>, changes: Vec<Change>) {
    for change in changes {
        let key = (change.kind, change.key);
        match change.value {
            Some(value) => records.insert(key, value),
            None => records.remove(&key),
        };
    }
}
