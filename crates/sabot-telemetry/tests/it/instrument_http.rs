//! HTTP between real servers and clients on loopback ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::routing::{get, put};
use futures::FutureExt;
use sabot_telemetry::{
    AlwaysKeep, HttpServerLayer, Registry, Sampling, SamplingStrategy, SpanBuilder, SpanKind, SpanRecord, SpanStatus,
    TraceContext, TracedClient, current_correlation_id, get_baggage, traced_request,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::provider::{Instrumented, attribute};

const REMOTE: TraceContext = TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 };

/// Serves on the current runtime until the test is over.
async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn stock(Path(item): Path<u32>) -> String {
    tokio::task::yield_now().await;
    drop(SpanBuilder::new("read_stock").start());
    let id = current_correlation_id().expect("a correlation id");
    format!("{item} for {} by {id}", get_baggage("tenant.id").unwrap_or_default())
}

async fn order(State((client, stock)): State<(TracedClient, SocketAddr)>, Path(item): Path<u32>) -> String {
    tokio::task::yield_now().await; // the context is there after an await
    let url = format!("http://user:secret@{stock}/stock/{item}?token=secret");
    let request = client.client().put(url).body("reserve").build().expect("a request");
    client.execute(request).await.expect("an answer").text().await.expect("a body")
}

/// What is the same in every run.
fn told(span: &SpanRecord) -> BTreeMap<String, String> {
    let changing = ["server.port", "network.peer.port", "url.full"];
    let keys = span.attributes.iter().map(|(key, _)| key.to_string());
    keys.filter(|key| !changing.contains(&key.as_str())).map(|key| (key.clone(), attribute(span, &key))).collect()
}

fn names(spans: &[SpanRecord]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// Two servers, of which the first asks the second; the answer to one request.
async fn chain(registry: &Registry) -> String {
    let traced = HttpServerLayer::new().with_metrics(registry).with_business_headers();
    let behind = serve(Router::new().route("/stock/{item}", put(stock)).layer(traced.clone())).await;
    let client = TracedClient::new(reqwest::Client::new(), "stock").with_metrics(registry);
    let app = Router::new().route("/orders/{item}", get(order)).layer(traced).with_state((client, behind));
    let front = serve(app).await;
    let request = reqwest::Client::new().get(format!("http://{front}/orders/7?card=secret"));
    let request = request
        .header("traceparent", REMOTE.to_traceparent().expect("a header"))
        .header("baggage", "tenant.id=acme")
        .header("x-correlation-id", "order-12")
        .header("x-tenant-id", "acme")
        .header("x-customer-tier", "gold")
        .header("authorization", "Bearer secret")
        .header("user-agent", "browser/1");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["x-correlation-id"], "order-12");
    answer.text().await.expect("a body")
}

