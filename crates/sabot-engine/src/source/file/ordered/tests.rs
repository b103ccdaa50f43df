//! Sorting within a memory budget that others share.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use expect_test::expect;

use super::super::memory::SortMemory;
use super::super::{Chunk, Chunks, DeadRow};
use super::{Order, Ordered, gather};

fn batch(numbers: &[Option<i64>], texts: &[&str]) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", texts, true)]).expect("a batch")
}

fn read(chunks: Vec<Chunk>, memory: &SortMemory) -> Result<Ordered, String> {
    let schema: SchemaRef = batch(&[], &[]).schema();
    let chunks: Chunks = Box::new(chunks.into_iter().map(Ok));
    Order { path: Path::new("s.csv"), schema: &schema, column: 0, memory }.read(chunks)
}

fn chunk(rows: RecordBatch) -> Chunk {
    Chunk { rows, dead: Vec::new() }
}

/// A chunk of `rows` rows, one of which is bad and has a raw text of `dead_bytes`.
fn large(rows: i64, dead_bytes: usize) -> Chunk {
    let numbers: Vec<Option<i64>> = (0..rows).rev().map(Some).collect();
    let dead = vec![DeadRow { line: 1, error: String::new(), raw: "x".repeat(dead_bytes) }];
    Chunk { rows: batch(&numbers, &vec!["text"; numbers.len()]), dead }
}

#[test]
fn rows_are_sorted_across_chunks_and_equal_ones_keep_their_order() {
    let chunks = vec![
        chunk(batch(&[Some(3), None, Some(1)], &["a", "b", "c"])),
        chunk(batch(&[Some(1), Some(2), None], &["d", "e", "f"])),
    ];
    let ordered = read(chunks, &SortMemory::new(1 << 20)).expect("sorted");
    assert_eq!(ordered.rows, 6);
    let mut texts = String::new();
    for chunk in ordered.into_chunks() {
        texts.extend(chunk.expect("a chunk").rows.column(1).as_string::<i32>().iter().flatten());
    }
    assert_eq!(texts, "cdeabf");
}

#[test]
fn bad_rows_come_even_when_there_is_no_good_one() {
    let ordered =
        read(vec![Chunk { rows: batch(&[], &[]), ..large(0, 10) }], &SortMemory::new(1 << 20)).expect("sorted");
    let dead: Vec<DeadRow> = ordered.into_chunks().flat_map(|chunk| chunk.expect("a chunk").dead).collect();
    assert_eq!(dead.len(), 1);
}

#[test]
fn too_many_rows_or_too_much_bad_text_is_refused_with_a_way_out() {
    let error = read(vec![large(100_000, 0)], &SortMemory::new(1 << 20)).map(|_| ()).expect_err("too large");
    expect![["order_by: s.csv is too large to be sorted in memory: the limit is 1 MiB; raise performance.max_memory_mb, or sort the file and drop order_by"]].assert_eq(&error);
    assert!(read(vec![large(10, 0)], &SortMemory::new(1 << 20)).is_ok());
    assert!(read(vec![large(10, 2 << 20)], &SortMemory::new(1 << 20)).is_err(), "bad rows take memory too");
}

#[test]
fn sources_share_the_limit_and_give_back_what_they_have_given() {
    let memory = SortMemory::new(24 << 20);
    let first = read(vec![large(200_000, 0)], &memory).expect("sorted");
    let held = memory.share().others_bytes();
    assert!((3_000_000..10_000_000).contains(&held), "{held} bytes are held");
    let error = read(vec![large(10, 22 << 20)], &memory).map(|_| ()).expect_err("too large together");
    assert!(error.contains("of which other sources hold"), "{error}");
    assert_eq!(memory.share().others_bytes(), held, "who is refused keeps nothing");
    let mut chunks = first.into_chunks();
    let mut last = held;
    for _ in 0..4 {
        chunks.next().expect("a chunk").expect("rows");
        let now = memory.share().others_bytes();
        assert!(now <= last);
        last = now;
    }
    assert!(last < held / 2, "{last} of {held} bytes are left");
    drop(chunks);
    assert_eq!(memory.share().others_bytes(), 0);
}

#[test]
fn more_text_than_one_batch_can_hold_becomes_several() {
    let whole = batch(&[Some(0), Some(1), Some(2), Some(3), Some(4)], &["a", "b", "c", "d", "e"]);
    let pick = |rows: &[(usize, usize)]| match rows {
        [_, _, _, ..] => Err(ArrowError::OffsetOverflowError(usize::MAX)),
        rows => interleave_record_batch(&[&whole], rows),
    };
    let mut out = VecDeque::new();
    gather(&pick, &[(0, 4), (0, 3), (0, 2), (0, 1), (0, 0)], &mut out).expect("gathered");
    let mut texts = String::new();
    for rows in &out {
        assert!(rows.num_rows() <= 2);
        texts.extend(rows.column(1).as_string::<i32>().iter().flatten());
    }
    assert_eq!(texts, "edcba");
}
