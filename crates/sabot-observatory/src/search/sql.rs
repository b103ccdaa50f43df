//! The SQL behind searches.
//!
//! Invariant: values reach SQL only through [`literal`], so nothing in them is read as SQL. The one exception is the
//! user's own condition, which is SQL by intent: it has been parsed as one expression and planned by itself.

use std::time::Duration;

use sabot_sql::SqlError;

use super::TraceQuery;
use crate::schema::{DEDICATED, SPANS, VALUE_TYPES};

/// The relation with the column that `sabot.spans` hides; known to these queries only.
pub(super) const BLOCKS: &str = "sabot.span_blocks";

/// Sabot's own parts, which a search may name as if they were services.
const COMPONENTS: [&str; 6] =
    ["stream-processor", "join-engine", "state-store", "agent-manager", "task-orchestrator", "cluster-coordinator"];

/// Short tags of the founding documents, and the attributes they mean.
const TAG_ALIASES: [(&str, &str); 4] = [
    ("tenant_id", "sabot.tenant_id"),
    ("task_id", "sabot.task_id"),
    ("node_type", "sabot.node_type"),
    ("llm_model", "gen_ai.request.model"),
];

/// When the traces looked for start, in nanoseconds since 1970, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: i64,
    pub(super) until: i64,
}

/// The nanoseconds a trace lasts, from its first span's start to its last one's end: what follows a batch through
/// streams ends long after its root. A span that ends before it starts took no time.
const DURATION: &str = "(max(greatest(end_unix_nano, start_unix_nano)) - min(start_unix_nano))";

/// Ids of the newest traces that match as far as their spans in the window tell.
pub(super) fn candidates(query: &TraceQuery, window: Window, limit: usize) -> String {
    let in_window = format!("start_unix_nano >= {}", window.start);
    let mut conditions = span_conditions(query);
    if !conditions.is_empty() {
        conditions.push(in_window.clone());
        let matching = conditions.join(" AND ");
        conditions = vec![format!("trace_id IN (SELECT trace_id FROM {SPANS} WHERE {matching})")];
    }
    conditions.push(in_window);
    format!(
        "SELECT trace_id FROM {SPANS} WHERE {} GROUP BY trace_id HAVING {} \
         ORDER BY min(start_unix_nano) DESC, trace_id LIMIT {limit}",
        conditions.join(" AND "),
        trace_conditions(query, window),
    )
}

/// The traces with these ids, measured over all their spans; those that do not fit the window after all are left out.
pub(super) fn summaries(query: &TraceQuery, window: Window, ids: &[String]) -> String {
    let ids = ids.iter().map(|id| literal(id)).collect::<Vec<_>>().join(", ");
    // Of a trace that somebody else has begun, the first span that is here.
    let of_root = |column: &str| {
        let first = format!("first_value({column} ORDER BY start_unix_nano, span_id)");
        format!("coalesce({first} FILTER (WHERE parent_span_id IS NULL), {first})")
    };
    format!(
        "SELECT trace_id, {service} AS root_service, {operation} AS root_operation, \
         min(start_unix_nano) AS start_nano, {DURATION} AS duration_nano, count(*) AS spans, \
         count(*) FILTER (WHERE status = 'error') AS errors, max(keep_reason) AS keep_reason \
         FROM {SPANS} WHERE trace_id IN ({ids}) GROUP BY trace_id HAVING {having} \
         ORDER BY start_nano DESC, trace_id",
        service = of_root("service"),
        operation = of_root("operation"),
        having = trace_conditions(query, window),
    )
}

/// All spans of one trace.
pub(super) fn trace(id: &str) -> String {
    format!(
        "SELECT span_id, parent_span_id, service, operation, kind, start_unix_nano, end_unix_nano, status, \
         status_message, attributes, events, links, {VALUE_TYPES} FROM {BLOCKS} WHERE trace_id = {} \
         ORDER BY start_unix_nano, span_id",
        literal(id)
    )
}

/// A query that plans the condition and reads nothing. The condition starts on a line of its own.
pub(super) fn check(condition: &str) -> String {
    format!("SELECT 1 FROM {SPANS} WHERE (\n{condition}\n) LIMIT 0")
}

/// An error of [`check`] with its place counted from the start of the condition.
pub(super) fn in_condition(error: SqlError) -> SqlError {
    match error {
        SqlError::Plan { message, at } => {
            let at = at.and_then(|(line, column)| Some((line.checked_sub(1).filter(|line| *line > 0)?, column)));
            SqlError::Plan { message, at }
        }
        other => other,
    }
}

/// What must hold for one span.
fn span_conditions(query: &TraceQuery) -> Vec<String> {
    let mut conditions = Vec::new();
    conditions.extend(query.service.as_deref().map(service));
    conditions.extend(query.operation.as_deref().map(operation));
    conditions.extend(query.status.map(|status| format!("status = {}", literal(status.as_str()))));
    conditions.extend(query.tags.iter().map(|(key, value)| tag(key, value)));
    // On lines of its own, so that a comment in it ends where it ends.
    conditions.extend(query.condition().map(|condition| format!("(\n{condition}\n)")));
    conditions
}

fn service(name: &str) -> String {
    let value = literal(name);
    if COMPONENTS.contains(&name) {
        format!("(service = {value} OR component = {value})")
    } else {
        format!("service = {value}")
    }
}

/// A span's whole name, or its first word: `process_batch totals` is a `process_batch`.
fn operation(name: &str) -> String {
    let whole = format!("operation = {}", literal(name));
    if name.contains(' ') {
        whole
    } else {
        format!("({whole} OR starts_with(operation, {}))", literal(&format!("{name} ")))
    }
}

fn tag(key: &str, value: &str) -> String {
    let equals = |attribute: &str| {
        let dedicated = DEDICATED.into_iter().find(|(_, known)| *known == attribute);
        let column =
            dedicated.map_or_else(|| format!("attributes[{}]", literal(attribute)), |(column, _)| column.to_owned());
        format!("{column} = {}", literal(value))
    };
    match TAG_ALIASES.into_iter().find(|(alias, _)| *alias == key) {
        Some((alias, meant)) => format!("({} OR {})", equals(alias), equals(meant)),
        None => equals(key),
    }
}

/// What must hold for the trace.
fn trace_conditions(query: &TraceQuery, window: Window) -> String {
    let mut conditions =
        vec![format!("min(start_unix_nano) >= {}", window.start), format!("min(start_unix_nano) <= {}", window.until)];
    conditions.extend(query.min_duration.map(|least| format!("{DURATION} >= {}", nanos(least))));
    conditions.extend(query.max_duration.map(|most| format!("{DURATION} <= {}", nanos(most))));
    conditions.join(" AND ")
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A text as SQL: in quotes, with quotes in it doubled. Nothing else has a meaning inside quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
