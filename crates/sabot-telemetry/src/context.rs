//! The identity of a span as it travels: in headers, beside batches, in stored tasks.
//!
//! Forms: the W3C `traceparent` header (Trace Context level 2) and 25 bytes. Reading either gives a valid context or
//! nothing.

use std::fmt;

/// The flag of a trace that is being recorded.
pub(crate) const SAMPLED: u8 = 0x01;
/// The flag of a trace whose id is random where it has to be, as those that begin here are.
pub(crate) const RANDOM: u8 = 0x02;
/// The standard says to zero the rest.
pub(crate) const KNOWN_FLAGS: u8 = SAMPLED | RANDOM;

/// Trace id, span id and flags of one span. The default is empty: no trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
// Aligned so that it is copied by words: it is what most of an unrecorded span consists of.
#[repr(align(8))]
pub struct TraceContext {
    /// The trace, big-endian; all zero means none.
    pub trace_id: [u8; 16],
    /// The span that is to be the parent, big-endian; all zero means none.
    pub span_id: [u8; 8],
    /// W3C trace flags; bit 0 is `sampled`, bit 1 `random-trace-id`.
    pub flags: u8,
}

impl TraceContext {
    /// Length of the form [`to_bytes`](Self::to_bytes) writes.
    pub const SIZE_BYTES: usize = 25;

    /// Whether it names a span: both ids are non-zero.
    #[inline]
    pub fn is_valid(&self) -> bool {
        self.trace_id != [0; 16] && self.span_id != [0; 8]
    }

    /// Whether the trace is being recorded.
    #[inline]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Of several causes the one to hang below: the first that is recorded, or else the first.
    pub fn leading<'a>(causes: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut causes = causes.into_iter();
        let first = causes.next()?;
        let leading = if first.is_sampled() { first } else { causes.find(|cause| cause.is_sampled()).unwrap_or(first) };
        Some(*leading)
    }

    /// The same identity, marked as not recorded.
    #[must_use]
    #[inline]
    pub fn unsampled(self) -> Self {
        Self { flags: self.flags & !SAMPLED, ..self }
    }

    /// Trace id (16 bytes), span id (8), flags (1).
    pub fn to_bytes(self) -> [u8; Self::SIZE_BYTES] {
        let mut bytes = [0; Self::SIZE_BYTES];
        let fields = self.trace_id.iter().chain(&self.span_id).chain([&self.flags]);
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = *field);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for an empty context.
    pub fn from_bytes(bytes: [u8; Self::SIZE_BYTES]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        let [flags] = *rest else { return None };
        Some(Self { trace_id: *trace_id, span_id: *span_id, flags }).filter(Self::is_valid)
    }

    /// The value of a `traceparent` header; `None` for an empty context, which must not be sent.
    pub fn to_traceparent(self) -> Option<String> {
        self.is_valid()
            .then(|| format!("00-{}-{}-{:02x}", Hex(&self.trace_id), Hex(&self.span_id), self.flags & KNOWN_FLAGS))
    }

    /// Reads a `traceparent` header as strictly as W3C Trace Context asks: lowercase hexadecimal, exact lengths, no zero
    /// ids, not version `ff`; a version above `00` may carry more fields behind a dash.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let [version] = from_hex(parts.next()?)?;
        let trace_id = from_hex(parts.next()?)?;
        let span_id = from_hex(parts.next()?)?;
        let [flags] = from_hex(parts.next()?)?;
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) {
            return None;
        }
        Some(Self { trace_id, span_id, flags: flags & KNOWN_FLAGS }).filter(Self::is_valid)
    }

    /// The trace id in lowercase hexadecimal.
    pub fn trace_id_hex(&self) -> String {
        Hex(&self.trace_id).to_string()
    }

    /// The span id in lowercase hexadecimal.
    pub fn span_id_hex(&self) -> String {
        Hex(&self.span_id).to_string()
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, odd) = text.as_bytes().as_chunks();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
