//! Tables: the newest row of each key, in memory and embedded, and again after reopening.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use sabot_common::config::Backend;
use sabot_store::{FaultyDisk, PartitionWriter, RealDisk, Store, StoreError, StoreOptions, Table, TableSpec};

use super::support::{at_second, commit, open, stream};

const BACKENDS: [Backend; 2] = [Backend::Memory, Backend::Embedded];

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("number", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("value", DataType::Int64, true),
    ]))
}

fn rows(rows: &[(Option<i64>, Option<&str>, i64)]) -> RecordBatch {
    let columns: [ArrayRef; 3] = [
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(schema(), columns.to_vec()).unwrap()
}

fn spec(key: &[&str], backend: Backend) -> TableSpec {
    let key = key.iter().map(|&column| column.to_owned()).collect();
    TableSpec { name: "t".to_owned(), key, schema: schema(), backend }
}

struct Open {
    table: Arc<Table>,
    writer: PartitionWriter,
    store: Arc<Store>,
    epoch: u64,
}

impl Open {
    fn new(dir: &Path, key: &[&str], backend: Backend) -> Self {
        let store = Store::open(Arc::new(RealDisk), dir, StoreOptions::default()).unwrap();
        let table = store.create_table(spec(key, backend)).unwrap();
        let writer = store.writer("t.changelog", 0, "w").unwrap();
        let epoch = store.last_commit("a").map_or(0, |last| last.epoch);
        Self { table, writer, store, epoch }
    }

    fn upsert(&mut self, batch: &RecordBatch) {
        self.writer.append(batch, &at_second(1)).unwrap();
        self.epoch += 1;
        commit(&self.store, self.epoch, &mut self.writer).unwrap();
        assert_eq!(self.table.apply().unwrap(), batch.num_rows() as u64);
    }
}

fn on_both(key: &[&str], check: impl Fn(&mut Open)) {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        check(&mut Open::new(dir.path(), key, backend));
    }
}

fn value(row: Option<RecordBatch>) -> Option<i64> {
    row.map(|row| row.column(2).as_primitive::<Int64Type>().value(0))
}

/// The values found, in the order of the keys.
fn values(table: &Table, keys: &[ArrayRef]) -> Vec<Option<i64>> {
    let (batch, indices) = table.lookup(keys).unwrap();
    let found = take_record_batch(&batch, &indices).unwrap();
    let values = found.column(2).as_primitive::<Int64Type>();
    (0..indices.len()).map(|row| indices.is_valid(row).then(|| values.value(row))).collect()
}

fn numbers(keys: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(keys.into_iter().collect::<Int64Array>())
}

#[test]
fn the_newest_row_of_a_key_counts() {
    on_both(&["number"], |open| {
        open.upsert(&rows(&[(Some(2), Some("b"), 1), (Some(1), None, 2), (Some(2), Some("c"), 3)]));
        open.upsert(&rows(&[(Some(3), None, 4), (Some(1), Some("d"), 5), (Some(-7), None, 6)]));
        assert_eq!((open.table.len(), open.table.is_empty()), (4, false));
        let expected = [(Some(-7), None, 6), (Some(1), Some("d"), 5), (Some(2), Some("c"), 3), (Some(3), None, 4)];
        assert_eq!(open.table.scan(10).unwrap(), rows(&expected));
        assert_eq!(open.table.scan(2).unwrap(), rows(&expected[..2]));
        assert_eq!(open.table.scan(0).unwrap().num_rows(), 0);
        assert_eq!(value(open.table.get(&["2"]).unwrap()), Some(3));
        assert_eq!(value(open.table.get(&["4"]).unwrap()), None);
        assert_eq!(value(open.table.get(&["no number"]).unwrap()), None);
        assert_eq!(
            values(&open.table, &[numbers([Some(3), Some(9), None, Some(1), Some(3)])]),
            [Some(4), None, None, Some(5), Some(4)]
        );
        assert!(open.table.bytes() > 0, "{:?}", open.table.backend());
    });
}

