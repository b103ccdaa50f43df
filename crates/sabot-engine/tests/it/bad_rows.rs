//! Rows that do not fit: dead letters, skipping, failing.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, StringArray, TimestampSecondArray};
use expect_test::{Expect, expect};
use sabot_store::FaultyDisk;

use crate::harness::{Harness, count, rows};
use crate::sources::{outcome, parquet_of, project};

const CSV: &str =
    "at,n\n2020-01-01T00:00:00Z,1\n2020-01-01T00:00:01Z,x\n2020-01-01T00:00:02Z\nsoon,4\n,5\n2020-01-01T00:00:05Z,6\n";

fn harness(on_error: &str) -> Harness {
    // The type of `n` is given: what is inferred from so few rows would make `x` a text like any other.
    let yaml = format!(
        "streams:\n  - {{ name: s, event_time: at, schema: {{ n: int64 }}, on_error: {on_error}, source: {{ file: s.csv }} }}\n"
    );
    Harness::new(&[("s.csv", CSV), ("sabot.yaml", &yaml)])
}

#[test]
fn dead_letters_say_where_and_why() {
    let harness = harness("dead_letter");
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    let dir = harness.dir.path().display().to_string();
    expect![[r#"
        {"source":"DIR/s.csv","line":3,"error":"n: \"x\" is not an int64","raw":"2020-01-01T00:00:01Z,x"}
        {"source":"DIR/s.csv","line":4,"error":"1 fields where the header has 2","raw":"2020-01-01T00:00:02Z"}
        {"source":"DIR/s.csv","line":5,"error":"at: \"soon\" is not an RFC 3339 timestamp of the years 1677 to 2262","raw":"soon,4"}
        {"source":"DIR/s.csv","line":6,"error":"event_time at is null","raw":",5"}
    "#]]
    .assert_eq(&rows(&store, "s.dead").concat().replace(&dir, "DIR"));
    assert!(harness.registry.prometheus_text().contains("reason=\"malformed\"} 4"), "they are counted");
}

#[test]
fn skipped_rows_are_counted_and_leave_no_stream() {
    let harness = harness("skip");
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    assert!(store.stream("s.dead").is_none());
    assert!(harness.registry.prometheus_text().contains("reason=\"malformed\"} 4"));
}

#[test]
fn failing_names_the_first_bad_row() {
    let harness = harness("fail");
    let error = harness.run(Arc::new(FaultyDisk::new()), 1).expect_err("a failure");
    let dir = harness.dir.path().display().to_string();
    expect![[r#"failed: stream "s": DIR/s.csv:3: n: "x" is not an int64; set on_error to skip or dead_letter, or mend the row and start afresh with --fresh"#]]
        .assert_eq(&error.replace(&dir, "DIR"));
}

#[test]
fn a_clean_file_makes_no_dead_letter_stream() {
    let harness =
        Harness::new(&[("s.csv", "n\n1\n"), ("sabot.yaml", "streams:\n  - { name: s, source: { file: s.csv } }\n")]);
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert!(store.stream("s.dead").is_none());
}

fn check(file: &str, content: impl AsRef<[u8]>, more: &str, source: &str, expected: Expect) {
    expected.assert_eq(&outcome(&project(file, content, more, source)));
}

#[test]
fn an_expression_that_fails_for_a_row_costs_that_row() {
    let csv = "a,b\n6,2\n5,0\nx7,1\n8,4\n";
    let more = ", schema: { a: text, b: int64 }";
    let derive = ", derive: { half: 'cast(a AS BIGINT) / b', safe: 'b <> 0 AND 100 / b > 30' }";
    check(
        "s.csv",
        csv,
        more,
        derive,
        expect![[r#"
        {"a":"6","b":2,"half":3,"safe":true}
        {"a":"8","b":4,"half":2,"safe":false}
        dead 3: "derive: half: divide by zero error" | "5,0"
        dead 4: "derive: half: cannot cast string 'x7' to value of Int64 type" | "x7,1"
    "#]],
    );
    check(
        "s.csv",
        csv,
        &format!("{more}, on_error: fail"),
        derive,
        expect![[r#"
        failed: stream "s": DIR/s.csv:3: derive: half: divide by zero error; set on_error to skip or dead_letter, or mend the row and start afresh with --fresh
    "#]],
    );
    let skipped = project("s.csv", csv, &format!("{more}, on_error: skip"), derive);
    let store = skipped.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    assert!(store.stream("s.dead").is_none());
    assert!(skipped.registry.prometheus_text().contains("reason=\"malformed\"} 2"));
}

#[test]
fn which_rows_an_expression_fails_for_does_not_depend_on_their_neighbours() {
    // Without a failing row the whole chunk is evaluated at once, with one it is taken apart.
    let numbers = |zero: bool| {
        let mut csv = "n,d\n".to_owned();
        (0..9_000)
            .for_each(|n| writeln!(csv, "{n},{}", if zero && n % 1_000 == 17 { 0 } else { n % 7 + 1 }).expect("text"));
        project("s.csv", csv, "", ", derive: { q: 'n / d', ok: 'd <> 0 AND n / d > 100' }")
    };
    let lines = |harness: &Harness| {
        let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
        (rows(&store, "s").concat(), count(&store, "s.dead"))
    };
    let ((all, none), (some, dead)) = (lines(&numbers(false)), lines(&numbers(true)));
    assert_eq!((none, dead), (0, 9));
    let kept: Vec<&str> = all.lines().enumerate().filter(|(n, _)| n % 1_000 != 17).map(|(_, line)| line).collect();
    assert_eq!(some.lines().collect::<Vec<_>>(), kept);
}

#[test]
fn text_that_is_not_utf8_is_dead() {
    check(
        "s.jsonl",
        b"{\"a\":\"ok\"}\n{\"a\":\"n\xFFo\"}\n  \n{\"a\":\"\xE2\x82\"}\n{}\n",
        "",
        "",
        expect![[r#"
        {"a":"ok"}
        {}
        dead 2: "not valid UTF-8 at byte 7 of the line" | "{\"a\":\"n�o\"}"
        dead 4: "not valid UTF-8 at byte 6 of the line" | "{\"a\":\"�\"}"
    "#]],
    );
    check(
        "s.csv",
        b"a,b\n1,ok\n2,n\xFFo\n",
        "",
        "",
        expect![[r#"
        {"a":1,"b":"ok"}
        dead 3: "b: not valid UTF-8 at byte 1 of the value" | "2,n�o"
    "#]],
    );
}

#[test]
fn a_row_without_an_event_time_costs_that_row_in_every_format() {
    let more = ", event_time: at";
    let csv = "at,n\n2020-01-01T00:00:00Z,1\n,2\nsoon,3\n2020-01-01T00:00:03Z,4\n";
    check(
        "s.csv",
        csv,
        more,
        "",
        expect![[r#"
        {"at":"2020-01-01T00:00:00Z","n":1}
        {"at":"2020-01-01T00:00:03Z","n":4}
        dead 3: "event_time at is null" | ",2"
        dead 4: "at: \"soon\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "soon,3"
    "#]],
    );
    let json = "{\"at\":\"2020-01-01T00:00:00Z\",\"n\":1}\n{\"n\":2}\n{\"at\":null,\"n\":3}\n{\"at\":4}\n\
                {\"at\":\"2020-01-01T00:00:03Z\",\"n\":5}\n";
    check(
        "s.jsonl",
        json,
        more,
        "",
        expect![[r#"
        {"at":"2020-01-01T00:00:00Z","n":1}
        {"at":"2020-01-01T00:00:03Z","n":5}
        dead 2: "event_time at is null" | "{\"n\":2}"
        dead 3: "event_time at is null" | "{\"at\":null,\"n\":3}"
        dead 4: "at: \"4\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"at\":4}"
    "#]],
    );
    let times = [Some("2020-01-01T00:00:00Z"), None, Some("soon"), Some("2020-01-01T00:00:03Z")];
    let file = parquet_of(vec![("at", Arc::new(StringArray::from(times.to_vec())) as ArrayRef)]);
    check(
        "s.parquet",
        &file,
        more,
        "",
        expect![[r#"
        {"at":"2020-01-01T00:00:00Z"}
        {"at":"2020-01-01T00:00:03Z"}
        dead 2: "event_time at is null" | "{}"
        dead 3: "at: \"soon\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"at\":\"soon\"}"
    "#]],
    );
    check(
        "s.parquet",
        &file,
        &format!("{more}, on_error: fail"),
        "",
        expect![[r#"
        failed: stream "s": DIR/s.parquet:2: event_time at is null; set on_error to skip or dead_letter, or mend the row and start afresh with --fresh
    "#]],
    );
    check(
        "s.parquet",
        &file,
        &format!("{more}, on_error: skip"),
        "",
        expect![[r#"
        {"at":"2020-01-01T00:00:00Z"}
        {"at":"2020-01-01T00:00:03Z"}
    "#]],
    );
}

/// Parquet with dates, and instants in seconds.
fn parquet_of_times(days: &[i32], seconds: &[i64]) -> Vec<u8> {
    parquet_of(vec![
        ("day", Arc::new(Date32Array::from(days.to_vec())) as ArrayRef),
        ("at", Arc::new(TimestampSecondArray::from(seconds.to_vec()))),
    ])
}

#[test]
fn instants_whose_nanoseconds_do_not_fit_are_dead() {
    let good = ["1677-09-21T00:12:44Z", "1969-12-31T23:59:59.5Z", "2262-04-12T01:47:16.854775+02:00"];
    let bad = ["0001-01-01T00:00:00Z", "1677-09-21T00:12:43Z", "2262-04-11T23:47:17Z", "12345-01-01T00:00:00Z"];
    let lines = |form: &dyn Fn(&str) -> String| good.iter().chain(&bad).map(|at| form(at)).collect::<String>();
    let csv = format!("at\n{}", lines(&|at| format!("{at}\n")));
    for declared in [", schema: { at: timestamp }", ", event_time: at"] {
        check(
            "s.csv",
            &csv,
            declared,
            "",
            expect![[r#"
        {"at":"1677-09-21T00:12:44Z"}
        {"at":"1969-12-31T23:59:59.500Z"}
        {"at":"2262-04-11T23:47:16.854775Z"}
        dead 5: "at: \"0001-01-01T00:00:00Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "0001-01-01T00:00:00Z"
        dead 6: "at: \"1677-09-21T00:12:43Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "1677-09-21T00:12:43Z"
        dead 7: "at: \"2262-04-11T23:47:17Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "2262-04-11T23:47:17Z"
        dead 8: "at: \"12345-01-01T00:00:00Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "12345-01-01T00:00:00Z"
    "#]],
        );
    }
    let json = lines(&|at| format!("{{\"at\":\"{at}\"}}\n"));
    check(
        "s.jsonl",
        json,
        ", event_time: at, schema: { at: timestamp }",
        "",
        expect![[r#"
        {"at":"1677-09-21T00:12:44Z"}
        {"at":"1969-12-31T23:59:59.500Z"}
        {"at":"2262-04-11T23:47:16.854775Z"}
        dead 4: "at: \"0001-01-01T00:00:00Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"at\":\"0001-01-01T00:00:00Z\"}"
        dead 5: "at: \"1677-09-21T00:12:43Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"at\":\"1677-09-21T00:12:43Z\"}"
        dead 6: "at: \"2262-04-11T23:47:17Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"at\":\"2262-04-11T23:47:17Z\"}"
        dead 7: "at: \"12345-01-01T00:00:00Z\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"at\":\"12345-01-01T00:00:00Z\"}"
    "#]],
    );
}

#[test]
fn dates_and_instants_of_a_parquet_file_neither_wrap_nor_get_lost() {
    // The last day a Date32 has is in the year 5881580, and the third row's instant is in the year 9999.
    let file = parquet_of_times(&[0, 200_000, i32::MAX, 106_751], &[0, 0, 253_402_300_799, i64::MAX]);
    check(
        "s.parquet",
        &file,
        ", event_time: day",
        "",
        expect![[r#"
            {"day":"1970-01-01T00:00:00Z","at":"1970-01-01T00:00:00"}
            dead 2: "day: \"2517-08-01\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"day\":\"2517-08-01\",\"at\":\"1970-01-01T00:00:00\"}"
            dead 3: "day: \"2147483647 (Date32)\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"day\":\"2147483647 (Date32)\",\"at\":\"9999-12-31T23:59:59\"}"
            dead 4: "at: \"9223372036854775807 (Timestamp(s))\" is not a value of type Timestamp(µs)" | "{\"day\":\"2262-04-11\",\"at\":\"9223372036854775807 (Timestamp(s))\"}"
        "#]],
    );
    check(
        "s.parquet",
        &file,
        ", event_time: at",
        "",
        expect![[r#"
            {"day":"1970-01-01","at":"1970-01-01T00:00:00Z"}
            {"day":"2517-08-01","at":"1970-01-01T00:00:00Z"}
            dead 3: "at: \"9999-12-31T23:59:59\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"day\":\"2147483647 (Date32)\",\"at\":\"9999-12-31T23:59:59\"}"
            dead 4: "at: \"9223372036854775807 (Timestamp(s))\" is not an RFC 3339 timestamp of the years 1677 to 2262" | "{\"day\":\"2262-04-11\",\"at\":\"9223372036854775807 (Timestamp(s))\"}"
        "#]],
    );
    check(
        "s.parquet",
        &file,
        "",
        "",
        expect![[r#"
            {"day":"1970-01-01","at":"1970-01-01T00:00:00"}
            {"day":"2517-08-01","at":"1970-01-01T00:00:00"}
            {"day":"ERROR: Cast error: Failed to convert 2147483647 to temporal for Date32","at":"9999-12-31T23:59:59"}
            dead 4: "at: \"9223372036854775807 (Timestamp(s))\" is not a value of type Timestamp(µs)" | "{\"day\":\"2262-04-11\",\"at\":\"9223372036854775807 (Timestamp(s))\"}"
        "#]],
    );
}

#[test]
fn an_unclosed_quote_costs_one_line() {
    check(
        "s.csv",
        "a,b\n1,\"x\n2,y\n3,z\n",
        "",
        "",
        expect![[r#"
        {"a":2,"b":"y"}
        {"a":3,"b":"z"}
        dead 2: "a quote is not closed" | "1,\"x"
    "#]],
    );
    check(
        "s.csv",
        "a,b\n1,\"x\n2,y\n3,\"z\n4\",u\n5,\"v\"\n6,w\n",
        ", schema: { a: int64 }",
        "",
        expect![[r#"
            {"a":2,"b":"y"}
            {"a":5,"b":"v"}
            {"a":6,"b":"w"}
            dead 2: "a quote is not closed: line 4, which would go on in it, has text behind a closing quote" | "1,\"x"
            dead 4: "3 fields where the header has 2 (lines 4 to 5)" | "3,\"z\n4\",u"
        "#]],
    );
}

#[test]
fn a_record_of_other_fields_than_the_header_is_dead_with_all_its_lines() {
    check(
        "s.csv",
        "a,b\n1,\"x\n2,y\n3,z\n\",4,u\n5,\"two\nlines\"\n",
        ", schema: { a: int64 }",
        "",
        expect![[r#"
            {"a":5,"b":"two\nlines"}
            dead 2: "4 fields where the header has 2 (lines 2 to 5)" | "1,\"x\n2,y\n3,z\n\",4,u"
        "#]],
    );
}

#[test]
fn text_behind_a_closing_quote_is_dead() {
    check(
        "s.csv",
        "a,b\n\"x\"y,1\n\"x\"\"y\",2\nz,\"3\" \n",
        "",
        "",
        expect![[r#"
        {"a":"x\"y","b":2}
        dead 2: "field 1 has text behind its closing quote; a quote inside quotes is written twice" | "\"x\"y,1"
        dead 4: "field 2 has text behind its closing quote; a quote inside quotes is written twice" | "z,\"3\" "
    "#]],
    );
    check(
        "s.csv",
        "\"a\"b,c\n1,2\n",
        "",
        "",
        expect![[r#"
        stream "s": source.file: DIR/s.csv:1: the line of column names: field 1 has text behind its closing quote; a quote inside quotes is written twice
    "#]],
    );
}

/// Short lines to put behind a bad one.
fn filler(bytes: usize) -> String {
    let mut text = String::new();
    let mut n = 0;
    while text.len() < bytes {
        n += 1;
        writeln!(text, "{n},{}", "z".repeat(1_000)).expect("text");
    }
    text
}

#[test]
fn an_unclosed_quote_costs_one_line_of_a_large_file_too() {
    let filler = filler(17 << 20);
    let csv = format!("a,b\n0,\"x\n{filler}0,\"fine\"\n");
    let harness = project("s.csv", csv, "", "");
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), filler.lines().count() as u64 + 1);
    expect![[r#"
        2: "a quote is not closed within 16 MiB, the most a record may have" | 4 bytes: 0,"x
    "#]]
    .assert_eq(&dead_of(&store));
}

fn dead_of(store: &sabot_store::Store) -> String {
    let dead = rows(store, "s.dead").concat();
    let parsed = dead.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let shown = parsed.map(|row| {
        let raw = row["raw"].as_str().expect("text");
        format!(
            "{}: {} | {} bytes: {}\n",
            row["line"],
            row["error"],
            raw.len(),
            raw.chars().take(20).collect::<String>()
        )
    });
    shown.collect()
}

#[test]
fn a_line_that_is_too_long_is_dead_and_only_its_start_is_kept() {
    let long = "ä".repeat(9 << 20);
    let csv = project("s.csv", format!("a,b\n1,x\n2,{long}\n3,\"{long}\"\n4,y\n"), "", "");
    let store = csv.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    expect![[r#"
        3: "a line of 18874371 bytes; the most is 16777216 (16 MiB); raw holds the first 64 KiB" | 65536 bytes: 2,ääääääääääääääääää
        4: "a line of 18874373 bytes; the most is 16777216 (16 MiB); raw holds the first 64 KiB" | 65535 bytes: 3,"äääääääääääääääää
    "#]].assert_eq(&dead_of(&store));
    let json = format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n{{\"a\":3}}\n");
    let jsonl = project("s.jsonl", json, "", "");
    let store = jsonl.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    expect![[r#"
        2: "a line of 18874377 bytes; the most is 16777216 (16 MiB); raw holds the first 64 KiB" | 65536 bytes: {"a":"ääääääääääääää
    "#]].assert_eq(&dead_of(&store));
}

#[test]
fn a_record_may_have_16_mib() {
    let text = format!("a,b\n1,\"{}\n{}\"\n2,y\n", "x".repeat(8 << 20), "y".repeat((8 << 20) - 6));
    assert_eq!(text.len(), "a,b\n2,y\n".len() + (16 << 20));
    let harness = project("s.csv", text, "", "");
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!((count(&store, "s"), count(&store, "s.dead")), (2, 0));
}

#[test]
fn bad_rows_are_part_of_the_progress() {
    let numbers = Arc::new(StringArray::from(vec![Some("3"), None, Some("x"), Some("1")])) as ArrayRef;
    for order in ["", ", order_by: n"] {
        let harness =
            project("s.parquet", parquet_of(vec![("n", Arc::clone(&numbers))]), ", schema: { n: int64 }", order);
        let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run that ends at 100 %");
        assert_eq!((count(&store, "s"), count(&store, "s.dead")), (3, 1));
    }
}
