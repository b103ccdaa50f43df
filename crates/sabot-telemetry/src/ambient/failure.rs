//! What is said of an error on a span.

use std::any::type_name;
use std::error::Error;
#[cfg(feature = "macros")]
use std::fmt::Display;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;

use crate::spans::causes;

/// The `error.type` of what has no type of its own to tell, by the semantic conventions.
const OTHER: &str = "_OTHER";

/// An error, ready for the API.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Attributes of the `exception` event.
    pub(crate) event: Vec<KeyValue>,
    pub(crate) error_type: KeyValue,
    pub(crate) status: Status,
}

impl Failure {
    pub(crate) fn of<E: Error + ?Sized>(error: &E) -> Self {
        let message = error.to_string();
        let chain = causes(&message, error.source());
        Self::new(type_name::<E>(), message, chain)
    }

    /// Something that can be read and is no [`Error`].
    #[cfg(feature = "macros")]
    pub(crate) fn displayed<E: Display + ?Sized>(error: &E) -> Self {
        Self::new(type_name::<E>(), error.to_string(), None)
    }

    /// Something that cannot even be read.
    #[cfg(feature = "macros")]
    pub(crate) fn unknown<E: ?Sized>() -> Self {
        Self::new(type_name::<E>(), String::new(), None)
    }

    fn new(error_type: &'static str, message: String, chain: Option<String>) -> Self {
        let known = Some(error_type).filter(|name| !name.contains("dyn "));
        let mut event = Vec::with_capacity(3);
        event.extend(known.map(|name| KeyValue::new("exception.type", name)));
        event.push(KeyValue::new("exception.message", message.clone()));
        event.extend(chain.map(|chain| KeyValue::new("exception.stacktrace", chain)));
        Self { event, error_type: KeyValue::new("error.type", known.unwrap_or(OTHER)), status: Status::error(message) }
    }
}
