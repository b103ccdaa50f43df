//! One agent, described: what it is, how far it is, and what it computes.

use serde_json::Value;

use super::LIST;
use crate::output::{Column, Show, Style, column, fields, part, sections};

const DETAILS: [Column; 5] = [
    column("watermark", "watermark", Show::Text),
    column("lag events", "lag_events", Show::Count),
    column("epoch", "epoch", Show::Count),
    column("waits for", "waits_for", Show::Text),
    column("error", "error", Show::Text),
];

const INPUTS: [Column; 4] = [
    column("input", "stream", Show::Text),
    column("partition", "partition", Show::Count),
    column("offset", "offset", Show::Count),
    column("watermark", "watermark", Show::Text),
];

const OUTPUTS: [Column; 3] = [
    column("output", "stream", Show::Text),
    column("partition", "partition", Show::Count),
    column("offset", "offset", Show::Count),
];

const OPERATORS: [Column; 4] = [
    column("operator", "name", Show::Text),
    column("rows in", "rows_in", Show::Count),
    column("rows out", "rows_out", Show::Count),
    column("busy", "busy_seconds", Show::Seconds),
];

/// Everything known about an agent.
pub(super) fn describe(agent: &Value, style: Style) -> String {
    let all: Vec<Column> = LIST.into_iter().chain(DETAILS).collect();
    sections([
        fields(agent, &all, style),
        part(agent, "inputs", &INPUTS, style),
        part(agent, "outputs", &OUTPUTS, style),
        part(agent, "operators", &OPERATORS, style),
        block("sql", agent.get("sql")),
        block("plan", agent.get("plan")),
    ])
}

/// Text of several lines under a title, indented.
fn block(title: &str, text: Option<&Value>) -> String {
    let Some(text) = text.and_then(Value::as_str).filter(|text| !text.trim().is_empty()) else {
        return String::new();
    };
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let lines = text.trim_end().lines().map(|line| format!("  {}", line.chars().map(visible).collect::<String>()));
    [title.to_uppercase()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}
