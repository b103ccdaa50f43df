//! Streams: declared, dropped, declared again; and records beside them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use sabot_store::{FaultyDisk, StoreError, StreamKind, StreamSpec};

use super::support::{at_second, commit, commit_each_id, files_in, ids, open, read, schema, stream, with_stream};

#[test]
fn a_stream_comes_back_as_it_was_declared() {
    let disk = FaultyDisk::new();
    let fields = vec![
        Field::new("at", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None), false),
        Field::new("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true),
    ];
    let spec = StreamSpec {
        schema: Arc::new(Schema::new(fields)),
        event_time: Some("at".to_owned()),
        ..stream("sabot.spans", 3)
    };
    open(&disk).unwrap().create_stream(spec.clone()).unwrap();
    let store = open(&disk).unwrap();
    assert_eq!(*store.stream("sabot.spans").unwrap().spec, spec);
    store.create_stream(spec).unwrap();
    assert_eq!(store.streams().len(), 1);
}

#[test]
fn another_shape_is_a_conflict() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    store.create_stream(stream("s", 2)).unwrap();
    let renamed = Schema::new(vec![Field::new("other", DataType::Int64, false)]);
    for (spec, what) in [
        (stream("s", 3), "partitions"),
        (StreamSpec { schema: Arc::new(renamed), ..stream("s", 2) }, "columns"),
        (StreamSpec { event_time: Some("id".to_owned()), ..stream("s", 2) }, "event time"),
        (StreamSpec { kind: StreamKind::Changelog, ..stream("s", 2) }, "use"),
    ] {
        let outcome = store.create_stream(spec);
        assert!(matches!(&outcome, Err(StoreError::Conflict(text)) if text.contains(what)), "{outcome:?}");
    }
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let list = DataType::List(Arc::new(Field::new("item", dictionary.clone(), true)));
    for data_type in [dictionary, list, DataType::Utf8View] {
        let fields = Schema::new(vec![Field::new("x", data_type, true)]);
        let outcome = store.create_stream(StreamSpec { schema: Arc::new(fields), ..stream("s", 1) });
        assert!(matches!(&outcome, Err(StoreError::InvalidData(text)) if text.contains("\"x\"")), "{outcome:?}");
    }
    for name in ["", ".", "..", "a/b", "/"] {
        assert!(matches!(store.create_stream(stream(name, 1)), Err(StoreError::InvalidData(_))), "\"{name}\"");
    }
    assert!(matches!(store.create_stream(stream("s", 0)), Err(StoreError::InvalidData(_))));
    store.create_stream(stream("s", 1)).unwrap();
    let other = Schema::new(vec![Field::new("x", DataType::Int64, true)]);
    let batch = arrow::array::RecordBatch::new_empty(Arc::new(other));
    let outcome = store.writer("s", 0, "a").unwrap().append(&batch, &at_second(0));
    assert!(matches!(outcome, Err(StoreError::InvalidData(_))));
    assert_eq!(schema().fields().len(), 1);
}

#[test]
fn a_dropped_stream_starts_at_nothing_when_declared_again() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    commit_each_id(&store, &mut writer, 1..=40);
    drop(writer);
    store.drop_stream("s").unwrap();
    assert!(store.stream("s").is_none() && files_in(&disk, "streams").is_empty());
    assert!(matches!(store.drop_stream("s"), Err(StoreError::NotFound(_))));
    store.create_stream(stream("s", 1)).unwrap();
    drop(store);
    let store = open(&disk).unwrap();
    assert!(read(&store, "s").is_empty());
    let mut writer = store.writer("s", 0, "a").unwrap();
    writer.append(&ids([7]), &at_second(1)).unwrap();
    commit(&store, 41, &mut writer).unwrap();
    drop((store, writer));
    assert_eq!(read(&open(&disk).unwrap(), "s"), [7]);
}

#[test]
fn a_stream_dropped_in_a_crash_leaves_no_files() {
    for seed in 0..10 {
        let disk = FaultyDisk::new();
        let (store, mut writer) = with_stream(&disk);
        commit_each_id(&store, &mut writer, 1..=20);
        drop(writer);
        disk.crash_at_step(disk.steps() + 2);
        store.drop_stream("s").unwrap_err();
        let left = disk.after_crash(seed);
        assert!(open(&left).unwrap().stream("s").is_none());
        assert!(files_in(&left, "streams").is_empty(), "seed {seed}");
    }
}

#[test]
fn records_are_kept_by_kind_and_key() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    for (key, value) in [("b", 2), ("a", 1), ("c", 3)] {
        store.put_record("kind", key, &value).unwrap();
    }
    store.put_record("other", "a", &"text").unwrap();
    store.put_record("kind", "b", &20).unwrap();
    store.delete_record("kind", "c").unwrap();
    store.delete_record("kind", "never").unwrap();
    let check = |store: &sabot_store::Store| {
        assert_eq!(store.records::<i64>("kind").unwrap(), [("a".to_owned(), 1), ("b".to_owned(), 20)]);
        assert_eq!(store.get_record::<String>("other", "a").unwrap().as_deref(), Some("text"));
        assert_eq!(store.get_record::<i64>("kind", "c").unwrap(), None);
    };
    check(&store);
    drop(store);
    check(&open(&disk).unwrap());
}

#[test]
fn the_journal_is_bounded_by_what_counts() {
    let disk = FaultyDisk::new();
    for round in 0..20 {
        let store = open(&disk).unwrap();
        for n in 0..100 {
            store.put_record("kind", &format!("key-{}", n % 3), &(round * 100 + n)).unwrap();
        }
        assert!(store.disk_usage().journal < 4_000, "round {round}: {}", store.disk_usage().journal);
    }
    assert_eq!(files_in(&disk, "journal").len(), 1);
}
