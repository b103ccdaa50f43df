//! What is queued and sent: telemetry that is encoded already.

use bytes::Bytes;

use crate::config::Signal;

/// Some telemetry of one kind, as the OTLP request that carries it. Encoded once, whoever it is sent to and however often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) signal: Signal,
    /// Spans, metric points or log records in it.
    pub(crate) items: u64,
    /// `Export…ServiceRequest` as protocol buffer.
    pub(crate) payload: Bytes,
}

impl Batch {
    /// What it takes of a bound.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.payload.len() as u64
    }
}
