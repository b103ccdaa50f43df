//! Tables.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use sabot_common::config::Output;
use sabot_common::suggest;
use sabot_store::Table;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::request::{Named, Params};
use super::rows::{JsonRows, MAX_BYTES, json_response};
use super::work::PATIENCE;
use super::{Api, rows as render};

/// Most rows one request returns.
const MAX_ROWS: usize = 10_000;

pub(super) async fn list(State(api): State<Api>) -> Json<Vec<Value>> {
    Json(api.platform.tables().values().map(|table| summary(&api, table)).collect())
}

fn summary(api: &Api, table: &Table) -> Value {
    let writer = api.platform.inspect(|sources, agents| {
        let source = sources.get(table.name()).map(|source| format!("source {}", source.file));
        source.or_else(|| {
            let writes =
                |output: &Output| matches!(output, Output::Table { name, .. } if name.as_str() == table.name());
            let agent = agents.values().find(|agent| writes(&agent.config.output));
            agent.map(|agent| format!("agent {}", agent.config.name))
        })
    });
    json!({
        "name": table.name(),
        "backend": table.backend().as_str(),
        "key": table.key(),
        "rows": table.len(),
        "bytes": table.bytes(),
        "writer": writer,
    })
}

fn known(api: &Api, name: &str) -> Result<Arc<Table>, ApiError> {
    let tables = api.platform.tables();
    tables.get(name).map(Arc::clone).ok_or_else(|| {
        let near = suggest::hint(name, tables.keys().map(String::as_str));
        ApiError::not_found(format!("table \"{name}\" does not exist{near}"))
    })
}

pub(super) async fn show(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<Value>, ApiError> {
    let table = known(&api, &name)?;
    let mut shown = summary(&api, &table);
    if let Value::Object(shown) = &mut shown {
        shown.insert("schema".to_owned(), Value::Array(render::columns(table.schema())));
    }
    Ok(Json(shown))
}

pub(super) async fn scan(
    State(api): State<Api>,
    Named(name): Named<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let table = known(&api, &name)?;
    let limit = params.limit(100, MAX_ROWS)?;
    let scan = move || {
        // One more than is listed tells whether there are more.
        let found = table.scan(limit + 1)?;
        let mut rows = JsonRows::new(MAX_BYTES);
        let full = rows.push(&found.slice(0, found.num_rows().min(limit)))?.is_break();
        let fields = Map::from_iter([("table".to_owned(), name.into())]);
        Ok::<_, ApiError>(rows.answer(fields, full || found.num_rows() > limit))
    };
    api.look_threads.run_blocking(PATIENCE, scan).await
}

pub(super) async fn row(
    State(api): State<Api>,
    Named((name, key)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    let table = known(&api, &name)?;
    api.look_threads.run_blocking(PATIENCE, move || find(&table, &key)).await
}

fn find(table: &Table, key: &str) -> Result<Response, ApiError> {
    let parts: Vec<&str> = if table.key().len() == 1 { vec![key] } else { key.split(',').collect() };
    let name = table.name();
    if parts.len() != table.key().len() {
        let wanted = table.key().join(",");
        return Err(ApiError::bad_request(format!(
            "the key of table \"{name}\" is {wanted}; got {} parts",
            parts.len()
        )));
    }
    let missing = || ApiError::not_found(format!("table \"{name}\" has no row under \"{key}\""));
    let found = table.get(&parts)?.ok_or_else(missing)?;
    let mut rows = JsonRows::new(usize::MAX);
    if rows.push(&found)?.is_break() || rows.len() == 0 {
        return Err(missing());
    }
    Ok(json_response(rows.into_text()))
}
