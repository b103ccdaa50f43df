//! A span per request, and protection from other sites' pages.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sabot_telemetry::{SpanKind, TraceContext};

use super::Api;
use super::error::ApiError;

/// Requests about telemetry, and polling by pages, leave no span: watching must not make something to watch.
fn is_suppressed(request: &Request) -> bool {
    let path = request.uri().path();
    let about_telemetry = ["/api/v1/traces", "/api/v1/telemetry", "/api/v1/overview", "/metrics", "/health", "/ready"];
    let page = !path.starts_with("/api/");
    page || request.headers().contains_key("x-sabot-poll")
        || about_telemetry.iter().any(|prefix| path.starts_with(prefix))
}

pub(super) async fn traced(State(api): State<Api>, request: Request, next: Next) -> Response {
    let spans = &api.platform.spans;
    let spans = if is_suppressed(&request) { spans.suppressed() } else { spans.clone() };
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    let caller =
        request.headers().get("traceparent").and_then(|h| h.to_str().ok()).and_then(TraceContext::from_traceparent);
    let mut span = spans.start(format!("{} {route}", request.method())).parent(caller).kind(SpanKind::Server).start();
    if span.is_recording() {
        span.set_attribute("http.request.method", request.method().to_string());
        span.set_attribute("http.route", route.to_owned());
        span.set_attribute("url.path", request.uri().path().to_owned());
        span.set_attribute("sabot.component", "api");
    }
    let response = next.run(request).await;
    if span.is_recording() {
        span.set_attribute("http.response.status_code", i64::from(response.status().as_u16()));
        if response.status().is_server_error() {
            let error = std::io::Error::other(response.status().to_string());
            span.record_error(&error, response.status().as_u16().to_string());
        }
    }
    response
}

/// Refuses writes that a page of another site makes in a user's browser.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    if !reads && is_foreign(&request) {
        let refusal = ApiError::refused("requests that change something must come from Sabot's own pages or a program");
        return refusal.into_response();
    }
    next.run(request).await
}

/// Whether a browser says that the request comes from a page of another host.
fn is_foreign(request: &Request) -> bool {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    text(header::ORIGIN).is_some_and(|origin| {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        Some(host) != text(header::HOST)
    })
}
