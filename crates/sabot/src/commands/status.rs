//! `status`: health, throughput and lag.

use serde_json::Value;

use crate::client::{Client, Query};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, Style, column, fields, part, sections};

const FIELDS: [Column; 11] = [
    column("status", "status", Show::Status),
    column("version", "version", Show::Text),
    column("project", "project", Show::Text),
    column("started at", "started_at", Show::Text),
    column("uptime", "uptime_seconds", Show::Seconds),
    column("events in", "source_events_total", Show::Count),
    column("read by agents", "events_total", Show::Count),
    column("read per second", "events_per_second", Show::Rate),
    column("lag events", "lag_events", Show::Count),
    column("late", "late_total", Show::Count),
    column("errors", "errors_total", Show::Problems),
];

const DETAILS: [Column; 3] = [
    column("error rate", "error_ratio", Show::Ratio),
    column("memory", "memory_bytes", Show::Bytes),
    column("cpu", "cpu_ratio", Show::Ratio),
];

const COMPONENTS: [Column; 3] = [
    column("component", "name", Show::Text),
    column("status", "status", Show::Status),
    column("message", "message", Show::Text),
];

pub(super) fn run(detailed: bool, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let status = client.get(&["status"], &Query::new())?;
    printer.show(&status, |style| describe(&status, detailed, style))
}

fn describe(status: &Value, detailed: bool, style: Style) -> String {
    if !detailed {
        return fields(status, &FIELDS, style);
    }
    let all: Vec<Column> = FIELDS.into_iter().chain(DETAILS).collect();
    sections([fields(&with_error_ratio(status), &all, style), part(status, "components", &COMPONENTS, style)])
}

/// Adds errors per event, where there were events.
fn with_error_ratio(status: &Value) -> Value {
    let number = |key: &str| status.get(key).and_then(Value::as_f64);
    let mut status = status.clone();
    if let (Some(errors), Some(events)) =
        (number("errors_total"), number("events_total").filter(|events| *events > 0.0))
        && let Some(object) = status.as_object_mut()
    {
        object.insert("error_ratio".to_owned(), (errors / events).into());
    }
    status
}
