//! A configuration that changes while the service runs.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sabot_telemetry::{
    ExportPolicy, ExportQueue, ExportersConfig, OtlpProtocol, Signal, Target, TargetKind, TelemetryConfig,
    TelemetryProviders, TraceContext, init_telemetry,
};
use tracing_subscriber::layer::SubscriberExt;

use crate::receiver::{self, Listening, Post};

const SOON: Duration = Duration::from_secs(20);
const REMOTE: TraceContext = TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 };

fn config() -> TelemetryConfig {
    let mut config = TelemetryConfig::new("shop").without_environment().without_globals();
    config.traces.batch_config.scheduled_delay = Duration::from_millis(20);
    config
}

fn sending(targets: Vec<Target>, queue: ExportQueue) -> TelemetryConfig {
    config().with_exporters(ExportersConfig {
        policy: ExportPolicy::Failover,
        targets,
        queue,
        ..ExportersConfig::default()
    })
}

fn target(receiver: &Listening<Post>) -> Target {
    Target::otlp("only", receiver.url(), OtlpProtocol::HttpProtobuf).with_signals([Signal::Traces])
}

fn names(post: &Post) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(&post.body[..]).expect("OTLP");
    let spans = request.resource_spans.iter().flat_map(|of| &of.scope_spans).flat_map(|of| &of.spans);
    spans.map(|span| span.name.clone()).collect()
}

fn drained(telemetry: &TelemetryProviders) -> Vec<(String, String)> {
    let spans = telemetry.span_queue().drain(usize::MAX);
    spans.iter().map(|span| (span.resource.service_name.to_string(), span.name.to_string())).collect()
}

#[expect(clippy::disallowed_methods, reason = "threads are waited for in real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn total(telemetry: &TelemetryProviders, metric: &str) -> f64 {
    telemetry.registry().snapshot().iter().filter(|sample| sample.name == metric).map(|sample| sample.value).sum()
}

#[test]
fn spans_are_recorded_or_not_by_handles_that_were_there_before() {
    let telemetry = init_telemetry(config()).expect("telemetry");
    let (spans, suppressed) = (telemetry.spans().clone(), telemetry.spans().suppressed());
    let under_way = spans.start("under way").root().start();
    drop(spans.start("before").root().start());

    telemetry.reconfigure(config().with_enabled(false), SOON).expect("off");
    let off = spans.start("off").root().start();
    assert!(!off.is_recording() && !off.context().is_valid());
    for handle in [&spans, &suppressed] {
        assert_eq!(handle.start("below").parent(REMOTE).start().context(), REMOTE, "off here, not elsewhere");
    }
    drop(off);
    drop(under_way);
    assert_eq!(
        drained(&telemetry),
        [("shop".to_owned(), "before".to_owned()), ("shop".to_owned(), "under way".to_owned())]
    );

    let mut renamed = config();
    renamed.service_name = "store".to_owned();
    telemetry.reconfigure(renamed.clone(), SOON).expect("on");
    drop(spans.start("after").root().start());
    assert_eq!(drained(&telemetry), [("store".to_owned(), "after".to_owned())]);
    assert!(!suppressed.start("below").parent(REMOTE).start().context().is_sampled());
    assert_eq!(telemetry.resource().service_name, "store");

    telemetry.reconfigure(renamed.with_sample_rate(0.0), SOON).expect("nothing");
    drop(spans.start("left out").root().start());
    drop(spans.start("kept elsewhere").parent(REMOTE).start());
    assert_eq!(drained(&telemetry), [("store".to_owned(), "kept elsewhere".to_owned())]);
}

#[test]
fn a_process_stays_the_same_instance() {
    let telemetry = init_telemetry(config()).expect("telemetry");
    let instance = |telemetry: &TelemetryProviders| {
        let resource = telemetry.resource();
        resource.attributes.iter().find(|(key, _)| *key == *"service.instance.id").map(|(_, value)| value.clone())
    };
    let before = instance(&telemetry);
    assert!(before.is_some());
    telemetry.reconfigure(config().with_environment("test"), SOON).expect("changed");
    assert_eq!(instance(&telemetry), before);
}

#[test]
fn what_waits_on_disk_goes_to_the_next_target_and_totals_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let queue = ExportQueue { dir: Some(dir.path().to_owned()), ..ExportQueue::default() };
    // Nobody listens where port 1 is.
    let dead = Target::otlp("only", "http://127.0.0.1:1", OtlpProtocol::HttpProtobuf);
    let telemetry =
        init_telemetry(sending(vec![dead.with_signals([Signal::Traces])], queue.clone())).expect("telemetry");
    for name in ["one", "two"] {
        drop(telemetry.spans().start(name).root().start());
    }
    while total(&telemetry, "sabot_export_failures_total") == 0.0 {
        pause(Duration::from_millis(5));
    }
    let failures = total(&telemetry, "sabot_export_failures_total");

    let receiver = receiver::http(receiver::ok);
    let lost_nothing = telemetry.reconfigure(sending(vec![target(&receiver)], queue), Duration::ZERO).expect("changed");
    assert!(lost_nothing, "it waits on disk");
    drop(telemetry.spans().start("three").root().start());
    let mut received = Vec::new();
    while received.len() < 3 {
        received.extend(names(&receiver.next()));
    }
    received.sort();
    assert_eq!(received, ["one", "three", "two"]);
    assert!(telemetry.shutdown_blocking(SOON));
    assert!(total(&telemetry, "sabot_export_failures_total") >= failures, "a total only grows");
    assert!((total(&telemetry, "sabot_export_sent_total") - 3.0).abs() < f64::EPSILON);
    let ledger = telemetry.exporter().expect("an exporter").status().remove(0).ledger;
    assert!(ledger.balances() && ledger.queued == 0, "{ledger:?}");
    let accepted = total(&telemetry, "sabot_export_accepted_total");
    assert!((accepted - 3.0).abs() < f64::EPSILON, "what is found again is not accepted again: {accepted}");
}

