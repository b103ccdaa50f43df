//! Rows of every type that is stored come back as they were appended.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use sabot_store::{FaultyDisk, StreamSpec};

use super::support::{at_second, commit, open, stream};

type Row = (i64, Option<i32>, Option<f64>, Option<String>, Option<i64>, Option<bool>, Option<Vec<Option<String>>>);

fn schema() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("small", DataType::Int32, true),
        Field::new("ratio", DataType::Float64, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("at", time, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("tags", list, true),
    ]))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in rows {
        tags.append_option(row.6.clone());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.3.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.4).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.5).collect::<BooleanArray>()),
        Arc::new(tags.finish()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn row() -> impl Strategy<Value = Row> {
    let float = prop_oneof![any::<f64>(), Just(f64::NAN), Just(-0.0)];
    let list = vec(of(".{0,4}"), 0..4);
    (any::<i64>(), of(any::<i32>()), of(float), of(".{0,12}"), of(any::<i64>()), of(any::<bool>()), of(list))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_batches(batches in vec((vec(row(), 1..40), any::<prop::sample::Index>()), 1..8), max_rows in 1_usize..50) {
        let disk = FaultyDisk::new();
        let store = open(&disk).unwrap();
        store.create_stream(StreamSpec { schema: schema(), ..stream("s", 1) }).unwrap();
        let mut writer = store.writer("s", 0, "a").unwrap();
        let mut appended = Vec::new();
        for (epoch, (rows, cut)) in (1..).zip(&batches) {
            // A slice in the middle of larger columns, as operators hand them on.
            let whole = batch(rows);
            let start = cut.index(whole.num_rows());
            let part = whole.slice(start, whole.num_rows() - start);
            writer.append(&part, &at_second(1)).unwrap();
            appended.push(part);
            commit(&store, epoch, &mut writer).unwrap();
        }
        drop((store, writer));
        let store = open(&disk.after_crash(7)).unwrap();
        let mut reader = store.reader("s", 0, 0).unwrap();
        let mut found = Vec::new();
        while let Some(frame) = reader.next(max_rows).unwrap() {
            found.push(frame.batch);
        }
        let join = |batches: &[RecordBatch]| concat_batches(&schema(), batches).unwrap();
        prop_assert_eq!(join(&found), join(&appended));
    }
}
