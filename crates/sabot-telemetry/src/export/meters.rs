//! Metrics about exporters, read when somebody asks for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::ledger::{DropReason, LedgerCounts};
use super::route::{Member, MemberCounts, Route};
use crate::{Counter, Gauge, MetricDesc, MetricKind, Registry};

const COMPONENT: &str = "telemetry";

/// Keeps the metrics of some routes up to date for as long as these are there. What the queues of one name, and a target
/// in several of them, did for each kind of telemetry is added up.
pub(super) fn register(routes: &[Arc<Route>], registry: &Registry) {
    let mut of_queues: BTreeMap<&str, Vec<Weak<Route>>> = BTreeMap::new();
    let mut of_targets: BTreeMap<&str, Vec<Weak<Member>>> = BTreeMap::new();
    for route in routes {
        of_queues.entry(&route.name).or_default().push(Arc::downgrade(route));
        for member in &route.members {
            of_targets.entry(&member.target.name).or_default().push(Arc::downgrade(member));
        }
    }
    for (name, routes) in of_queues {
        let meters = RouteMeters::new(registry, name);
        registry.on_collect(Box::new(move || meters.update(&alive(&routes))));
    }
    let Some(epoch) = routes.first().map(|route| route.epoch) else { return };
    for (name, members) in of_targets {
        let meters = MemberMeters::new(registry, name);
        registry.on_collect(Box::new(move || meters.update(&alive(&members), epoch.elapsed())));
    }
}

fn alive<T>(all: &[Weak<T>]) -> Vec<Arc<T>> {
    all.iter().filter_map(Weak::upgrade).collect()
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
    fn update(&self, routes: &[Arc<Route>]) {
        let counts: Vec<LedgerCounts> = routes.iter().map(|route| route.queue.counts()).collect();
        let sum = |of: &dyn Fn(&LedgerCounts) -> u64| counts.iter().map(of).sum::<u64>();
        self.queued.set(sum(&|counts| counts.queued) as f64);
        self.accepted.raise_to(sum(&|counts| counts.accepted + counts.recovered));
        for (reason, counter) in &self.dropped {
            counter.raise_to(sum(&|counts| counts.dropped_for(*reason)));
        }
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

    fn update(&self, members: &[Arc<Member>], now: Duration) {
        let sum = |of: fn(&MemberCounts) -> &AtomicU64| {
            members.iter().map(|member| of(&member.counts).load(Ordering::Relaxed)).sum::<u64>()
        };
        self.attempts.raise_to(sum(|counts| &counts.attempts));
        self.failures.raise_to(sum(|counts| &counts.failures));
        self.sent.raise_to(sum(|counts| &counts.sent));
        let worst = members.iter().map(|member| member.circuit(now).as_number()).fold(0.0, f64::max);
        self.circuit.set(worst);
    }
}
