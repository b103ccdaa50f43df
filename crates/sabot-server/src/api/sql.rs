//! Ad-hoc SQL.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use sabot_sql::QueryLimits;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{Api, rows};

/// Most rows one query returns.
const MAX_ROWS: usize = 1_000_000;
/// Longest one query may run.
const MAX_TIMEOUT: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlRequest {
    query: String,
    max_rows: Option<usize>,
    timeout_ms: Option<u64>,
}

pub(super) async fn query(
    State(api): State<Api>,
    request: Result<Json<SqlRequest>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(request) = request.map_err(ApiError::bad_request)?;
    let defaults = QueryLimits::default();
    let limits = QueryLimits {
        max_rows: request.max_rows.unwrap_or(defaults.max_rows).min(MAX_ROWS),
        timeout: request.timeout_ms.map_or(defaults.timeout, Duration::from_millis).min(MAX_TIMEOUT),
    };
    let start = api.clock.monotonic();
    let engine = Arc::clone(&api.queries);
    let result = api.query_threads.spawn(async move { engine.query(&request.query, limits).await }).await;
    let result = result.map_err(ApiError::internal)??;
    let elapsed = api.clock.monotonic().saturating_sub(start);
    Ok(Json(json!({
        "columns": rows::columns(&result.schema),
        "rows": rows::to_json(&result.batches)?,
        "truncated": result.truncated,
        "elapsed_ms": elapsed.as_secs_f64() * 1e3,
    })))
}
