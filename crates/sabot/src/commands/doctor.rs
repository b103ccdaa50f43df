//! `doctor`: whether the server and its telemetry work, and what to do where they do not.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use sabot_common::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::client::{Client, Query};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, column, counted, list};

const CHECKS: [Column; 4] = [
    column("check", "name", Show::Text),
    column("status", "status", Show::Status),
    column("message", "message", Show::Text),
    column("fix", "fix", Show::Text),
];

/// How far two clocks may be apart before times of spans mislead.
const SKEW: Duration = Duration::from_secs(1);
/// How long the server may take to store a span.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn run(client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let path = ["doctor"];
    let answer = client.get(&path, &Query::new())?;
    let now = SystemClock::new().now().unix_nanos();
    let examined = answer.get("checks").and_then(Value::as_array).filter(|checks| checks.iter().all(Value::is_object));
    let examined = examined.ok_or_else(|| client.misshapen(&path, "an object with a list of checks"))?;
    let version = answer.get("version").and_then(Value::as_str).unwrap_or_default();
    let at = answer.get("at_unix_nano").and_then(Value::as_i64).unwrap_or(now);
    let mut checks = vec![server(client.server(), version), clocks(now.saturating_sub(at))];
    let is_recording = is(examined, "recording", "ok");
    checks.extend(examined.iter().cloned());
    if is_recording {
        checks.push(context(client)?);
    }
    let count = |status: &str| checks.iter().filter(|check| has_status(check, status)).count();
    let (failed, warnings) = (count("failed"), count("warning"));
    let status = if failed > 0 {
        "failed"
    } else if warnings > 0 {
        "warning"
    } else {
        "ok"
    };
    printer.show(&json!({ "status": status, "checks": checks }), |style| list(&checks, &CHECKS, style))?;
    match failed {
        0 if warnings == 0 => printer.note("everything is as it should be"),
        0 => printer.note(&counted(warnings, "warning")),
        _ => return Err(CliError::failed(format!("{} failed", counted(failed, "check")))),
    }
    Ok(())
}

fn check(name: &str, status: &str, message: String, fix: &str) -> Value {
    let mut check = json!({ "name": name, "status": status, "message": message });
    if let (Some(check), false) = (check.as_object_mut(), fix.is_empty()) {
        check.insert("fix".to_owned(), fix.into());
    }
    check
}

fn has_status(check: &Value, status: &str) -> bool {
    check.get("status").and_then(Value::as_str) == Some(status)
}

fn is(checks: &[Value], name: &str, status: &str) -> bool {
    let named = |check: &&Value| check.get("name").and_then(Value::as_str) == Some(name);
    checks.iter().find(named).is_some_and(|check| has_status(check, status))
}

fn server(address: &str, version: &str) -> Value {
    let own = env!("CARGO_PKG_VERSION");
    if version == own {
        check("server", "ok", format!("{address} answers, version {version}"), "")
    } else {
        let message = format!("{address} answers, version {version}; this command is {own}");
        check("server", "warning", message, "use the command and the server of one version")
    }
}

fn clocks(nanos_ahead: i64) -> Value {
    let apart = Duration::from_nanos(nanos_ahead.unsigned_abs());
    let seconds = apart.as_secs_f64();
    if apart <= SKEW {
        return check("clock", "ok", format!("the server's and this machine's are within {SKEW:?}"), "");
    }
    let message = format!("the server's and this machine's are {seconds:.1} s apart");
    check(
        "clock",
        "warning",
        message,
        "have both take their time from the network (NTP): spans of both would not line up",
    )
}

#[expect(clippy::disallowed_methods, reason = "a real server is waited for in real time")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}

/// Sends a request as part of a trace, and looks for what the server made of it.
fn context(client: &Client<'_>) -> Result<Value, CliError> {
    let (trace_id, span_id) = (format!("{:016x}{:016x}", random(), random()), format!("{:016x}", random()));
    client.get_within(&["status"], &format!("00-{trace_id}-{span_id}-01"))?;
    let clock = SystemClock::new();
    let start = clock.monotonic();
    let polling = ["traces", &trace_id];
    while clock.monotonic().saturating_sub(start) < PATIENCE {
        pause();
        let found = match client.get(&polling, &Query::new()) {
            Ok(found) => found,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let spans = found.get("spans").and_then(Value::as_array);
        let is_child = |span: &Value| span.get("parent_span_id").and_then(Value::as_str) == Some(span_id.as_str());
        if spans.is_some_and(|spans| spans.iter().any(is_child)) {
            return Ok(check("context", "ok", format!("a request's trace goes on in the server: {trace_id}"), ""));
        }
    }
    let message = format!("a request with the trace {trace_id} left no span below it within {PATIENCE:?}");
    let fix =
        "look for a proxy in between that takes out the header traceparent, and at the checks of queues and store";
    Ok(check("context", "failed", message, fix))
}

/// Not zero.
fn random() -> u64 {
    RandomState::new().hash_one(0) | 1
}
