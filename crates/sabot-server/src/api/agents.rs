//! Agents.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use sabot_common::suggest;
use sabot_runtime::{JobState, JobStats};
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;
use super::request::{Named, Text};
use crate::monitor::instant;
use crate::platform::{AgentEntry, Deployed, PlatformError, Validated};

pub(super) async fn list(State(api): State<Api>) -> Json<Vec<Value>> {
    Json(api.platform.inspect(|_, agents| agents.iter().map(|(name, agent)| summary(&api, name, agent)).collect()))
}

fn summary(api: &Api, name: &str, agent: &AgentEntry) -> Value {
    let (status, error) = agent.status();
    let stats = agent.stats.as_deref();
    let count = |pick: fn(&JobStats) -> u64| stats.map_or(0, pick);
    let relaxed = Ordering::Relaxed;
    json!({
        "name": name,
        "kind": agent.config.kind,
        "status": status.as_str(),
        "version": agent.version,
        "count": agent.config.count,
        "input": agent.plan.as_ref().map_or_else(|_| String::new(), |plan| plan.plan.scan.relation.clone()),
        "output": agent.config.output.to_string(),
        "events_total": count(|s| s.rows_in.load(Ordering::Relaxed)),
        "events_out_total": count(|s| s.rows_out.load(Ordering::Relaxed)),
        "events_per_second": api.monitor.rate(&format!("agent:{name}")),
        "lag_seconds": stats.and_then(crate::platform::watermark_lag_seconds),
        "lag_events": api.platform.lag_events(agent),
        "errors_total": stats.map_or_else(|| u64::from(error.is_some()), |s| s.errors.load(relaxed)),
        "late_total": count(|s| s.late.load(Ordering::Relaxed)),
        "watermark": stats.and_then(JobStats::watermark_micros).map(instant),
        "state_bytes": count(|s| s.state_bytes.load(Ordering::Relaxed)),
        "waits_for": agent.waits_for(),
        "error": error,
    })
}

pub(super) async fn show(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<Value>, ApiError> {
    let shown = api.platform.inspect(|_, agents| {
        if let Some(agent) = agents.get(&name) {
            Ok(details(&api, &name, agent))
        } else {
            let hint = suggest::hint(&name, agents.keys().map(String::as_str));
            Err(PlatformError::NotFound { name: name.clone(), hint })
        }
    })?;
    Ok(Json(shown))
}

fn details(api: &Api, name: &str, agent: &AgentEntry) -> Value {
    let mut shown = summary(api, name, agent);
    let commit = api.platform.store.last_commit(name);
    let operators = agent.stats.iter().flat_map(|stats| &stats.operators).map(|operator| {
        json!({
            "name": operator.name,
            "rows_in": operator.rows_in.load(Ordering::Relaxed),
            "rows_out": operator.rows_out.load(Ordering::Relaxed),
            "busy_seconds": std::time::Duration::from_nanos(operator.busy_nanos.load(Ordering::Relaxed)).as_secs_f64(),
        })
    });
    let inputs = commit.iter().flat_map(|c| &c.inputs).map(|input| {
        let watermark = input.watermark.filter(|w| *w != i64::MAX && *w != i64::MIN).map(instant);
        json!({ "stream": input.stream, "partition": input.partition, "offset": input.offset, "watermark": watermark })
    });
    let outputs = commit.iter().flat_map(|c| &c.outputs);
    let outputs = outputs.map(|o| json!({ "stream": o.stream, "partition": o.partition, "offset": o.offset }));
    let more = json!({
        "sql": agent.config.sql,
        "plan": agent.plan.as_ref().map_or_else(Clone::clone, |plan| plan.plan.to_string()),
        "config": agent.config,
        "epoch": commit.as_ref().map_or(0, |commit| commit.epoch),
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "operators": operators.collect::<Vec<_>>(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

pub(super) async fn deploy(State(api): State<Api>, Text(yaml): Text) -> Result<Json<Deployed>, ApiError> {
    Ok(Json(api.platform.deploy(&yaml).await?))
}

pub(super) async fn validate(State(api): State<Api>, Text(yaml): Text) -> Result<Json<Validated>, ApiError> {
    Ok(Json(api.platform.validate(&yaml)?))
}

pub(super) async fn start(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<Value>, ApiError> {
    let state = api.platform.start_stopped(&name).await?;
    Ok(Json(stated(&name, state)))
}

pub(super) async fn stop(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<Value>, ApiError> {
    let state = api.platform.stop_agent(&name).await?;
    Ok(Json(stated(&name, state)))
}

fn stated(name: &str, state: JobState) -> Value {
    json!({ "name": name, "status": state.as_str() })
}

pub(super) async fn remove(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<Value>, ApiError> {
    api.platform.delete_agent(&name).await?;
    Ok(Json(json!({ "name": name, "deleted": true })))
}
