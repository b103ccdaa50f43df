//! Requests, answers, and the traces they leave; users and cache are in memory.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::receiver::{Receiver, serve};
use crate::running::{Running, refused};

const REMOTE_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const REMOTE_SPAN: &str = "00f067aa0ba902b7";
const KEY: (&str, &str) = ("USER_ID_KEY", "0123456789abcdef");

/// A body with every key.
const ORDER: &str = r#"{"user_id": "1", "customer_tier": "gold", "business_value": 129.5, "tenant_id": "acme",
    "request_id": "r-1", "feature_flags": {"new_checkout": true}, "custom": {"note": "call ann@example.com"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_found_in_the_callers_trace_and_the_second_time_in_the_cache() {
    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[]);
    for _ in 0..2 {
        let request = service.get("/api/users/1?token=s3cret").header("authorization", "Bearer s3cret");
        let request = request.header("traceparent", format!("00-{REMOTE_TRACE}-{REMOTE_SPAN}-01"));
        let request = request.header("x-tenant-id", "acme").header("x-correlation-id", "order-12");
        let answer = request.send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), &answer.headers()["x-correlation-id"] == "order-12"), (200, true));
        let user: Value = answer.json().await.expect("JSON");
        assert_eq!(user["email"], "ada@example.com");
    }
    let ended = service.end();
    assert!(ended.success, "{}", ended.stderr);
    assert!(ended.stderr.contains("no DATABASE_URL: users are in memory"), "{}", ended.stderr);

    let servers = receiver.named("GET /api/users/{id}");
    let found = receiver.named("find_user");
    assert_eq!((servers.len(), found.len()), (2, 2));
    for (server, found) in servers.iter().zip(&found) {
        assert_eq!((server.trace_id.as_str(), server.parent_id.as_str()), (REMOTE_TRACE, REMOTE_SPAN));
        assert_eq!((server.get("http.route"), server.get("http.response.status_code")), ("/api/users/{id}", "200"));
        assert_eq!((server.get("tenant.id"), server.get("correlation.id")), ("acme", "order-12"));
        assert_eq!(found.parent_id, server.id);
        assert_eq!(found.get("cache.store"), "memory");
    }
    assert_eq!((found[0].get("cache.hit"), found[0].get("users.store")), ("false", "memory"));
    assert_eq!((found[1].get("cache.hit"), found[1].get("users.store")), ("true", ""));
    assert!(receiver.logs().contains(&("a user was asked for".to_owned(), REMOTE_TRACE.to_owned())));
    assert!(receiver.metrics().contains(&"users.cache.lookups".to_owned()), "{:?}", receiver.metrics());
    for secret in ["s3cret", "ada@example.com"] {
        assert!(!receiver.text().contains(secret), "{secret}");
    }
    for line in ["traces", "metrics", "logs"] {
        let told = ended.stdout.lines().find(|told| told.starts_with(&format!("telemetry: {line} to otlp: accepted ")));
        let told = told.unwrap_or_else(|| panic!("{}", ended.stdout));
        assert!(!told.contains("accepted 0") && told.ends_with("+ dropped 0 + queued 0"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_does_wrong_is_told_and_is_no_failure_of_the_service() {
    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[]);
    let post = "/business/premium-operation";
    for (request, status, code, said) in [
        (service.get("/api/users/ann@example.com"), 400, "invalid_user_id", "write 1 to 32 letters"),
        (service.get("/api/users/9"), 404, "no_such_user", "there is no user 9"),
        (service.post(post, "{"), 400, "invalid_body", "write a body such as {\"user_id\""),
        (service.post(post, &ORDER.replace("gold", "bronze")), 400, "invalid_body", "one of `standard`"),
        (service.post(post, &ORDER.replace("\"1\"", "\"9\"")), 404, "no_such_user", "there is no user 9"),
    ] {
        let (got, body) = Running::answer(request).await;
        assert_eq!((got, body["code"].as_str()), (status, Some(code)), "{body}");
        assert!(body["error"].as_str().is_some_and(|error| error.contains(said)), "{body}");
    }
    service.end();
    let spans = receiver.spans();
    assert!(spans.iter().filter(|span| span.name.contains('/')).all(|span| !span.has_failed), "{spans:?}");
    let paths: Vec<_> =
        spans.iter().map(|span| span.get("url.path")).filter(|path| path.contains("[redacted]")).collect();
    assert_eq!(paths, ["/api/users/[redacted]"]);
    assert!(!receiver.text().contains("ann@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_premium_operation_tells_of_business_and_promise() {
    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[KEY, ("SLO_SECONDS", "0")]);
    let (status, receipt) = Running::answer(service.post("/business/premium-operation", ORDER)).await;
    let promise = (receipt["slo_compliant"].as_bool(), receipt["breach_severity"].as_str());
    assert_eq!((status, promise), (200, (Some(false), Some("critical"))));
    let trace_id = receipt["trace_id"].as_str().expect("a trace").to_owned();
    check_metrics(&service, &trace_id).await;
    service.end();

    let [operation] = &receiver.named("premium_operation")[..] else { panic!("{:?}", receiver.spans()) };
    assert_eq!(operation.trace_id, trace_id);
    for (key, value) in [
        ("user.tier", "gold"),
        ("tenant.id", "acme"),
        ("request.id", "r-1"),
        ("business.value", "129.5"),
        ("operation.type", "premium_operation"),
        ("feature.new_checkout", "true"),
        ("custom.note", "call [redacted]"),
        ("sli.name", "premium_operation.latency"),
        ("slo.compliant", "false"),
        ("slo.breach_severity", "critical"),
    ] {
        assert_eq!(operation.get(key), value, "{key}");
    }
    let user = operation.get("user.id");
    assert!(user.len() == 32 && user.bytes().all(|byte| byte.is_ascii_hexdigit()), "{user}");
    let server = &receiver.named("POST /business/premium-operation")[0];
    assert_eq!(operation.parent_id, server.id);
    for below in ["find_user", "settle"] {
        assert_eq!(receiver.named(below)[0].parent_id, operation.id, "{below}");
    }
    assert_eq!(receiver.named("settle")[0].get("sli.name"), "settlement.latency");
    assert!(!receiver.text().contains("ann@example.com"));
}

async fn check_metrics(service: &Running, trace_id: &str) {
    let plain = service.get("/metrics").send().await.expect("an answer");
    assert_eq!(plain.headers()["content-type"].to_str().ok(), Some(sabot_telemetry::PROMETHEUS_CONTENT_TYPE));
    let plain = plain.text().await.expect("text");
    for line in [
        "sabot_business_value_total{tenant_id=\"acme\",operation=\"premium_operation\"} 129.5\n",
        "premium_slo_breaches_total{severity=\"critical\"} 1\n",
    ] {
        assert!(plain.contains(line) && !plain.contains(" # {"), "{plain}");
    }
    let open = service.get("/metrics").header("accept", "application/openmetrics-text;version=1.0.0");
    let open = open.send().await.expect("an answer").text().await.expect("text");
    let bucket = |line: &str| line.starts_with("premium_operation_duration_seconds_bucket") && line.contains(trace_id);
    assert!(open.lines().any(bucket), "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_gets_the_trace_and_its_absence_is_lived_with() {
    let profile = |Path(id): Path<String>, headers: HeaderMap| async move {
        let header = |name: &str| headers[name].to_str().expect("text").to_owned();
        Json(json!({ "of": id, "traceparent": header("traceparent"), "correlation": header("x-correlation-id") }))
    };
    let profiles = serve(Router::new().route("/base/profiles/{id}", get(profile))).await;
    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[("PROFILE_SERVICE_URL", &format!("http://{profiles}/base/"))]);
    let (_, user) = Running::answer(service.get("/api/users/2").header("x-correlation-id", "order-12")).await;
    service.end();
    let profile = &user["profile"];
    assert_eq!((profile["of"].as_str(), profile["correlation"].as_str()), (Some("2"), Some("order-12")));
    let client = receiver.spans().into_iter().find(|span| span.get("peer.service") == "profiles").expect("a span");
    let server = &receiver.named("GET /api/users/{id}")[0];
    assert_eq!((&client.parent_id, &client.trace_id), (&server.id, &server.trace_id));
    let expected = format!("00-{}-{}-", client.trace_id, client.id);
    assert!(profile["traceparent"].as_str().is_some_and(|header| header.starts_with(&expected)), "{user}");

    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[("PROFILE_SERVICE_URL", &format!("http://{profiles}/elsewhere"))]);
    let (status, user) = Running::answer(service.get("/api/users/2")).await;
    assert_eq!((status, user.get("profile")), (200, None));
    service.end();
    let client = receiver.spans().into_iter().find(|span| span.get("peer.service") == "profiles").expect("a span");
    assert!(client.has_failed && client.get("http.response.status_code") == "404");
}

#[test]
fn what_cannot_work_is_refused_with_what_to_write_and_without_passwords() {
    for (variable, value, said) in [
        ("DATABASE_URL", "postgres://ann:s3cret@localhost:port/x", "write one such as postgres://"),
        ("REDIS_URL", "http://ann:s3cret@localhost", "write one such as redis://localhost:6379"),
        ("PROFILE_SERVICE_URL", "https://localhost", "built without TLS"),
        ("USER_ID_KEY", "short", "openssl rand -hex 32"),
        ("SLO_SECONDS", "inf", "write a number of seconds such as 0.25"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "write port 4317"),
    ] {
        let error = refused(&[(variable, value)]);
        assert!(error.contains(said) && !error.contains("s3cret"), "{variable}: {error}");
    }
}
