//! Exchanges: rows move to the task that owns their key, over one bounded channel per pair of tasks.
//!
//! Barriers align here: after a barrier from one sender, that sender is not read until all have sent theirs, so a
//! snapshot holds exactly the rows before the barrier. The watermark is the lowest of the senders'.

use std::task::Poll;

use sabot_common::clock::SharedClock;
use sabot_telemetry::Counter;
use tokio::sync::mpsc;

use crate::task::Barrier;
use crate::{Envelope, JobError, WATERMARK_END, WATERMARK_NONE};

/// Batches in flight between two tasks.
const CHANNEL_BATCHES: usize = 8;

/// Splits rows by the task that owns them.
pub trait Partitioner: Send {
    /// The rows of `envelope` per owner; owners without rows are left out.
    fn split(&mut self, envelope: Envelope) -> Result<Vec<(usize, Envelope)>, JobError>;
}

/// What travels through an exchange.
#[derive(Debug)]
pub(crate) enum Message {
    Rows(Envelope),
    Watermark(i64),
    Barrier(Barrier),
    End,
}

/// The sending side of one task.
pub(crate) struct Sender {
    receivers: Vec<mpsc::Sender<Message>>,
    partitioner: Box<dyn Partitioner>,
    backpressure: Counter,
    clock: SharedClock,
}

/// The receiving side of one task.
#[derive(Debug)]
pub(crate) struct Receiver {
    inputs: Vec<Input>,
    next: usize,
    watermark: i64,
}

#[derive(Debug)]
struct Input {
    channel: mpsc::Receiver<Message>,
    watermark: i64,
    /// Its barrier has come and others' have not.
    blocked: bool,
}

/// What a receiving task does next.
#[derive(Debug)]
pub(crate) enum Received {
    Rows(Envelope),
    Watermark(i64),
    Barrier(Barrier),
    End,
}

/// Channels between every sender and every receiver.
pub(crate) fn connect(
    partitioners: Vec<Box<dyn Partitioner>>,
    receivers: usize,
    backpressure: &Counter,
    clock: &SharedClock,
) -> (Vec<Sender>, Vec<Receiver>) {
    let mut inputs: Vec<Vec<Input>> = (0..receivers).map(|_| Vec::new()).collect();
    let mut senders = Vec::new();
    for partitioner in partitioners {
        let mut channels = Vec::new();
        for side in &mut inputs {
            let (sender, channel) = mpsc::channel(CHANNEL_BATCHES);
            channels.push(sender);
            side.push(Input { channel, watermark: WATERMARK_NONE, blocked: false });
        }
        let (backpressure, clock) = (backpressure.clone(), SharedClock::clone(clock));
        senders.push(Sender { receivers: channels, partitioner, backpressure, clock });
    }
    let receiver = |inputs| Receiver { inputs, next: 0, watermark: WATERMARK_NONE };
    (senders, inputs.into_iter().map(receiver).collect())
}

impl Sender {
    /// Sends rows to their owners, waiting for room.
    pub(crate) async fn rows(&mut self, envelope: Envelope) -> Result<(), JobError> {
        for (owner, part) in self.partitioner.split(envelope)? {
            let receiver = self.receivers.get(owner).ok_or(JobError::Stopped)?;
            let message = match receiver.try_send(Message::Rows(part)) {
                Ok(()) => continue,
                Err(mpsc::error::TrySendError::Full(message)) => message,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(JobError::Stopped),
            };
            let start = self.clock.monotonic();
            receiver.send(message).await.map_err(|_closed| JobError::Stopped)?;
            self.backpressure.add_f64(self.clock.monotonic().saturating_sub(start).as_secs_f64());
        }
        Ok(())
    }

    /// Sends a control message to every receiver, behind all rows sent so far.
    pub(crate) async fn broadcast(&mut self, message: impl Fn() -> Message + Send) -> Result<(), JobError> {
        for receiver in &self.receivers {
            receiver.send(message()).await.map_err(|_closed| JobError::Stopped)?;
        }
        Ok(())
    }
}

impl Receiver {
    /// The next thing to do.
    pub(crate) async fn next(&mut self) -> Result<Received, JobError> {
        loop {
            let (from, message) = self.message().await?;
            match message {
                Message::Rows(envelope) => return Ok(Received::Rows(envelope)),
                Message::Watermark(watermark) => {
                    if let Some(lowest) = self.raise(from, watermark) {
                        return Ok(Received::Watermark(lowest));
                    }
                }
                Message::End => {
                    if let Some(lowest) = self.raise(from, WATERMARK_END) {
                        if lowest == WATERMARK_END {
                            return Ok(Received::End);
                        }
                        return Ok(Received::Watermark(lowest));
                    }
                }
                Message::Barrier(barrier) => {
                    if self.align(from) {
                        return Ok(Received::Barrier(barrier));
                    }
                }
            }
        }
    }

    fn raise(&mut self, from: usize, watermark: i64) -> Option<i64> {
        let input = self.inputs.get_mut(from)?;
        input.watermark = input.watermark.max(watermark);
        let lowest = self.inputs.iter().map(|input| input.watermark).min()?;
        (lowest > self.watermark).then(|| {
            self.watermark = lowest;
            lowest
        })
    }

    /// Notes a barrier; true when it was the last one missing.
    fn align(&mut self, from: usize) -> bool {
        if let Some(input) = self.inputs.get_mut(from) {
            input.blocked = true;
        }
        let aligned = self.inputs.iter().all(|input| input.blocked);
        if aligned {
            self.inputs.iter_mut().for_each(|input| input.blocked = false);
        }
        aligned
    }

    async fn message(&mut self) -> Result<(usize, Message), JobError> {
        let count = self.inputs.len();
        let (inputs, next) = (&mut self.inputs, &mut self.next);
        std::future::poll_fn(move |context| {
            for step in 0..count {
                let index = (*next + step) % count.max(1);
                let Some(input) = inputs.get_mut(index).filter(|input| !input.blocked) else { continue };
                match input.channel.poll_recv(context) {
                    Poll::Ready(Some(message)) => {
                        *next = index + 1;
                        return Poll::Ready(Ok((index, message)));
                    }
                    // A sender that closes without its end or barrier has failed; the job is told by the sender.
                    Poll::Ready(None) => return Poll::Ready(Err(JobError::Stopped)),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests;
