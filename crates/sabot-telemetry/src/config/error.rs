//! What can be wrong with a configuration.

use crate::redaction::RedactionError;
use crate::sampling::SamplingError;

/// A setting that cannot work; the message says what to write instead.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An address telemetry is to be sent to.
    #[error("{kind} endpoint \"{endpoint}\": {problem}")]
    Endpoint {
        /// The protocol it is for.
        kind: &'static str,
        /// What was given.
        endpoint: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A header.
    #[error("header \"{name}\": {problem}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// Which traces are recorded or kept.
    #[error("sampling: {0}")]
    Sampling(#[from] SamplingError),
    /// What is taken out.
    #[error("{0}")]
    Redaction(#[from] RedactionError),
    /// Any other setting.
    #[error("{setting}: \"{value}\" is not valid: {problem}")]
    Setting {
        /// Its name: an environment variable, or a key of the configuration.
        setting: String,
        /// What was given.
        value: String,
        /// What to write.
        problem: String,
    },
}

impl ConfigError {
    pub(crate) fn endpoint(kind: &'static str, endpoint: &str, problem: String) -> Self {
        Self::Endpoint { kind, endpoint: without_secrets(endpoint), problem }
    }

    pub(crate) fn setting(setting: impl Into<String>, value: impl ToString, problem: impl Into<String>) -> Self {
        Self::Setting { setting: setting.into(), value: value.to_string(), problem: problem.into() }
    }
}

/// An address as it may be shown: without a password, and without a query, which may hold a key.
pub(crate) fn without_secrets(endpoint: &str) -> String {
    let shown = endpoint.split_once('?').map_or(endpoint, |(address, _)| address);
    let (scheme, rest) = shown.split_once("://").map_or(("", shown), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let hidden = if host.len() < rest.len() { "…@" } else { "" };
    let query = if shown.len() < endpoint.len() { "?…" } else { "" };
    let slashes = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{slashes}{hidden}{host}{query}")
}
