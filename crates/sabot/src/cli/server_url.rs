//! The address of a server.

use std::fmt;
use std::str::FromStr;

/// `http://host:port`, perhaps with a path in front of the API, never with a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl(String);

/// Text that is not the address of a server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidServerUrl {
    /// TLS.
    #[error("https is not supported; name the plain http address, like {}", ServerUrl::DEFAULT)]
    Tls,
    /// No scheme.
    #[error("write it with a scheme, like http://{0}")]
    NoScheme(String),
    /// Nothing to connect to, or something behind the path.
    #[error("write it like {}", ServerUrl::DEFAULT)]
    Malformed,
}

impl ServerUrl {
    /// Where `sabot up` listens unless told otherwise.
    pub(crate) const DEFAULT: &str = "http://127.0.0.1:8000";

    /// The address as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerUrl {
    type Err = InvalidServerUrl;

    fn from_str(text: &str) -> Result<Self, InvalidServerUrl> {
        // An environment variable set to nothing means the same as one that is not set.
        let text = if text.is_empty() { Self::DEFAULT } else { text };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(InvalidServerUrl::NoScheme(text.to_owned()));
        };
        let rest = rest.trim_end_matches('/');
        let malformed = rest.is_empty() || rest.starts_with(['/', ':']) || rest.contains(['?', '#', ' ', '@']);
        match scheme {
            "http" if !malformed => Ok(Self(format!("http://{rest}"))),
            "https" => Err(InvalidServerUrl::Tls),
            _ => Err(InvalidServerUrl::Malformed),
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidServerUrl, ServerUrl};

    #[test]
    fn addresses_are_normalised_or_refused_with_the_fix() {
        let parse = |text: &str| text.parse::<ServerUrl>().map(|url| url.to_string());
        assert_eq!(parse("http://h:1/"), Ok("http://h:1".to_owned()));
        assert_eq!(parse(""), Ok(ServerUrl::DEFAULT.to_owned()));
        assert_eq!(parse("localhost:8000"), Err(InvalidServerUrl::NoScheme("localhost:8000".to_owned())));
        assert_eq!(parse("https://h"), Err(InvalidServerUrl::Tls));
        for malformed in ["http://", "http://:80", "ftp://h", "http://h?x=1", "http://user@h"] {
            assert_eq!(parse(malformed), Err(InvalidServerUrl::Malformed), "{malformed}");
        }
    }
}