#[test]
fn one_trace_goes_from_server_through_client_to_server() {
    let test = Instrumented::install();
    assert_eq!(test.run(chain(&Registry::new())), "7 for acme by order-12");

    let spans = test.spans();
    assert_eq!(names(&spans), ["read_stock", "PUT /stock/{item}", "PUT", "GET /orders/{item}"]);
    let parents: Vec<_> = spans.iter().map(|span| span.parent_span_id.unwrap()).collect();
    assert_eq!(parents, [spans[1].span_id, spans[2].span_id, spans[3].span_id, REMOTE.span_id]);
    assert!(spans.iter().all(|span| span.trace_id == REMOTE.trace_id && span.status == SpanStatus::Unset));
    assert!(!format!("{spans:?}").contains("secret"), "{spans:#?}");
    let kinds: Vec<_> = spans.iter().map(|span| span.kind).collect();
    assert_eq!(kinds, [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Server]);
    assert!(attribute(&spans[2], "url.full").ends_with("/stock/7"), "{:#?}", spans[2]);
    assert_eq!(attribute(&spans[1], "http.request.body.size"), "7");
    expect_test::expect![[r#"
        {
            "client.address": "127.0.0.1",
            "correlation.id": "order-12",
            "http.request.method": "GET",
            "http.response.body.size": "22",
            "http.response.status_code": "200",
            "http.route": "/orders/{item}",
            "network.peer.address": "127.0.0.1",
            "network.protocol.version": "1.1",
            "server.address": "127.0.0.1",
            "tenant.id": "acme",
            "url.path": "/orders/7",
            "url.scheme": "http",
            "user.tier": "gold",
            "user_agent.original": "browser/1",
        }
    "#]]
    .assert_debug_eq(&told(&spans[3]));
    expect_test::expect![[r#"
        {
            "correlation.id": "order-12",
            "http.request.body.size": "7",
            "http.request.method": "PUT",
            "http.response.body.size": "22",
            "http.response.status_code": "200",
            "network.protocol.version": "1.1",
            "server.address": "127.0.0.1",
            "service.peer.name": "stock",
        }
    "#]]
    .assert_debug_eq(&told(&spans[2]));
}

#[test]
fn requests_are_measured_with_the_trace_as_an_exemplar() {
    let test = Instrumented::install();
    let registry = Registry::new();
    test.run(chain(&registry));
    let text = registry.prometheus_text();
    for line in [
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_response_status_code=\"200\",\
         http_route=\"/orders/{item}\",network_protocol_version=\"1.1\",url_scheme=\"http\"} 1\n",
        "http_server_active_requests{http_request_method=\"GET\",url_scheme=\"http\"} 0\n",
        "http_client_request_duration_seconds_count{http_request_method=\"PUT\",http_response_status_code=\"200\",",
        "http_server_request_duration_seconds_bucket{http_request_method=\"GET\",http_response_status_code=\"200\",\
         http_route=\"/orders/{item}\",network_protocol_version=\"1.1\",url_scheme=\"http\",le=\"0.075\"}",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let samples = registry.snapshot();
    let durations = samples.iter().find(|sample| sample.name == "http_client_request_duration_seconds").unwrap();
    let exemplar = durations.buckets.iter().find_map(|bucket| bucket.exemplar).unwrap();
    let client = test.spans().into_iter().find(|span| span.kind == SpanKind::Client).unwrap();
    assert_eq!(exemplar.context.span_id, client.span_id);
}

async fn panics() -> &'static str {
    tokio::task::yield_now().await;
    panic!("on purpose")
}

#[test]
fn failures_are_told_apart_and_every_span_ends() {
    let test = Instrumented::install();
    let registry = Registry::new();
    let broken = test.run(async {
        let app = Router::new()
            .route("/panics", get(panics))
            .route("/broken", get(|| async { (StatusCode::BAD_GATEWAY, "no") }))
            .layer(HttpServerLayer::new().with_metrics(&registry));
        let server = serve(app).await;
        let client = reqwest::Client::new();
        let get = |path: &str| {
            let request = client.get(format!("http://{server}{path}")).build().unwrap();
            traced_request(&client, request, "server")
        };
        let answer = get("/nowhere/12").await.unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["x-correlation-id"].len(), 32, "made when none is sent");
        assert_eq!(get("/broken").await.unwrap().status(), 502);
        get("/panics").await.unwrap_err()
    });
    assert!(broken.is_request());
    let spans = test.spans();
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let status = attribute(span, "http.response.status_code");
            let failed = matches!(span.status, SpanStatus::Error(_));
            (span.kind, span.name.as_str(), status, attribute(span, "error.type"), failed)
        })
        .map(|(kind, name, status, error, failed)| format!("{kind:?} {name}: {status} {error} {failed}"))
        .collect();
    expect_test::expect![[r#"
        [
            "Server GET: 404  false",
            "Client GET: 404 404 true",
            "Server GET /broken: 502 502 true",
            "Client GET: 502 502 true",
            "Server GET /panics:  panic true",
            "Client GET:  _OTHER true",
        ]
    "#]]
    .assert_debug_eq(&told);
    let text = registry.prometheus_text();
    assert!(text.contains("error_type=\"panic\",http_request_method=\"GET\",http_route=\"/panics\""), "{text}");
    assert!(
        text.contains("\nhttp_server_active_requests{http_request_method=\"GET\",url_scheme=\"http\"} 0\n"),
        "{text}"
    );
}

#[test]
fn a_server_that_is_not_there_is_a_failed_connection() {
    let test = Instrumented::install();
    let error = test.run(async {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client = reqwest::Client::new();
        let request = client.get(format!("http://{gone}/?token=secret")).build().unwrap();
        traced_request(&client, request, "gone").await.unwrap_err()
    });
    assert!(error.is_connect());
    let spans = test.spans();
    assert_eq!(attribute(&spans[0], "error.type"), "connect");
    assert!(!format!("{spans:?}").contains("secret"), "{spans:#?}");
}

/// The span of one request to a service that does not tell routes.
fn asked(test: &Instrumented, layer: &HttpServerLayer, request: Request<Body>) -> SpanRecord {
    let mut service = layer.layer(Router::new().fallback(|| async { "here" }));
    test.run(service.call(request)).expect("an answer");
    test.spans().remove(0)
}

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("a request")
}

#[test]
fn what_is_slow_is_marked() {
    let test = Instrumented::install();
    let slow = |threshold| {
        let layer = HttpServerLayer::new().with_slow_threshold(threshold);
        attribute(&asked(&test, &layer, request("/")), "performance.slow")
    };
    assert_eq!(slow(Duration::ZERO), "true");
    assert_eq!(slow(Duration::MAX), "");
}

#[test]
fn only_what_was_asked_for_is_recorded() {
    let test = Instrumented::install();
    let ask = |layer: &HttpServerLayer| {
        let mut request = request("/search?q=shoes");
        *request.method_mut() = "BREW".parse().unwrap();
        for (name, value) in [
            ("host", "shop.example:8443"),
            ("x-forwarded-proto", "HTTPS, http"),
            ("x-forwarded-for", "203.0.113.9, 10.0.0.1"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request.headers_mut().insert("x-plan", "p".repeat(400).parse().unwrap());
        asked(&test, layer, request)
    };
    let keys = ["url.query", "url.scheme", "client.address", "plan", "server.address", "server.port"];
    let told = |span: &SpanRecord| keys.map(|key| attribute(span, key));
    let little = ask(&HttpServerLayer::new());
    assert_eq!(told(&little), ["", "http", "", "", "shop.example", "8443"]);
    assert_eq!((little.name.as_str(), attribute(&little, "http.request.method").as_str()), ("HTTP", "_OTHER"));
    assert_eq!(attribute(&little, "http.request.method_original"), "BREW");
    let layer = HttpServerLayer::new().with_query().with_forwarded_headers();
    let much = ask(&layer.with_header_attribute(HeaderName::from_static("x-plan"), "plan"));
    let plan = "p".repeat(256);
    assert_eq!(told(&much), ["q=shoes", "https", "203.0.113.9", &plan, "shop.example", "8443"]);
}

#[test]
fn a_request_nobody_waits_for_has_failed_and_is_measured_also_unsampled() {
    let test = Instrumented::install();
    let registry = Registry::new();
    let app = Router::new().fallback(std::future::pending::<()>);
    let mut service = HttpServerLayer::new().with_metrics(&registry).layer(app);
    let active = |count: u8| {
        let line =
            format!("\nhttp_server_active_requests{{http_request_method=\"GET\",url_scheme=\"http\"}} {count}\n");
        assert!(registry.prometheus_text().contains(&line), "{}", registry.prometheus_text());
    };
    let mut waiting = Box::pin(service.call(request("/")));
    assert!((&mut waiting).now_or_never().is_none());
    active(1);
    drop(waiting);
    active(0);
    let spans = test.spans();
    assert_eq!(attribute(&spans[0], "error.type"), "cancelled");

    let mut unsampled = request("/");
    let header = REMOTE.unsampled().to_traceparent().unwrap();
    unsampled.headers_mut().insert("traceparent", header.parse().unwrap());
    drop(service.call(unsampled));
    assert!(test.spans().is_empty());
    assert!(registry.prometheus_text().contains("_count{error_type=\"cancelled\",http_request_method=\"GET\""));
    active(0);
}

#[test]
fn a_panic_that_is_caught_ends_the_span_at_once() {
    let test = Instrumented::install();
    let mut service = HttpServerLayer::new().layer(Router::new().fallback(panics));
    test.run(async {
        let mut panicking = Box::pin(service.call(request("/")));
        AssertUnwindSafe(&mut panicking).catch_unwind().await.unwrap_err();
        let spans = test.spans();
        assert_eq!(attribute(&spans[0], "error.type"), "panic");
        drop(panicking);
        assert!(test.spans().is_empty(), "it ended once");
    });
}

/// Nothing but what rules keep.
fn kept_only(customer_tiers: &[(&str, f64)], always_keep: AlwaysKeep) -> Sampling {
    let tiers = customer_tiers.iter().map(|(tier, ratio)| ((*tier).to_owned(), *ratio));
    let strategy = SamplingStrategy::AlwaysOff.parent_based();
    Sampling { strategy, customer_tiers: tiers.collect(), always_keep, ..Sampling::default() }
}

#[test]
fn sampling_goes_by_what_is_known_of_a_request() {
    let keep = AlwaysKeep {
        operations: vec!["GET /kept".to_owned()],
        attributes: BTreeMap::from([
            ("tenant.id".to_owned(), vec!["acme".to_owned()]),
            ("url.path".to_owned(), vec!["/known/1".to_owned()]),
        ]),
    };
    let test = Instrumented::with(|config| config.with_sampling(kept_only(&[("gold", 1.0), ("free", 0.0)], keep)));
    let layer = HttpServerLayer::new().with_business_headers();
    let app = Router::new().route("/kept", get(|| async {})).route("/{*any}", get(|| async {})).layer(layer);
    let kept = |path: &str, header: &'static str, value: &'static str| {
        let mut request = request(path);
        request.headers_mut().insert(header, HeaderValue::from_static(value));
        test.run(app.clone().call(request)).expect("an answer");
        let spans = test.spans();
        assert!(spans.iter().all(|span| span.kind == SpanKind::Server && span.trace_state.contains("th:0")));
        spans.len()
    };
    assert_eq!(kept("/x", "x-customer-tier", "gold"), 1);
    assert_eq!(kept("/x", "x-customer-tier", "free"), 0);
    assert_eq!(kept("/x", "x-customer-tier", "silver"), 0);
    assert_eq!(kept("/x", "x-tenant-id", "acme"), 1);
    assert_eq!(kept("/kept", "x-tenant-id", "other"), 1);
    assert_eq!(kept("/known/1", "x-tenant-id", "other"), 1);
}

#[test]
fn what_is_not_sampled_is_measured_from_beginning_to_end() {
    let strategy = SamplingStrategy::AlwaysOff.parent_based();
    let sampling = Sampling { strategy, ..Sampling::default() };
    let test = Instrumented::with(|config| config.with_sampling(sampling).with_red_metrics("shop_"));
    let app = Router::new()
        .route("/slow", get(std::future::pending::<()>))
        .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }))
        .layer(HttpServerLayer::new());
    test.run(async {
        app.clone().call(request("/broken")).await.expect("an answer");
        assert!(app.clone().call(request("/slow")).now_or_never().is_none());
    });
    let operation = SpanBuilder::new("import").with_kind(SpanKind::Consumer).start_operation();
    let copy = operation.context().clone(); // as a task has it that outlives the operation
    operation.record_exception(&std::fmt::Error);
    drop(operation);
    assert!(test.spans().is_empty());
    let text = test.telemetry.registry().prometheus_text();
    for line in [
        r#"shop_calls_total{operation="GET /broken",kind="server",status="error"} 1"#,
        r#"shop_calls_total{operation="GET /slow",kind="server",status="error"} 1"#,
        r#"shop_calls_total{operation="import",kind="consumer",status="error"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    drop(copy);
    assert_eq!(test.telemetry.registry().prometheus_text(), text, "each is measured once");
}

#[test]
fn a_body_that_is_not_sent_has_no_size_and_query_is_a_method() {
    let test = Instrumented::install();
    let registry = Registry::new();
    test.run(async {
        let app = Router::new()
            .route("/file", get(|| async { "four" }))
            .route("/same", get(|| async { (StatusCode::NOT_MODIFIED, [("content-length", "4")]) }))
            .layer(HttpServerLayer::new().with_metrics(&registry));
        let server = serve(app).await;
        let client = reqwest::Client::new();
        for (method, path) in
            [("GET", "/file"), ("HEAD", "/file"), ("GET", "/same"), ("QUERY", "/file"), ("BREW", "/x")]
        {
            let method = method.parse().unwrap();
            let request = client.request(method, format!("http://{server}{path}")).build().unwrap();
            traced_request(&client, request, "files").await.unwrap();
        }
        for number in 0..100 {
            let request = client.get(format!("http://{server}/scan/{number}")).build().unwrap();
            client.execute(request).await.unwrap();
        }
    });
    let told: Vec<_> = test
        .spans()
        .iter()
        .filter(|span| !span.attributes.iter().any(|(_, value)| format!("{value:?}").contains("/scan")))
        .map(|span| format!("{:?} {}: {}", span.kind, span.name, attribute(span, "http.response.body.size")))
        .collect();
    expect_test::expect![[r#"
        [
            "Server GET /file: 4",
            "Client GET: 4",
            "Server HEAD /file: ",
            "Client HEAD: ",
            "Server GET /same: ",
            "Client GET: ",
            "Server QUERY /file: 0",
            "Client QUERY: 0",
            "Server HTTP: 0",
            "Client HTTP: 0",
        ]
    "#]]
    .assert_debug_eq(&told);
    let series = registry.prometheus_text();
    let series = series.lines().filter(|line| line.starts_with("http_server_request_duration_seconds_count"));
    assert_eq!(series.count(), 6, "one for all that was not found with a method");
}

#[test]
fn what_a_status_says_is_not_said_again() {
    let test = Instrumented::install();
    let layer = HttpServerLayer::new();
    let mut service = layer.layer(Router::new().fallback(|| async { StatusCode::SERVICE_UNAVAILABLE }));
    test.run(service.call(request("/"))).expect("an answer");
    let long = format!("/{}", "%C3%A9".repeat(2_000));
    test.run(service.call(request(&long))).expect("an answer");
    let spans = test.spans();
    assert_eq!(spans[0].status, SpanStatus::Error("".into()));
    assert_eq!(attribute(&spans[0], "error.type"), "503");
    assert_eq!(attribute(&spans[1], "url.path").len(), 2_048);
}

#[test]
fn others_are_told_nothing() {
    let test = Instrumented::install();
    let sent = |propagates: bool| {
        test.run(async {
            let echo = |headers: HeaderMap| async move {
                let told = ["traceparent", "baggage", "x-correlation-id"];
                told.iter().filter(|name| headers.contains_key(**name)).count().to_string()
            };
            let server = serve(Router::new().route("/", get(echo))).await;
            let client = TracedClient::new(reqwest::Client::new(), "payments");
            let client = if propagates { client } else { client.without_propagation() };
            let request = client.client().get(format!("http://{server}/")).build().unwrap();
            let (context, _) =
                sabot_telemetry::ensure_correlation_id(sabot_telemetry::with_baggage([("user.id", "7")]));
            let call = sabot_telemetry::FutureExt::with_context(client.execute(request), context);
            call.await.unwrap().text().await.unwrap()
        })
    };
    assert_eq!((sent(true).as_str(), sent(false).as_str()), ("3", "0"));
    assert_eq!(test.spans().len(), 2);
}

#[test]
fn a_redirect_is_part_of_the_request_that_was_made() {
    let test = Instrumented::install();
    test.run(async {
        let away = || async { (StatusCode::FOUND, [("location", "/there?token=secret")]) };
        let server = serve(Router::new().route("/here", get(away)).route("/there", get(|| async {}))).await;
        let client = reqwest::Client::new();
        let request = client.get(format!("http://ada:secret@{server}/here#secret")).build().unwrap();
        assert_eq!(traced_request(&client, request, "files").await.unwrap().url().path(), "/there");
    });
    let spans = test.spans();
    assert_eq!((spans.len(), attribute(&spans[0], "http.response.status_code").as_str()), (1, "200"));
    assert!(attribute(&spans[0], "url.full").ends_with("/here"), "{spans:?}");
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
}
