//! Rows of users' data, as the server wrote them: a number is shown with the digits it came with.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// One row: the names of its columns and their values, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row(Vec<(String, Box<RawValue>)>);

impl Row {
    /// The columns that have a value here.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// The value of a column.
    pub(crate) fn get(&self, column: &str) -> Option<&RawValue> {
        self.columns().find(|(name, _)| *name == column).map(|(_, value)| value)
    }

    /// The same for formats that know only some numbers; those they would change are text.
    pub(crate) fn to_value(&self) -> Value {
        self.columns().map(|(name, value)| (name.to_owned(), exact(value))).collect::<Map<_, _>>().into()
    }
}

/// An answer with rows, and what it says besides.
pub(crate) fn with_rows(answer: &str) -> Option<(Value, Vec<Row>)> {
    let mut members: Row = serde_json::from_str(answer).ok()?;
    let at = members.0.iter().position(|(name, _)| name == "rows")?;
    let (_, rows) = members.0.remove(at);
    let rest: Map<String, Value> = members
        .columns()
        .filter_map(|(name, value)| Some((name.to_owned(), serde_json::from_str(value.get()).ok()?)))
        .collect();
    Some((rest.into(), serde_json::from_str(rows.get()).ok()?))
}

/// Whether a value is a number.
pub(crate) fn is_number(value: &RawValue) -> bool {
    value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A value without loss: numbers are read by the rules of the language, which the parser of JSON does not keep to the last
/// digit.
fn exact(value: &RawValue) -> Value {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Row>(text).map_or(Value::Null, |row| row.to_value()),
        Some(b'[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap_or_default();
            items.iter().map(|item| exact(item)).collect()
        }
        Some(b'-' | b'0'..=b'9') => exact_number(text).map_or_else(|| text.into(), Value::Number),
        _ => serde_json::from_str(text).unwrap_or_default(),
    }
}

fn exact_number(text: &str) -> Option<Number> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    let number: f64 = text.parse().ok()?;
    // A double has 15 digits for sure, and more if they are those it is written with.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_exact = digits <= 15 || serde_json::to_string(&number).is_ok_and(|written| written == text);
    Number::from_f64(number).filter(|_| is_exact)
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.len() >= MAX_COLUMNS {
                        return Err(A::Error::custom("an object with too many members"));
                    }
                    members.push((name, value));
                }
                Ok(Row(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// More columns than any row has.
const MAX_COLUMNS: usize = 100_000;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Row, with_rows};

    const ANSWER: &str = r#"{"columns":[{"name":"x"}],"rows":[{"x":11.384615384615385,"d":1234567890.123456789,"t":"a","n":null,"l":[0.1,{"y":1.00}],"big":18446744073709551615}],"truncated":false}"#;

    #[test]
    fn numbers_keep_their_digits() {
        let (rest, rows) = with_rows(ANSWER).expect("rows");
        assert_eq!(rest, json!({"columns": [{"name": "x"}], "truncated": false}));
        let written = serde_json::to_string(&rows).expect("JSON");
        assert!(ANSWER.contains(&written), "{written}");
        let value = rows[0].to_value();
        assert_eq!(value["x"].to_string(), "11.384615384615385");
        assert_eq!(value["d"], json!("1234567890.123456789"), "text where it would be changed");
        assert_eq!((&value["n"], &value["l"][1]["y"], &value["big"]), (&Value::Null, &json!(1.0), &json!(u64::MAX)));
    }

    #[test]
    fn what_is_no_answer_with_rows_is_none() {
        for answer in ["[]", "{}", r#"{"rows":1}"#, r#"{"rows":[1]}"#, "nonsense"] {
            assert!(with_rows(answer).is_none(), "{answer}");
        }
        assert!(Row::default().get("x").is_none());
    }
}
