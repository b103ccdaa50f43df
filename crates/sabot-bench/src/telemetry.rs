//! Telemetry as a server has it: set up once, for all that runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::SystemClock;
use sabot_common::config::TelemetryStorage;
use sabot_common::registry;
use sabot_observatory::{SpanStore, SpanWriter};
use sabot_runtime::describe;
use sabot_telemetry::{Counter, Registry, SpanQueue, Spans, TelemetryConfig, TelemetryProviders, init_telemetry};

use crate::error::BenchError;

/// What the names of the threads that store spans begin with.
const STORING: &str = "sabot-spans";
/// More spans than a run leaves in the queue.
const DRAIN: usize = 8_192;

/// Metrics, and spans that are recorded and stored, or neither recorded nor stored.
pub(crate) struct Telemetry {
    providers: TelemetryProviders,
    stored: Option<Stored>,
}

struct Stored {
    store: Arc<SpanStore>,
    writer: SpanWriter,
    count: Counter,
}

/// Spans that were recorded, and those of them that were lost because the queue was full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpanCounts {
    pub(crate) received: u64,
    pub(crate) dropped: u64,
}

impl SpanCounts {
    /// What came after `earlier`.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self { received: self.received - earlier.received, dropped: self.dropped - earlier.dropped }
    }
}

impl Telemetry {
    /// Spans are recorded and stored below a directory.
    pub(crate) fn with_spans(dir: &Path) -> Result<Self, BenchError> {
        let providers = init_telemetry(TelemetryConfig::new("sabot-bench"))?;
        let settings = TelemetryStorage::default();
        let store = SpanStore::open(&dir.join("telemetry"), &settings, SystemClock::shared(), providers.registry())?;
        let writer = SpanWriter::spawn(Arc::clone(&store), providers.span_queue().clone(), providers.outlet().clone())?;
        let count = providers.registry().counter(&describe(&registry::SPANS_STORED), &[]);
        Ok(Self { providers, stored: Some(Stored { store, writer, count }) })
    }

    /// No spans are recorded.
    pub(crate) fn without_spans() -> Result<Self, BenchError> {
        Ok(Self { providers: init_telemetry(TelemetryConfig::new("sabot-bench").with_enabled(false))?, stored: None })
    }

    pub(crate) const fn registry(&self) -> &Registry {
        self.providers.registry()
    }

    pub(crate) const fn spans(&self) -> &Spans {
        self.providers.spans()
    }

    /// What has been recorded so far.
    pub(crate) fn counts(&self) -> SpanCounts {
        let queue = self.queue();
        SpanCounts { received: queue.received(), dropped: queue.dropped() }
    }

    fn queue(&self) -> &SpanQueue {
        self.providers.span_queue()
    }

    /// Processor time of the threads that store spans, since they were started.
    pub(crate) fn storing() -> Result<Duration, BenchError> {
        let mut total = Duration::ZERO;
        for task in std::fs::read_dir("/proc/self/task")? {
            let dir = task?.path();
            // A thread may end while it is looked at; none of those that count does.
            let Ok(name) = std::fs::read_to_string(dir.join("comm")) else { continue };
            if name.starts_with(STORING) {
                let times = std::fs::read_to_string(dir.join("schedstat"))?;
                let nanos = times.split(' ').next().and_then(|first| first.parse().ok());
                total += Duration::from_nanos(nanos.ok_or_else(|| BenchError::wrong("schedstat", times))?);
            }
        }
        Ok(total)
    }

    /// Has every span that has ended written to a block on disk, so that it belongs to what has run so far. A server
    /// waits for more of them.
    pub(crate) fn settle(&self) -> Result<(), BenchError> {
        let Some(stored) = &self.stored else { return Ok(()) };
        loop {
            stored.store.append(self.queue().drain(DRAIN));
            stored.store.flush()?;
            let counts = self.counts();
            // What the writer holds at this moment is not in the store yet.
            if stored.count.value() >= to_f64(counts.received - counts.dropped) {
                return Ok(());
            }
            std::thread::yield_now();
        }
    }

    /// Ends the threads.
    pub(crate) fn stop(self) -> Result<(), BenchError> {
        self.providers.close();
        self.stored.map_or(Ok(()), |stored| stored.writer.stop().map_err(BenchError::from))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
