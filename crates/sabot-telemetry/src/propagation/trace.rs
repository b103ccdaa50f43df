//! `traceparent` and `tracestate`, as W3C Trace Context has them.
//!
//! A `traceparent` that is not valid, or that is there twice, means that there is no parent. A `tracestate` that is not
//! valid is left out as a whole, and the parent stays.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::{TraceContextExt, TraceState};

use crate::context::TraceContext;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// What is read and written here.
pub(super) const HEADERS: [&str; 2] = [TRACEPARENT, TRACESTATE];

/// Most members of a `tracestate`.
const MAX_MEMBERS: usize = 32;
/// Longest key, and longest value, in characters.
const MAX_LENGTH: usize = 256;

pub(super) fn inject(context: &Context, injector: &mut dyn Injector) {
    let span = context.span();
    let identity = span.span_context();
    let Some(traceparent) = TraceContext::from(identity).to_traceparent() else { return };
    injector.set(TRACEPARENT, traceparent);
    if let Some(trace_state) = sendable_trace_state(identity.trace_state()) {
        injector.set(TRACESTATE, trace_state);
    }
}

pub(super) fn extract(context: Context, extractor: &dyn Extractor) -> Context {
    let values = extractor.get_all(TRACEPARENT).unwrap_or_default();
    let parent = match values.as_slice() {
        [value] => TraceContext::from_traceparent(value),
        _ => None,
    };
    let Some(parent) = parent else { return context };
    let trace_state = extractor.get_all(TRACESTATE).and_then(|values| read_trace_state(&values)).unwrap_or_default();
    context.with_remote_span_context(parent.to_span_context(true, trace_state))
}

/// The value of a `tracestate` header; `None` when there is nothing to say, or something that would break the header.
pub(crate) fn sendable_trace_state(trace_state: &TraceState) -> Option<String> {
    if *trace_state == TraceState::NONE {
        return None;
    }
    let header = trace_state.header();
    (!header.is_empty() && header.bytes().all(|byte| matches!(byte, b' '..=b'~'))).then_some(header)
}

/// Several headers of one name are one list, in order.
fn read_trace_state(headers: &[&str]) -> Option<TraceState> {
    let members = headers.iter().flat_map(|header| header.split(','));
    let members = members.map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let mut read: Vec<(&str, &str)> = Vec::new();
    for member in members {
        let (key, value) = member.split_once('=')?;
        let is_new = read.iter().all(|(known, _)| *known != key);
        if read.len() == MAX_MEMBERS || !is_new || !is_key(key) || !is_value(value) {
            return None;
        }
        read.push((key, value));
    }
    TraceState::from_key_value(read).ok()
}

fn is_key(key: &str) -> bool {
    let starts = key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    starts
        && key.len() <= MAX_LENGTH
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'))
}

fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAX_LENGTH
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=')
}
