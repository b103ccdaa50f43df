//! Telemetry arrives whole, whatever is spoken, and is accounted for when it does not.

use std::io::Read;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use sabot_telemetry::{
    AttributeValue, Circuit, Compression, DropReason, ExportPolicy, ExportQueue, ExportersConfig, MetricDesc,
    MetricKind, OtlpProtocol, Signal, SpanKind, Target, TargetKind, TelemetryConfig, TelemetryProviders, TraceContext,
    init_telemetry,
};
use tracing_subscriber::layer::SubscriberExt;

use crate::receiver::{self, Call, Listening, Post};

const SOON: Duration = Duration::from_secs(20);

fn telemetry(policy: ExportPolicy, targets: Vec<Target>) -> TelemetryProviders {
    with_queue(policy, targets, ExportQueue::default())
}

fn with_queue(policy: ExportPolicy, targets: Vec<Target>, queue: ExportQueue) -> TelemetryProviders {
    let exporters = ExportersConfig { policy, targets, queue, ..ExportersConfig::default() };
    let mut config = TelemetryConfig::new("shop").without_environment().without_globals().with_exporters(exporters);
    config.traces.batch_config.scheduled_delay = Duration::from_millis(20);
    init_telemetry(config).expect("telemetry")
}

/// One of everything: a span with an error, a link and a list, its child, metrics with an exemplar, a log record.
fn record_one_of_everything(telemetry: &TelemetryProviders) -> TraceContext {
    let cause = TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 };
    let mut root = telemetry.spans().start("checkout").root().kind(SpanKind::Server).link(cause).start();
    root.set_attribute("items", 12);
    root.set_attribute("skus", AttributeValue::List(Box::new([AttributeValue::Int(1), "b".into()])));
    root.add_event("validated", [("took_ms", AttributeValue::Float(0.5))]);
    root.record_error(&std::io::Error::other("card declined"), "declined");
    drop(root.child("charge").kind(SpanKind::Client).attribute("server.address", "bank").start());
    let context = root.context();
    drop(root);
    let seconds = MetricDesc::new("checkout_seconds", MetricKind::Histogram, "Time of a checkout.")
        .with_unit("seconds")
        .with_labels(["tier"])
        .with_buckets([0.1, 1.0]);
    telemetry.registry().histogram(&seconds, &["gold"]).observe_with_exemplar(0.5, context);
    telemetry.registry().counter(&MetricDesc::new("orders_total", MetricKind::Counter, "Orders."), &[]).add(3);
    let subscriber = tracing_subscriber::registry().with(telemetry.log_queue().layer());
    tracing::subscriber::with_default(subscriber, || tracing::warn!(target: "shop", order = 12, "card declined"));
    context
}

fn check_spans(request: &ExportTraceServiceRequest, context: TraceContext) {
    let [resource] = &request.resource_spans[..] else { panic!("{request:#?}") };
    let service = resource.resource.iter().flat_map(|of| &of.attributes).find(|of| of.key == "service.name");
    let service = service.and_then(|of| of.value.clone()?.value);
    assert_eq!(service, Some(Value::StringValue("shop".to_owned())));
    let spans: Vec<&Span> = resource.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
    let [child, root] = spans[..] else { panic!("{spans:#?}") };
    assert_eq!((&root.trace_id[..], &root.span_id[..]), (&context.trace_id[..], &context.span_id[..]));
    assert_eq!((root.name.as_str(), root.kind, root.parent_span_id.len()), ("checkout", 2, 0));
    assert_eq!((child.name.as_str(), child.kind, &child.parent_span_id), ("charge", 3, &root.span_id));
    assert!(
        root.start_time_unix_nano <= child.start_time_unix_nano && child.end_time_unix_nano <= root.end_time_unix_nano
    );
    let value = |key: &str| root.attributes.iter().find(|of| of.key == key).and_then(|of| of.value.clone()?.value);
    assert_eq!(value("items"), Some(Value::IntValue(12)));
    assert!(matches!(value("skus"), Some(Value::ArrayValue(list)) if list.values.len() == 2));
    let events: Vec<&str> = root.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!((events, root.links.len()), (vec!["validated", "exception"], 1));
    let status = root.status.as_ref().expect("a status");
    assert_eq!((status.code, status.message.as_str()), (2, "card declined"));
}

