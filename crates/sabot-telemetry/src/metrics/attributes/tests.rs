//! Hashes, copies and labels of attributes.

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::{MAX_ATTRIBUTES, MAX_VALUE_BYTES, MetricAttribute, hash_of, is_same, kept, labels_of};
use crate::record::{Attribute, AttributeValue};

fn labels(attributes: &[KeyValue]) -> Vec<(String, String)> {
    labels_of(&kept(attributes.iter()))
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn array(texts: &[&'static str]) -> Value {
    Value::Array(Array::String(texts.iter().copied().map(StringValue::from).collect()))
}

#[test]
fn every_kind_of_value_becomes_a_label() {
    let attributes = [
        KeyValue::new("text", "größe"),
        KeyValue::new("int", -7),
        KeyValue::new("float", 0.5),
        KeyValue::new("flag", true),
        KeyValue::new("list", array(&["a\"b", "c\\", "\n"])),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![1, 2]))),
        KeyValue::new("absent", ""),
    ];
    let expected = [
        ("flag", "true"),
        ("float", "0.5"),
        ("int", "-7"),
        ("list", r#"["a\"b","c\\","\u000a"]"#),
        ("numbers", "[1,2]"),
        ("text", "größe"),
    ];
    assert_eq!(labels(&attributes), pairs(&expected));
}

#[test]
fn keys_that_become_the_same_label_share_it() {
    let attributes = [KeyValue::new("a_b", "second"), KeyValue::new("a.b", "first"), KeyValue::new("le", 1)];
    assert_eq!(labels(&attributes), pairs(&[("a_b", "first;second"), ("le_", "1")]));
}

#[test]
fn the_last_value_of_a_key_counts() {
    let attributes = [KeyValue::new("a", 1), KeyValue::new("b", 2), KeyValue::new("a", 3)];
    assert_eq!(labels(&attributes), pairs(&[("a", "3"), ("b", "2")]));
}

#[test]
fn the_order_does_not_change_the_hash_but_every_other_difference_does() {
    let [a, b] = [KeyValue::new("a", 1), KeyValue::new("b", 2)];
    let hash = hash_of(&[a.clone(), b.clone()]);
    assert_eq!(hash, hash_of(&[b.clone(), a.clone()]));
    assert_eq!(hash, hash_of(&[("b", 2), ("a", 1)]), "however they are kept");
    let others = [vec![a], vec![b], vec![KeyValue::new("a", 2), KeyValue::new("b", 1)], vec![KeyValue::new("ab", 12)]];
    assert!(others.iter().all(|other| hash_of(other) != hash), "{others:?}");
    assert_ne!(hash_of(&[("ab", "c")]), hash_of(&[("abc", "d")]));
}

#[test]
fn kinds_of_values_are_told_apart() {
    let kept_int: Attribute = ("a".into(), AttributeValue::Int(1));
    assert!(is_same(&("a", 1), &kept_int) && is_same(&KeyValue::new("a", 1), &kept_int));
    assert!(!is_same(&("a", 1.0), &kept_int) && !is_same(&("a", "1"), &kept_int) && !is_same(&("a", true), &kept_int));
    let list = KeyValue::new("a", array(&["x", "y"]));
    let kept_list = (list.key().to_owned().into(), list.value().to_value());
    assert!(is_same(&list, &kept_list) && is_same(&kept_list, &kept_list));
    assert!(!is_same(&KeyValue::new("a", array(&["x", "z"])), &kept_list));
    assert!(!is_same(&KeyValue::new("a", array(&["x"])), &kept_list));
    assert!(!is_same(&KeyValue::new("a", array(&["x", "y", "z"])), &kept_list));
    assert_ne!(hash_of(&[KeyValue::new("a", array(&["x", "y"]))]), hash_of(&[KeyValue::new("a", array(&["x", "z"]))]));
    let nan: Attribute = ("a".into(), AttributeValue::Float(f64::NAN));
    assert!(is_same(&("a", f64::NAN), &nan), "or each would be a series of its own");
}

#[test]
fn text_of_every_length_is_compared_whole() {
    for length in 0..26 {
        let text: String = ('a'..='z').take(length).collect();
        let text = text.as_str();
        let kept = (text.to_owned().into(), AttributeValue::from(text.to_owned()));
        let longer = format!("{text}x");
        assert!(is_same(&(text, text), &kept));
        assert!(!is_same(&(longer.as_str(), text), &kept) && !is_same(&(text, longer.as_str()), &kept));
        for place in 0..length {
            let mut other = text.to_owned();
            other.replace_range(place..=place, "X");
            assert!(!is_same(&(text, other.as_str()), &kept), "{other}");
            assert!(!is_same(&(other.as_str(), text), &kept), "{other}");
        }
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let many: Vec<KeyValue> = (0..100).map(|number| KeyValue::new(format!("key{number}"), number)).collect();
    assert_eq!(kept(many.iter()).len(), MAX_ATTRIBUTES);
    let long = KeyValue::new("long", "ä".repeat(MAX_VALUE_BYTES));
    let attributes = kept([long].iter());
    assert_eq!(attributes[0].1, AttributeValue::from("ä".repeat(MAX_VALUE_BYTES / 2)));
    assert_eq!(kept([("k".repeat(5_000).as_str(), 1)].iter())[0].0.len(), MAX_VALUE_BYTES);
    let list = KeyValue::new("list", Value::Array(Array::I64((0..1_000).collect())));
    let (_, text) = labels(&[list]).remove(0);
    assert!(text.len() <= MAX_VALUE_BYTES && text.starts_with("[0,1,2") && text.ends_with("63]"), "{text}");
}
