//! What an observation costs its caller, in instructions.
//!
//! ```text
//! cargo bench -p sabot-telemetry --bench metrics --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect='*measured*' \
//!     target/release/deps/metrics-<hash> api-counter-3 10000
//! ```
//!
//! `Collected` divided by the number of observations is the cost of one.

use std::hint::black_box;

use opentelemetry::metrics::{BoundCounter, Counter as ApiCounter, Histogram as ApiHistogram, MeterProvider};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use sabot_telemetry::{
    Counter, Histogram, MetricDesc, MetricKind, MetricsRecorder, Registry, RegistryMeterProvider, TraceContext,
};

/// One way to observe, by its name on the command line.
struct Mode {
    name: &'static str,
    observe: fn(&Harness),
}

const MODES: &[Mode] = &[
    Mode { name: "own-counter", observe: |harness| harness.counter.inc() },
    Mode { name: "own-histogram", observe: |harness| harness.histogram.observe(black_box(0.25)) },
    Mode {
        name: "own-histogram-explicit",
        observe: |harness| harness.histogram.observe_with_exemplar(black_box(0.25), black_box(TraceContext::default())),
    },
    Mode { name: "api-counter-0", observe: |harness| harness.api_counter.add(1, black_box(&[])) },
    Mode { name: "api-counter-3", observe: |harness| harness.api_counter.add(1, black_box(&harness.tags)) },
    Mode { name: "api-counter-3-swapped", observe: |harness| harness.api_counter.add(1, black_box(&harness.swapped)) },
    Mode { name: "api-counter-bound", observe: |harness| harness.api_bound.add(1) },
    Mode { name: "api-histogram-3", observe: |harness| harness.api_histogram.record(0.25, black_box(&harness.tags)) },
    Mode { name: "api-counter-3-many", observe: among_many },
    Mode { name: "recorder-counter-0", observe: |harness| harness.recorder.record_counter(black_box("events"), 1) },
    Mode { name: "recorder-counter-3", observe: recorder_counter },
    Mode { name: "recorder-gauge-0", observe: |harness| harness.recorder.record_gauge(black_box("level"), 1.0) },
    Mode { name: "api-counter-3-sampled", observe: |harness| harness.api_counter.add(1, black_box(&harness.tags)) },
];

struct Harness {
    counter: Counter,
    histogram: Histogram,
    api_counter: ApiCounter<u64>,
    api_bound: BoundCounter<u64>,
    api_histogram: ApiHistogram<f64>,
    recorder: MetricsRecorder,
    api_many: ApiCounter<u64>,
    user: [KeyValue; 3],
    tags: [KeyValue; 3],
    swapped: [KeyValue; 3],
}

fn tags() -> [KeyValue; 3] {
    [KeyValue::new("agent", "totals"), KeyValue::new("stream", "orders"), KeyValue::new("outcome", "committed")]
}

fn harness() -> Harness {
    let registry = Registry::new();
    let meter = RegistryMeterProvider::new(&registry).meter("bench");
    let api_counter = meter.u64_counter("api.events").build();
    let counter = registry.counter(&MetricDesc::new("own_total", MetricKind::Counter, ""), &[]);
    let seconds = MetricDesc::new("own_seconds", MetricKind::Histogram, "").with_unit("seconds");
    let [agent, stream, outcome] = tags();
    let api_many = meter.u64_counter("many").build();
    let user = |number: i64| [agent.clone(), stream.clone(), KeyValue::new("user", number)];
    (0..1_000).for_each(|number| api_many.add(1, &user(number)));
    Harness {
        user: user(500),
        api_many,
        counter,
        histogram: registry.histogram(&seconds, &[]),
        api_bound: api_counter.bind(&tags()),
        api_counter,
        api_histogram: meter.f64_histogram("api.size").with_unit("s").build(),
        recorder: MetricsRecorder::new(&registry),
        tags: tags(),
        swapped: [outcome, agent, stream],
    }
}

fn recorder_counter(harness: &Harness) {
    let tags = [("agent", "totals"), ("stream", "orders"), ("outcome", "committed")];
    harness.recorder.record_counter_with(black_box("events"), 1, black_box(&tags));
}

/// One of a thousand series.
fn among_many(harness: &Harness) {
    harness.api_many.add(1, black_box(&harness.user));
}

#[inline(never)]
fn measured(mode: &Mode, harness: &Harness, observations: usize) {
    for _ in 0..observations {
        (mode.observe)(harness);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let name = arguments.next().unwrap_or_default();
    let observations: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let chosen: Vec<_> = MODES.iter().filter(|mode| name.is_empty() || mode.name == name).collect();
    assert!(!chosen.is_empty(), "no mode \"{name}\"");
    let harness = harness();
    for mode in chosen {
        let state = TraceState::default();
        let flags = TraceFlags::new(u8::from(mode.name.ends_with("sampled")));
        let span = SpanContext::new(TraceId::from_bytes([1; 16]), SpanId::from_bytes([2; 8]), flags, true, state);
        let _guard = mode.name.ends_with("sampled").then(|| Context::new().with_remote_span_context(span).attach());
        (mode.observe)(&harness); // what is made once
        measured(mode, &harness, observations);
    }
}
