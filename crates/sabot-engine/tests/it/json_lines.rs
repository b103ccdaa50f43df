//! JSON lines: numbers keep their digits or are dead, nested values keep their text, and odd lines cost themselves alone.

use expect_test::{Expect, expect};

use crate::sources::{outcome, project};

fn check(lines: &str, more: &str, expected: Expect) {
    expected.assert_eq(&outcome(&project("s.jsonl", lines, more, "")));
}

#[test]
fn numbers_in_text_columns_keep_all_their_digits() {
    let lines = r#"{"id": 123456789012345678901234567890}
{"id": 0.1000000000000000055511151231257827}
{"id": -1.50e+3}
{"id": 1e999}
{"id": "x"}
{"id": true}
"#;
    check(
        lines,
        ", schema: { id: text }",
        expect![[r#"
        {"id":"123456789012345678901234567890"}
        {"id":"0.1000000000000000055511151231257827"}
        {"id":"-1.50e+3"}
        {"id":"1e999"}
        {"id":"x"}
        {"id":"true"}
    "#]],
    );
}

#[test]
fn nested_values_are_the_text_they_have_in_the_file() {
    let lines = r#"{"n": {"id": 123456789012345678901234567890, "x": [1.10, "\u00e4", {}]}, "m": 1}
{"n": [ 18446744073709551616 ], "m": 2}
"#;
    check(
        lines,
        "",
        expect![[r#"
        {"n":"{\"id\": 123456789012345678901234567890, \"x\": [1.10, \"\\u00e4\", {}]}","m":1}
        {"n":"[ 18446744073709551616 ]","m":2}
    "#]],
    );
}

#[test]
fn numbers_that_do_not_fit_are_dead() {
    let lines = r#"{"i": 9223372036854775807, "f": 1}
{"i": 9223372036854775808, "f": 2}
{"i": -9223372036854775809, "f": 3}
{"i": 123456789012345678901234567890, "f": 4}
{"i": 1.0, "f": 5}
{"i": 1e2, "f": 6}
{"i": 7, "f": 1e999}
{"i": 8, "f": -1e999}
{"i": 9, "f": "1e999"}
{"i": 10, "f": 1.7976931348623157e308}
{"i": 11, "b": 1}
{"i": 12, "b": true}
"#;
    check(
        lines,
        ", schema: { i: int64, f: float64, b: boolean }",
        expect![[r#"
        {"i":9223372036854775807,"f":1.0}
        {"i":10,"f":1.7976931348623157e308}
        {"i":12,"b":true}
        dead 2: "i: \"9223372036854775808\" is not an int64" | "{\"i\": 9223372036854775808, \"f\": 2}"
        dead 3: "i: \"-9223372036854775809\" is not an int64" | "{\"i\": -9223372036854775809, \"f\": 3}"
        dead 4: "i: \"123456789012345678901234567890\" is not an int64" | "{\"i\": 123456789012345678901234567890, \"f\": 4}"
        dead 5: "i: \"1.0\" is not an int64" | "{\"i\": 1.0, \"f\": 5}"
        dead 6: "i: \"1e2\" is not an int64" | "{\"i\": 1e2, \"f\": 6}"
        dead 7: "f: \"1e999\" is not a float64" | "{\"i\": 7, \"f\": 1e999}"
        dead 8: "f: \"-1e999\" is not a float64" | "{\"i\": 8, \"f\": -1e999}"
        dead 9: "f: \"1e999\" is not a float64" | "{\"i\": 9, \"f\": \"1e999\"}"
        dead 11: "b: \"1\" is not a boolean" | "{\"i\": 11, \"b\": 1}"
    "#]],
    );
}

#[test]
fn integers_beyond_64_bits_are_inferred_as_text() {
    let lines = r#"{"big": 1, "mixed": 1, "half": 1, "small": 1e-7, "flag": true, "none": null}
{"big": 9223372036854775808, "mixed": true, "half": 0.5, "small": 2, "flag": false}
"#;
    check(
        lines,
        "",
        expect![[r#"
        {"big":"1","mixed":"1","half":1.0,"small":1.0e-7,"flag":true}
        {"big":"9223372036854775808","mixed":"true","half":0.5,"small":2.0,"flag":false}
    "#]],
    );
}

#[test]
fn the_last_of_equal_keys_counts_and_keys_may_be_escaped() {
    check(
        r#"{"a": 1, "\u0061": 2, "q\"": 3, "b": "x\ny"}"#,
        "",
        expect![[r#"
        {"a":2,"q\"":3,"b":"x\ny"}
    "#]],
    );
}

#[test]
fn lines_that_are_no_objects_are_dead() {
    let lines = r#"{"a": "1"}
[1]
7
nul
{"a": 1
{"a": 01}
{"a": 1} {"a": 2}
{"a": "\ud800"}
{"b": "\ud800"}
{"a": "5", "a"}
"#;
    check(
        lines,
        ", schema: { a: text }",
        expect![[r#"
        {"a":"1"}
        dead 2: "not a JSON object" | "[1]"
        dead 3: "not a JSON object" | "7"
        dead 4: "not valid JSON: EOF while parsing a value at line 1 column 3" | "nul"
        dead 5: "not valid JSON: EOF while parsing an object at line 1 column 7" | "{\"a\": 1"
        dead 6: "not valid JSON: invalid number at line 1 column 8" | "{\"a\": 01}"
        dead 7: "not valid JSON: trailing characters at line 1 column 10" | "{\"a\": 1} {\"a\": 2}"
        dead 8: "a: not a valid JSON string: unexpected end of hex escape at line 1 column 8" | "{\"a\": \"\\ud800\"}"
        dead 9: "b: not a valid JSON string: unexpected end of hex escape at line 1 column 8" | "{\"b\": \"\\ud800\"}"
        dead 10: "not valid JSON: expected `:` at line 1 column 15" | "{\"a\": \"5\", \"a\"}"
    "#]],
    );
}

#[test]
fn a_value_may_be_nested_as_deep_as_a_line_is_long() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let harness = project("s.jsonl", format!("{{\"a\":{deep}}}\n"), "", "");
    assert_eq!(outcome(&harness), format!("{{\"a\":\"{deep}\"}}\n"));
}
