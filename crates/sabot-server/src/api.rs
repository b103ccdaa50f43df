//! The REST API: one file per family, errors in one shape. `docs/api.md` is its contract.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};
use sabot_common::clock::{SharedClock, Timestamp};
use sabot_observatory::{MetricsHistory, SpanStore, TraceReader};
use sabot_sql::QueryEngine;

use crate::monitor::Monitor;
use crate::platform::Platform;
use crate::telemetry::Telemetry;

mod agents;
mod error;
mod origin;
mod request;
mod rows;
mod sql;
mod status;
mod streams;
mod tables;
mod telemetry;
mod traced;
mod work;

pub(crate) use work::QueryThreads;

/// Largest request body.
const MAX_BODY_BYTES: usize = 4 << 20;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) platform: Arc<Platform>,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) spans: Arc<SpanStore>,
    pub(crate) traces: Arc<TraceReader>,
    pub(crate) metrics: Arc<MetricsHistory>,
    pub(crate) queries: Arc<QueryEngine>,
    /// Where queries run, away from the threads that answer requests.
    pub(crate) query_threads: QueryThreads,
    /// Where traces, streams and tables are read: a query that computes for long does not keep them waiting.
    pub(crate) look_threads: QueryThreads,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) clock: SharedClock,
    pub(crate) started_at: Timestamp,
    pub(crate) project: String,
}

/// How the routes are served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serving {
    /// With the pages.
    pub(crate) with_ui: bool,
    /// To this machine only.
    pub(crate) on_loopback: bool,
}

/// All routes.
pub(crate) fn router(api: Api, serving: Serving) -> Router {
    let v1 = Router::new()
        .route("/status", get(status::status))
        .route("/overview", get(status::overview))
        .route("/config", get(status::config))
        .route("/doctor", get(telemetry::doctor))
        .route("/agents", get(agents::list).post(agents::deploy))
        .route("/agents/validate", post(agents::validate))
        .route("/agents/{name}", get(agents::show).merge(delete(agents::remove)))
        .route("/agents/{name}/start", post(agents::start))
        .route("/agents/{name}/stop", post(agents::stop))
        .route("/streams", get(streams::list))
        .route("/streams/{name}", get(streams::show))
        .route("/streams/{name}/rows", get(streams::rows))
        .route("/tables", get(tables::list))
        .route("/tables/{name}", get(tables::show))
        .route("/tables/{name}/rows", get(tables::scan))
        .route("/tables/{name}/rows/{key}", get(tables::row))
        .route("/sql", post(sql::query))
        .route("/traces", get(telemetry::traces))
        .route("/traces/{id}", get(telemetry::trace))
        .route("/telemetry/services", get(telemetry::services))
        .route("/telemetry/metrics", get(telemetry::metrics))
        .route("/telemetry/status", get(telemetry::status))
        .route("/telemetry/enable", post(telemetry::enable))
        .route("/telemetry/disable", post(telemetry::disable))
        .route_layer(from_fn(request::known_parameters))
        .fallback(error::no_such_path);
    let router = Router::new()
        .nest("/api/v1", v1)
        // The one path below that nesting leaves to the pages.
        .route("/api/v1/", any(error::no_such_path))
        .route("/health", get(status::health))
        .route("/ready", get(status::ready))
        .route("/metrics", get(telemetry::prometheus));
    let router = if serving.with_ui { router.merge(crate::ui::router()) } else { router.fallback(error::no_such_path) };
    router
        .method_not_allowed_fallback(error::no_such_method)
        .layer(from_fn_with_state(api.clone(), traced::traced))
        .layer(from_fn_with_state(origin::OnLoopback(serving.on_loopback), origin::check))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(api)
}
