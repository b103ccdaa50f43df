//! The pages: static files from the binary.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "ui/"]
#[exclude = "*.md"]
#[exclude = "package.json"]
#[exclude = "tests/*"]
struct Assets;

/// Nothing from outside, nothing inline.
const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Routes of the pages.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(page)).route("/traces", get(page)).route("/traces/{id}", get(page)).fallback(get(file))
}

async fn page(headers: HeaderMap) -> Response {
    Assets::get("index.html").map_or_else(missing, |index| served(&index, &headers))
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    Assets::get(uri.path().trim_start_matches('/')).map_or_else(missing, |file| served(&file, &headers))
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here; the pages start at /\n").into_response()
}

/// The file, or that the caller has it already. Browsers ask each time: a new binary has new pages at once.
fn served(file: &EmbeddedFile, request: &HeaderMap) -> Response {
    let tag = tag_of(file);
    let mut response = if is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = file.data.clone().into_owned().into_response();
        let kind = HeaderValue::from_str(file.metadata.mimetype());
        response.headers_mut().insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("text/plain")));
        response
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&tag).map(|tag| (header::ETAG, tag)));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A strong entity tag: the hash of what is in the file.
fn tag_of(file: &EmbeddedFile) -> String {
    let digits = file.metadata.sha256_hash().map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.concat())
}

/// Whether `If-None-Match` names the tag; a proxy may have made it a weak one.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut known = lists.flat_map(|list| list.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
