//! Traces and metrics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sabot_common::config::TelemetryChange;
use sabot_common::registry::ALL_METRICS;
use sabot_common::units::parse_duration;
use sabot_observatory::{MAX_TRACE_SPANS, TraceQuery};
use sabot_telemetry::{
    Circuit, Exporter, ExporterStatus, OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE, RouteStatus,
};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::Api;
use super::error::ApiError;
use super::request::{Body, Named, Params};
use super::rows::json_response;
use super::work::PATIENCE;
use crate::doctor::examine;
use crate::telemetry::Change;

/// Most traces one search returns.
const MAX_TRACES: usize = 1_000;

pub(super) async fn traces(State(api): State<Api>, params: Params) -> Result<Json<Value>, ApiError> {
    let query = trace_query(&api, params)?;
    let reader = Arc::clone(&api.traces);
    let found = api.look_threads.run(PATIENCE, async move { reader.search(&query).await }).await?;
    serde_json::to_value(found).map(Json).map_err(ApiError::internal)
}

fn trace_query(api: &Api, params: Params) -> Result<TraceQuery, ApiError> {
    let mut query = TraceQuery { limit: params.limit(20, MAX_TRACES)?, ..TraceQuery::default() };
    for (key, value) in params {
        match key.as_str() {
            "service" => query.service = Some(value),
            "operation" => query.operation = Some(value),
            "status" => query.status = Some(value.parse().map_err(ApiError::bad_request)?),
            "where" => query.where_sql = Some(value),
            "min_duration" => query.min_duration = Some(duration(&key, &value)?),
            "max_duration" => query.max_duration = Some(duration(&key, &value)?),
            "since" => {
                let ago = i64::try_from(duration(&key, &value)?.as_nanos()).unwrap_or(i64::MAX);
                let now = api.clock.now().unix_nanos();
                query.since = Some(sabot_common::clock::Timestamp::from_unix_nanos(now.saturating_sub(ago)));
            }
            "tag" => {
                let tag = value
                    .split_once('=')
                    .ok_or_else(|| ApiError::bad_request(format!("tag: \"{value}\" is not of the form key=value")))?;
                query.tags.push((tag.0.trim().to_owned(), tag.1.trim().to_owned()));
            }
            // Read above, or refused before.
            _ => {}
        }
    }
    Ok(query)
}

fn duration(key: &str, value: &str) -> Result<Duration, ApiError> {
    parse_duration(value).map_err(|error| ApiError::bad_request(format!("{key}: {error}")))
}

pub(super) async fn trace(
    State(api): State<Api>,
    Named(id): Named<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = params.limit(MAX_TRACE_SPANS, MAX_TRACE_SPANS)?;
    let reader = Arc::clone(&api.traces);
    let answer = async move {
        let missing = || ApiError::not_found(format!("trace \"{id}\" does not exist, or is older than what is kept"));
        let trace = reader.trace(&id, limit).await?.ok_or_else(missing)?;
        // A hundred thousand spans take their time.
        serde_json::to_vec(&trace).map(json_response).map_err(ApiError::internal)
    };
    api.look_threads.run(PATIENCE, answer).await
}

pub(super) async fn services(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let reader = Arc::clone(&api.traces);
    let found = api.look_threads.run_blocking(PATIENCE, move || reader.services()).await?;
    serde_json::to_value(found).map(Json).map_err(ApiError::internal)
}

pub(super) async fn metrics(State(api): State<Api>, params: Params) -> Result<Json<Value>, ApiError> {
    let component = params.get("component");
    let known: BTreeSet<&str> = ALL_METRICS.iter().map(|metric| metric.component).collect();
    if let Some(unknown) = component.filter(|component| !known.contains(component)) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(
            ApiError::bad_request(format!("component: there is no \"{unknown}\"")).hint(format!("there are {known}"))
        );
    }
    let report = api.metrics.report(component);
    serde_json::to_value(report).map(Json).map_err(ApiError::internal)
}

