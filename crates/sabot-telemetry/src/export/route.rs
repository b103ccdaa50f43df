//! The way of what is queued to the first target that takes it.
//!
//! A failover policy is one route with several targets, a fanout is several routes with one each; there is no other
//! difference. A route sends one batch at a time, to the first target in order whose [breaker](super::breaker) lets it,
//! so that a preferred target that works again is used again. Delivery is at least once: a target that was given up on
//! because it took too long may have taken the batch after all.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::batch::Batch;
use super::breaker::{Breaker, Circuit};
use super::ledger::DropReason;
use super::queue::Queue;
use super::transport::{Accepted, SendError, Transport};
use crate::config::{Signal, Target};
use crate::sync::lock;

/// A target and how it has been doing.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) target: Target,
    transport: Box<dyn Transport>,
    breaker: Mutex<Breaker>,
    pub(crate) counts: MemberCounts,
    last_problem: Mutex<Option<String>>,
    /// What it failed with last would not be better another time.
    misdirects: AtomicBool,
    refusals: Mutex<Refusals>,
}

/// What has been told of refusals. A receiver that does not take a kind of telemetry refuses every batch of it.
#[derive(Debug, Default)]
struct Refusals {
    problem: String,
    told_at: Option<Duration>,
}

impl Refusals {
    /// Whether to tell: of the same problem once, of others from time to time.
    fn is_news(&mut self, problem: &str, now: Duration) -> bool {
        let told_lately = self.told_at.is_some_and(|at| now.saturating_sub(at) < TELL_EVERY);
        if self.told_at.is_some() && (told_lately || self.problem == problem) {
            return false;
        }
        *self = Self { problem: problem.to_owned(), told_at: Some(now) };
        true
    }
}

/// What a target was asked and what it took.
#[derive(Debug, Default)]
pub(crate) struct MemberCounts {
    pub(crate) attempts: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) sent: AtomicU64,
}

impl Member {
    pub(crate) fn new(target: Target, transport: Box<dyn Transport>, max_backoff: Duration) -> Self {
        let (breaker, counts) = (Mutex::new(Breaker::new(max_backoff)), MemberCounts::default());
        Self {
            target,
            transport,
            breaker,
            counts,
            last_problem: Mutex::default(),
            misdirects: AtomicBool::new(false),
            refusals: Mutex::default(),
        }
    }

    pub(crate) fn circuit(&self, now: Duration) -> Circuit {
        lock(&self.breaker).circuit(now)
    }

    /// What went wrong the last time, while it has not worked since.
    pub(crate) fn last_problem(&self) -> Option<String> {
        lock(&self.last_problem).clone()
    }

    fn succeeded(&self, items: u64) {
        lock(&self.breaker).succeeded();
        self.misdirects.store(false, Ordering::Relaxed);
        self.counts.sent.fetch_add(items, Ordering::Relaxed);
        if lock(&self.last_problem).take().is_some() {
            tracing::info!("exporter \"{}\" works again", self.target.name);
        }
    }

    fn failed(&self, now: Duration, error: &SendError) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        let after = if let SendError::Later { after, .. } = error { *after } else { None };
        lock(&self.breaker).failed(now, after, rand::random());
        self.misdirects.store(matches!(error, SendError::Misdirected { .. }), Ordering::Relaxed);
        // Told once per outage; the counters have the rest.
        if lock(&self.last_problem).replace(error.problem().to_owned()).is_none() {
            tracing::warn!("exporter \"{}\" does not work: {}", self.target.name, error.problem());
        }
    }
}

/// Between two messages about refusals.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// When to stop: not yet, or by a time.
pub(crate) type Stop = watch::Receiver<Option<Instant>>;

/// A queue and those who may take what is in it.
#[derive(Debug)]
pub(crate) struct Route {
    /// What its queue is called.
    pub(crate) name: String,
    pub(crate) signal: Signal,
    pub(crate) queue: Arc<Queue>,
    pub(crate) members: Vec<Arc<Member>>,
    /// Where the breakers' clock begins.
    pub(crate) epoch: Instant,
    pub(crate) switch_after: Duration,
}

/// Waits for the news that it is to stop. Who could tell is there as long as the exporter is.
async fn stopped(stop: &mut Stop) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until a time; for ever without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What became of a batch.
enum Outcome {
    Done,
    /// Nobody takes it before this time.
    Nobody(Instant),
}

impl Route {
    /// Whether a signal is what it is for.
    pub(crate) fn takes(&self, signal: Signal) -> bool {
        self.signal == signal
    }

