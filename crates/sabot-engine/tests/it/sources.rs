//! Files as sources: what their rows become, and which files are refused.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, StringDictionaryBuilder, TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use expect_test::{Expect, expect};
use parquet::arrow::ArrowWriter;
use sabot_store::{FaultyDisk, Store};

use crate::harness::{Harness, rows};

/// A project of one stream `s` filled from a file; `more` are further keys of it, `source` further ones of its source.
pub(crate) fn project(file: &str, content: impl AsRef<[u8]>, more: &str, source: &str) -> Harness {
    let yaml = format!("streams:\n  - {{ name: s, source: {{ file: {file}{source} }}{more} }}\n");
    let harness = Harness::new(&[("sabot.yaml", &yaml)]);
    std::fs::write(harness.dir.path().join(file), content).expect("a file");
    harness
}

/// Rows and dead letters, or the error, with the project's directory called `DIR`.
pub(crate) fn outcome(harness: &Harness) -> String {
    let text = match harness.run(Arc::new(FaultyDisk::new()), 1) {
        Ok(store) => found(&store),
        Err(error) => format!("{error}\n"),
    };
    text.replace(&harness.dir.path().display().to_string(), "DIR")
}

fn found(store: &Store) -> String {
    let mut text = rows(store, "s").concat();
    if store.stream("s.dead").is_some() {
        for line in rows(store, "s.dead").concat().lines() {
            let dead: serde_json::Value = serde_json::from_str(line).expect("JSON");
            writeln!(text, "dead {}: {} | {}", dead["line"], dead["error"], dead["raw"]).expect("text");
        }
    }
    assert!(store.last_commit("source:s").is_some_and(|commit| commit.finished), "the source is finished");
    text
}

fn check(file: &str, content: impl AsRef<[u8]>, more: &str, source: &str, expected: Expect) {
    expected.assert_eq(&outcome(&project(file, content, more, source)));
}

fn check_csv(content: impl AsRef<[u8]>, expected: Expect) {
    check("s.csv", content, "", "", expected);
}

