//! gRPC between a real server and real clients on a loopback port: the services are OTLP's, for want of others.

use axum::body::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use sabot_telemetry::{
    CorrelationId, GrpcLayer, GrpcService, Registry, SpanBuilder, SpanKind, SpanRecord, SpanStatus,
    current_correlation_id, get_baggage, trace_operation, with_baggage,
};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tower_layer::Layer;
use tower_service::Service;

use crate::provider::{Instrumented, attribute};

#[derive(Clone)]
struct Store;

#[tonic::async_trait]
impl TraceService for Store {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        tokio::task::yield_now().await;
        let tenant = get_baggage("tenant.id").unwrap_or_default();
        let id = current_correlation_id().map(|id| id.to_string()).unwrap_or_default();
        drop(SpanBuilder::new("store").with_attribute("seen", format!("{tenant} {id}")).start());
        match request.get_ref().resource_spans.len() {
            0 => Ok(Response::new(ExportTraceServiceResponse::default())),
            1 => Err(Status::invalid_argument("one is too few")),
            _ => panic!("on purpose"),
        }
    }
}

async fn connect() -> GrpcService<Channel> {
    connect_with(&Registry::new()).await
}

async fn connect_with(registry: &Registry) -> GrpcService<Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let layer = GrpcLayer::server().with_metrics(registry);
    let server = Server::builder().layer(layer).add_service(TraceServiceServer::new(Store));
    tokio::spawn(server.serve_with_incoming(incoming));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    let client = GrpcLayer::client("store").with_server(address.ip().to_string(), Some(address.port()));
    client.with_metrics(registry).layer(endpoint.connect().await.expect("a connection"))
}

fn told(span: &SpanRecord) -> String {
    let failed = matches!(span.status, SpanStatus::Error(_));
    let [code, error] = ["rpc.response.status_code", "error.type"].map(|key| attribute(span, key));
    format!("{:?} {}: {code} {error} {failed}", span.kind, span.name)
}

#[test]
fn one_trace_goes_through_a_call() {
    let test = Instrumented::install();
    let answer = test.run(async {
        let mut client = TraceServiceClient::new(connect().await);
        let id: CorrelationId = "order-12".parse().unwrap();
        let operation = trace_operation::<(&str, &str)>("order", []);
        let attached = operation.enter();
        let context = with_baggage([("tenant.id", "acme")]).with_value(id);
        drop(attached);
        let call = client.export(ExportTraceServiceRequest::default());
        sabot_telemetry::FutureExt::with_context(call, context).await.expect("an answer")
    });
    assert_eq!(answer.metadata().get("x-correlation-id").unwrap(), "order-12");

    let mut spans = test.spans();
    spans.sort_by_key(|span| std::cmp::Reverse(span.start_unix_nano));
    let call = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let names: Vec<_> = spans.iter().map(|span| (span.kind, span.name.as_str())).collect();
    let expected = [
        (SpanKind::Internal, "store"),
        (SpanKind::Server, call),
        (SpanKind::Client, call),
        (SpanKind::Internal, "order"),
    ];
    assert_eq!(names, expected);
    assert_eq!(attribute(&spans[0], "seen"), "acme order-12");
    for pair in spans.windows(2) {
        assert_eq!((pair[0].trace_id, pair[0].parent_span_id), (pair[1].trace_id, Some(pair[1].span_id)));
    }
    for span in &spans[1..3] {
        let keys = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type", "server.address"];
        assert_eq!(keys.map(|key| attribute(span, key)), ["grpc", call, "OK", "", "127.0.0.1"]);
        assert!(!attribute(span, "server.port").is_empty());
        assert!(span.end_unix_nano >= spans[0].end_unix_nano);
    }
    assert_eq!(attribute(&spans[2], "service.peer.name"), "store");
}