    /// Sends until it is stopped and the queue is empty, or the time to stop has come. What is left is then on disk, or
    /// dropped and counted.
    pub(crate) async fn run(&self, mut stop: Stop) {
        loop {
            let deadline = *stop.borrow_and_update();
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            let Some(taken) = self.queue.take() else {
                if deadline.is_some() {
                    break;
                }
                tokio::select! {
                    () = self.queue.arrived() => {}
                    () = stopped(&mut stop) => {}
                }
                continue;
            };
            match self.deliver_unless_stopped(&taken.batch, &mut stop).await {
                Outcome::Done => self.queue.finish(&taken),
                Outcome::Nobody(until) => {
                    self.queue.put_back(taken);
                    let until = deadline.map_or(until, |deadline| until.min(deadline));
                    tokio::select! {
                        () = sleep_until(until) => {}
                        () = stopped(&mut stop) => {}
                    }
                }
            }
        }
        self.queue.close();
    }

    async fn deliver_unless_stopped(&self, batch: &Batch, stop: &mut Stop) -> Outcome {
        let mut delivery = pin!(self.deliver(batch));
        loop {
            let deadline = *stop.borrow_and_update();
            tokio::select! {
                outcome = &mut delivery => return outcome,
                () = passed(deadline) => return Outcome::Nobody(Instant::now()),
                () = stopped(stop) => {}
            }
        }
    }

    /// Offers a batch to all that may be asked now, the preferred one first.
    async fn deliver(&self, batch: &Batch) -> Outcome {
        let mut misdirected = None;
        for (at, member) in self.members.iter().enumerate() {
            if member.circuit(self.now()) == Circuit::Open {
                continue;
            }
            let mut others = self.members.iter().enumerate().filter(|(other, _)| *other != at);
            let has_other = others.any(|(_, other)| other.circuit(self.now()) == Circuit::Closed);
            match self.offer(member, batch, has_other).await {
                Ok(accepted) => {
                    self.accepted(member, batch, &accepted);
                    return Outcome::Done;
                }
                Err(SendError::Refused { problem }) => {
                    member.counts.failures.fetch_add(1, Ordering::Relaxed);
                    self.refused(member, batch, &problem);
                    return Outcome::Done;
                }
                Err(error) => {
                    member.failed(self.now(), &error);
                    if let SendError::Misdirected { problem } = error {
                        misdirected.get_or_insert((member, problem));
                    }
                }
            }
        }
        // The others may have said the same a while ago, and be left alone since.
        let is_for_nobody = self.members.iter().all(|member| member.misdirects.load(Ordering::Relaxed));
        if is_for_nobody && let Some((member, problem)) = misdirected {
            self.refused(member, batch, &problem);
            return Outcome::Done;
        }
        let retry_at = self.members.iter().map(|member| lock(&member.breaker).retry_at()).min();
        Outcome::Nobody(self.epoch + retry_at.unwrap_or(Duration::from_secs(1)).max(self.now()))
    }

    /// One request. A target that hangs is left the sooner when another could take the batch.
    async fn offer(&self, member: &Member, batch: &Batch, has_other: bool) -> Result<Accepted, SendError> {
        member.counts.attempts.fetch_add(1, Ordering::Relaxed);
        let limit = if has_other { self.switch_after.min(member.target.timeout) } else { member.target.timeout };
        let sent = timeout(limit, member.transport.send(batch)).await;
        sent.unwrap_or_else(|_| Err(SendError::later(format!("no answer within {} ms", limit.as_millis()))))
    }

    fn accepted(&self, member: &Member, batch: &Batch, accepted: &Accepted) {
        let rejected = accepted.rejected.min(batch.items);
        member.succeeded(batch.items - rejected);
        self.queue.ledger().sent(batch.items - rejected);
        self.queue.ledger().dropped(DropReason::Rejected, rejected);
        if rejected > 0 || !accepted.message.is_empty() {
            self.tell_of_refusal(member, batch, rejected, &accepted.message);
        }
    }

    fn refused(&self, member: &Member, batch: &Batch, problem: &str) {
        self.queue.ledger().dropped(DropReason::Rejected, batch.items);
        self.tell_of_refusal(member, batch, batch.items, problem);
    }

    fn tell_of_refusal(&self, member: &Member, batch: &Batch, items: u64, problem: &str) {
        if lock(&member.refusals).is_news(problem, self.now()) {
            tracing::warn!(
                "exporter \"{}\" refused {items} of {} {}: {problem}; what it refuses is counted, and told of again only if the \
                 reason changes",
                member.target.name,
                batch.items,
                batch.signal.as_str()
            );
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

#[cfg(test)]
mod tests;
