//! Merging blocks, and crashes at every step of it.

use std::fs;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use sabot_telemetry::AttributeValue;

use crate::support::{Bench, at, block_files, child, count, number, root, with_attribute};

/// A bench with this many blocks of one span each.
fn bench_of(blocks: u128) -> Bench {
    let bench = Bench::new();
    for trace in 0..blocks {
        bench.append_and_flush(&[root(trace, "work")]);
        bench.advance(5);
    }
    bench
}

#[tokio::test]
async fn eight_blocks_become_one_and_their_files_go_later() {
    let bench = bench_of(9);
    bench.store.maintain().expect("maintained");
    assert_eq!(bench.blocks().len(), 10, "nine old ones, which queries may be reading, and the merged one");
    assert_eq!(count(&bench.store).await, (9, 9));
    bench.advance(sabot_observatory::FILE_GRACE.as_secs());
    bench.store.maintain().expect("maintained");
    assert_eq!(bench.blocks().len(), 2);
    assert_eq!(count(&bench.store).await, (9, 9));
}

#[tokio::test]
async fn merged_rows_are_whole_and_in_order() {
    let bench = Bench::new();
    // Blocks overlap unevenly and have more rows than fit into one batch, so that their batches end at different places.
    for block in 0..8 {
        let span = |id: u64| {
            let span = child(u128::from(id % (10 + 5 * block)), 2_000 * block + id, "step");
            with_attribute(at(span, -i64::try_from(id).expect("small"), 0), "block", AttributeValue::Int(1))
        };
        bench.append_and_flush(&(2..1_502).map(span).collect::<Vec<_>>());
    }
    bench.store.maintain().expect("maintained");
    assert_eq!(count(&bench.store).await, (12_000, 12_000));
    let attributed = "SELECT count(*) FROM sabot.spans WHERE attributes['block'] = '1'";
    assert_eq!(number(&bench.store, attributed).await, 12_000);

    let merged = fs::File::open(bench.blocks().pop().expect("a block")).expect("a file");
    let mut keys = Vec::new();
    let merged = ParquetRecordBatchReaderBuilder::try_new(merged).expect("a block");
    assert!(matches!(merged.metadata().row_group(0).column(0).compression(), Compression::ZSTD(_)));
    for batch in merged.build().expect("rows") {
        let batch = batch.expect("rows");
        let trace_ids = batch["trace_id"].as_string::<i32>().iter().map(|id| id.unwrap_or_default().to_owned());
        keys.extend(trace_ids.zip(batch["start_unix_nano"].as_primitive::<Int64Type>().values().iter().copied()));
    }
    assert_eq!(keys.len(), 12_000);
    assert!(keys.is_sorted());
}

#[tokio::test]
async fn a_crash_at_any_step_loses_and_doubles_nothing() {
    let bench = bench_of(8);
    // Before the merged block is in place: half of it under its temporary name.
    fs::write(bench.dir.path().join("spans/0000000000000008.tmp"), b"half").expect("a file");
    {
        let (dir, store) = bench.reopened_copy();
        assert_eq!(count(&store).await, (8, 8));
        assert_eq!(block_files(dir.path()).len(), 8, "the half-written block is gone");
    }
    fs::remove_file(bench.dir.path().join("spans/0000000000000008.tmp")).expect("removed");

    // After it is in place: any number of the old ones removed, in the order in which they are.
    bench.store.maintain().expect("maintained");
    for removed in 0..=8 {
        if removed > 0 {
            fs::remove_file(&bench.blocks()[0]).expect("removed");
        }
        let (dir, store) = bench.reopened_copy();
        assert_eq!(count(&store).await, (8, 8), "{removed} removed");
        assert_eq!(block_files(dir.path()).len(), 1, "only the merged block stays");
    }
}

#[tokio::test]
async fn merges_of_merges_survive_crashes_too() {
    let bench = bench_of(64);
    bench.store.maintain().expect("maintained");
    let files = bench.blocks();
    assert_eq!(files.len(), 64 + 8 + 1);
    for removed in [0, 1, 10, 63, 64, 65, 71, 72] {
        let (dir, _) = bench.reopened_copy();
        crate::support::copy_blocks(bench.dir.path(), dir.path());
        for file in &block_files(dir.path())[..removed] {
            fs::remove_file(file).expect("removed");
        }
        let store = bench.open(dir.path());
        assert_eq!(count(&store).await, (64, 64), "{removed} removed");
        assert_eq!(block_files(dir.path()).len(), 1);
    }
}

#[tokio::test]
async fn a_damaged_block_does_not_keep_others_from_being_merged() {
    let bench = bench_of(17);
    let damaged = bench.blocks()[3].clone();
    let mut bytes = fs::read(&damaged).expect("a block");
    // The footer stays readable; the pages do not.
    bytes[4..200].fill(0xff);
    fs::write(&damaged, bytes).expect("damaged");
    bench.store.maintain().expect("maintained");
    bench.advance(sabot_observatory::FILE_GRACE.as_secs());
    bench.store.maintain().expect("maintained");
    let left = bench.blocks();
    assert_eq!(left.len(), 3, "two merged blocks and the damaged one: {left:?}");
    assert!(left.contains(&damaged));
}
