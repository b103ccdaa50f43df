//! A span per request.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use sabot_telemetry::{SpanKind, TraceContext};

use super::Api;

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
