//! Targets that fail, hang and come back, in time that only passes when everybody waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{Member, Refusals, Route};
use crate::config::{ExportQueue, Signal, Target, TargetKind};
use crate::export::batch::Batch;
use crate::export::breaker::Circuit;
use crate::export::ledger::{DropReason, LedgerCounts};
use crate::export::queue::Queue;
use crate::export::transport::{Accepted, SendError, Sending, Transport};
use crate::sync::lock;

/// What a target does with the next request.
#[derive(Clone, Debug)]
enum Does {
    Take,
    TakeSome(u64),
    Fail,
    FailFor(u64),
    Misdirect,
    Refuse,
    Hang,
}

/// A target that follows a script, and after it does its last line again.
#[derive(Clone, Debug, Default)]
struct Scripted {
    script: Arc<Mutex<VecDeque<Does>>>,
    /// When each batch was taken, in milliseconds, and its number of items.
    took: Arc<Mutex<Vec<(u128, u64)>>>,
    began: Option<Instant>,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Does>) -> Self {
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        Self { script, took: Arc::default(), began: Some(Instant::now()) }
    }

    fn becomes(&self, does: Does) {
        *lock(&self.script) = [does].into();
    }

    fn took(&self) -> Vec<(u128, u64)> {
        lock(&self.took).clone()
    }

    fn items(&self) -> u64 {
        self.took().iter().map(|(_, items)| items).sum()
    }

    fn next(&self) -> Does {
        let mut script = lock(&self.script);
        if script.len() > 1 { script.pop_front() } else { script.front().cloned() }.expect("a line")
    }
}

impl Transport for Scripted {
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a> {
        Box::pin(async move {
            let problem = "scripted".to_owned();
            let rejected = match self.next() {
                Does::Take => 0,
                Does::TakeSome(rejected) => rejected,
                Does::Fail => return Err(SendError::later(problem)),
                Does::FailFor(seconds) => {
                    return Err(SendError::Later { problem, after: Some(Duration::from_secs(seconds)) });
                }
                Does::Misdirect => return Err(SendError::Misdirected { problem }),
                Does::Refuse => return Err(SendError::Refused { problem }),
                Does::Hang => std::future::pending().await,
            };
            let at = self.began.expect("a beginning").elapsed().as_millis();
            lock(&self.took).push((at, batch.items - rejected));
            Ok(Accepted { rejected, message: String::new() })
        })
    }
}

struct Running {
    route: Arc<Route>,
    stop: watch::Sender<Option<Instant>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(targets: &[&Scripted], queue: &ExportQueue) -> Self {
        let member = |(at, target): (usize, &&Scripted)| {
            let transport: Box<dyn Transport> = Box::new((*target).clone());
            let target = Target::new(format!("t{at}"), TargetKind::Console);
            Arc::new(Member::new(target, transport, Duration::from_secs(30)))
        };
        let route = Arc::new(Route {
            name: "q".to_owned(),
            signal: Signal::Traces,
            queue: Arc::new(Queue::open(queue, "q".as_ref()).expect("a queue")),
            members: targets.iter().enumerate().map(member).collect(),
            epoch: Instant::now(),
            switch_after: Duration::from_millis(750),
        });
        let (stop, stopped) = watch::channel(None);
        let running = Arc::clone(&route);
        let task = tokio::spawn(async move { running.run(stopped).await });
        Self { route, stop, task }
    }

    fn push(&self, items: u64) {
        self.route.queue.push(Batch { signal: Signal::Traces, items, payload: Bytes::from(vec![7; 100]) });
    }

    fn counts(&self) -> LedgerCounts {
        self.route.queue.counts()
    }

    async fn stop(self, within: Duration) -> LedgerCounts {
        self.stop.send_replace(Some(Instant::now() + within));
        self.task.await.expect("it ended");
        self.route.queue.counts()
    }
}