#[test]
fn text_and_composite_keys() {
    on_both(&["name"], |open| {
        open.upsert(&rows(&[(None, Some("b"), 1), (None, Some(""), 2), (Some(1), Some("b"), 3)]));
        assert_eq!(open.table.scan(10).unwrap(), rows(&[(None, Some(""), 2), (Some(1), Some("b"), 3)]));
        assert_eq!(value(open.table.get(&[""]).unwrap()), Some(2));
    });
    on_both(&["name", "number"], |open| {
        open.upsert(&rows(&[(Some(1), Some("b"), 1), (Some(2), Some("a"), 2), (Some(1), Some("a"), 3)]));
        open.upsert(&rows(&[(Some(2), Some("a"), 4)]));
        let expected = rows(&[(Some(1), Some("a"), 3), (Some(2), Some("a"), 4), (Some(1), Some("b"), 1)]);
        assert_eq!(open.table.scan(10).unwrap(), expected);
        assert_eq!(value(open.table.get(&["a", "2"]).unwrap()), Some(4));
        assert_eq!(value(open.table.get(&["b", "2"]).unwrap()), None);
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a")]));
        assert_eq!(values(&open.table, &[names, numbers([Some(1), Some(1), None])]), [Some(1), None, None]);
        for key in [&["a"][..], &["a", "1", "2"], &[]] {
            assert!(matches!(open.table.get(key), Err(StoreError::InvalidData(_))), "{key:?}");
        }
    });
}

#[test]
fn a_key_with_a_null_stands_for_nothing() {
    for key in [&["number"][..], &["name"], &["name", "number"]] {
        on_both(key, |open| {
            open.upsert(&rows(&[(None, None, 1), (Some(1), Some("a"), 2), (None, None, 3)]));
            assert_eq!(open.table.len(), 1, "{key:?}");
            assert_eq!(open.table.scan(10).unwrap(), rows(&[(Some(1), Some("a"), 2)]), "{key:?}");
        });
    }
}

#[test]
fn the_same_after_many_changes_and_reopening() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        let mut model = std::collections::BTreeMap::new();
        let mut open = Open::new(dir.path(), &["number"], backend);
        for round in 0..150_i64 {
            let changes: Vec<_> = (0..40).map(|n| (Some((round * 31 + n * 7) % 400), None, round * 100 + n)).collect();
            model.extend(changes.iter().map(|(key, _, value)| (key.unwrap(), *value)));
            open.upsert(&rows(&changes));
            if round % 10 == 0 {
                let found = values(&open.table, &[numbers((0..400).map(Some))]);
                assert_eq!(found, (0..400).map(|key| model.get(&key).copied()).collect::<Vec<_>>(), "round {round}");
            }
        }
        let expected: Vec<_> = model.iter().map(|(key, value)| (Some(*key), None, *value)).collect();
        let check = |table: &Table| {
            assert_eq!(table.len(), model.len());
            assert_eq!(table.scan(usize::MAX).unwrap(), rows(&expected), "{backend:?}");
        };
        check(&open.table);
        drop(open);
        let mut open = Open::new(dir.path(), &["number"], backend);
        check(&open.table);
        open.upsert(&rows(&[(Some(0), None, -1)]));
        assert_eq!(value(open.table.get(&["0"]).unwrap()), Some(-1));
    }
}

#[test]
fn an_embedded_table_is_a_cache_that_can_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::new(dir.path(), &["number"], Backend::Embedded);
    open.upsert(&rows(&[(Some(1), Some("a"), 1), (Some(2), None, 2)]));
    open.upsert(&rows(&[(Some(1), Some("b"), 3)]));
    let expected = open.table.scan(10).unwrap();
    drop(open);
    let tables = dir.path().join("tables");
    assert!(tables.is_dir());
    std::fs::remove_dir_all(&tables).unwrap();
    let check = |open: Open| {
        assert_eq!((open.table.scan(10).unwrap(), open.table.len()), (expected.clone(), 2));
    };
    check(Open::new(dir.path(), &["number"], Backend::Embedded));
    // Damaged beyond opening: it decides nothing, so that it must not be in the way.
    damage(&tables);
    check(Open::new(dir.path(), &["number"], Backend::Embedded));
}

fn damage(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            damage(&entry.path());
        } else {
            std::fs::write(entry.path(), [0xAB; 500]).unwrap();
        }
    }
}

