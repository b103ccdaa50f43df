//! Ad-hoc SQL.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sabot_sql::QueryLimits;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::request::Body;
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

impl SqlRequest {
    fn limits(&self) -> Result<QueryLimits, ApiError> {
        let mut limits = QueryLimits::default();
        if let Some(max_rows) = self.max_rows {
            limits.max_rows = max_rows;
        }
        if let Some(millis) = self.timeout_ms {
            limits.timeout = Duration::from_millis(millis);
        }
        if limits.max_rows > MAX_ROWS {
            return Err(ApiError::bad_request(format!("max_rows: {} is more than {MAX_ROWS}", limits.max_rows)));
        }
        if limits.timeout > MAX_TIMEOUT {
            let (given, most) = (limits.timeout.as_millis(), MAX_TIMEOUT.as_millis());
            return Err(ApiError::bad_request(format!("timeout_ms: {given} is more than {most}")));
        }
        Ok(limits)
    }
}

pub(super) async fn query(State(api): State<Api>, Body(request): Body<SqlRequest>) -> Result<Json<Value>, ApiError> {
    let limits = request.limits()?;
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
