//! What has arrived in the file that telemetry is sent to: a line of OTLP's JSON per batch.
//!
//! Invariant: nothing here knows what was recorded; only what was sent is seen.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::Failure;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long something may take to arrive, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(20);

/// The file.
#[derive(Debug)]
pub(crate) struct Received {
    path: PathBuf,
}

/// A span that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Names of events, and what an exception says.
    pub(crate) events: Vec<String>,
    /// Ids of spans it is linked to.
    pub(crate) links: Vec<String>,
    pub(crate) has_failed: bool,
}

/// A log record that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) trace_id: String,
    pub(crate) severity: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn in_file(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// All spans of the trace, once there are as many as expected.
    pub(crate) async fn trace(&self, trace_id: &str, count: usize) -> Result<Vec<Span>, Failure> {
        let of_trace = |batches: &[Value]| -> Vec<Span> {
            let spans = batches.iter().flat_map(|batch| records(batch, ["resourceSpans", "scopeSpans", "spans"]));
            spans.map(span).filter(|span| span.trace_id == trace_id).collect()
        };
        self.wait_for(of_trace, count, "spans").await
    }

    /// All log records of the trace, once there are as many as expected.
    pub(crate) async fn logs(&self, trace_id: &str, count: usize) -> Result<Vec<Log>, Failure> {
        let of_trace = |batches: &[Value]| -> Vec<Log> {
            let logs = batches.iter().flat_map(|batch| records(batch, ["resourceLogs", "scopeLogs", "logRecords"]));
            logs.map(log).filter(|log| log.trace_id == trace_id).collect()
        };
        self.wait_for(of_trace, count, "log records").await
    }

    async fn wait_for<T>(
        &self,
        find: impl Fn(&[Value]) -> Vec<T>,
        count: usize,
        what: &str,
    ) -> Result<Vec<T>, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = find(&self.batches()?);
            if found.len() >= count {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(format!("{} of {count} {what} have arrived in the file", found.len()).into());
            }
            sleep(LOOK).await;
        }
    }

    /// A line that is still being written is not looked at.
    fn batches(&self) -> io::Result<Vec<Value>> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The records of a batch: below the resource, below the scope.
fn records<'a>(batch: &'a Value, [resource, scope, record]: [&'static str; 3]) -> impl Iterator<Item = &'a Value> {
    let scopes = list(batch, resource).flat_map(move |resource| list(resource, scope));
    scopes.flat_map(move |scope| list(scope, record))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn string(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn span(value: &Value) -> Span {
    let code = value.get("status").and_then(|status| status.get("code")).and_then(Value::as_u64);
    let event = |event: &Value| {
        let message = attributes(event).remove("exception.message").map(|message| format!(": {message}"));
        string(event, "name") + &message.unwrap_or_default()
    };
    Span {
        trace_id: string(value, "traceId"),
        id: string(value, "spanId"),
        parent_id: string(value, "parentSpanId"),
        name: string(value, "name"),
        kind: match value.get("kind").and_then(Value::as_u64) {
            Some(2) => "server",
            Some(3) => "client",
            Some(4) => "producer",
            Some(5) => "consumer",
            _ => "internal",
        },
        attributes: attributes(value),
        events: list(value, "events").map(event).collect(),
        links: list(value, "links").map(|link| string(link, "spanId")).collect(),
        has_failed: code == Some(2),
    }
}

fn log(value: &Value) -> Log {
    Log {
        trace_id: string(value, "traceId"),
        severity: string(value, "severityText"),
        body: value.get("body").map(|body| string(body, "stringValue")).unwrap_or_default(),
    }
}

fn attributes(value: &Value) -> BTreeMap<String, String> {
    let attribute = |attribute: &Value| {
        let value = attribute.get("value")?.as_object()?.values().next()?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some((attribute.get("key")?.as_str()?.to_owned(), text))
    };
    list(value, "attributes").filter_map(attribute).collect()
}
