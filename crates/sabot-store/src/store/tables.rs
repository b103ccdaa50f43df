//! Tables of a store: made together with their changelog, opened and brought up to date at start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sabot_common::config::Backend;
use serde::{Deserialize, Serialize};

use super::directory::TABLES;
use super::{Store, directory, streams};
use crate::error::at;
use crate::journal::Change;
use crate::table::changelog_name;
use crate::{StoreError, StreamKind, StreamSpec, Table, TableSpec};

const KIND: &str = "table";

#[derive(Debug, Serialize, Deserialize)]
struct TableRecord {
    key: Vec<String>,
    backend: Backend,
}

/// The open tables.
pub(super) struct Tables {
    dir: PathBuf,
    open: Mutex<BTreeMap<String, Arc<Table>>>,
    /// Held while a table is made and opened, so that it is opened once.
    creating: Mutex<()>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Tables {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.join(TABLES), open: Mutex::default(), creating: Mutex::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Table>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone)
    }

    pub(super) fn all(&self) -> Vec<Arc<Table>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }
}

impl Store {
    /// Makes a table and its changelog, or opens it; another key, backend or schema is a conflict.
    pub fn create_table(&self, spec: TableSpec) -> Result<Arc<Table>, StoreError> {
        let _creating = self.tables.creating.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_table(&spec)?;
        if let Some(open) = self.tables.get(&spec.name) {
            return Ok(open);
        }
        let record = TableRecord { key: spec.key.clone(), backend: spec.backend };
        self.create_with(changelog_spec(&spec), vec![Change::put(KIND, &spec.name, &record)?])?;
        self.open_table(spec)
    }

    /// Whether [`Store::create_table`] would take a table; nothing happens.
    pub fn check_table(&self, spec: &TableSpec) -> Result<(), StoreError> {
        let name = &spec.name;
        streams::check_name("table", name)?;
        for column in &spec.key {
            spec.schema.index_of(column).map_err(|_unknown| {
                StoreError::InvalidData(format!("table \"{name}\": key column \"{column}\" is not one of its columns"))
            })?;
        }
        if spec.key.is_empty() {
            return Err(StoreError::InvalidData(format!("table \"{name}\" has no key column")));
        }
        let Some(open) = self.tables.get(name) else { return self.check_stream(&changelog_spec(spec)) };
        let same_rows = open.key() == spec.key && open.schema().fields() == spec.schema.fields();
        if same_rows && open.backend() == spec.backend {
            return Ok(());
        }
        Err(StoreError::Conflict(format!(
            "table \"{name}\" exists with another key, backend or columns; use another name, or start over with --fresh"
        )))
    }

    fn open_table(&self, spec: TableSpec) -> Result<Arc<Table>, StoreError> {
        let changelog = changelog_spec(&spec);
        let reader = self.reader(&changelog.name, 0, 0)?;
        let path = self.tables.dir.join(&spec.name);
        let table = Arc::new(Table::open(spec, changelog, path, reader)?);
        table.apply()?;
        let mut open = self.tables.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(table.name().to_owned(), Arc::clone(&table));
        Ok(table)
    }

    /// Opens the tables the journal knows.
    pub(super) fn recover_tables(&self) -> Result<(), StoreError> {
        let records = self.records.of_kind::<TableRecord>(KIND)?;
        self.remove_other_databases(&records)?;
        for (name, record) in records {
            let Some(changelog) = self.stream(&changelog_name(&name)) else { continue };
            let schema = Arc::clone(&changelog.spec.schema);
            self.open_table(TableSpec { name, key: record.key, schema, backend: record.backend })?;
        }
        Ok(())
    }

    /// Removes databases that no table has.
    fn remove_other_databases(&self, records: &[(String, TableRecord)]) -> Result<(), StoreError> {
        let embedded = |name: &str| records.iter().any(|(known, of)| known == name && of.backend == Backend::Embedded);
        let dir = &self.tables.dir;
        for path in self.disk.list(dir).map_err(at(dir))?.iter().filter(|name| !embedded(name)).map(|n| dir.join(n)) {
            if let Err(error) = directory::remove(&path) {
                tracing::warn!("{} belongs to nothing and stays: {error}", path.display());
            }
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
