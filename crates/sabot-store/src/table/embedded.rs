//! Rows in an embedded database, with a bounded cache of rows in front.
//!
//! Key and row are stored in Arrow's row encoding, whose order is the order of the keys. How much of the changelog has
//! been applied is written in the same batch as the rows. It decides nothing: one that cannot be opened, has another
//! encoding or is ahead of the changelog is removed and rebuilt. A write that fails closes a database for writing until
//! it is opened anew, which the next write does; it goes on from whatever has been applied.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use super::index::{invalid, is_whole};
use super::memory::{keys_of, taken};
use crate::{StoreError, TableSpec};

mod cache;
mod database;

use cache::Cache;
use database::{Progress, Rows, failed};

/// Less room than this is a full disk: a write that fails on the way would close the database.
const ROOM: u64 = 8 << 20;

pub(super) struct EmbeddedRows {
    path: PathBuf,
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowConverter,
    values: RowConverter,
    /// Written only to open the database anew.
    open: RwLock<Option<Rows>>,
    /// A write has failed.
    closed: AtomicBool,
    applied: AtomicU64,
    count: AtomicU64,
    bytes: AtomicU64,
    cache: Cache,
    /// Tells the room on the disk.
    room: fn(&Path) -> io::Result<u64>,
}

impl EmbeddedRows {
    /// Opens a table's database, or makes it anew when it does not fit a changelog of `end` rows.
    pub(super) fn open(path: PathBuf, spec: &TableSpec, key: &[usize], end: u64) -> Result<Self, StoreError> {
        let (rows, progress) = match Rows::open(&path) {
            Ok((rows, progress)) if progress.applied <= end => Ok((rows, progress)),
            // Somebody has it: what it holds is not ours to remove.
            Err(error @ fjall::Error::Locked) => Err(error),
            other => {
                let why =
                    other.map_or_else(|error| error.to_string(), |_ahead| "it is of another changelog".to_owned());
                tracing::warn!("{}: {why}; it is rebuilt from the changelog", path.display());
                Rows::open_empty(&path)
            }
        }
        .map_err(|error| failed(&path, &error))?;
        let converter = |columns: &[usize]| {
            let field = |column: &usize| SortField::new(spec.schema.field(*column).data_type().clone());
            RowConverter::new(columns.iter().map(field).collect()).map_err(invalid)
        };
        let all: Vec<usize> = (0..spec.schema.fields().len()).collect();
        Ok(Self {
            path,
            schema: Arc::clone(&spec.schema),
            key: key.to_vec(),
            keys: converter(key)?,
            values: converter(&all)?,
            bytes: AtomicU64::new(rows.bytes()),
            open: RwLock::new(Some(rows)),
            closed: AtomicBool::new(false),
            applied: AtomicU64::new(progress.applied),
            count: AtomicU64::new(progress.keys),
            cache: Cache::new(&spec.schema, key),
            room: free_bytes,
        })
    }

    fn failed(&self, error: fjall::Error) -> StoreError {
        failed(&self.path, &error)
    }

