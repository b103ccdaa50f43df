//! Tables of a store: made together with their changelog, opened and brought up to date at start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sabot_common::config::Backend;
use serde::{Deserialize, Serialize};

use super::{Store, records_of};
use crate::journal::Change;
use crate::table::changelog_name;
use crate::{StoreError, StreamKind, StreamSpec, Table, TableSpec};

const KIND: &str = "table";

#[derive(Debug, Serialize, Deserialize)]
struct TableRecord {
    key: Vec<String>,
    backend: Backend,
}

/// The open tables, and the embedded database they share.
pub(super) struct Tables {
    dir: PathBuf,
    database: Mutex<Option<fjall::Database>>,
    open: Mutex<BTreeMap<String, Arc<Table>>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Tables {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.join("tables"), database: Mutex::new(None), open: Mutex::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Table>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone)
    }

    pub(super) fn all(&self) -> Vec<Arc<Table>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    /// The database, opened with the first embedded table.
    fn database(&self) -> Result<fjall::Database, StoreError> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = database.as_ref() {
            return Ok(open.clone());
        }
        let open = || fjall::Database::builder(&self.dir).open();
        let opened = open().or_else(|error| {
            tracing::warn!("{}: {error}; it is rebuilt from the changelogs", self.dir.display());
            std::fs::remove_dir_all(&self.dir)?;
            open()
        });
        let opened = opened.map_err(|error| StoreError::InvalidData(format!("{}: {error}", self.dir.display())))?;
        *database = Some(opened.clone());
        Ok(opened)
    }
}

impl Store {
    /// Makes a table and its changelog, or opens it; another key, backend or schema is a conflict.
    pub fn create_table(&self, spec: TableSpec) -> Result<Arc<Table>, StoreError> {
        for column in &spec.key {
            spec.schema.index_of(column).map_err(|_unknown| {
                StoreError::InvalidData(format!(
                    "table \"{}\": key column \"{column}\" is not one of its columns",
                    spec.name
                ))
            })?;
        }
        let record = TableRecord { key: spec.key.clone(), backend: spec.backend };
        if let Some(open) = self.tables.get(&spec.name) {
            return if open.key() == spec.key
                && open.backend() == spec.backend
                && open.schema().fields() == spec.schema.fields()
            {
                Ok(open)
            } else {
                Err(StoreError::Conflict(format!(
                    "table \"{}\" exists with another key, backend or columns; use another name, or start over with --fresh",
                    spec.name
                )))
            };
        }
        self.create_with(changelog_spec(&spec), vec![Change::put(KIND, &spec.name, &record)?])?;
        self.open_table(spec)
    }

    fn open_table(&self, spec: TableSpec) -> Result<Arc<Table>, StoreError> {
        let database = match spec.backend {
            Backend::Embedded => Some(self.tables.database()?),
            Backend::Memory => None,
        };
        let changelog = changelog_name(&spec.name);
        let reader = self.reader(&changelog, 0, 0)?;
        let table = Arc::new(Table::open(spec, changelog_spec, database, reader)?);
        table.apply()?;
        let mut open = self.tables.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(table.name().to_owned(), Arc::clone(&table));
        Ok(table)
    }

    /// Opens the tables the journal knows.
    pub(super) fn recover_tables(&self) -> Result<(), StoreError> {
        let records = records_of::<TableRecord>(&self.journal(), KIND)?;
        for (name, record) in records {
            let Some(changelog) = self.stream(&changelog_name(&name)) else { continue };
            let schema = Arc::clone(&changelog.spec.schema);
            self.open_table(TableSpec { name, key: record.key, schema, backend: record.backend })?;
        }
        Ok(())
    }
}

/// The stream that is the truth behind a table.
fn changelog_spec(spec: &TableSpec) -> StreamSpec {
    StreamSpec {
        name: changelog_name(&spec.name),
        partitions: 1,
        schema: Arc::clone(&spec.schema),
        event_time: None,
        retention: None,
        kind: StreamKind::Changelog,
    }
}
