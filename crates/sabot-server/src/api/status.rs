//! How the server is, as a whole.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;
use super::request::Params;

pub(super) async fn status(State(api): State<Api>) -> Json<Value> {
    Json(status_of(&api))
}

fn status_of(api: &Api) -> Value {
    let totals = api.monitor.totals();
    let (memory_bytes, cpu_ratio) = api.monitor.usage();
    let components = components(api);
    let degraded = components.iter().any(|component| component.get("status") == Some(&json!("degraded")));
    let finished = api.platform.is_finished();
    let status = if degraded {
        "degraded"
    } else if finished {
        "finished"
    } else {
        "running"
    };
    json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "project": api.project,
        "started_at": api.started_at.to_string(),
        "uptime_seconds": api.clock.now().since(api.started_at).as_secs_f64(),
        "finished": finished,
        "source_events_total": api.platform.source_events(),
        "events_total": totals.events_in,
        "events_per_second": api.monitor.rate("all"),
        "late_total": totals.late,
        "errors_total": totals.errors,
        "lag_events": totals.lag,
        "memory_bytes": memory_bytes,
        "cpu_ratio": cpu_ratio,
        "components": components,
    })
}

/// The parts with their state.
fn components(api: &Api) -> Vec<Value> {
    let component = |name: &str, ok: bool, message: String| json!({ "name": name, "status": if ok { "ok" } else { "degraded" }, "message": message });
    let full = api.platform.is_disk_full();
    let store =
        if full { "the disk is full; writing waits until there is room".to_owned() } else { "committing".to_owned() };
    let (sources, agents) = api.platform.failures();
    let (source_count, agent_count) = api.platform.inspect(|sources, agents| (sources.len(), agents.len()));
    let summary = |failures: Vec<String>, all: usize, what: &str| {
        let message = if failures.is_empty() {
            format!("{all} {what}{}", if all == 1 { "" } else { "s" })
        } else {
            failures.join("; ")
        };
        (failures.is_empty(), message)
    };
    let (sources_ok, sources_text) = summary(sources, source_count, "source");
    let (agents_ok, agents_text) = summary(agents, agent_count, "agent");
    let unreadable: Vec<String> = api.spans.unreadable().iter().map(ToString::to_string).collect();
    let telemetry_ok = unreadable.is_empty();
    let stored = sabot_common::units::format_size(api.spans.disk_bytes());
    let telemetry_text = if telemetry_ok { format!("{stored} of spans") } else { unreadable.join("; ") };
    vec![
        component("store", !full, store),
        component("sources", sources_ok, sources_text),
        component("agents", agents_ok, agents_text),
        component("telemetry", telemetry_ok, telemetry_text),
    ]
}

pub(super) async fn overview(State(api): State<Api>, params: Params) -> Result<Json<Value>, ApiError> {
    let since = params.get("history_since").map(|text| {
        let wrong = |error| ApiError::bad_request(format!("history_since: {error}"));
        text.parse().map_err(wrong)
    });
    let history = api.monitor.history(since.transpose()?);
    let graph = api.platform.graph(&|key| api.monitor.rate(key));
    let graph = serde_json::to_value(graph).map_err(ApiError::internal)?;
    Ok(Json(json!({ "status": status_of(&api), "graph": graph, "history": history })))
}

pub(super) async fn config(State(api): State<Api>) -> Json<Value> {
    let entries = api.telemetry.settings().entries().into_iter();
    let entries: Vec<_> =
        entries.map(|(key, value, origin)| json!({ "key": key, "value": value, "origin": origin })).collect();
    Json(json!({ "entries": entries }))
}

pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Ready when every agent has left the waiting room.
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, String) {
    let waiting = api.platform.inspect(|_, agents| {
        let waits = |agent: &crate::platform::AgentEntry| agent.status().0 == sabot_runtime::JobState::Waiting;
        agents.iter().filter(|(_, agent)| waits(agent)).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    });
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("starting: {}\n", waiting.join(", ")))
    }
}