    /// Rows of the changelog taken in.
    pub(super) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    fn reading(&self) -> RwLockReadGuard<'_, Option<Rows>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&Rows) -> Result<T, fjall::Error>) -> Result<T, StoreError> {
        if let Some(rows) = self.reading().as_ref() {
            act(rows).map_err(|error| self.failed(error))
        } else {
            let source = io::Error::other("closed by a failed write, and not to be opened since");
            Err(StoreError::Io { file: self.path.clone(), source })
        }
    }

    /// Takes in rows of the changelog up to the one numbered `end`, and returns up to which one it has been taken in:
    /// another one when the database was opened anew and has more or less of it.
    pub(super) fn take_in(&self, batches: &[RecordBatch], end: u64) -> Result<u64, StoreError> {
        if self.ready()? {
            return Ok(self.applied());
        }
        let batch = concat_batches(&self.schema, batches).map_err(invalid)?;
        match self.upsert(&batch, end) {
            Ok(()) => Ok(end),
            // It may be the consequence of a write in the background that failed some time ago.
            Err(StoreError::Io { .. }) if self.ready()? => Ok(self.applied()),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that there is room for a write, and that the database takes it. Returns whether it was opened anew.
    fn ready(&self) -> Result<bool, StoreError> {
        let room = (self.room)(&self.path).map_err(|error| StoreError::io(&self.path, error))?;
        if room < ROOM {
            return Err(StoreError::DiskFull { file: self.path.clone() });
        }
        if !self.closed.load(Ordering::Acquire) {
            return Ok(false);
        }
        // Whoever looks something up waits until it is open again.
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        *open = None;
        let (rows, progress) = Rows::open(&self.path).map_err(|error| self.failed(error))?;
        if progress.applied < self.applied() {
            // Lookups would miss rows they have seen. The next start takes them in before anybody asks.
            let source = io::Error::other(format!("rows before {} are lost; restart to rebuild", self.applied()));
            return Err(StoreError::Io { file: self.path.clone(), source });
        }
        *open = Some(rows);
        self.show(progress);
        self.closed.store(false, Ordering::Release);
        Ok(true)
    }

    fn show(&self, progress: Progress) {
        self.count.store(progress.keys, Ordering::Relaxed);
        self.applied.store(progress.applied, Ordering::Release);
    }

    /// Takes in rows of the changelog up to the one numbered `applied`, all or none.
    fn upsert(&self, batch: &RecordBatch, applied: u64) -> Result<(), StoreError> {
        let key_columns = keys_of(batch, &self.key);
        let keys = self.keys.convert_columns(&key_columns).map_err(invalid)?;
        let values = self.values.convert_columns(batch.columns()).map_err(invalid)?;
        // Each key once: between two writes of it in one batch a reader could find neither.
        let whole = keys.iter().enumerate().filter(|(row, _)| is_whole(&key_columns, *row));
        let newest: BTreeMap<&[u8], usize> = whole.map(|(row, key)| (key.data(), row)).collect();
        let written = self.with(|rows| {
            let mut keys = self.count.load(Ordering::Relaxed);
            for key in newest.keys() {
                keys += u64::from(!rows.has(key)?);
            }
            let progress = Progress { applied, keys };
            rows.put(newest.iter().map(|(key, row)| (*key, values.row(*row).data())), progress)?;
            Ok(progress)
        });
        let progress = written.inspect_err(|_failed| self.closed.store(true, Ordering::Release))?;
        self.show(progress);
        self.cache.refresh(batch)
    }

    /// Answers from the cache, and from the database what is not there.
    pub(super) fn lookup(&self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        let version = self.cache.version();
        let generations = self.cache.generations();
        let young = generations.young.lookup(keys)?;
        if young.1.null_count() == 0 {
            self.cache.count(young.1.len() as u64, 0);
            return Ok(young);
        }
        let mut answer = Answer::new(keys, young);
        let old = answer.ask_for_missing(|keys| {
            let (rows, found) = generations.old.lookup(keys)?;
            taken(&rows, &found)
        })?;
        let missing = answer.missing();
        let fetched = answer.ask_for_missing(|keys| self.fetch(keys))?;
        self.cache.count((answer.rows.len() - missing) as u64, missing as u64);
        let looked_up: Vec<RecordBatch> = old.into_iter().chain(fetched).filter(|rows| rows.num_rows() > 0).collect();
        if !looked_up.is_empty() {
            self.cache.fill(version, &looked_up)?;
        }
        answer.into_parts(&self.schema)
    }

    /// Answers from the database; each row once.
    fn fetch(&self, keys: &[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError> {
        let encoded = self.keys.convert_columns(keys).map_err(invalid)?;
        let mut values = Vec::new();
        let mut places: BTreeMap<&[u8], Option<u32>> = BTreeMap::new();
        self.with(|rows| {
            for key in &encoded {
                let Entry::Vacant(place) = places.entry(key.data()) else { continue };
                let value = rows.get(key.data())?;
                let number = u32::try_from(values.len()).unwrap_or(u32::MAX);
                place.insert(value.is_some().then_some(number));
                values.extend(value);
            }
            Ok(())
        })?;
        let found = encoded.iter().map(|key| places.get(key.data()).copied().flatten()).collect();
        Ok((self.decode(&values)?, found))
    }

    fn decode(&self, values: &[fjall::Slice]) -> Result<RecordBatch, StoreError> {
        let parser = self.values.parser();
        let columns = self.values.convert_rows(values.iter().map(|value| parser.parse(value))).map_err(invalid)?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(invalid)
    }

    pub(super) fn scan(&self, limit: usize) -> Result<RecordBatch, StoreError> {
        let values = self.with(|rows| rows.first(limit))?;
        self.decode(&values)
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.count.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Bytes of rows; those of some moments ago while the database is being opened anew.
    pub(super) fn bytes(&self) -> usize {
        if let Ok(open) = self.open.try_read()
            && let Some(rows) = open.as_ref()
        {
            self.bytes.store(rows.bytes(), Ordering::Relaxed);
        }
        usize::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Keys looked up that the cache had, and those it had not.
    pub(super) fn cache_counts(&self) -> (u64, u64) {
        self.cache.counts()
    }
}

/// Room on the disk a path is on.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// An answer put together from several places, each asked for what those before it do not have.
struct Answer<'a> {
    keys: &'a [ArrayRef],
    batches: Vec<RecordBatch>,
    /// For each key the row in all batches together.
    rows: Vec<Option<u32>>,
    total: u32,
    /// The first place's, for when nobody has anything to add.
    first: (RecordBatch, UInt32Array),
}

impl<'a> Answer<'a> {
    fn new(keys: &'a [ArrayRef], first: (RecordBatch, UInt32Array)) -> Self {
        let rows = first.1.iter().collect();
        let total = u32::try_from(first.0.num_rows()).unwrap_or(u32::MAX);
        Self { keys, batches: Vec::new(), rows, total, first }
    }

    /// Which keys are still to be found; one with a null stands for nothing.
    fn mask(&self) -> BooleanArray {
        let missing = |(row, found): (usize, &Option<u32>)| Some(found.is_none() && is_whole(self.keys, row));
        self.rows.iter().enumerate().map(missing).collect()
    }

    fn missing(&self) -> usize {
        self.mask().true_count()
    }

    /// Asks for the keys not found yet, and returns the rows given.
    fn ask_for_missing(
        &mut self,
        ask: impl FnOnce(&[ArrayRef]) -> Result<(RecordBatch, UInt32Array), StoreError>,
    ) -> Result<Option<RecordBatch>, StoreError> {
        let mask = self.mask();
        if mask.true_count() == 0 {
            return Ok(None);
        }
        let keys = self.keys.iter().map(|key| filter(key, &mask)).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        let (batch, found) = ask(&keys)?;
        let mut found = found.iter();
        for (row, _) in self.rows.iter_mut().zip(&mask).filter(|(_, missing)| *missing == Some(true)) {
            *row = found.next().flatten().map(|row| self.total + row);
        }
        self.total += u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        self.batches.push(batch.clone());
        Ok(Some(batch))
    }

    fn into_parts(self, schema: &SchemaRef) -> Result<(RecordBatch, UInt32Array), StoreError> {
        if self.batches.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(self.first);
        }
        let all = concat_batches(schema, std::iter::once(&self.first.0).chain(&self.batches)).map_err(invalid)?;
        Ok((all, self.rows.into_iter().collect()))
    }
}
