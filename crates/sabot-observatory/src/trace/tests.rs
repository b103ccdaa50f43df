//! Values and the letters of their types.

use serde_json::json;

use super::value;

#[test]
fn values_come_back_as_what_they_were() {
    for (text, letter, expected) in [
        ("12", 'i', json!(12)),
        ("-9223372036854775808", 'i', json!(i64::MIN)),
        ("12", 's', json!("12")),
        ("12", 'f', json!(12.0)),
        ("0.1", 'f', json!(0.1)),
        ("NaN", 'f', json!("NaN")),
        ("inf", 'f', json!("inf")),
        ("true", 'b', json!(true)),
        ("true", 's', json!("true")),
        ("x", '?', json!("x")),
        (r#"[1,"a"]"#, 'l', json!([1, "a"])),
        ("[1,", 'l', json!("[1,")),
    ] {
        assert_eq!(value(text, letter), expected, "{text} {letter}");
    }
}