fn check_metrics(request: &ExportMetricsServiceRequest, context: TraceContext) {
    let metrics: Vec<_> =
        request.resource_metrics.iter().flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics).collect();
    let metric = |name: &str| metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.data.clone());
    let Some(Data::Histogram(histogram)) = metric("checkout_seconds") else { panic!("{metrics:#?}") };
    let [point] = &histogram.data_points[..] else { panic!("{histogram:#?}") };
    assert_eq!((point.count, point.sum, &point.bucket_counts[..]), (1, Some(0.5), &[0, 1, 0][..]));
    assert_eq!((&point.explicit_bounds[..], point.attributes[0].key.as_str()), (&[0.1, 1.0][..], "tier"));
    assert_eq!(point.exemplars[0].trace_id, context.trace_id);
    let Some(Data::Sum(sum)) = metric("orders_total") else { panic!("{metrics:#?}") };
    assert!(sum.is_monotonic && sum.data_points[0].start_time_unix_nano <= sum.data_points[0].time_unix_nano);
}

fn check_logs(request: &ExportLogsServiceRequest) {
    let records: Vec<_> =
        request.resource_logs.iter().flat_map(|of| &of.scope_logs).flat_map(|of| &of.log_records).collect();
    let [record] = &records[..] else { panic!("{records:#?}") };
    assert_eq!((record.severity_text.as_str(), record.severity_number), ("WARN", 13));
    let body = record.body.clone().and_then(|body| body.value);
    assert_eq!(body, Some(Value::StringValue("card declined".to_owned())));
}

/// Until each signal has come, in whatever order.
fn three_posts(receiver: &Listening<Post>) -> [Post; 3] {
    let mut posts: Vec<Post> = (0..3).map(|_| receiver.next()).collect();
    posts.sort_by(|one, other| one.path.cmp(&other.path));
    posts.try_into().expect("three")
}

#[test]
fn over_http_as_protocol_buffers_and_compressed() {
    for compression in [Compression::None, Compression::Gzip] {
        let receiver = receiver::http(receiver::ok);
        let target = Target::otlp("only", receiver.url(), OtlpProtocol::HttpProtobuf);
        let target = target.with_header("x-api-key", "secret").with_compression(compression);
        let telemetry = telemetry(ExportPolicy::Failover, vec![target]);
        let context = record_one_of_everything(&telemetry);
        assert!(telemetry.shutdown_blocking(SOON));
        let [logs, metrics, traces] = three_posts(&receiver);
        assert_eq!([&logs.path, &metrics.path, &traces.path], ["/v1/logs", "/v1/metrics", "/v1/traces"]);
        assert_eq!(traces.headers["x-api-key"], "secret");
        assert_eq!(traces.headers["content-type"], "application/x-protobuf");
        let body = |post: &Post| match compression {
            Compression::None => post.body.to_vec(),
            Compression::Gzip => {
                assert_eq!(post.headers["content-encoding"], "gzip");
                let mut body = Vec::new();
                flate2::read::GzDecoder::new(&post.body[..]).read_to_end(&mut body).expect("gzip");
                body
            }
        };
        check_spans(&ExportTraceServiceRequest::decode(&body(&traces)[..]).expect("OTLP"), context);
        check_metrics(&ExportMetricsServiceRequest::decode(&body(&metrics)[..]).expect("OTLP"), context);
        check_logs(&ExportLogsServiceRequest::decode(&body(&logs)[..]).expect("OTLP"));
        let status = telemetry.exporter().expect("an exporter").status();
        let sent: Vec<_> = status.iter().map(|queue| (queue.signal, queue.ledger.sent, queue.ledger.queued)).collect();
        assert!(status.iter().all(|queue| queue.ledger.balances()), "{status:?}");
        let [(Signal::Traces, 2, 0), (Signal::Metrics, points, 0), (Signal::Logs, 1, 0)] = sent[..] else {
            panic!("{status:?}")
        };
        assert!(points >= 2, "{status:?}");
    }
}

