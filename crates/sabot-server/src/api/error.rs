//! Errors as the API gives them: a status, a stable code, a message and a hint.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use sabot_engine::EngineError;
use sabot_sql::SqlError;
use sabot_store::StoreError;
use serde_json::json;

use crate::platform::PlatformError;

/// A request that was not answered.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(crate) fn bad_request(message: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.to_string() }
    }

    pub(crate) fn not_found(message: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message: message.to_string() }
    }

    pub(crate) fn invalid(message: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "invalid", message: message.to_string() }
    }

    pub(crate) fn conflict(message: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::CONFLICT, code: "conflict", message: message.to_string() }
    }

    pub(crate) fn refused(message: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "refused", message: message.to_string() }
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "internal", message: message.to_string() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}

impl From<PlatformError> for ApiError {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::NotFound { .. } => Self::not_found(error),
            PlatformError::Conflict(_)
            | PlatformError::Engine(EngineError::Store { error: StoreError::Conflict(_), .. }) => Self::conflict(error),
            PlatformError::Config(_) | PlatformError::Engine(_) => Self::invalid(error),
            PlatformError::Store(_) => Self::internal(error),
        }
    }
}

impl From<SqlError> for ApiError {
    fn from(error: SqlError) -> Self {
        Self::invalid(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

/// A path that leads nowhere.
pub(super) async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is no {} in this API", uri.path()))
}

impl From<sabot_observatory::SearchError> for ApiError {
    fn from(error: sabot_observatory::SearchError) -> Self {
        Self::invalid(error)
    }
}
