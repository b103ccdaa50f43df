//! A user and his id, checked at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest id.
const MAX_ID_BYTES: usize = 32;

/// The id of a user: short and safe to put into a path, a key or a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UserId(String);

/// Why a text is no id of a user. The text itself is not repeated: it may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is not the id of a user; write 1 to {MAX_ID_BYTES} letters, digits, - or _, such as 1")]
pub(crate) struct UserIdError;

impl UserId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, UserIdError> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=MAX_ID_BYTES).contains(&text.len());
        if fits && text.bytes().all(is_valid) { Ok(Self(text.to_owned())) } else { Err(UserIdError) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, sqlx::FromRow)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) tier: String,
}

impl User {
    /// The users everybody begins with.
    pub(crate) fn first() -> [Self; 3] {
        [
            ("1", "Ada Lovelace", "ada", "gold"),
            ("2", "Grace Hopper", "grace", "platinum"),
            ("3", "Alan Turing", "alan", "standard"),
        ]
        .map(|(id, name, mailbox, tier)| Self {
            id: id.to_owned(),
            name: name.to_owned(),
            email: format!("{mailbox}@example.com"),
            tier: tier.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{User, UserId, UserIdError};

    #[test]
    fn ids_are_short_and_plain() {
        for id in ["1", "a-B_9", &"x".repeat(32)] {
            assert_eq!(id.parse::<UserId>().map(|id| id.to_string()), Ok(id.to_owned()));
        }
        for text in ["", "ann@example.com", "../1", "1;", "ä", &"x".repeat(33)] {
            assert_eq!(text.parse::<UserId>(), Err(UserIdError), "{text}");
        }
    }

    #[test]
    fn the_first_users_can_be_asked_for() {
        assert!(User::first().iter().all(|user| user.id.parse::<UserId>().is_ok()));
    }
}