fn in_memory(bytes: u64) -> ExportQueue {
    ExportQueue { max_memory_bytes: bytes, dir: None, max_disk_bytes: 0 }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_first_target_that_works_gets_everything_and_a_better_one_takes_over_again() {
    let (primary, secondary) = (Scripted::new([Does::Take]), Scripted::new([Does::Take]));
    let running = Running::start(&[&primary, &secondary], &in_memory(10_000));
    running.push(1);
    sleep(SECOND).await;
    assert_eq!((primary.items(), secondary.items()), (1, 0));
    primary.becomes(Does::Fail);
    running.push(2);
    sleep(Duration::from_millis(1)).await;
    assert_eq!((primary.items(), secondary.items()), (1, 2), "at once");
    primary.becomes(Does::Take);
    sleep(SECOND).await;
    running.push(4);
    sleep(SECOND).await;
    assert_eq!((primary.items(), secondary.items()), (5, 2), "the preferred target is used again");
    let counts = running.stop(SECOND).await;
    assert_eq!((counts.accepted, counts.sent, counts.balances()), (7, 7, true));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_is_left_within_a_second() {
    let (primary, secondary) = (Scripted::new([Does::Hang]), Scripted::new([Does::Take]));
    let running = Running::start(&[&primary, &secondary], &in_memory(10_000));
    (0..10).for_each(|_| running.push(1));
    sleep(SECOND).await;
    assert_eq!(secondary.items(), 10);
    let (first, last) = (secondary.took()[0].0, secondary.took()[9].0);
    assert!((750..1_000).contains(&first), "{first} ms");
    assert!(last < 1_000, "the others do not wait for it again: {last} ms");
    assert_eq!(running.route.members[0].circuit(running.route.now()), Circuit::HalfOpen);
    assert_eq!(running.stop(SECOND).await.sent, 10);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_sat_out_and_what_does_not_fit_is_counted() {
    let target = Scripted::new([Does::Fail]);
    let running = Running::start(&[&target], &in_memory(1_000));
    for _ in 0..15 {
        running.push(1);
        sleep(SECOND).await;
    }
    let counts = running.counts();
    assert_eq!((counts.queued, counts.dropped_for(DropReason::QueueFull)), (10, 5));
    target.becomes(Does::Take);
    sleep(Duration::from_secs(31)).await;
    let counts = running.stop(SECOND).await;
    assert_eq!((counts.sent, counts.queued, counts.balances()), (10, 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_says_when_is_not_asked_before() {
    let target = Scripted::new([Does::FailFor(7), Does::Take]);
    let running = Running::start(&[&target], &in_memory(1_000));
    running.push(1);
    sleep(Duration::from_secs(8)).await;
    let [(at, 1)] = target.took()[..] else { panic!("{:?}", target.took()) };
    assert!((7_000..7_010).contains(&at), "{at} ms");
    running.stop(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_target_refuses_is_dropped_and_not_tried_again() {
    let target = Scripted::new([Does::Refuse, Does::TakeSome(2), Does::Misdirect, Does::Take]);
    let running = Running::start(&[&target], &in_memory(1_000));
    for items in [10, 5, 100] {
        running.push(items);
    }
    sleep(Duration::from_secs(31)).await;
    let counts = running.counts();
    assert_eq!((counts.sent, counts.dropped_for(DropReason::Rejected)), (3, 112), "{:?}", target.took());
    running.push(1);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(running.stop(SECOND).await.sent, 4);
}

#[tokio::test(start_paused = true)]
async fn what_one_target_will_never_take_another_may() {
    let (primary, secondary) = (Scripted::new([Does::Misdirect]), Scripted::new([Does::Fail, Does::Take]));
    let running = Running::start(&[&primary, &secondary], &in_memory(1_000));
    running.push(3);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(secondary.items(), 3);
    let counts = running.stop(SECOND).await;
    assert_eq!((counts.sent, counts.dropped_total()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_no_target_will_ever_take_does_not_wait_for_ever() {
    // Each is asked while the other is left alone.
    let first = Scripted::new([Does::FailFor(3), Does::Misdirect]);
    let second = Scripted::new([Does::Misdirect]);
    let running = Running::start(&[&first, &second], &in_memory(1 << 20));
    (1..=3).for_each(|items| running.push(items));
    sleep(Duration::from_mins(5)).await;
    let counts = running.counts();
    assert_eq!((counts.queued, counts.dropped_for(DropReason::Rejected)), (0, 6), "{counts:?}");
    first.becomes(Does::Take);
    sleep(Duration::from_mins(1)).await;
    running.push(5);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(first.items(), 5);
    assert!(running.stop(Duration::from_secs(5)).await.balances());
}

#[test]
fn a_refusal_is_told_of_once_and_others_from_time_to_time() {
    let mut refusals = Refusals::default();
    let mut told = |problem: &str, at: u64| refusals.is_news(problem, Duration::from_secs(at));
    assert!(told("unknown service", 0));
    assert!(!told("unknown service", 15) && !told("unknown service", 86_400));
    assert!(told("3 are too old", 86_400));
    assert!(!told("4 are too old", 86_430));
    assert!(told("5 are too old", 86_461));
}

#[tokio::test(start_paused = true)]
async fn stopping_sends_what_it_can_by_its_time_and_keeps_or_counts_the_rest() {
    let target = Scripted::new([Does::Take]);
    let running = Running::start(&[&target], &in_memory(1_000));
    (0..5).for_each(|_| running.push(1));
    assert_eq!(running.stop(SECOND).await.sent, 5, "everything, when the target works");

    let hanging = Scripted::new([Does::Hang]);
    let running = Running::start(&[&hanging], &in_memory(1_000));
    (0..5).for_each(|_| running.push(1));
    let began = Instant::now();
    let counts = running.stop(SECOND).await;
    assert_eq!(began.elapsed(), SECOND, "a request that is under way is given up too");
    assert_eq!((counts.dropped_for(DropReason::Shutdown), counts.balances()), (5, true));

    let dir = tempfile::tempdir().expect("a directory");
    let queue = ExportQueue { max_memory_bytes: 1_000, dir: Some(dir.path().to_owned()), max_disk_bytes: 40_960 };
    let running = Running::start(&[&Scripted::new([Does::Fail])], &queue);
    (0..5).for_each(|_| running.push(1));
    let counts = running.stop(SECOND).await;
    assert_eq!((counts.queued, counts.balances()), (5, true), "kept on disk");
    let target = Scripted::new([Does::Take]);
    let running = Running::start(&[&target], &queue);
    sleep(SECOND).await;
    assert_eq!(target.items(), 5, "and sent by the next process");
    let counts = running.stop(SECOND).await;
    assert_eq!((counts.recovered, counts.sent, counts.balances()), (5, 5, true));
}
