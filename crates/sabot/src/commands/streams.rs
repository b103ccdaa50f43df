//! `streams`: list, show, tail and monitor.

use sabot_common::units::{format_count, format_size};
use serde_json::Value;

use super::watch;
use crate::cli::{MonitorArgs, StreamsCommand, TailArgs};
use crate::client::{Asked, Client, Query};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, Style, column, fields, list, metrics_table, part, sections};

const LIST: [Column; 9] = [
    column("name", "name", Show::Text),
    column("partitions", "partitions", Show::Count),
    column("backend", "backend", Show::Text),
    column("events", "events_total", Show::Count),
    column("events/s", "events_per_second", Show::Rate),
    column("size", "bytes", Show::Bytes),
    column("earliest", "earliest", Show::Count),
    column("latest", "latest", Show::Count),
    column("writer", "writer", Show::Text),
];

const DETAILS: [Column; 2] =
    [column("event time", "event_time", Show::Text), column("finished", "finished", Show::Text)];

const SCHEMA: [Column; 3] = [
    column("column", "name", Show::Text),
    column("type", "type", Show::Text),
    column("nullable", "nullable", Show::Text),
];

const PARTITIONS: [Column; 4] = [
    column("partition", "partition", Show::Count),
    column("earliest", "earliest", Show::Count),
    column("latest", "latest", Show::Count),
    column("size", "bytes", Show::Bytes),
];

const READERS: [Column; 2] = [column("reader", "agent", Show::Text), column("lag events", "lag_events", Show::Count)];

const MONITOR: [Column; 6] = [
    column("name", "name", Show::Text),
    column("events", "events_total", Show::Count),
    column("events/s", "events_per_second", Show::Rate),
    column("size", "bytes", Show::Bytes),
    column("latest", "latest", Show::Count),
    column("writer", "writer", Show::Text),
];

pub(super) fn run(command: StreamsCommand, client: Client<'_>, printer: &Printer) -> Result<(), CliError> {
    match command {
        StreamsCommand::List => printer.show_list("streams", &client.get_list(&["streams"], &Query::new())?, &LIST),
        StreamsCommand::Show { name } => {
            let stream = client.get(&["streams", &name], &Query::new())?;
            printer.show(&stream, |style| describe(&stream, style))
        }
        StreamsCommand::Tail(args) => tail(&args, &client, printer),
        StreamsCommand::Monitor(args) => monitor(&args, &client.polling(), printer),
    }
}

fn describe(stream: &Value, style: Style) -> String {
    let all: Vec<Column> = LIST.into_iter().chain(DETAILS).collect();
    sections([
        fields(stream, &all, style),
        part(stream, "schema", &SCHEMA, style),
        part(stream, "partition_details", &PARTITIONS, style),
        part(stream, "readers", &READERS, style),
    ])
}

fn tail(args: &TailArgs, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let query = vec![("limit", args.limit.to_string()), ("from", args.from.to_string())];
    let (_, rows) = client.rows(&["streams", &args.name, "rows"], Asked::Get(query))?;
    printer.show_rows(&rows)
}

fn monitor(args: &MonitorArgs, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    if args.once {
        let reading = read(args, client)?;
        return printer.show(&reading, |style| dashboard(&reading, style));
    }
    watch::for_people_only(printer, "streams monitor", "add --once for one reading")?;
    watch::every_second(|| {
        let reading = read(args, client)?;
        if printer.can_redraw() {
            printer.redraw(&dashboard(&reading, printer.style()))
        } else {
            printer.text(&line(&reading, printer.style()))
        }
    })
}

/// The stream, with its metrics under `metrics` where they are asked for.
fn read(args: &MonitorArgs, client: &Client<'_>) -> Result<Value, CliError> {
    let path = ["streams", args.name.as_str()];
    let mut stream = client.get(&path, &Query::new())?;
    if args.metrics {
        let query = vec![("component", "stream".to_owned())];
        let mut metrics = client.get_list_in("metrics", &["telemetry", "metrics"], &query)?;
        metrics.retain(|metric| metric.pointer("/labels/stream").and_then(Value::as_str) == Some(args.name.as_str()));
        let object = stream.as_object_mut().ok_or_else(|| client.misshapen(&path, "an object"))?;
        object.insert("metrics".to_owned(), Value::Array(metrics));
    }
    Ok(stream)
}

fn dashboard(reading: &Value, style: Style) -> String {
    sections([
        list(std::slice::from_ref(reading), &MONITOR, style),
        part(reading, "readers", &READERS, style),
        metrics_of(reading, style),
    ])
}

fn metrics_of(reading: &Value, style: Style) -> String {
    match reading.get("metrics").and_then(Value::as_array) {
        Some(metrics) if metrics.is_empty() => "no metrics of this stream yet".to_owned(),
        Some(metrics) => metrics_table(metrics, style),
        None => String::new(),
    }
}

/// One reading on one line, for logs and pipes.
fn line(reading: &Value, style: Style) -> String {
    let number = |key: &str| reading.get(key).and_then(Value::as_f64).unwrap_or_default();
    let count = |key: &str| format_count(reading.get(key).and_then(Value::as_u64).unwrap_or_default());
    let lag = reading.get("readers").and_then(Value::as_array).into_iter().flatten();
    let lag: u64 = lag.filter_map(|reader| reader.get("lag_events")?.as_u64()).max().unwrap_or_default();
    let one = format!(
        "{}  {} events  {:.1} events/s  {}  lag {}",
        reading.get("name").and_then(Value::as_str).unwrap_or_default(),
        count("events_total"),
        number("events_per_second"),
        format_size(reading.get("bytes").and_then(Value::as_u64).unwrap_or_default()),
        format_count(lag),
    );
    let metrics = metrics_of(reading, style);
    if metrics.is_empty() { one } else { format!("{one}\n{metrics}") }
}