#[test]
fn each_side_knows_what_failed() {
    let test = Instrumented::install();
    let export = |spans| ExportTraceServiceRequest { resource_spans: vec![ResourceSpans::default(); spans] };
    test.run(async {
        let channel = connect().await;
        let mut client = TraceServiceClient::new(channel.clone());
        assert_eq!(client.export(export(1)).await.unwrap_err().code(), Code::InvalidArgument);
        let unknown = LogsServiceClient::new(channel).export(ExportLogsServiceRequest::default()).await;
        assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
        client.export(export(2)).await.unwrap_err();
    });
    let spans = test.spans();
    let told: Vec<_> = spans.iter().filter(|span| span.name != "store").map(told).collect();
    expect_test::expect![[r#"
        [
            "Server opentelemetry.proto.collector.trace.v1.TraceService/Export: INVALID_ARGUMENT  false",
            "Client opentelemetry.proto.collector.trace.v1.TraceService/Export: INVALID_ARGUMENT INVALID_ARGUMENT true",
            "Server grpc: UNIMPLEMENTED UNIMPLEMENTED true",
            "Client opentelemetry.proto.collector.logs.v1.LogsService/Export: UNIMPLEMENTED UNIMPLEMENTED true",
            "Server opentelemetry.proto.collector.trace.v1.TraceService/Export:  panic true",
            "Client opentelemetry.proto.collector.trace.v1.TraceService/Export:  _OTHER true",
        ]
    "#]]
    .assert_debug_eq(&told);
    let refused = spans.iter().find(|span| span.kind == SpanKind::Client).unwrap();
    assert_eq!(refused.status, SpanStatus::Error("one is too few".into()));
}

/// A call whose answer has these frames, through a client that is traced.
async fn streamed(frames: Vec<Frame<Bytes>>) -> impl Body<Data = Bytes> {
    let frames = futures::stream::iter(frames.into_iter().map(Ok::<_, std::io::Error>));
    let answer = axum::response::Response::new(axum::body::Body::new(StreamBody::new(frames)));
    let slot = std::sync::Arc::new(std::sync::Mutex::new(Some(answer)));
    let service = axum::Router::new()
        .fallback(move || std::future::ready(slot.lock().expect("a lock").take().expect("one call")));
    let mut client = GrpcLayer::client("numbers").layer(service);
    let request = http::Request::get("/test.Numbers/Count").body(axum::body::Body::empty()).expect("a request");
    client.call(request).await.expect("an answer").into_body()
}

fn trailers(status: &'static str) -> Frame<Bytes> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static(status));
    Frame::trailers(trailers)
}

#[test]
fn a_stream_goes_on_until_its_trailers() {
    let test = Instrumented::install();
    let message = || Frame::data(Bytes::from_static(b"one"));
    let end_of = |frames| {
        test.run(async {
            let mut body = std::pin::pin!(streamed(frames).await);
            assert!(test.spans().is_empty(), "it has not ended with the head");
            while let Some(frame) = body.frame().await {
                let is_last = frame.is_ok_and(|frame| frame.is_trailers());
                assert!(is_last || test.spans().is_empty(), "it has not ended with a message");
                if is_last {
                    break;
                }
            }
        });
        told(&test.spans()[0])
    };
    assert_eq!(end_of(vec![message(), message(), trailers("0")]), "Client test.Numbers/Count: OK  false");
    assert_eq!(end_of(vec![message(), trailers("14")]), "Client test.Numbers/Count: UNAVAILABLE UNAVAILABLE true");
    assert_eq!(end_of(vec![message()]), "Client test.Numbers/Count:  _OTHER true");

    test.run(async { drop(streamed(vec![message(), trailers("0")]).await) });
    assert_eq!(told(&test.spans()[0]), "Client test.Numbers/Count:  cancelled true");
}

#[test]
fn calls_are_measured_and_who_tries_names_makes_no_series() {
    let test = Instrumented::install();
    let registry = Registry::new();
    test.run(async {
        let channel = connect_with(&registry).await;
        let mut client = TraceServiceClient::new(channel.clone());
        client.export(ExportTraceServiceRequest::default()).await.expect("an answer");
        let mut logs = LogsServiceClient::new(channel);
        for _ in 0..3 {
            logs.export(ExportLogsServiceRequest::default()).await.unwrap_err();
        }
    });
    let text = registry.prometheus_text();
    let counts = text.lines().filter(|line| line.contains("_count{"));
    let without_ports = |line: &str| line.split(",server_port").next().unwrap_or_default().to_owned();
    let counts: Vec<_> = counts.map(without_ports).collect();
    expect_test::expect![[r#"
        [
            "rpc_client_call_duration_seconds_count{error_type=\"UNIMPLEMENTED\",rpc_method=\"opentelemetry.proto.collector.logs.v1.LogsService/Export\",rpc_response_status_code=\"UNIMPLEMENTED\",rpc_system_name=\"grpc\",server_address=\"127.0.0.1\"",
            "rpc_client_call_duration_seconds_count{rpc_method=\"opentelemetry.proto.collector.trace.v1.TraceService/Export\",rpc_response_status_code=\"OK\",rpc_system_name=\"grpc\",server_address=\"127.0.0.1\"",
            "rpc_server_call_duration_seconds_count{error_type=\"UNIMPLEMENTED\",rpc_method=\"_OTHER\",rpc_response_status_code=\"UNIMPLEMENTED\",rpc_system_name=\"grpc\"} 3",
            "rpc_server_call_duration_seconds_count{rpc_method=\"opentelemetry.proto.collector.trace.v1.TraceService/Export\",rpc_response_status_code=\"OK\",rpc_system_name=\"grpc\"} 1",
        ]
    "#]].assert_debug_eq(&counts);
}

/// What a server says of a request to what is not there.
fn served(test: &Instrumented, content_type: &'static str, answer: axum::response::Response) -> Vec<SpanRecord> {
    let slot = std::sync::Arc::new(std::sync::Mutex::new(Some(answer)));
    let service = axum::Router::new()
        .fallback(move || std::future::ready(slot.lock().expect("a lock").take().expect("one call")));
    let mut server = GrpcLayer::server().layer(service);
    let request = http::Request::post("/test.Numbers/Made.Up").header("content-type", content_type);
    let request = request.body(axum::body::Body::empty()).expect("a request");
    test.run(async {
        let mut body = std::pin::pin!(server.call(request).await.expect("an answer").into_body());
        // As a server does, which asks no further when there is no more.
        while !body.is_end_stream() && body.frame().await.is_some() {}
    });
    test.spans()
}

fn answer(status: u16, grpc_status: Option<&'static str>, body: &'static str) -> axum::response::Response {
    let mut answer = axum::response::Response::builder().status(status);
    if let Some(grpc_status) = grpc_status {
        answer = answer.header("grpc-status", grpc_status);
    }
    answer.body(axum::body::Body::from(body)).expect("an answer")
}

#[test]
fn who_tries_names_makes_none() {
    let test = Instrumented::install();
    let [span] = &served(&test, "application/grpc", answer(200, Some("12"), ""))[..] else { panic!("one span") };
    let keys = ["rpc.method", "rpc.method_original", "rpc.response.status_code"].map(|key| attribute(span, key));
    assert_eq!(
        (span.name.as_str(), keys),
        ("grpc", ["_OTHER", "test.Numbers/Made.Up", "UNIMPLEMENTED"].map(str::to_owned))
    );
}

#[test]
fn an_answer_that_is_not_grpc_says_what_it_can() {
    let test = Instrumented::install();
    let one = |answer| told(&served(&test, "application/grpc+proto", answer)[0]);
    assert_eq!(one(answer(200, None, "")), "Server test.Numbers/Made.Up:  _OTHER true");
    assert_eq!(one(answer(200, None, "text")), "Server test.Numbers/Made.Up:  _OTHER true");
    assert_eq!(one(answer(401, None, "")), "Server test.Numbers/Made.Up: UNAUTHENTICATED  false");
    assert_eq!(one(answer(502, None, "text")), "Server test.Numbers/Made.Up: UNAVAILABLE UNAVAILABLE true");
}

#[test]
fn what_is_not_grpc_is_let_through() {
    let test = Instrumented::install();
    for kind in ["application/grpc-web", "application/grpc-web-text", "text/plain", ""] {
        assert_eq!(served(&test, kind, answer(200, None, "text")), [], "{kind}");
    }
    assert_eq!(served(&test, "application/grpc", answer(200, Some("0"), "")).len(), 1);
}