#[test]
fn over_http_as_json() {
    let receiver = receiver::http(receiver::ok);
    let target = Target::otlp("only", receiver.url(), OtlpProtocol::HttpJson);
    let telemetry = telemetry(ExportPolicy::Failover, vec![target]);
    let context = record_one_of_everything(&telemetry);
    assert!(telemetry.shutdown_blocking(SOON));
    let [logs, metrics, traces] = three_posts(&receiver);
    assert_eq!(traces.headers["content-type"], "application/json");
    for post in [&logs, &metrics, &traces] {
        assert!(!String::from_utf8_lossy(&post.body).contains(":null"), "the Collector refuses it: {:?}", post.body);
    }
    let json: serde_json::Value = serde_json::from_slice(&traces.body).expect("JSON");
    let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][1];
    assert_eq!(
        (&span["traceId"], &span["kind"]),
        (&context.trace_id_hex().into(), &2.into()),
        "ids are hexadecimal, enums numbers"
    );
    assert!(span["startTimeUnixNano"].is_string(), "64 bits are text: {span:#}");
    check_spans(&serde_json::from_slice(&traces.body).expect("OTLP"), context);
    check_metrics(&serde_json::from_slice(&metrics.body).expect("OTLP"), context);
    check_logs(&serde_json::from_slice(&logs.body).expect("OTLP"));
}

#[test]
fn over_grpc_and_what_is_rejected_is_counted() {
    for compression in [Compression::None, Compression::Gzip] {
        let receiver = receiver::grpc(1);
        let target = Target::otlp("only", receiver.url(), OtlpProtocol::Grpc).with_compression(compression);
        let telemetry = telemetry(ExportPolicy::Failover, vec![target.with_header("x-api-key", "secret")]);
        let context = record_one_of_everything(&telemetry);
        assert!(telemetry.shutdown_blocking(SOON));
        for _ in 0..3 {
            match receiver.next() {
                Call::Traces(request, metadata) => {
                    assert_eq!(metadata.get("x-api-key").expect("the header"), "secret");
                    check_spans(&request, context);
                }
                Call::Metrics(request) => check_metrics(&request, context),
                Call::Logs(request) => check_logs(&request),
            }
        }
        let ledger = &telemetry.exporter().expect("an exporter").status()[0].ledger;
        assert_eq!((ledger.dropped_for(DropReason::Rejected), ledger.balances()), (1, true), "{ledger:?}");
    }
}

#[test]
fn as_the_json_of_zipkin() {
    let receiver = receiver::http(|_| StatusCode::ACCEPTED.into_response());
    let kind = TargetKind::Zipkin { endpoint: receiver.url() };
    let telemetry = telemetry(ExportPolicy::Failover, vec![Target::new("zipkin", kind)]);
    let context = record_one_of_everything(&telemetry);
    assert!(telemetry.shutdown_blocking(SOON));
    let post = receiver.next();
    assert_eq!(post.path, "/api/v2/spans");
    let spans: serde_json::Value = serde_json::from_slice(&post.body).expect("JSON");
    let (child, root) = (&spans[0], &spans[1]);
    assert_eq!((&root["traceId"], &root["kind"]), (&context.trace_id_hex().into(), &"SERVER".into()));
    assert_eq!((&root["localEndpoint"]["serviceName"], &root["tags"]["items"]), (&"shop".into(), &"12".into()));
    assert_eq!((&root["tags"]["error"], &root["tags"]["otel.status_code"]), (&"card declined".into(), &"ERROR".into()));
    assert_eq!((&child["parentId"], &child["remoteEndpoint"]["serviceName"]), (&root["id"], &"bank".into()));
    assert!(root["annotations"][0]["value"].as_str().expect("text").contains("took_ms"), "{root:#}");
    assert!(receiver.rest().is_empty(), "metrics and logs are nothing for it");
}