#[test]
fn a_changelog_made_anew_is_not_mixed_with_old_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::new(dir.path(), &["number"], Backend::Embedded);
    open.upsert(&rows(&[(Some(1), None, 1), (Some(2), None, 2)]));
    drop((open.table, open.writer));
    open.store.drop_stream("t.changelog").unwrap();
    drop(open.store);
    let open = Open::new(dir.path(), &["number"], Backend::Embedded);
    assert_eq!((open.table.len(), open.table.scan(10).unwrap().num_rows()), (0, 0));
}

#[test]
fn hits_and_misses_of_the_cache() {
    on_both(&["number"], |open| {
        open.upsert(&rows(&[(Some(1), None, 1), (Some(2), None, 2)]));
        let keys = [numbers([Some(1), Some(2), Some(3)])];
        let counts = |expected_embedded: (u64, u64), expected_memory: (u64, u64)| {
            let expected = if open.table.backend() == Backend::Memory { expected_memory } else { expected_embedded };
            assert_eq!(open.table.cache_counts(), expected);
        };
        counts((0, 0), (0, 0));
        values(&open.table, &keys);
        counts((0, 3), (3, 0));
        values(&open.table, &keys);
        counts((2, 4), (6, 0));
        assert_eq!(values(&open.table, &keys), [Some(1), Some(2), None]);
    });
}

#[test]
fn more_keys_than_the_cache_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = Open::new(dir.path(), &["number"], Backend::Embedded);
    let many: i64 = 100_200;
    let all: Vec<_> = (0..many).map(|key| (Some(key), None, key * 2)).collect();
    all.chunks(8_000).for_each(|part| open.upsert(&rows(part)));
    let check = |keys: Vec<i64>| {
        let expected: Vec<_> = keys.iter().map(|key| (*key < many).then_some(key * 2)).collect();
        assert_eq!(values(&open.table, &[numbers(keys.into_iter().map(Some))]), expected);
    };
    check((0..many).collect());
    // The cache is over its limit: the first miss empties it, and found keys of the same batch must be fetched again.
    check(vec![5, many + 1, 99_999, 5]);
    check(vec![5, 6, 99_999]);
}

#[test]
fn a_table_is_declared_once() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let table = store.create_table(spec(&["number"], Backend::Memory)).unwrap();
    assert!(Arc::ptr_eq(&table, &store.create_table(spec(&["number"], Backend::Memory)).unwrap()));
    assert!(matches!(store.create_table(spec(&["name"], Backend::Memory)), Err(StoreError::Conflict(_))));
    let unknown = TableSpec { name: "u".to_owned(), ..spec(&["nothing"], Backend::Memory) };
    assert!(matches!(store.create_table(unknown), Err(StoreError::InvalidData(_))));
    store.create_stream(stream("v.changelog", 1)).unwrap();
    let taken = TableSpec { name: "v".to_owned(), ..spec(&["number"], Backend::Memory) };
    assert!(matches!(store.create_table(taken), Err(StoreError::Conflict(_))));
    drop((table, store));
    let store = open(&disk).unwrap();
    let table = store.table("t").unwrap();
    assert_eq!(
        (table.key(), table.backend(), table.schema()),
        (&["number".to_owned()][..], Backend::Memory, &schema())
    );
    assert!(store.table("v").is_none());
}

#[test]
fn a_changelog_that_cannot_be_read_is_not_passed_over() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let table = store.create_table(spec(&["number"], Backend::Memory)).unwrap();
    let mut writer = store.writer("t.changelog", 0, "w").unwrap();
    let mut frames = Vec::new();
    for key in 1..=3 {
        let size = writer.append(&rows(&[(Some(key), None, key)]), &at_second(1)).unwrap();
        frames.push(writer.end().bytes - size);
    }
    commit(&store, 1, &mut writer).unwrap();
    let segment = super::support::files_in(&disk, "streams/t.changelog").remove(0);
    disk.corrupt(&segment, frames[1] + 100);
    assert!(matches!(table.apply(), Err(StoreError::Corrupt { .. })));
    assert!(matches!(table.apply(), Err(StoreError::Corrupt { .. })));
    assert_eq!(table.len(), 1);
    disk.corrupt(&segment, frames[1] + 100);
    assert_eq!((table.apply().unwrap(), table.len()), (2, 3));
    let (batch, indices) = table.lookup(&[numbers([Some(2)])]).unwrap();
    assert_eq!(take_record_batch(&batch, &UInt32Array::from(indices)).unwrap(), rows(&[(Some(2), None, 2)]));
}
