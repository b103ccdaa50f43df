//! Log records: what `tracing` events become, with the trace they belong to.
//!
//! Invariant: logging never waits. A full queue drops the record and counts it. What the exporters' own thread logs is
//! left out, as it would be fed to itself.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;

use crate::clock::unix_nanos_now;
use crate::redaction::Redactor;
use crate::sync::lock;
use crate::{Attribute, AttributeValue, Text, TraceContext, current_trace};

/// Most attributes of a record; the standard's default.
const MAX_ATTRIBUTES: usize = 128;

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Every step.
    Trace,
    /// For those who look for a mistake.
    Debug,
    /// What happens.
    Info,
    /// What should not happen and can be lived with.
    Warn,
    /// What went wrong.
    Error,
}

impl Severity {
    /// `SeverityNumber` of OpenTelemetry.
    pub const fn number(self) -> i32 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }

    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::TRACE => Self::Trace,
            Level::DEBUG => Self::Debug,
            Level::INFO => Self::Info,
            Level::WARN => Self::Warn,
            Level::ERROR => Self::Error,
        }
    }
}

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// When, in nanoseconds since the Unix epoch.
    pub at_unix_nano: u64,
    /// How much it matters.
    pub severity: Severity,
    /// Where in the program it comes from.
    pub target: Text,
    /// What is said.
    pub body: Text,
    /// Details in the order they were given.
    pub attributes: Vec<Attribute>,
    /// Details there was no room for.
    pub dropped_attributes: u32,
    /// The span it was said in.
    pub trace: Option<TraceContext>,
}

impl LogRecord {
    fn redact(&mut self, redactor: &Redactor) {
        redactor.attributes(&mut self.attributes);
        if let Cow::Owned(clean) = redactor.text(&self.body) {
            self.body = clean.into();
        }
    }
}

/// Log records, oldest first. A handle: clones see the same queue, and each record is drained once.
#[derive(Clone, Debug)]
pub struct LogQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sender: SyncSender<Box<LogRecord>>,
    receiver: Mutex<Receiver<Box<LogRecord>>>,
    received: AtomicU64,
    dropped: AtomicU64,
    redactor: Option<Arc<Redactor>>,
}

impl LogQueue {
    /// An empty queue with room for so many records; what leaves it has been through the redactor.
    pub fn new(capacity: usize, redactor: Option<Arc<Redactor>>) -> Self {
        let (sender, receiver) = sync_channel(capacity.max(1));
        let (receiver, received, dropped) = (Mutex::new(receiver), AtomicU64::new(0), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { sender, receiver, received, dropped, redactor }) }
    }

    /// Adds a record, unless the queue is full.
    pub fn push(&self, record: LogRecord) {
        self.shared.received.fetch_add(1, Ordering::Relaxed);
        if self.shared.sender.try_send(Box::new(record)).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes up to `max` records without waiting.
    pub fn drain(&self, max: usize) -> Vec<LogRecord> {
        let mut records: Vec<LogRecord> =
            lock(&self.shared.receiver).try_iter().take(max).map(|record| *record).collect();
        if let Some(redactor) = &self.shared.redactor {
            for record in &mut records {
                record.redact(redactor);
            }
        }
        records
    }

    /// Records logged, those dropped included.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Records lost because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// A `tracing` layer that puts events here. The current OpenTelemetry context says which trace they belong to.
    pub fn layer(&self) -> LogLayer {
        LogLayer { queue: Arc::new(OnceLock::from(self.clone())) }
    }
}

thread_local! {
    static SUPPRESSED: Cell<bool> = const { Cell::new(false) };
}

/// Leaves out what this thread logs from now on.
pub(crate) fn suppress_on_this_thread() {
    SUPPRESSED.set(true);
}

/// Makes log records of `tracing` events, once it knows what takes them.
#[derive(Clone, Debug, Default)]
pub struct LogLayer {
    queue: Arc<OnceLock<LogQueue>>,
}

impl LogLayer {
    /// Puts events into a queue from now on; all clones of the layer do. Only the first queue counts: true if it was this
    /// one. Until then, events are left to others.
    pub fn connect(&self, queue: &LogQueue) -> bool {
        self.queue.set(queue.clone()).is_ok()
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: layer::Context<'_, S>) {
        let Some(queue) = self.queue.get().filter(|_| !SUPPRESSED.get()) else { return };
        let metadata = event.metadata();
        let mut record = LogRecord {
            at_unix_nano: unix_nanos_now(),
            severity: (*metadata.level()).into(),
            target: metadata.target().into(),
            body: Text::default(),
            attributes: Vec::new(),
            dropped_attributes: 0,
            trace: current_trace(),
        };
        event.record(&mut Fields(&mut record));
        queue.push(record);
    }
}

/// Takes the fields of an event in.
struct Fields<'a>(&'a mut LogRecord);

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: AttributeValue) {
        match (field.name(), value) {
            ("message", AttributeValue::Str(text)) => self.0.body = text,
            (name, value) if self.0.attributes.len() < MAX_ATTRIBUTES => self.0.attributes.push((name.into(), value)),
            _ => self.0.dropped_attributes += 1,
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned().into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, value.to_string().into());
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
    use tracing_subscriber::layer::SubscriberExt;

    use super::{LogLayer, LogQueue, Severity};
    use crate::AttributeValue;

    #[test]
    fn events_become_records_of_the_current_trace() {
        let queue = LogQueue::new(10, None);
        let span = SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, true, TraceState::NONE);
        let subscriber = tracing_subscriber::registry().with(queue.layer());
        tracing::subscriber::with_default(subscriber, || {
            let _current = Context::new().with_remote_span_context(span).attach();
            tracing::warn!(target: "shop", order = 12, rush = true, why = ?Some("late"), "order {} is late", 12);
        });
        let records = queue.drain(10);
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((&*record.body, &*record.target, record.severity), ("order 12 is late", "shop", Severity::Warn));
        let expected = [
            ("order".into(), AttributeValue::Int(12)),
            ("rush".into(), AttributeValue::Bool(true)),
            ("why".into(), AttributeValue::Str("Some(\"late\")".into())),
        ];
        assert_eq!(record.attributes, expected);
        let trace = record.trace.expect("a trace");
        assert_eq!((trace.trace_id[15], trace.span_id[7], trace.is_sampled()), (7, 9, true));
    }

    #[test]
    fn a_layer_waits_for_its_queue() {
        let (layer, queue, other) = (LogLayer::default(), LogQueue::new(10, None), LogQueue::new(10, None));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer.clone()), || {
            tracing::info!("before");
            assert!(layer.connect(&queue) && !layer.connect(&other));
            tracing::info!("after");
        });
        assert_eq!(queue.drain(10).iter().map(|record| &*record.body).collect::<Vec<_>>(), ["after"]);
        assert_eq!(other.received(), 0);
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let queue = LogQueue::new(2, None);
        let subscriber = tracing_subscriber::registry().with(queue.layer());
        tracing::subscriber::with_default(subscriber, || (0..5).for_each(|at| tracing::info!(at, "x")));
        assert_eq!((queue.received(), queue.dropped(), queue.drain(10).len()), (5, 3, 2));
    }
}