#[test]
fn sending_begins_and_ends_without_a_restart() {
    let telemetry = init_telemetry(config()).expect("telemetry");
    assert!(telemetry.exporter().is_none());
    let receiver = receiver::http(receiver::ok);
    let everything = Target::otlp("only", receiver.url(), OtlpProtocol::HttpProtobuf);
    let on = sending(vec![everything], ExportQueue::default());
    telemetry.reconfigure(on.clone(), SOON).expect("on");
    let same = telemetry.exporter().expect("an exporter");
    telemetry.reconfigure(on.clone().with_sample_rate(0.5).with_sample_rate(1.0), SOON).expect("no change");
    assert_eq!(same.status()[0].ledger.dropped_total(), 0);
    let log = |text: &str| {
        let subscriber = tracing_subscriber::registry().with(telemetry.log_queue().layer());
        tracing::subscriber::with_default(subscriber, || tracing::warn!("{text}"));
    };
    log("while on");
    drop(telemetry.spans().start("while on").root().start());
    let paths: Vec<String> = (0..2).map(|_| receiver.next().path).collect();
    assert!(paths.contains(&"/v1/logs".to_owned()) && paths.contains(&"/v1/traces".to_owned()), "{paths:?}");

    telemetry.reconfigure(config(), SOON).expect("off");
    assert!(telemetry.exporter().is_none());
    receiver.rest();
    let logged = telemetry.log_queue().received();
    log("while off");
    drop(telemetry.spans().start("while off").root().start());
    assert_eq!(telemetry.log_queue().received(), logged, "nobody would take it");
    // Some turns of the thread that drains.
    pause(Duration::from_millis(400));
    assert!(receiver.rest().is_empty());
    telemetry.reconfigure(on, SOON).expect("on again");
    drop(telemetry.spans().start("on again").root().start());
    assert!(telemetry.shutdown_blocking(SOON));
    let posts = receiver.rest();
    let sent: Vec<String> = posts.iter().filter(|post| post.path == "/v1/traces").flat_map(names).collect();
    assert_eq!(sent, ["on again"]);
}

#[test]
fn what_cannot_work_changes_nothing() {
    let receiver = receiver::http(receiver::ok);
    let telemetry = init_telemetry(sending(vec![target(&receiver)], ExportQueue::default())).expect("telemetry");
    let bad = config().with_otlp_endpoint("localhost:4317");
    telemetry.reconfigure(bad, SOON).expect_err("no scheme");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let queue = ExportQueue { dir: Some(file.path().to_owned()), ..ExportQueue::default() };
    let elsewhere = Target::new("file", TargetKind::Console);
    let error = telemetry.reconfigure(sending(vec![elsewhere], queue), SOON).expect_err("no directory").to_string();
    assert!(error.contains("telemetry cannot wait here"), "{error}");
    drop(telemetry.spans().start("still sent").root().start());
    assert!(telemetry.shutdown_blocking(SOON));
    let sent: Vec<String> = receiver.rest().iter().flat_map(names).collect();
    assert_eq!(sent, ["still sent"]);
}

#[test]
fn spans_go_on_while_everything_changes() {
    let telemetry = init_telemetry(config()).expect("telemetry");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut names = std::collections::BTreeSet::new();
    let (mut drained, recorded) = (0, std::sync::atomic::AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let root = telemetry.spans().start("root").root().start();
                    let child = root.child("child").start();
                    let count = u64::from(root.is_recording()) + u64::from(child.is_recording());
                    recorded.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
                    std::thread::yield_now();
                }
            });
        }
        for number in 0..300 {
            let mut changed = config().with_enabled(number % 3 != 0);
            changed.service_name = format!("shop-{number}");
            telemetry.reconfigure(changed, SOON).expect("changed");
            let spans = telemetry.span_queue().drain(usize::MAX);
            drained += spans.len() as u64;
            names.extend(spans.iter().map(|span| span.resource.service_name.to_string()));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    drained += telemetry.span_queue().drain(usize::MAX).len() as u64;
    let recorded = recorded.into_inner();
    assert!(recorded > 0 && names.len() > 1, "{recorded} spans of {names:?}");
    assert_eq!(drained + telemetry.span_queue().dropped(), recorded);
}
