//! What a span costs its caller, in instructions, beside the plain SDK and the layer from `tracing` to it.
//!
//! ```text
//! cargo bench -p sabot-telemetry --bench instructions --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect='*measured*' \
//!     target/release/deps/instructions-<hash> own-sampled 10000
//! ```
//!
//! `Collected` divided by the number of spans is the cost of one. The consumer's side is left out: the queue is drained
//! between the measured rounds, so that memory is reused as it is in a running service.

#![expect(clippy::print_stderr, reason = "a tool for people")]

use std::hint::black_box;

use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{Span, SpanBuilder as OtelSpanBuilder, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use sabot_telemetry::{
    OtelKeyValue, OtelTracer, OtelTracerProvider, SpanBuilder, Spans, TelemetryConfig, TelemetryError,
    TelemetryProviders, TraceContext, init_telemetry, install_tracer_provider, otel_global, trace_operation,
};
use tracing_subscriber::layer::SubscriberExt;

/// Spans between two times the queue is drained.
const ROUND: usize = 500;
const UNSAMPLED: TraceContext = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 0 };

/// One way to make a span, by its name on the command line.
struct Mode {
    name: &'static str,
    sample_rate: f64,
    span: fn(&Harness),
}

const MODES: &[Mode] = &[
    Mode { name: "own-sampled", sample_rate: 1.0, span: own_root },
    Mode { name: "own-unsampled", sample_rate: 0.0, span: own_root },
    Mode { name: "own-unsampled-child", sample_rate: 1.0, span: own_child_of_unsampled },
    Mode { name: "otel-sampled", sample_rate: 1.0, span: otel },
    Mode { name: "otel-unsampled", sample_rate: 0.0, span: otel },
    Mode { name: "otel-set-sampled", sample_rate: 1.0, span: otel_set },
    Mode { name: "otel-set-unsampled", sample_rate: 0.0, span: otel_set },
    Mode { name: "sdk-sampled", sample_rate: 1.0, span: plain },
    Mode { name: "sdk-unsampled", sample_rate: 0.0, span: plain },
    Mode { name: "sdk-set-sampled", sample_rate: 1.0, span: plain_set },
    Mode { name: "sdk-set-unsampled", sample_rate: 0.0, span: plain_set },
    Mode { name: "tracing-sampled", sample_rate: 1.0, span: traced },
    Mode { name: "tracing-unsampled", sample_rate: 0.0, span: traced },
    Mode { name: "otel-global-sampled", sample_rate: 1.0, span: otel_global },
    Mode { name: "otel-global-unsampled", sample_rate: 0.0, span: otel_global },
    Mode { name: "ambient-sampled", sample_rate: 1.0, span: ambient },
    Mode { name: "ambient-unsampled", sample_rate: 0.0, span: ambient },
    Mode { name: "operation-sampled", sample_rate: 1.0, span: operation },
    Mode { name: "operation-unsampled", sample_rate: 0.0, span: operation },
];

struct Harness {
    telemetry: TelemetryProviders,
    spans: Spans,
    tracer: OtelTracer,
    global: BoxedTracer,
    sdk: SdkTracer,
}

/// Takes spans and does nothing, as a target that is never slow.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// The plain SDK as a service sets it up: parent-based sampling by a ratio, batches.
fn sdk(sample_rate: f64) -> SdkTracerProvider {
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample_rate)));
    SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Nowhere).build()
}

fn own_root(harness: &Harness) {
    let draft = harness.spans.start("process_batch").root();
    let mut span =
        draft.attribute("agent", "totals").attribute("partition", 3_i64).attribute("replayed", false).start();
    span.set_attribute("rows", black_box(4096_i64));
    span.set_attribute("outcome", "committed");
    drop(black_box(span));
}

fn own_child_of_unsampled(harness: &Harness) {
    let mut span =
        harness.spans.start("process_batch").parent(black_box(UNSAMPLED)).attribute("agent", "totals").start();
    span.set_attribute("rows", black_box(4096_i64));
    drop(black_box(span));
}

