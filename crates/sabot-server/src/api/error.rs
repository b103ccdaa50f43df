//! Errors as the API gives them: a status, a stable code, a message, and a hint where there is something useful to do.

use axum::Json;
use axum::extract::OriginalUri;
use axum::extract::rejection::{JsonRejection, PathRejection, StringRejection};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sabot_common::units::format_size;
use sabot_engine::EngineError;
use sabot_sql::SqlError;
use sabot_store::StoreError;
use serde_json::json;

use super::MAX_BODY_BYTES;
use crate::platform::PlatformError;
use crate::{ServerError, ServerErrorKind};

/// A request that was not answered.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl std::fmt::Display) -> Self {
        Self { status, code, message: message.to_string(), hint: None }
    }

    pub(crate) fn bad_request(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn not_found(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn invalid(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    pub(crate) fn conflict(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    pub(crate) fn refused(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "refused", message)
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub(crate) fn too_slow(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).hint("send it at once")
    }

    pub(crate) fn busy(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).hint("ask again later, or allow more time")
    }

    /// Says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What axum says about a body or path it could not read.
    fn unreadable(status: StatusCode, message: impl std::fmt::Display) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let most = format_size(MAX_BODY_BYTES as u64);
                Self::new(status, "too_large", format!("the body is larger than {most}")).hint("send less at once")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(status, "unsupported_media_type", message)
                .hint("send JSON, with the header content-type: application/json"),
            status if status.is_server_error() => Self::internal(message),
            _ => Self::bad_request(message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(hint), Some(error)) = (self.hint, error.as_object_mut()) {
            error.insert("hint".to_owned(), hint.into());
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

impl From<ServerError> for ApiError {
    fn from(error: ServerError) -> Self {
        match error.kind {
            ServerErrorKind::BadInput => Self::invalid(error),
            ServerErrorKind::Refused => Self::refused(error),
            ServerErrorKind::Environment => Self::internal(error),
        }
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
        match error {
            SqlError::Plan { .. } | SqlError::Unsupported { .. } | SqlError::Limit(_) => Self::invalid(error),
            SqlError::Spent(_) | SqlError::Evaluate(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "failed", error),
            SqlError::Read(_) => Self::internal(error),
        }
    }
}

impl From<arrow::error::ArrowError> for ApiError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::internal(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<sabot_observatory::SearchError> for ApiError {
    fn from(error: sabot_observatory::SearchError) -> Self {
        match error {
            sabot_observatory::SearchError::Store(_) => Self::internal(error),
            sabot_observatory::SearchError::Query(error) => error.into(),
            _ => Self::invalid(error),
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<StringRejection> for ApiError {
    fn from(rejection: StringRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

/// A path that leads nowhere.
pub(super) async fn no_such_path(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::not_found(format!("there is no {} in this API", uri.path())).hint("docs/api.md lists what there is")
}

/// A path that is not for this method.
pub(super) async fn no_such_method(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let message = format!("{} does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        .hint("the answer's Allow header names the methods it takes")
}