#[test]
fn to_a_file_a_line_per_batch() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("telemetry.jsonl");
    for _ in 0..2 {
        let target = Target::new("file", TargetKind::File { path: path.clone() }).with_signals([Signal::Traces]);
        let telemetry = telemetry(ExportPolicy::Failover, vec![target]);
        let context = record_one_of_everything(&telemetry);
        assert!(telemetry.shutdown_blocking(SOON));
        let text = std::fs::read_to_string(&path).expect("a file");
        check_spans(&serde_json::from_str(text.lines().last().expect("a line")).expect("OTLP"), context);
    }
    assert_eq!(std::fs::read_to_string(&path).expect("a file").lines().count(), 2, "lines are added");
}

#[test]
fn when_the_preferred_target_is_down_the_next_one_gets_everything() {
    let receiver = receiver::grpc(0);
    // Nobody listens there any more.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let down = Target::otlp("down", format!("http://{nobody}"), OtlpProtocol::HttpProtobuf);
    let up = Target::otlp("up", receiver.url(), OtlpProtocol::Grpc);
    let telemetry = telemetry(ExportPolicy::Failover, vec![down, up]);
    let context = record_one_of_everything(&telemetry);
    let Call::Traces(request, _) =
        std::iter::repeat_with(|| receiver.next()).find(|call| matches!(call, Call::Traces(..))).expect("spans")
    else {
        unreachable!("looked for")
    };
    check_spans(&request, context);
    assert!(telemetry.shutdown_blocking(SOON));
    let status = telemetry.exporter().expect("an exporter").status();
    let [down, up] = &status[0].exporters[..] else { panic!("{status:?}") };
    assert!(down.sent == 0 && down.failures > 0 && down.circuit != Circuit::Closed, "{down:?}");
    assert!(down.last_problem.as_ref().is_some_and(|problem| problem.contains("refused")), "{down:?}");
    assert_eq!((up.failures, up.sent), (0, status[0].ledger.accepted));
    let text = telemetry.registry().prometheus_text();
    let failures: u64 = status.iter().map(|queue| queue.exporters[0].failures).sum();
    let failures = format!("sabot_export_failures_total{{exporter=\"down\"}} {failures}");
    assert!(text.contains(&failures), "{text}");
    assert!(text.contains("sabot_exporter_circuit_state{exporter=\"up\"} 0"), "{text}");
}

#[test]
fn a_fanout_gives_everything_to_each() {
    let (one, other) = (receiver::http(receiver::ok), receiver::http(receiver::ok));
    let target = |name: &str, to: &Listening<Post>| {
        Target::otlp(name, to.url(), OtlpProtocol::HttpProtobuf).with_signals([Signal::Traces])
    };
    let telemetry = telemetry(ExportPolicy::Fanout, vec![target("one", &one), target("other", &other)]);
    let context = record_one_of_everything(&telemetry);
    assert!(telemetry.shutdown_blocking(SOON));
    for receiver in [one, other] {
        check_spans(&ExportTraceServiceRequest::decode(&receiver.next().body[..]).expect("OTLP"), context);
    }
    let status = telemetry.exporter().expect("an exporter").status();
    assert!(status.iter().all(|route| route.ledger.sent == 2 && route.ledger.balances()), "{status:?}");
}

#[test]
fn what_nobody_takes_waits_on_disk_for_the_next_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let queue = || ExportQueue { dir: Some(dir.path().to_owned()), ..ExportQueue::default() };
    let refusing = receiver::http(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let target = |to: &Listening<Post>| {
        vec![Target::otlp("only", to.url(), OtlpProtocol::HttpProtobuf).with_signals([Signal::Traces])]
    };
    let telemetry = with_queue(ExportPolicy::Failover, target(&refusing), queue());
    let context = record_one_of_everything(&telemetry);
    refusing.next();
    assert!(telemetry.shutdown_blocking(Duration::from_millis(50)), "nothing is lost");
    let ledger = telemetry.exporter().expect("an exporter").status().remove(0).ledger;
    assert_eq!((ledger.queued, ledger.balances()), (2, true));
    drop(telemetry);
    let taking = receiver::http(receiver::ok);
    let telemetry = with_queue(ExportPolicy::Failover, target(&taking), queue());
    check_spans(&ExportTraceServiceRequest::decode(&taking.next().body[..]).expect("OTLP"), context);
    assert!(telemetry.shutdown_blocking(SOON));
    let ledger = telemetry.exporter().expect("an exporter").status().remove(0).ledger;
    assert_eq!((ledger.recovered, ledger.sent, ledger.balances()), (2, 2, true));
}

