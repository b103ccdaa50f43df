//! The version of the format, and blocks that are not readable.

use std::fs;

use sabot_observatory::{SpanStore, StoreError};
use sabot_telemetry::Registry;

use crate::support::{Bench, count, root};

/// Rewrites the version a block names; the new one has the same length.
fn set_version(block: &std::path::Path, version: u8) {
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
    store.append(&[root(2, "work")]);
    store.flush().expect("a block");
    assert!(dir.path().join("spans/0000000000000008.parquet").exists(), "numbers in use are not used again");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_naming_it() {
    let bench = Bench::new();
    let file = bench.dir.path().join("file");
    fs::write(&file, b"").expect("a file");
    let error =
        SpanStore::open(&file, &bench.settings, bench.clock.clone(), &Registry::new()).expect_err("no directory");
    assert!(error.to_string().contains("file/spans: cannot create the directory"), "{error}");
}