/// Looks whether telemetry works.
pub(super) async fn doctor(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let (telemetry, spans) = (Arc::clone(&api.telemetry), Arc::clone(&api.spans));
    let examined = spawn_blocking(move || examine(&telemetry, &spans)).await;
    let checks = examined.map_err(ApiError::internal)?;
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "at_unix_nano": api.clock.now().unix_nanos(),
        "checks": checks,
    })))
}

/// Switches telemetry on, or changes how it works while it is on.
pub(super) async fn enable(
    State(api): State<Api>,
    params: Params,
    Body(change): Body<TelemetryChange>,
) -> Result<Json<Change>, ApiError> {
    set(api, params, true, change).await
}

/// Switches it off.
pub(super) async fn disable(State(api): State<Api>, params: Params) -> Result<Json<Change>, ApiError> {
    set(api, params, false, TelemetryChange::default()).await
}

async fn set(api: Api, params: Params, enabled: bool, change: TelemetryChange) -> Result<Json<Change>, ApiError> {
    let write = match params.get("write") {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(ApiError::bad_request(format!("write: \"{other}\" is not true or false"))),
    };
    let changed = spawn_blocking(move || api.telemetry.change(enabled, &change, write)).await;
    Ok(Json(changed.map_err(ApiError::internal)??))
}

/// Whether telemetry is recorded, and what became of what was to be sent.
pub(super) async fn status(State(api): State<Api>) -> Json<Value> {
    let (settings, providers) = (api.telemetry.settings(), &api.telemetry.providers);
    let (telemetry, queue) = (&settings.settings.telemetry, providers.span_queue());
    let queues = providers.exporter().as_ref().map(Exporter::status).unwrap_or_default();
    let exporters = queues.iter().flat_map(|queue| queue.exporters.iter().map(|exporter| told(queue, exporter)));
    let (batches, left_out) = queue.routine();
    Json(json!({
        "enabled": providers.is_recording(),
        "service_name": telemetry.service_name,
        "service_version": env!("CARGO_PKG_VERSION"),
        "sample_rate": telemetry.sample_rate,
        "max_spans_per_second": telemetry.max_spans_per_second,
        "spans_recorded": queue.received(),
        "spans_dropped": queue.dropped(),
        "batches_recorded": batches,
        "batches_left_out": left_out,
        "spans_disk_bytes": api.spans.disk_bytes(),
        "exporters": exporters.collect::<Value>(),
        "queues": queues.iter().map(counted).collect::<Value>(),
    }))
}

fn told(queue: &RouteStatus, exporter: &ExporterStatus) -> Value {
    let state = match exporter.circuit {
        Circuit::Closed => "closed",
        Circuit::HalfOpen => "half_open",
        Circuit::Open => "open",
    };
    json!({
        "name": exporter.name,
        "queue": queue.name,
        "signal": queue.signal.as_str(),
        "circuit": state,
        "sent": exporter.sent,
        "attempts": exporter.attempts,
        "failures": exporter.failures,
        "last_problem": exporter.last_problem,
    })
}

fn counted(queue: &RouteStatus) -> Value {
    let ledger = &queue.ledger;
    let reasons = ledger.dropped.iter().filter(|(_, items)| *items > 0);
    json!({
        "name": queue.name,
        "signal": queue.signal.as_str(),
        "accepted": ledger.accepted,
        "recovered": ledger.recovered,
        "sent": ledger.sent,
        "queued": ledger.queued,
        "dropped": ledger.dropped_total(),
        "dropped_by_reason": reasons.map(|(reason, items)| (reason.to_string(), (*items).into())).collect::<Map<_, _>>(),
    })
}

/// Prometheus text, or OpenMetrics when asked for.
pub(super) async fn prometheus(State(api): State<Api>, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let registry = &api.platform.registry;
    let (kind, text) = if accepts.contains("application/openmetrics-text") {
        (OPENMETRICS_CONTENT_TYPE, registry.openmetrics_text())
    } else {
        (PROMETHEUS_CONTENT_TYPE, registry.prometheus_text())
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
