//! Names of streams, tables and agents.
//!
//! A name is lower-case letters, digits, `_` and `-`, starting with a letter; a stream's may have dotted parts
//! (`flights.late`). `sabot.*` is reserved for Sabot's own telemetry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name: it becomes a directory, and a label on metrics.
pub const MAX_NAME_BYTES: usize = 100;

/// A valid name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a name is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("name \"{name}\" {problem}")]
pub struct InvalidName {
    /// What was given.
    pub name: String,
    /// What is wrong with it, and the rule.
    pub problem: &'static str,
}

impl Name {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        match problem_with(&name) {
            Some(problem) => Err(InvalidName { name, problem }),
            None => Ok(Self(name)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name with a dotted part added, such as the dead letters `orders.dead` of `orders`.
    #[must_use]
    pub fn child(&self, part: &str) -> Self {
        Self(format!("{}.{part}", self.0))
    }
}

fn problem_with(name: &str) -> Option<&'static str> {
    let part_is_valid = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
    };
    if name.len() > MAX_NAME_BYTES {
        Some("is longer than 100 bytes")
    } else if name == "sabot" || name.starts_with("sabot.") {
        Some("is reserved: names under sabot. belong to Sabot's own telemetry")
    } else if !name.split('.').all(part_is_valid) {
        Some("is not valid: use lower-case letters, digits, _ and -, starting with a letter; dots separate parts")
    } else {
        None
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn valid_names_pass_and_others_say_why() {
        for name in ["flights", "flights.late", "a-b_c9"] {
            assert!(Name::new(name).is_ok(), "{name}");
        }
        for name in ["", "Flights", "9a", "a b", "a..b", ".a", "sabot.spans", "../x", "a/b"] {
            assert!(Name::new(name).is_err(), "{name}");
        }
    }
}
