//! What goes wrong in a request, and what the caller is told of it.
//!
//! Invariant: the caller learns what to do, the log learns why, and neither learns a password.

use std::error::Error;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use sabot_telemetry::current_trace;
use serde_json::json;

use crate::user::{UserId, UserIdError};

/// A request that is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    UserId(#[from] UserIdError),
    #[error("{problem}; write a body such as {example}")]
    Body { problem: String, example: &'static str },
    #[error("there is no user {0}; try 1, 2 or 3")]
    NoUser(UserId),
    #[error("the cache does not answer; try again in a moment")]
    Cache(#[source] redis::RedisError),
    #[error("the database does not answer; try again in a moment")]
    Database(#[source] sqlx::Error),
}

impl Problem {
    /// A short stable name: `error.type` of spans, and what programs look at.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::UserId(_) => "invalid_user_id",
            Self::Body { .. } => "invalid_body",
            Self::NoUser(_) => "no_such_user",
            Self::Cache(_) => "cache_unavailable",
            Self::Database(_) => "database_unavailable",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::UserId(_) | Self::Body { .. } => StatusCode::BAD_REQUEST,
            Self::NoUser(_) => StatusCode::NOT_FOUND,
            Self::Cache(_) | Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code());
        if let Some(cause) = self.source().filter(|_| status.is_server_error()) {
            tracing::error!(error.type = code, cause = %cause, "{self}");
        } else {
            tracing::info!(error.type = code, "{self}");
        }
        let trace_id = current_trace().map(|trace| trace.trace_id_hex());
        let body = Json(json!({ "error": self.to_string(), "code": code, "trace_id": trace_id }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            (status, [(RETRY_AFTER, "1")], body).into_response()
        } else {
            (status, body).into_response()
        }
    }
}
