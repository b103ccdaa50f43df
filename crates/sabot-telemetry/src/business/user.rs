//! Pseudonyms of users.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;

/// Fewest bytes of a key: what is shorter can be tried out.
const MIN_KEY_BYTES: usize = 16;
/// Bytes of the code that are kept, two characters each.
const PSEUDONYM_BYTES: usize = 16;

/// A secret that makes the ids of users pseudonyms: HMAC-SHA256, its first 32 hexadecimal characters. Who has the key can
/// find a user's spans; who has not cannot find the user.
#[derive(Clone)]
pub struct UserIdKey {
    /// The code with the key taken in, so that an id costs two rounds of the hash and not four.
    keyed: Arc<Hmac<Sha256>>,
}

/// A key that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key for user ids has {given} bytes; give it at least {MIN_KEY_BYTES}, such as the output of openssl rand -hex 32"
)]
pub struct UserIdKeyError {
    given: usize,
}

impl UserIdKey {
    /// Takes a key of at least 16 bytes.
    pub fn new(key: impl AsRef<[u8]>) -> Result<Self, UserIdKeyError> {
        let key = key.as_ref();
        let error = UserIdKeyError { given: key.len() };
        if key.len() < MIN_KEY_BYTES {
            return Err(error);
        }
        let keyed = Hmac::new_from_slice(key).map_err(|_any_length_is_taken| error)?;
        Ok(Self { keyed: Arc::new(keyed) })
    }

    /// A key that nobody knows and that ends with the process: the same user is somebody else after a restart.
    pub fn random() -> io::Result<Self> {
        let mut key = [0; 32];
        OsRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
        Self::new(key).map_err(io::Error::other)
    }

    /// What stands for a user: 32 hexadecimal characters, always the same for the same id and key.
    pub fn pseudonym(&self, user: &str) -> String {
        let code = Hmac::clone(&self.keyed).chain_update(user).finalize().into_bytes();
        code.iter().take(PSEUDONYM_BYTES).fold(String::with_capacity(2 * PSEUDONYM_BYTES), |mut text, byte| {
            // Writing into a string does not fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
    }
}

impl fmt::Debug for UserIdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserIdKey(…)")
    }
}
