//! Rows reach their owners, barriers align, the lowest watermark counts, and a full channel is time waited for.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch};
use sabot_common::clock::{ManualClock, SharedClock, Timestamp};
use sabot_common::registry::BACKPRESSURE;
use sabot_telemetry::{Counter, Registry};

use super::{CHANNEL_BATCHES, Message, Partitioner, Received, Receiver, Sender, connect};
use crate::metrics::describe;
use crate::task::Barrier;
use crate::{Envelope, JobError, Lateness, Route};

/// Rows belong to the task that their number names, modulo the number of tasks.
struct Modulo(usize);

impl Partitioner for Modulo {
    fn split(&mut self, envelope: Envelope) -> Result<Vec<(usize, Envelope)>, JobError> {
        let all = numbers(&envelope);
        let of = |owner: usize| -> Vec<i64> {
            all.iter().copied().filter(|number| usize::try_from(*number).unwrap() % self.0 == owner).collect()
        };
        let parts = (0..self.0).map(|owner| (owner, of(owner))).filter(|(_, numbers)| !numbers.is_empty());
        Ok(parts.map(|(owner, numbers)| (owner, envelope.with_batch(batch(&numbers)))).collect())
    }
}

struct Bed {
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    backpressure: Counter,
    clock: Arc<ManualClock>,
}

fn bed(senders: usize, receivers: usize) -> Bed {
    let clock = Arc::new(ManualClock::default());
    let backpressure = Registry::new().counter(&describe(&BACKPRESSURE), &["exchange"]);
    let partitioners = (0..senders).map(|_| Box::new(Modulo(receivers)) as Box<dyn Partitioner>).collect();
    let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
    let (senders, receivers) = connect(partitioners, receivers, &backpressure, &shared);
    Bed { senders, receivers, backpressure, clock }
}

fn batch(numbers: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(numbers.to_vec())) as _)]).unwrap()
}

fn envelope(numbers: &[i64]) -> Envelope {
    Envelope {
        batch: batch(numbers),
        partition: 0,
        route: Route::Main,
        lateness: Lateness::OnTime,
        arrived_at: Timestamp::default(),
        trace: None,
        links: Vec::new(),
    }
}

fn numbers(envelope: &Envelope) -> Vec<i64> {
    envelope.batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
}

/// What a receiver does next, as text.
async fn next(receiver: &mut Receiver) -> String {
    match receiver.next().await.unwrap() {
        Received::Rows(envelope) => format!("rows {:?}", numbers(&envelope)),
        Received::Watermark(watermark) => format!("watermark {watermark}"),
        Received::Barrier(barrier) => format!("barrier {}", barrier.epoch),
        Received::End => "end".to_owned(),
    }
}

/// Whether a receiver waits for something that has not been sent.
async fn waits(receiver: &mut Receiver) -> bool {
    let mut next = std::pin::pin!(receiver.next());
    std::future::poll_fn(|context| std::task::Poll::Ready(next.as_mut().poll(context).is_pending())).await
}

async fn barrier(sender: &mut Sender, epoch: u64) {
    sender.broadcast(|| Message::Barrier(Barrier { epoch, last: false })).await.unwrap();
}

#[tokio::test]
async fn rows_reach_their_owners_in_order() {
    let mut bed = bed(1, 2);
    for numbers in [[0, 1, 2, 3], [4, 6, 8, 10]] {
        bed.senders[0].rows(envelope(&numbers)).await.unwrap();
    }
    assert_eq!(next(&mut bed.receivers[0]).await, "rows [0, 2]");
    assert_eq!(next(&mut bed.receivers[0]).await, "rows [4, 6, 8, 10]");
    assert_eq!(next(&mut bed.receivers[1]).await, "rows [1, 3]");
    assert!(waits(&mut bed.receivers[1]).await, "nothing is sent to an owner without rows");
}

#[tokio::test]
async fn what_comes_after_a_barrier_waits_until_every_sender_has_sent_it() {
    let mut bed = bed(2, 1);
    barrier(&mut bed.senders[0], 7).await;
    bed.senders[0].rows(envelope(&[1])).await.unwrap();
    bed.senders[1].rows(envelope(&[2])).await.unwrap();
    let receiver = &mut bed.receivers[0];
    assert_eq!(next(receiver).await, "rows [2]", "before the other sender's barrier");
    assert!(waits(receiver).await, "a row behind the barrier was let through");
    barrier(&mut bed.senders[1], 7).await;
    assert_eq!(next(receiver).await, "barrier 7");
    assert_eq!(next(receiver).await, "rows [1]");
}

#[tokio::test]
async fn the_lowest_watermark_counts_and_never_falls() {
    let mut bed = bed(2, 1);
    let senders = &mut bed.senders;
    let mut watermark = async |sender: usize, at: i64| senders[sender].broadcast(|| Message::Watermark(at)).await;
    watermark(0, 50).await.unwrap();
    let receiver = &mut bed.receivers[0];
    assert!(waits(receiver).await, "the other sender may still send anything");
    watermark(1, 30).await.unwrap();
    assert_eq!(next(receiver).await, "watermark 30");
    watermark(1, 20).await.unwrap();
    assert!(waits(receiver).await, "a watermark went back");
    watermark(1, 80).await.unwrap();
    assert_eq!(next(receiver).await, "watermark 50");
}

#[tokio::test]
async fn the_end_comes_when_every_sender_has_ended() {
    let mut bed = bed(2, 1);
    bed.senders[1].broadcast(|| Message::Watermark(10)).await.unwrap();
    bed.senders[0].broadcast(|| Message::End).await.unwrap();
    let receiver = &mut bed.receivers[0];
    assert_eq!(next(receiver).await, "watermark 10", "a sender that has ended holds nobody back");
    bed.senders[1].broadcast(|| Message::End).await.unwrap();
    assert_eq!(next(receiver).await, "end");
}

#[tokio::test]
async fn a_sender_that_goes_without_an_end_stops_the_receiver() {
    let mut bed = bed(2, 1);
    bed.senders.pop();
    assert!(matches!(bed.receivers[0].next().await, Err(JobError::Stopped)));
}

#[tokio::test]
async fn a_receiver_that_has_gone_stops_the_sender() {
    let mut bed = bed(1, 1);
    bed.receivers.clear();
    assert!(matches!(bed.senders[0].rows(envelope(&[1])).await, Err(JobError::Stopped)));
}

#[tokio::test]
async fn time_spent_waiting_for_room_is_counted() {
    let mut bed = bed(1, 1);
    for number in 0..CHANNEL_BATCHES {
        bed.senders[0].rows(envelope(&[i64::try_from(number).unwrap()])).await.unwrap();
    }
    assert!(bed.backpressure.value() < f64::EPSILON, "there was room");
    let mut sender = bed.senders.pop().unwrap();
    let waiting = tokio::spawn(async move { sender.rows(envelope(&[99])).await.map(|()| sender) });
    tokio::task::yield_now().await;
    bed.clock.advance(Duration::from_secs(3));
    assert_eq!(next(&mut bed.receivers[0]).await, "rows [0]");
    let _sender = waiting.await.unwrap().unwrap();
    assert!((bed.backpressure.value() - 3.0).abs() < f64::EPSILON);
}
