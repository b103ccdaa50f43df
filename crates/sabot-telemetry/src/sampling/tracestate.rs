//! The `ot` member of a W3C `tracestate`: threshold (`th`) and explicit randomness (`rv`).
//!
//! From the OpenTelemetry specification, "TraceState: Probability Sampling". Members of others are never touched.

use super::threshold::{Threshold, explicit_randomness, randomness_of};

/// Most members of a `tracestate`.
const MAX_MEMBERS: usize = 32;
/// Most bytes of a member's value.
const MAX_VALUE_BYTES: usize = 256;

/// How many spans a kept one stands for, read from its trace state: one where no threshold is given.
///
/// ```
/// use sabot_telemetry::adjusted_count;
///
/// assert_eq!(adjusted_count("ot=th:c"), 4.0); // kept with a probability of 25 %
/// assert_eq!(adjusted_count("vendor=1"), 1.0);
/// ```
pub fn adjusted_count(trace_state: &str) -> f64 {
    threshold(trace_state).map_or(1.0, Threshold::adjusted_count)
}

/// The threshold a span was kept with, if that is known.
pub(crate) fn threshold(trace_state: &str) -> Option<Threshold> {
    Threshold::from_hex(field(trace_state, "th")?)
}

/// The random bits that decide a trace's fate: those given explicitly, or else those of its id.
pub(crate) fn randomness(trace_state: &str, trace_id: &[u8; 16]) -> u64 {
    field(trace_state, "rv").and_then(explicit_randomness).unwrap_or_else(|| randomness_of(trace_id))
}

/// The trace state with this threshold, or without any. The `ot` member moves to the front when it changes, as the
/// standard asks of who changes one; when there are too many members then, the last goes.
pub(crate) fn with_threshold(trace_state: &str, threshold: Option<Threshold>) -> String {
    let mut value = threshold.map(|threshold| format!("th:{threshold}")).unwrap_or_default();
    for field in ot_value(trace_state).unwrap_or_default().split(';') {
        let fits = value.len() + 1 + field.len() <= MAX_VALUE_BYTES;
        if field.is_empty() || field.starts_with("th:") || !fits {
            continue;
        }
        if !value.is_empty() {
            value.push(';');
        }
        value.push_str(field);
    }
    let own = (!value.is_empty()).then(|| format!("ot={value}"));
    let others = members(trace_state).filter(|member| !member.starts_with("ot="));
    let all: Vec<&str> = own.as_deref().into_iter().chain(others).take(MAX_MEMBERS).collect();
    all.join(",")
}

fn members(trace_state: &str) -> impl Iterator<Item = &str> {
    trace_state.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
}

fn ot_value(trace_state: &str) -> Option<&str> {
    if trace_state.is_empty() {
        return None;
    }
    members(trace_state).find_map(|member| member.strip_prefix("ot="))
}

fn field<'a>(trace_state: &'a str, key: &str) -> Option<&'a str> {
    ot_value(trace_state)?.split(';').find_map(|field| field.strip_prefix(key)?.strip_prefix(':'))
}
