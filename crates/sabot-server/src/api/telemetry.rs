//! Traces and metrics.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sabot_common::units::parse_duration;
use sabot_observatory::TraceQuery;
use sabot_telemetry::{OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;

/// Most traces one search returns.
const MAX_TRACES: usize = 1_000;

pub(super) async fn traces(
    State(api): State<Api>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let query = trace_query(&api, pairs)?;
    let reader = std::sync::Arc::clone(&api.traces);
    let found = api.query_threads.spawn(async move { reader.search(&query).await }).await;
    Ok(Json(json!({ "traces": found.map_err(ApiError::internal)??})))
}

fn trace_query(api: &Api, pairs: Vec<(String, String)>) -> Result<TraceQuery, ApiError> {
    let mut query = TraceQuery { limit: 20, ..TraceQuery::default() };
    for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
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
            "limit" => {
                let limit: usize = value
                    .parse()
                    .map_err(|_not_a_number| ApiError::bad_request(format!("limit: \"{value}\" is not a number")))?;
                query.limit = limit.min(MAX_TRACES);
            }
            "tag" => {
                let tag = value
                    .split_once('=')
                    .ok_or_else(|| ApiError::bad_request(format!("tag: \"{value}\" is not of the form key=value")))?;
                query.tags.push((tag.0.trim().to_owned(), tag.1.trim().to_owned()));
            }
            _ => return Err(ApiError::bad_request(format!("there is no search parameter \"{key}\""))),
        }
    }
    Ok(query)
}

fn duration(key: &str, value: &str) -> Result<Duration, ApiError> {
    parse_duration(value).map_err(|error| ApiError::bad_request(format!("{key}: {error}")))
}

pub(super) async fn trace(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let reader = std::sync::Arc::clone(&api.traces);
    let wanted = id.clone();
    let found = api.query_threads.spawn(async move { reader.trace(&wanted).await }).await;
    match found.map_err(ApiError::internal)?? {
        Some(trace) => serde_json::to_value(trace).map(Json).map_err(ApiError::internal),
        None => Err(ApiError::not_found(format!("trace \"{id}\" does not exist, or is older than what is kept"))),
    }
}

pub(super) async fn services(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let reader = std::sync::Arc::clone(&api.traces);
    let found = api.query_threads.spawn(async move { reader.services().await }).await;
    serde_json::to_value(found.map_err(ApiError::internal)??).map(Json).map_err(ApiError::internal)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricsQuery {
    component: Option<String>,
}

pub(super) async fn metrics(
    State(api): State<Api>,
    Query(query): Query<MetricsQuery>,
) -> Result<Json<Value>, ApiError> {
    let report = api.metrics.report(query.component.as_deref());
    serde_json::to_value(report).map(Json).map_err(ApiError::internal)
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