fn otel_builder() -> OtelSpanBuilder {
    OtelSpanBuilder::from_name("process_batch").with_attributes([
        OtelKeyValue::new("agent", "totals"),
        OtelKeyValue::new("partition", 3_i64),
        OtelKeyValue::new("replayed", false),
    ])
}

fn end_otel(mut span: impl Span) {
    span.set_attribute(OtelKeyValue::new("rows", black_box(4096_i64)));
    span.set_attribute(OtelKeyValue::new("outcome", "committed"));
    span.end();
}

fn otel(harness: &Harness) {
    end_otel(otel_builder().start(&harness.tracer));
}

/// All five attributes after the start.
fn otel_set(harness: &Harness) {
    set_all(harness.tracer.start("process_batch"));
}

fn plain(harness: &Harness) {
    end_otel(otel_builder().start(&harness.sdk));
}

fn plain_set(harness: &Harness) {
    set_all(harness.sdk.start("process_batch"));
}

/// By the layer that the harness has installed.
fn traced(_: &Harness) {
    let span = tracing::info_span!(
        "process_batch",
        agent = "totals",
        partition = 3,
        replayed = false,
        rows = tracing::field::Empty,
        outcome = tracing::field::Empty
    );
    span.record("rows", black_box(4096_i64));
    span.record("outcome", "committed");
    drop(black_box(span));
}

fn set_all(mut span: impl Span) {
    span.set_attribute(OtelKeyValue::new("agent", "totals"));
    span.set_attribute(OtelKeyValue::new("partition", 3_i64));
    span.set_attribute(OtelKeyValue::new("replayed", false));
    end_otel(span);
}

fn otel_global(harness: &Harness) {
    end_otel(harness.global.build(otel_builder()));
}

fn ambient(_: &Harness) {
    let builder = SpanBuilder::new("process_batch").with_attribute("agent", "totals");
    let mut span = builder.with_attribute("partition", 3_i64).with_attribute("replayed", false).start();
    span.attribute("rows", black_box(4096_i64));
    span.attribute("outcome", "committed");
    span.end();
}

fn operation(_: &Harness) {
    let operation = trace_operation("process_batch", [("partition", 3_i64), ("replica", 4), ("lag", 5)]);
    let entered = operation.enter();
    operation.set_attribute("rows", black_box(4096_i64));
    operation.set_attribute("outcome", "committed");
    drop(entered);
}

#[inline(never)]
fn measured(mode: &Mode, harness: &Harness) {
    for _ in 0..ROUND {
        (mode.span)(harness);
    }
}

fn main() -> Result<(), TelemetryError> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let name = arguments.next().unwrap_or_default();
    let spans: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let chosen: Vec<_> = MODES.iter().filter(|mode| name.is_empty() || mode.name == name).collect();
    if chosen.is_empty() {
        eprintln!("no mode \"{name}\"; one of {:?}", MODES.iter().map(|mode| mode.name).collect::<Vec<_>>());
    }
    for mode in chosen {
        let telemetry = init_telemetry(TelemetryConfig::new("bench").with_sample_rate(mode.sample_rate))?;
        let provider = OtelTracerProvider::new(telemetry.spans());
        install_tracer_provider(provider.clone());
        let (tracer, global) = (provider.tracer("bench"), otel_global::tracer("bench"));
        let provider = sdk(mode.sample_rate);
        let sdk = provider.tracer("bench");
        let layer = tracing_opentelemetry::layer().with_tracer(sdk.clone());
        let _subscribed = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let harness = Harness { spans: telemetry.spans().clone(), telemetry, tracer, global, sdk };
        (mode.span)(&harness); // what is made once per thread
        for _ in 0..spans.div_ceil(ROUND) {
            measured(mode, &harness);
            drop(harness.telemetry.span_queue().drain(usize::MAX));
        }
    }
    Ok(())
}
