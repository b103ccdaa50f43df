//! `telemetry`: whether it is on and where it goes, traces, trace and metrics.

use std::path::Path;

use sabot_common::config::{SettingsFile, TelemetryChange};
use serde_json::Value;

use super::watch;
use crate::cli::{MetricsArgs, TelemetryCommand, TracesArgs};
use crate::client::{Client, Payload, Query};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, Style, column, fields, metrics_table, part, sections, waterfall};

const TRACES: [Column; 8] = [
    column("trace id", "trace_id", Show::Text),
    column("started at", "started_at", Show::Text),
    column("duration", "duration_ms", Show::Millis),
    column("spans", "spans", Show::Count),
    column("errors", "errors", Show::Problems),
    column("service", "root_service", Show::Text),
    column("operation", "root_operation", Show::Text),
    column("kept because", "keep_reason", Show::Text),
];

const STATUS: [Column; 9] = [
    column("enabled", "enabled", Show::Text),
    column("service", "service_name", Show::Text),
    column("sample rate", "sample_rate", Show::Text),
    column("most spans per second", "max_spans_per_second", Show::Count),
    column("spans recorded", "spans_recorded", Show::Count),
    column("spans dropped", "spans_dropped", Show::Problems),
    column("batches recorded", "batches_recorded", Show::Count),
    column("batches left out", "batches_left_out", Show::Count),
    column("spans on disk", "spans_disk_bytes", Show::Bytes),
];

const EXPORTERS: [Column; 8] = [
    column("exporter", "name", Show::Text),
    column("queue", "queue", Show::Text),
    column("signal", "signal", Show::Text),
    column("circuit", "circuit", Show::Status),
    column("sent", "sent", Show::Count),
    column("attempts", "attempts", Show::Count),
    column("failures", "failures", Show::Problems),
    column("last problem", "last_problem", Show::Text),
];

const QUEUES: [Column; 7] = [
    column("queue", "name", Show::Text),
    column("signal", "signal", Show::Text),
    column("accepted", "accepted", Show::Count),
    column("recovered", "recovered", Show::Count),
    column("sent", "sent", Show::Count),
    column("queued", "queued", Show::Count),
    column("dropped", "dropped", Show::Problems),
];

pub(super) fn run(command: TelemetryCommand, client: Client<'_>, printer: &Printer) -> Result<(), CliError> {
    match command {
        TelemetryCommand::Status => {
            let status = client.get(&["telemetry", "status"], &Query::new())?;
            printer.show(&status, |style| describe(&status, style))
        }
        TelemetryCommand::Enable(args) => {
            let change = TelemetryChange {
                service_name: args.service_name,
                sample_rate: args.sample_rate,
                otlp_endpoint: args.otlp_endpoint,
                otlp_protocol: args.otlp_protocol.map(Into::into),
                jaeger_endpoint: args.jaeger_endpoint,
                zipkin_endpoint: args.zipkin_endpoint,
                console: args.console,
            };
            change_telemetry(true, &change, args.kept.config_file.as_deref(), &client, printer)
        }
        TelemetryCommand::Disable(args) => {
            change_telemetry(false, &TelemetryChange::default(), args.config_file.as_deref(), &client, printer)
        }
        TelemetryCommand::Traces(args) => {
            let traces = client.get_list_in("traces", &["traces"], &query(&args))?;
            printer.show_list("traces", &traces, &TRACES)
        }
        TelemetryCommand::Trace { id } => trace(&id, &client, printer),
        TelemetryCommand::Metrics(args) => metrics(&args, client, printer),
    }
}

/// Changes the running server, and then the file that keeps it: the server its project's, we another.
fn change_telemetry(
    enabled: bool,
    change: &TelemetryChange,
    file: Option<&Path>,
    client: &Client<'_>,
    printer: &Printer,
) -> Result<(), CliError> {
    let edited = file.map(|file| SettingsFile::edit(file, &change.changes(enabled))).transpose()?;
    let query = if file.is_some() { vec![("write", "false".to_owned())] } else { Query::new() };
    let document = serde_json::to_value(change).map_err(|error| CliError::failed(error.to_string()))?;
    let mut answer = if enabled {
        client.post_with(&["telemetry", "enable"], &query, Payload::Json(&document))?
    } else {
        client.post_with(&["telemetry", "disable"], &query, Payload::Empty)?
    };
    if let (Some(file), Some(edited)) = (file, edited) {
        edited.save().map_err(|error| CliError::from(error).within("it is in effect, but not kept"))?;
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("file".to_owned(), file.display().to_string().into());
        }
    }
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        printer.warn(warning);
    }
    printer.show(&answer, |_| {
        let is_on = answer.get("enabled").and_then(Value::as_bool) == Some(true);
        let state = if is_on { "telemetry is on" } else { "telemetry is off" };
        match answer.get("file").and_then(Value::as_str) {
            Some(file) => format!("{state}; written to {file}"),
            None => state.to_owned(),
        }
    })
}

fn describe(status: &Value, style: Style) -> String {
    let exporters = part(status, "exporters", &EXPORTERS, style);
    let nowhere = "exporters: none; telemetry stays in Sabot's own store".to_owned();
    let sent = if status.get("exporters").and_then(Value::as_array).is_some_and(|all| !all.is_empty()) {
        [exporters, part(status, "queues", &QUEUES, style)]
    } else {
        [nowhere, String::new()]
    };
    sections(std::iter::once(fields(status, &STATUS, style)).chain(sent))
}

fn query(args: &TracesArgs) -> Query {
    let optional = [
        ("service", args.service.clone()),
        ("operation", args.operation.clone()),
        ("status", args.status.map(|status| status.as_str().to_owned())),
        ("min_duration", args.min_duration.clone()),
        ("max_duration", args.max_duration.clone()),
        ("since", args.since.clone()),
        ("where", args.condition.clone()),
    ];
    let given = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let tags = args.tags.iter().map(|tag| ("tag", tag.clone()));
    [("limit", args.limit.to_string())].into_iter().chain(given).chain(tags).collect()
}

fn trace(id: &str, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let path = ["traces", id];
    let trace = client.get(&path, &Query::new())?;
    let drawn = waterfall(&trace, printer.width(), printer.style())
        .map_err(|error| client.misshapen(&path, &format!("a trace ({error})")))?;
    printer.show(&trace, |_| drawn)
}

fn metrics(args: &MetricsArgs, client: Client<'_>, printer: &Printer) -> Result<(), CliError> {
    if !args.watch {
        return show_metrics(args, &client, printer, false);
    }
    watch::for_people_only(printer, "telemetry metrics --watch", "leave out --watch for one reading")?;
    let client = client.polling();
    watch::every_second(|| show_metrics(args, &client, printer, printer.can_redraw()))
}

fn show_metrics(args: &MetricsArgs, client: &Client<'_>, printer: &Printer, redraw: bool) -> Result<(), CliError> {
    let path = ["telemetry", "metrics"];
    let query = args.component.map(|component| ("component", component.as_str().to_owned())).into_iter().collect();
    let reading = client.get(&path, &query)?;
    let metrics = reading.get("metrics").and_then(Value::as_array);
    let metrics = metrics.ok_or_else(|| client.misshapen(&path, "an object with a list of metrics"))?;
    if redraw {
        return printer.redraw(&metrics_table(metrics, printer.style()));
    }
    if metrics.is_empty() {
        printer.note("no metrics");
    }
    printer.show(&reading, |style| metrics_table(metrics, style))
}
