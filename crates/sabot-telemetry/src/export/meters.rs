//! Metrics about exporters, read when somebody asks for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::ledger::DropReason;
use super::route::{Member, Route};
use crate::{Counter, Gauge, MetricDesc, MetricKind, Registry};

const COMPONENT: &str = "exporters";

/// Keeps the metrics of some routes up to date for as long as these are there.
pub(super) fn register(routes: &[Arc<Route>], registry: &Registry) {
    for route in routes {
        let of_members: Vec<MemberMeters> =
            route.members.iter().map(|member| MemberMeters::new(registry, &member.target.name)).collect();
        let (of_route, route) = (RouteMeters::new(registry, &route.name), Arc::downgrade(route));
        registry.on_collect(Box::new(move || update(&route, &of_route, &of_members)));
    }
}

fn update(route: &Weak<Route>, of_route: &RouteMeters, of_members: &[MemberMeters]) {
    if let Some(route) = route.upgrade() {
        of_route.update(&route);
        let now = route.epoch.elapsed();
        route.members.iter().zip(of_members).for_each(|(member, meters)| meters.update(member, now));
    }
}

fn counter(registry: &Registry, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Counter {
    let desc = MetricDesc::new(name, MetricKind::Counter, help);
    let desc = desc.with_labels(labels.iter().map(|(key, _)| *key)).with_component(COMPONENT);
    registry.counter(&desc, &labels.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

fn gauge(registry: &Registry, name: &'static str, help: &'static str, exporter: &str) -> Gauge {
    let desc = MetricDesc::new(name, MetricKind::Gauge, help).with_labels(["exporter"]).with_component(COMPONENT);
    registry.gauge(&desc, &[exporter])
}

struct RouteMeters {
    queued: Gauge,
    accepted: Counter,
    dropped: Vec<(DropReason, Counter)>,
}

impl RouteMeters {
    fn new(registry: &Registry, name: &str) -> Self {
        let dropped = |reason: DropReason| {
            let help = "Spans, metric points and log records given up.";
            let labels = [("exporter", name), ("reason", reason.as_str())];
            (reason, counter(registry, "sabot_export_dropped_total", help, &labels))
        };
        let accepted = "Spans, metric points and log records to be sent, those found on disk at the start included.";
        Self {
            queued: gauge(
                registry,
                "sabot_export_queue_spans",
                "Spans, metric points and log records that wait.",
                name,
            ),
            accepted: counter(registry, "sabot_export_accepted_total", accepted, &[("exporter", name)]),
            dropped: DropReason::ALL.into_iter().map(dropped).collect(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is floating point")]
    fn update(&self, route: &Route) {
        let counts = route.queue.counts();
        self.queued.set(counts.queued as f64);
        self.accepted.raise_to(counts.accepted + counts.recovered);
        self.dropped.iter().for_each(|(reason, counter)| counter.raise_to(counts.dropped_for(*reason)));
    }
}

struct MemberMeters {
    attempts: Counter,
    failures: Counter,
    sent: Counter,
    circuit: Gauge,
}

impl MemberMeters {
    fn new(registry: &Registry, name: &str) -> Self {
        let of = |metric, help| counter(registry, metric, help, &[("exporter", name)]);
        let circuit =
            "0 while it works, 2 while it is left alone after a failure, 1 when it is about to be tried again.";
        Self {
            attempts: of("sabot_export_attempts_total", "Requests made."),
            failures: of("sabot_export_failures_total", "Requests that did not succeed."),
            sent: of("sabot_export_sent_total", "Spans, metric points and log records taken."),
            circuit: gauge(registry, "sabot_exporter_circuit_state", circuit, name),
        }
    }

    fn update(&self, member: &Member, now: Duration) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.attempts.raise_to(read(&member.counts.attempts));
        self.failures.raise_to(read(&member.counts.failures));
        self.sent.raise_to(read(&member.counts.sent));
        self.circuit.set(member.circuit(now).as_number());
    }
}
