//! The id by which a caller knows one piece of work, across services that do not trace.
//!
//! Carried in the context, sent as `X-Correlation-ID`, and an attribute of every ambient span that begins below it.
//! Invariant: an id is safe to print and to send, whoever made it: 1 to 128 printable ASCII characters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use opentelemetry::Context;

use crate::spans::new_unique_id;
use crate::text::Text;

/// A correlation id. Cheap to clone.
///
/// ```
/// use sabot_telemetry::CorrelationId;
///
/// let id: CorrelationId = "order-4711".parse()?;
/// assert_eq!(id.as_str(), "order-4711");
/// assert!("two\nlines".parse::<CorrelationId>().is_err());
/// assert_ne!(CorrelationId::create(), CorrelationId::create());
/// # Ok::<(), sabot_telemetry::CorrelationIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

/// Why a text is no correlation id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorrelationIdError {
    /// There is nothing.
    #[error("correlation id is empty; send 1 to {max} printable ASCII characters", max = CorrelationId::MAX_BYTES)]
    Empty,
    /// It is too long.
    #[error("correlation id has {length_bytes} bytes; at most {max}", max = CorrelationId::MAX_BYTES)]
    TooLong {
        /// How long it is.
        length_bytes: usize,
    },
    /// It has something in it that cannot be sent or printed as it is.
    #[error("correlation id has byte {byte:#04x} at {at}; only printable ASCII characters are allowed")]
    NotPrintable {
        /// The first such byte.
        byte: u8,
        /// Where it is.
        at: usize,
    },
}

impl CorrelationId {
    /// The longest one.
    pub const MAX_BYTES: usize = 128;
    /// The header it travels in, as HTTP/2 writes it.
    pub const HEADER: &'static str = "x-correlation-id";
    /// The attribute it becomes.
    pub const ATTRIBUTE: &'static str = "correlation.id";

    /// A new one: 32 hexadecimal digits.
    pub fn create() -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(new_unique_id())).into())
    }

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as an attribute's value, not copied.
    pub(crate) fn to_text(&self) -> Text {
        Text::Shared(Arc::clone(&self.0))
    }
}

impl FromStr for CorrelationId {
    type Err = CorrelationIdError;

    /// Spaces around it are not part of it.
    fn from_str(text: &str) -> Result<Self, CorrelationIdError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(CorrelationIdError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(CorrelationIdError::TooLong { length_bytes: text.len() });
        }
        match text.bytes().enumerate().find(|(_, byte)| !matches!(byte, b' '..=b'~')) {
            Some((at, byte)) => Err(CorrelationIdError::NotPrintable { byte, at }),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The correlation id of what the calling thread is working on.
///
/// ```
/// use sabot_telemetry::{CorrelationId, context_with_correlation_id, current_correlation_id};
///
/// let id = CorrelationId::create();
/// let attached = context_with_correlation_id(id.clone()).attach();
/// assert_eq!(current_correlation_id(), Some(id));
/// drop(attached);
/// assert_eq!(current_correlation_id(), None);
/// ```
pub fn current_correlation_id() -> Option<CorrelationId> {
    Context::map_current(|context| context.get::<CorrelationId>().cloned())
}

/// The current context with this correlation id in it.
///
/// ```
/// use sabot_telemetry::{CorrelationId, context_with_correlation_id, get_trace_context_headers};
///
/// let _attached = context_with_correlation_id("order-4711".parse()?).attach();
/// assert_eq!(get_trace_context_headers()["x-correlation-id"], "order-4711");
/// # Ok::<(), sabot_telemetry::CorrelationIdError>(())
/// ```
#[must_use]
pub fn context_with_correlation_id(id: CorrelationId) -> Context {
    Context::current_with_value(id)
}

/// The context as it is if it has a correlation id, and with a new one otherwise: what a server does with each request.
///
/// ```
/// use sabot_telemetry::{CorrelationId, OtelContext, ensure_correlation_id};
///
/// let (context, id) = ensure_correlation_id(OtelContext::new());
/// assert_eq!(context.get::<CorrelationId>(), Some(&id));
/// assert_eq!(ensure_correlation_id(context).1, id);
/// ```
pub fn ensure_correlation_id(context: Context) -> (Context, CorrelationId) {
    if let Some(id) = context.get::<CorrelationId>().cloned() {
        return (context, id);
    }
    let id = CorrelationId::create();
    (context.with_value(id.clone()), id)
}

#[cfg(test)]
mod tests;
