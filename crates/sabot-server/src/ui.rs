//! The pages: static files from the binary.

use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "ui/"]
#[exclude = "*.md"]
#[exclude = "package.json"]
#[exclude = "tests/*"]
struct Assets;

/// Nothing from outside, no inline script.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// Routes of the pages.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(page)).route("/traces", get(page)).route("/traces/{id}", get(page)).fallback(get(file))
}

async fn page() -> Response {
    Assets::get("index.html").map_or_else(missing, |index| served(&index))
}

async fn file(uri: Uri) -> Response {
    Assets::get(uri.path().trim_start_matches('/')).map_or_else(missing, |file| served(&file))
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here; the pages start at /\n").into_response()
}

fn served(file: &EmbeddedFile) -> Response {
    let kind = HeaderValue::from_str(file.metadata.mimetype()).unwrap_or(HeaderValue::from_static("text/plain"));
    let mut response = file.data.clone().into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
