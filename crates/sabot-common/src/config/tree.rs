//! A file without its meaning: keys, values, and where the values stand.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;
use serde_saphyr::options::NonFiniteFloatPolicy;

/// Any YAML document.
#[derive(Debug, PartialEq)]
pub(super) enum Tree {
    /// Keys and their values, in order.
    Mapping(Vec<(String, Spanned<Self>)>),
    /// Items in order.
    List(Vec<Spanned<Self>>),
    /// Text, a number, a truth value or nothing, as text.
    Leaf(String),
}

impl Tree {
    /// A document, unless it is not even YAML.
    pub(super) fn of(source: &str) -> Option<Self> {
        let options = serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
        serde_saphyr::from_str_with_options(source, options).ok()
    }

    /// The value that stands at this line and column, with its dotted key; the value is none when it is a list.
    pub(super) fn value_at(&self, at: (u64, u64)) -> Option<(String, Option<String>)> {
        let mut found = None;
        self.visit("", &mut |key, place, value| {
            let text = match value {
                // A mapping begins where its first key does: an error there speaks of the key.
                Self::Mapping(_) => return,
                Self::List(_) => None,
                Self::Leaf(text) => Some(text.clone()),
            };
            if place == at {
                found.get_or_insert_with(|| (key.to_owned(), text));
            }
        });
        found
    }

    /// The dotted keys of everything that is not a mapping.
    pub(super) fn leaves(&self) -> Vec<String> {
        let mut leaves = Vec::new();
        self.visit("", &mut |key, _, value| {
            if !matches!(value, Self::Mapping(_)) && !key.contains('[') {
                leaves.push(key.to_owned());
            }
        });
        leaves
    }

    fn visit(&self, path: &str, seen: &mut impl FnMut(&str, (u64, u64), &Self)) {
        let mut below = |path: String, node: &Spanned<Self>| {
            seen(&path, (node.referenced.line(), node.referenced.column()), &node.value);
            node.value.visit(&path, seen);
        };
        match self {
            Self::Leaf(_) => {}
            Self::Mapping(entries) => entries.iter().for_each(|(key, node)| {
                below(if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, node);
            }),
            Self::List(items) => {
                items.iter().enumerate().for_each(|(nth, node)| below(format!("{path}[{nth}]"), node));
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(String::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Mapping(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }
}