/// A Parquet file of these columns.
pub(crate) fn parquet_of(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
    let batch = batch.expect("a batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    bytes
}

#[test]
fn quotes_hold_commas_line_ends_and_quotes() {
    check_csv(
        "a,b\r\n\"x,y\",1\r\n\"two\nlines\",2\r\n\"two\r\nlines\",3\r\n\"say \"\"hi\"\"\",4\r\nplain \"quotes\" inside,5\r\n",
        expect![[r#"
            {"a":"x,y","b":1}
            {"a":"two\nlines","b":2}
            {"a":"two\r\nlines","b":3}
            {"a":"say \"hi\"","b":4}
            {"a":"plain \"quotes\" inside","b":5}
        "#]],
    );
}

#[test]
fn ragged_rows_are_dead_with_their_line() {
    check_csv(
        "a,b\n1,2\n\n\"3\nthree\"\n4,5,6\n7,8\n9,\n",
        expect![[r#"
            {"a":1,"b":2}
            {"a":7,"b":8}
            {"a":9}
            dead 4: "1 fields where the header has 2 (lines 4 to 5)" | "\"3\nthree\""
            dead 6: "3 fields where the header has 2" | "4,5,6"
        "#]],
    );
}

#[test]
fn empty_lines_count_as_lines_and_a_last_line_needs_no_end() {
    check_csv(
        "\n\na,b\n\r\n1,x\n\n\n2",
        expect![[r#"
        {"a":1,"b":"x"}
        dead 8: "1 fields where the header has 2" | "2"
    "#]],
    );
    check_csv(
        "a\n1\n2",
        expect![[r#"
        {"a":1}
        {"a":2}
    "#]],
    );
}

#[test]
fn names_are_trimmed_and_may_be_quoted() {
    check_csv(
        " a , \"b\" ,\"c d\"\n1,2,3\n",
        expect![[r#"{"a":1,"\"b\"":2,"c d":3}
"#]],
    );
}

#[test]
fn no_column_of_a_stream_is_called_like_a_rows_place() {
    check_csv(
        "a,_offset\n1,2\n",
        expect![[r#"
            stream "s": no column may be called "_offset", which tells where in its stream a row is; rename it
        "#]],
    );
    let harness = project("s.csv", "a\n1\n", "", "");
    let agent = "name: t\nkind: stream\nsql: SELECT a AS _partition FROM s\noutput: { stream: t }\n";
    std::fs::create_dir(harness.dir.path().join("agents")).expect("a directory");
    std::fs::write(harness.dir.path().join("agents/t.yaml"), agent).expect("a file");
    let error = harness.run(Arc::new(FaultyDisk::new()), 1).expect_err("a name that is taken");
    assert!(error.contains("agent \"t\": no column may be called \"_partition\""), "{error}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    check_csv(
        "\u{FEFF}a,b\n1,2\n",
        expect![[r#"
        {"a":1,"b":2}
    "#]],
    );
    check(
        "s.jsonl",
        "\u{FEFF}{\"a\":1}\n{\"a\":2}\n",
        "",
        "",
        expect![[r#"
        {"a":1}
        {"a":2}
    "#]],
    );
}

#[test]
fn nul_bytes_are_text_and_no_number() {
    check(
        "s.csv",
        "a,b\nx\0y,1\nz,2\0\n",
        ", schema: { b: int64 }",
        "",
        expect![[r#"
        {"a":"x\u0000y","b":1}
        dead 3: "b: \"2\u0000\" is not an int64" | "z,2\u0000"
    "#]],
    );
}

#[test]
fn a_csv_without_rows_is_finished_at_once_and_one_without_columns_refused() {
    check_csv(
        "",
        expect![[r#"
        stream "s": source.file: DIR/s.csv is empty; a CSV file starts with a line of column names
    "#]],
    );
    check_csv(
        "\u{FEFF}\n\n",
        expect![[r#"
        stream "s": source.file: DIR/s.csv is empty; a CSV file starts with a line of column names
    "#]],
    );
    check_csv("a,b\n", expect![[""]]);
    check("s.csv", "at,b", ", event_time: at, key: b, schema: { b: int64 }", "", expect![[""]]);
    check(
        "s.csv",
        "a,b\n",
        ", key: c",
        "",
        expect![[r#"
        stream "s": key: column "c" is not in DIR/s.csv; did you mean "a"?
    "#]],
    );
}

#[test]
fn headers_that_cannot_be_names_are_refused() {
    check_csv(
        "a,b,a\n1,2,3\n",
        expect![[r#"
        stream "s": source.file: DIR/s.csv has two columns "a"; rename one
    "#]],
    );
    check_csv(
        "a,\"b\n1,2\n",
        expect![[r#"
        stream "s": source.file: DIR/s.csv:1: the line of column names: a quote is not closed
    "#]],
    );
    check_csv(
        b"a,\xFF\n1,2\n",
        expect![[r#"
        stream "s": source.file: DIR/s.csv:1: the line of column names is not UTF-8: invalid utf-8 sequence of 1 bytes from index 2
    "#]],
    );
    check_csv(
        "a,b\r1,2\r3,4\r",
        expect![[r#"
        stream "s": source.file: DIR/s.csv:1: lines end with a carriage return alone; convert the file to line feeds
    "#]],
    );
}

#[test]
fn a_parquet_file_without_rows_is_finished_at_once() {
    let none: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
    check("s.parquet", parquet_of(vec![("n", none)]), "", "", expect![[""]]);
}

#[test]
fn a_damaged_parquet_file_is_named() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..50_000).map(|i| i * 7_919 % 10_007)));
    let whole = parquet_of(vec![("n", numbers)]);
    check(
        "s.parquet",
        &whole[..whole.len() / 2],
        "",
        "",
        expect![[r#"
        stream "s": source.file: DIR/s.parquet: Parquet error: Invalid Parquet file. Corrupt footer
    "#]],
    );
    check(
        "s.parquet",
        "not a Parquet file",
        "",
        "",
        expect![[r#"
        stream "s": source.file: DIR/s.parquet: Parquet error: Invalid Parquet file. Corrupt footer
    "#]],
    );
    check(
        "s.parquet",
        "",
        "",
        "",
        expect![[r#"
        stream "s": source.file: DIR/s.parquet: EOF: Parquet file too small. Size is 0 but need 8
    "#]],
    );
    let mut damaged = whole;
    damaged[4..2_000].fill(0xA5);
    check(
        "s.parquet",
        damaged,
        "",
        "",
        expect![[r#"
        failed: stream "s": DIR/s.parquet: after row 0: Parquet argument error: Parquet error: Required field type_ is missing
    "#]],
    );
}

#[test]
fn a_column_of_a_type_that_is_not_stored_is_named() {
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    words.append_value("a");
    let words = Arc::new(words.finish());
    let field = Arc::new(Field::new("word", words.data_type().clone(), true));
    let record: ArrayRef = Arc::new(arrow::array::StructArray::from(vec![(field, words as ArrayRef)]));
    check(
        "s.parquet",
        parquet_of(vec![("tags", record)]),
        "",
        "",
        expect![[r#"
        stream "s": column "tags" is Struct("word": Dictionary(Int32, Utf8)), which is not stored; use the plain type
    "#]],
    );
}

#[test]
fn numbers_are_no_instants_until_somebody_says_of_what() {
    let seconds: ArrayRef = Arc::new(Int64Array::from(vec![Some(1_577_836_800), None, Some(i64::MAX)]));
    let file = parquet_of(vec![("t", seconds)]);
    check(
        "s.parquet",
        &file,
        ", schema: { t: timestamp }",
        "",
        expect![[r#"
        stream "s": schema: column "t" of DIR/s.parquet holds numbers (Int64), which do not say whether they are seconds, milliseconds or microseconds; add an instant with source.derive, such as `t_at: to_timestamp_seconds(t)` (or to_timestamp_millis, to_timestamp_micros), and use that
    "#]],
    );
    check(
        "s.parquet",
        &file,
        ", event_time: t",
        "",
        expect![[r#"
        stream "s": event_time: column "t" of DIR/s.parquet is Int64; it must be a timestamp or RFC 3339 text; add an instant with source.derive, such as `t_at: to_timestamp_seconds(t)` (or to_timestamp_millis, to_timestamp_micros), and use that
    "#]],
    );
    check(
        "s.csv",
        "t\n1577836800\n",
        ", schema: { t: timestamp }",
        "",
        expect![[r#"
        stream "s": schema: column "t" of DIR/s.csv holds numbers (Int64), which do not say whether they are seconds, milliseconds or microseconds; add an instant with source.derive, such as `t_at: to_timestamp_seconds(t)` (or to_timestamp_millis, to_timestamp_micros), and use that
    "#]],
    );
    check(
        "s.jsonl",
        "{\"t\":1577836800.5}\n",
        ", event_time: t, schema: { t: timestamp }",
        "",
        expect![[r#"
        stream "s": schema: column "t" of DIR/s.jsonl holds numbers (Float64), which do not say whether they are seconds, milliseconds or microseconds; add an instant with source.derive, such as `t_at: to_timestamp_seconds(t)` (or to_timestamp_millis, to_timestamp_micros), and use that
    "#]],
    );
    let derived = ", derive: { t_at: to_timestamp_seconds(t) }";
    check(
        "s.parquet",
        &file,
        ", event_time: t_at",
        derived,
        expect![[r#"
            {"t":1577836800,"t_at":"2020-01-01T00:00:00Z"}
            dead 2: "event_time t_at is null" | "{}"
            dead 3: "derive: t_at: \"9223372036854775807 (Timestamp(s, \"+00:00\"))\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"t\":9223372036854775807}"
        "#]],
    );
    check(
        "s.csv",
        "t\n1577836800\n-1\n",
        ", event_time: t_at, key: t_at",
        derived,
        expect![[r#"
        {"t":1577836800,"t_at":"2020-01-01T00:00:00Z"}
        {"t":-1,"t_at":"1969-12-31T23:59:59Z"}
    "#]],
    );
}

#[test]
fn instants_of_a_file_stay_instants() {
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1_577_836_800, i64::MAX]));
    check(
        "s.parquet",
        parquet_of(vec![("t", seconds)]),
        ", schema: { t: timestamp }",
        "",
        expect![[r#"
            {"t":"2020-01-01T00:00:00Z"}
            dead 2: "t: \"9223372036854775807 (Timestamp(s))\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"t\":\"9223372036854775807 (Timestamp(s))\"}"
        "#]],
    );
}

#[test]
fn a_type_a_column_cannot_have_is_refused() {
    let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let record = arrow::array::StructArray::new(schema.fields().clone(), vec![inner], None);
    check(
        "s.parquet",
        parquet_of(vec![("r", Arc::new(record))]),
        ", schema: { r: int64 }",
        "",
        expect![[r#"
        stream "s": schema: column "r" of DIR/s.parquet is Struct("a": Int64), which cannot become Int64
    "#]],
    );
}

#[test]
fn text_of_a_parquet_file_becomes_what_the_schema_says_or_a_dead_letter() {
    let long = "9".repeat(300);
    let numbers: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), Some("x"), None, Some(&long), Some("5")]));
    let halves: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.5]));
    let file = parquet_of(vec![("n", numbers), ("h", halves)]);
    check(
        "s.parquet",
        file,
        ", schema: { n: int64, h: int64 }",
        "",
        expect![[r#"
        {"n":1,"h":1}
        {"h":3}
        dead 2: "n: \"x\" is not an int64" | "{\"n\":\"x\",\"h\":2.0}"
        dead 4: "n: \"99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999…\" is not an int64" | "{\"n\":\"999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999\",\"h\":4.0}"
        dead 5: "h: \"5.5\" is not an int64" | "{\"n\":\"5\",\"h\":5.5}"
    "#]],
    );
}

#[test]
fn digits_beyond_a_float64_are_dead_and_infinity_is_a_number() {
    let texts = ["1e999", "inf", "-Infinity", "1e30", "-1e309"];
    let shown = ", derive: { shown: 'cast(f AS text)' }";
    check(
        "s.csv",
        format!("f\n{}\n", texts.join("\n")),
        ", schema: { f: float64 }",
        shown,
        expect![[r#"
        {"f":null,"shown":"inf"}
        {"f":null,"shown":"-inf"}
        {"f":1.0e30,"shown":"1e30"}
        dead 2: "f: \"1e999\" is not a float64" | "1e999"
        dead 6: "f: \"-1e309\" is not a float64" | "-1e309"
    "#]],
    );
    let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    check(
        "s.parquet",
        parquet_of(vec![("f", column)]),
        ", schema: { f: float64 }",
        shown,
        expect![[r#"
        {"f":null,"shown":"inf"}
        {"f":null,"shown":"-inf"}
        {"f":1.0e30,"shown":"1e30"}
        dead 1: "f: \"1e999\" is not a float64" | "{\"f\":\"1e999\"}"
        dead 5: "f: \"-1e309\" is not a float64" | "{\"f\":\"-1e309\"}"
    "#]],
    );
}
