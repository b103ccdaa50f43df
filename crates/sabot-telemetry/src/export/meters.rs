//! Metrics about exporters, read when somebody asks for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::ledger::{DropReason, LedgerCounts};
use super::route::{Member, MemberCounts, Route};
use crate::sync::lock;
use crate::{Counter, Gauge, MetricDesc, MetricKind, Registry};

const COMPONENT: &str = "telemetry";

/// The metrics of some routes. What the queues of one name, and a target in several of them, did for each kind of telemetry
/// is added up.
#[derive(Debug)]
pub(super) struct Meters {
    epoch: Instant,
    queues: Vec<(RouteMeters, Vec<Arc<Route>>)>,
    targets: Vec<(MemberMeters, Vec<Arc<Member>>)>,
    /// Taken when they end: from then on another exporter may write the same series.
    has_ended: Mutex<bool>,
}

impl Meters {
    /// Keeps the metrics of some routes up to date for as long as they are there.
    pub(super) fn register(routes: &[Arc<Route>], epoch: Instant, registry: &Registry) -> Arc<Self> {
        let mut of_queues: BTreeMap<&str, Vec<Arc<Route>>> = BTreeMap::new();
        let mut of_targets: BTreeMap<&str, Vec<Arc<Member>>> = BTreeMap::new();
        for route in routes {
            of_queues.entry(&route.name).or_default().push(Arc::clone(route));
            for member in &route.members {
                of_targets.entry(&member.target.name).or_default().push(Arc::clone(member));
            }
        }
        let of_queues = of_queues.into_iter();
        let of_targets = of_targets.into_iter();
        let meters = Arc::new(Self {
            epoch,
            queues: of_queues.map(|(name, routes)| (RouteMeters::new(registry, name), routes)).collect(),
            targets: of_targets.map(|(name, members)| (MemberMeters::new(registry, name), members)).collect(),
            has_ended: Mutex::new(false),
        });
        let updated = Arc::downgrade(&meters);
        registry.on_collect_while(Box::new(move || updated.upgrade().is_some_and(|meters| meters.update())));
        meters
    }

    /// False once there is nothing to update any more.
    fn update(&self) -> bool {
        let has_ended = lock(&self.has_ended);
        if !*has_ended {
            self.write();
        }
        !*has_ended
    }

    fn write(&self) {
        for (meters, routes) in &self.queues {
            meters.update(routes);
        }
        for (meters, members) in &self.targets {
            meters.update(members, self.epoch);
        }
    }

    /// Writes what is there for the last time. What waits on disk stays told; nobody is tried any more.
    pub(super) fn end(&self) {
        let mut has_ended = lock(&self.has_ended);
        if !std::mem::replace(&mut *has_ended, true) {
            self.write();
            self.targets.iter().for_each(|(meters, _)| meters.circuit.set(0.0));
        }
    }
}

fn counter(registry: &Registry, name: &'static str, help: &'static str, labels: &[(&'static str, &str)]) -> Counter {
    let desc = MetricDesc::new(name, MetricKind::Counter, help);
    let desc = desc.with_labels(labels.iter().map(|(key, _)| *key)).with_component(COMPONENT);
    registry.counter(&desc, &labels.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, kept in a gauge")]
fn rounded(count: f64) -> u64 {
    count.round() as u64
}

/// A counter that goes on from where another exporter left it.
#[derive(Debug)]
struct Total {
    counter: Counter,
    before: u64,
}

impl Total {
    fn new(counter: Counter) -> Self {
        let before = counter.whole();
        Self { counter, before }
    }

    fn set(&self, own: u64) {
        self.counter.raise_to(self.before.saturating_add(own));
    }
}

fn gauge(registry: &Registry, name: &'static str, help: &'static str, exporter: &str) -> Gauge {
    let desc = MetricDesc::new(name, MetricKind::Gauge, help).with_labels(["exporter"]).with_component(COMPONENT);
    registry.gauge(&desc, &[exporter])
}

#[derive(Debug)]
struct RouteMeters {
    /// What another exporter left waiting and has counted: it is found again.
    left: u64,
    queued: Gauge,
    accepted: Total,
    dropped: Vec<(DropReason, Total)>,
}

impl RouteMeters {
    fn new(registry: &Registry, name: &str) -> Self {
        let dropped = |reason: DropReason| {
            let help = "Spans, metric points and log records given up.";
            let labels = [("exporter", name), ("reason", reason.as_str())];
            (reason, Total::new(counter(registry, "sabot_export_dropped_total", help, &labels)))
        };
        let accepted = "Spans, metric points and log records to be sent, those found on disk at the start included.";
        let waits = "Spans, metric points and log records that wait.";
        let queued = gauge(registry, "sabot_export_queue_spans", waits, name);
        Self {
            left: rounded(queued.value()),
            queued,
            accepted: Total::new(counter(registry, "sabot_export_accepted_total", accepted, &[("exporter", name)])),
            dropped: DropReason::ALL.into_iter().map(dropped).collect(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is floating point")]
    fn update(&self, routes: &[Arc<Route>]) {
        let counts: Vec<LedgerCounts> = routes.iter().map(|route| route.queue.counts()).collect();
        let sum = |of: &dyn Fn(&LedgerCounts) -> u64| counts.iter().map(of).sum::<u64>();
        self.queued.set(sum(&|counts| counts.queued) as f64);
        let recovered = sum(&|counts| counts.recovered);
        self.accepted.set(sum(&|counts| counts.accepted) + recovered.saturating_sub(self.left));
        for (reason, counter) in &self.dropped {
            counter.set(sum(&|counts| counts.dropped_for(*reason)));
        }
    }
}

#[derive(Debug)]
struct MemberMeters {
    attempts: Total,
    failures: Total,
    sent: Total,
    circuit: Gauge,
}

impl MemberMeters {
    fn new(registry: &Registry, name: &str) -> Self {
        let of = |metric, help| Total::new(counter(registry, metric, help, &[("exporter", name)]));
        let circuit =
            "0 while it works, 2 while it is left alone after a failure, 1 when it is about to be tried again.";
        Self {
            attempts: of("sabot_export_attempts_total", "Requests made."),
            failures: of("sabot_export_failures_total", "Requests that did not succeed."),
            sent: of("sabot_export_sent_total", "Spans, metric points and log records taken."),
            circuit: gauge(registry, "sabot_exporter_circuit_state", circuit, name),
        }
    }

    fn update(&self, members: &[Arc<Member>], epoch: Instant) {
        let now = epoch.elapsed();
        let sum = |of: fn(&MemberCounts) -> &AtomicU64| {
            members.iter().map(|member| of(&member.counts).load(Ordering::Relaxed)).sum::<u64>()
        };
        self.attempts.set(sum(|counts| &counts.attempts));
        self.failures.set(sum(|counts| &counts.failures));
        self.sent.set(sum(|counts| &counts.sent));
        let worst = members.iter().map(|member| member.circuit(now).as_number()).fold(0.0, f64::max);
        self.circuit.set(worst);
    }
}
