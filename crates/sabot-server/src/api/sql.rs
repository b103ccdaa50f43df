//! Ad-hoc SQL.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use sabot_common::clock::SharedClock;
use sabot_sql::{QueryLimits, SqlError};
use serde::Deserialize;
use serde_json::Map;

use super::Api;
use super::error::ApiError;
use super::request::Body;
use super::rows::{JsonRows, MAX_BYTES};

/// Most rows one query returns.
const MAX_ROWS: usize = 1_000_000;
/// Longest one query may run.
const MAX_TIMEOUT: Duration = Duration::from_mins(10);
/// How much longer a caller waits for a query that is to end.
const GRACE: Duration = Duration::from_secs(1);

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
        if limits.max_rows == 0 || limits.timeout.is_zero() {
            return Err(ApiError::bad_request("max_rows and timeout_ms are at least 1"));
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

pub(super) async fn query(State(api): State<Api>, Body(request): Body<SqlRequest>) -> Result<Response, ApiError> {
    let limits = request.limits()?;
    let (clock, engine) = (SharedClock::clone(&api.clock), Arc::clone(&api.queries));
    let start = clock.monotonic();
    let answer = async move {
        let mut rows = JsonRows::new(MAX_BYTES);
        let truncated = engine.query_into(&request.query, limits, &mut rows).await?;
        let elapsed = clock.monotonic().saturating_sub(start);
        let mut fields = Map::new();
        fields.insert("columns".to_owned(), rows.take_columns());
        fields.insert("elapsed_ms".to_owned(), (elapsed.as_secs_f64() * 1e3).into());
        Ok::<_, SqlError>(rows.answer(fields, truncated))
    };
    let patience = limits.timeout;
    let threads = api.query_threads;
    let answered = threads.run(patience, answer);
    // The engine ends a query between two batches; the caller does not wait for one that never comes.
    tokio::time::timeout(patience.saturating_mul(2).saturating_add(GRACE), answered)
        .await
        .map_err(|_elapsed| ApiError::from(SqlError::took_longer_than(patience)))?
}
