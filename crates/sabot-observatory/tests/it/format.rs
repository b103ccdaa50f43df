//! Blocks as files: what they carry, their version, and blocks that are not readable.

use std::fs::{self, File};
use std::path::Path;

use parquet::basic::Compression;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use sabot_observatory::{MAX_TRACE_SPANS, SpanStore, StoreError};
use sabot_telemetry::Registry;

use crate::support::{Bench, child, count, root, trace_id};

fn footer(block: &Path) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&File::open(block).expect("a file")).expect("a block")
}

#[test]
fn a_block_carries_what_lookups_skip_by() {
    let bench = Bench::new();
    bench.append_and_flush(&(0..20_000).map(|trace| root(trace, "work")).collect::<Vec<_>>());
    let footer = footer(&bench.blocks()[0]);
    assert_eq!(footer.row_groups().iter().map(RowGroupMetaData::num_rows).collect::<Vec<_>>(), [16_384, 3_616]);
    for group in footer.row_groups() {
        let trace_ids = group.column(0);
        assert!(trace_ids.bloom_filter_offset().is_some());
        assert!(trace_ids.statistics().is_some_and(|statistics| statistics.min_bytes_opt().is_some()));
        assert!(trace_ids.column_index_offset().is_some(), "statistics by page");
        assert_eq!(trace_ids.compression(), Compression::LZ4_RAW);
        assert!(group.columns()[1..].iter().all(|column| column.bloom_filter_offset().is_none()));
        assert_eq!(group.sorting_columns().map(Vec::len), Some(2));
    }
    let pairs = footer.file_metadata().key_value_metadata().expect("metadata");
    let version = pairs.iter().find(|pair| pair.key == "sabot.format_version").and_then(|pair| pair.value.as_deref());
    assert_eq!(version, Some("1"));
}

/// The pages of the second row group are damaged, and a lookup does not notice.
#[tokio::test]
async fn a_lookup_reads_only_where_the_trace_may_be() {
    let bench = Bench::new();
    let spans = (0..20_000_u64).map(|id| child(u128::from(id), id + 2, "work"));
    bench.append_and_flush(&spans.collect::<Vec<_>>());
    let block = &bench.blocks()[0];
    let (start, length) = footer(block).row_group(1).column(1).byte_range();
    let mut bytes = fs::read(block).expect("a block");
    let range = usize::try_from(start).expect("an offset")..usize::try_from(start + length).expect("an offset");
    bytes[range].fill(0xff);
    fs::write(block, bytes).expect("damaged");
    let reader = bench.reader();
    assert!(reader.trace(&trace_id(100), MAX_TRACE_SPANS).await.expect("an answer").is_some());
    reader.trace(&trace_id(19_999), MAX_TRACE_SPANS).await.expect_err("this one is in the damaged part");
}

/// Rewrites the version a block names; the new one has the same length.
fn set_version(block: &Path, version: u8) {
    let mut bytes = fs::read(block).expect("a block");
    let key = b"sabot.format_version";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the key");
    // The value follows the key in the footer: a field header and a length of one byte each.
    let value = at + key.len() + 2;
    assert_eq!(bytes[value], b'1');
    bytes[value] = version;
    fs::write(block, bytes).expect("written");
}

#[tokio::test]
async fn a_block_of_another_version_is_named_and_the_rest_is_served() {
    let bench = Bench::new();
    for trace in 0..3 {
        bench.append_and_flush(&[root(trace, "work")]);
    }
    let newer = bench.blocks()[1].clone();
    set_version(&newer, b'2');
    let (dir, store) = bench.reopened_copy();
    assert_eq!(count(&store).await, (2, 2));
    let [error] = store.unreadable() else { panic!("{:?}", store.unreadable()) };
    assert!(matches!(error, StoreError::Version { .. }));
    let name = newer.file_name().expect("a name").to_string_lossy().into_owned();
    let expected = format!("{name}: block format version 2 is not the supported version 1");
    assert!(error.to_string().ends_with(&expected), "{error}");
    assert!(dir.path().join("spans").join(name).exists(), "it is left alone");
}

#[tokio::test]
async fn what_is_no_block_is_named_or_left_alone() {
    let bench = Bench::new();
    bench.append_and_flush(&[root(1, "work")]);
    let spans = bench.dir.path().join("spans");
    fs::write(spans.join("0000000000000007.parquet"), b"not parquet").expect("a file");
    fs::write(spans.join("notes.parquet"), b"mine").expect("a file");
    fs::write(spans.join("notes.tmp"), b"mine").expect("a file");
    let (dir, store) = bench.reopened_copy();
    assert_eq!(count(&store).await, (1, 1));
    assert_eq!(store.unreadable().len(), 1);
    for name in ["0000000000000007.parquet", "notes.parquet", "notes.tmp"] {
        assert!(dir.path().join("spans").join(name).exists(), "{name}");
    }
    store.append(vec![root(2, "work")]);
    store.flush().expect("a block");
    assert!(dir.path().join("spans/0000000000000008.parquet").exists(), "numbers in use are not used again");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_naming_it() {
    let bench = Bench::new();
    let file = bench.dir.path().join("file");
    fs::write(&file, b"").expect("a file");
    let error =
        SpanStore::open(&file, &bench.settings, bench.shared_clock(), &Registry::new()).expect_err("no directory");
    assert!(error.to_string().contains("file/spans: cannot create the directory"), "{error}");
}
