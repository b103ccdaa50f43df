//! The service: what its requests share, and which request goes where.
//!
//! Invariant: what people and programs ask for is traced; what scrapers and probes ask for every few seconds is not.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use sabot_telemetry::{BusinessRecorder, HttpServerLayer, MetricsRecorder, Registry, Spans};
use serde_json::{Value, json};

use crate::args::Args;
use crate::cache::Cache;
use crate::database::Database;
use crate::profile::Profiles;
use crate::telemetry::Telemetry;
use crate::users::Users;
use crate::{StartError, business, users};

/// What requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    users: Users,
    profiles: Option<Profiles>,
    business: BusinessRecorder,
    recorder: MetricsRecorder,
    registry: Registry,
    spans: Spans,
    slo_seconds: f64,
}

impl Service {
    /// Opens what was asked for; nothing is connected to yet.
    pub(crate) fn new(args: &Args, telemetry: &Telemetry) -> Result<Self, StartError> {
        if !args.slo_seconds.is_finite() || args.slo_seconds < 0.0 {
            return Err(StartError::Slo(args.slo_seconds));
        }
        let cache = Cache::open(args.redis_url.as_deref()).map_err(StartError::Cache)?;
        let database = Database::open(args.database_url.as_deref()).map_err(StartError::Database)?;
        let profiles =
            args.profile_service_url.as_ref().map(|url| Profiles::new(url, telemetry.registry())).transpose()?;
        let recorder = telemetry.recorder();
        let shared = Shared {
            users: Users { cache, database, recorder: recorder.clone() },
            profiles,
            business: telemetry.business().clone(),
            recorder,
            registry: telemetry.registry().clone(),
            spans: telemetry.spans().clone(),
            slo_seconds: args.slo_seconds,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Says where users are, and makes the database ready if it answers; else the first request tries again.
    pub(crate) async fn prepare(&self) {
        let Users { cache, database, .. } = self.users();
        if matches!(database, Database::Memory(_)) {
            tracing::info!("no DATABASE_URL: users are in memory");
        }
        if matches!(cache, Cache::Memory(_)) {
            tracing::info!("no REDIS_URL: the cache is in memory");
        }
        if let Err(error) = database.prepare().await {
            tracing::warn!(error = %error, "the database does not answer yet; requests will try again");
        }
    }

    /// Which request goes where.
    pub(crate) fn router(&self) -> Router {
        let traced = HttpServerLayer::new().with_business_headers().with_metrics(&self.shared.registry);
        Router::new()
            .route("/", get(root))
            .route("/api/users/{id}", get(users::user))
            .route("/business/premium-operation", post(business::premium_operation))
            .layer(traced)
            .route("/health", get(health))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }

    pub(crate) fn users(&self) -> &Users {
        &self.shared.users
    }

    pub(crate) fn profiles(&self) -> Option<&Profiles> {
        self.shared.profiles.as_ref()
    }

    pub(crate) fn business(&self) -> &BusinessRecorder {
        &self.shared.business
    }

    pub(crate) fn recorder(&self) -> &MetricsRecorder {
        &self.shared.recorder
    }

    pub(crate) fn spans(&self) -> &Spans {
        &self.shared.spans
    }

    pub(crate) fn slo_seconds(&self) -> f64 {
        self.shared.slo_seconds
    }
}

/// Lines to copy into a terminal.
pub(crate) fn what_to_try(host: &str) -> String {
    let post = format!("curl -s -X POST http://{host}/business/premium-operation -d");
    format!(
        "Try:
  curl -s http://{host}/api/users/1               a user; the second time from the cache
  curl -s http://{host}/api/users/9               no such user: 404
  {post} \\
    '{{\"user_id\": \"1\", \"customer_tier\": \"gold\", \"business_value\": 129.9}}'
  {post} \\
    '{{\"user_id\": \"2\", \"customer_tier\": \"platinum\", \"business_value\": 900, \"delay_ms\": 600}}'    a broken promise
  curl -s http://{host}/health
  curl -s http://{host}/metrics                   add -H 'accept: application/openmetrics-text' for exemplars
"
    )
}

async fn root(headers: HeaderMap) -> String {
    let host = headers.get(axum::http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
    format!("tracing_service: users behind a cache and a database, traced.\n\n{}", what_to_try(host))
}

async fn health(State(service): State<Service>) -> Json<Value> {
    let Users { cache, database, .. } = service.users();
    let (has_cache, has_database) = tokio::join!(cache.is_there(), database.is_there());
    let told = |name: &str, is_there: bool| json!({ "kind": name, "answers": is_there });
    let status = if has_cache && has_database { "ok" } else { "degraded" };
    let (cache, database) = (told(cache.name(), has_cache), told(database.name(), has_database));
    Json(json!({ "status": status, "cache": cache, "database": database }))
}

async fn metrics(State(service): State<Service>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (content_type, text) = service.shared.registry.text_for(accept);
    ([(CONTENT_TYPE, content_type), (VARY, "accept")], text)
}