#[tokio::test]
async fn an_exporter_that_cannot_start_says_so_also_within_a_runtime() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("taken"), "a file").expect("written");
    let queue = ExportQueue { dir: Some(dir.path().join("taken")), ..ExportQueue::default() };
    let target = Target::otlp("only", "http://127.0.0.1:9", OtlpProtocol::Grpc);
    let exporters = ExportersConfig { targets: vec![target], queue, ..ExportersConfig::default() };
    let config = TelemetryConfig::new("shop").without_environment().without_globals().with_exporters(exporters);
    let error = init_telemetry(config).expect_err("no directory").to_string();
    assert!(error.contains("telemetry cannot wait here"), "{error}");
}

#[test]
fn a_target_that_takes_spans_only_is_not_held_up_by_the_rest() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("spans.jsonl");
    let dead = Target::otlp("dead", "http://127.0.0.1:9", OtlpProtocol::HttpProtobuf);
    let file = Target::new("file", TargetKind::File { path: path.clone() }).with_signals([Signal::Traces]);
    let telemetry = telemetry(ExportPolicy::Failover, vec![dead, file]);
    for _ in 0..3 {
        record_one_of_everything(&telemetry);
    }
    telemetry.shutdown_blocking(Duration::from_secs(1));
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(text.matches("\"spanId\":\"").count() - text.matches("\"links\":[{").count(), 6, "{text}");
}

#[test]
fn large_records_go_in_several_requests() {
    let receiver = receiver::grpc(0);
    let target = Target::otlp("only", receiver.url(), OtlpProtocol::Grpc).with_signals([Signal::Traces]);
    let telemetry = telemetry(ExportPolicy::Failover, vec![target]);
    for _ in 0..100 {
        drop(telemetry.spans().start("large").root().attribute("text", "x".repeat(60_000)).start());
    }
    assert!(telemetry.shutdown_blocking(SOON));
    let ledger = telemetry.exporter().expect("an exporter").status().remove(0).ledger;
    assert_eq!((ledger.sent, ledger.dropped_total()), (100, 0), "a receiver takes 4 MiB");
}

#[test]
fn a_pipe_nobody_reads_holds_nothing_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("a pipe");
    let receiver = receiver::http(receiver::ok);
    let stuck = Target::new("stuck", TargetKind::File { path: pipe });
    let works = Target::otlp("works", receiver.url(), OtlpProtocol::HttpProtobuf).with_signals([Signal::Traces]);
    let telemetry = telemetry(ExportPolicy::Fanout, vec![stuck, works]);
    let context = record_one_of_everything(&telemetry);
    check_spans(&ExportTraceServiceRequest::decode(&receiver.next().body[..]).expect("OTLP"), context);
    assert!(!telemetry.shutdown_blocking(Duration::from_millis(200)), "what was for the pipe is lost");
}

#[tokio::test]
async fn shutting_down_does_not_need_a_runtime_of_several_threads() {
    let receiver = receiver::grpc(0);
    let telemetry = telemetry(ExportPolicy::Failover, vec![Target::otlp("only", receiver.url(), OtlpProtocol::Grpc)]);
    record_one_of_everything(&telemetry);
    assert!(telemetry.shutdown().await);
    assert!(telemetry.shutdown().await, "a second call is as good");
    assert!(telemetry.exporter().expect("an exporter").status()[0].ledger.queued == 0);
}
