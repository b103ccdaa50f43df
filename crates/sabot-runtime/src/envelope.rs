//! What travels between operators: a batch and what must not be lost on its way.

use arrow::array::RecordBatch;
use sabot_common::clock::Timestamp;
use sabot_telemetry::TraceContext;

/// A batch with its origin.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The rows; all of one source partition.
    pub batch: RecordBatch,
    /// The source partition they came from.
    pub partition: u32,
    /// Which output they are for.
    pub route: Route,
    /// Whether they are behind their partition's watermark.
    pub lateness: Lateness,
    /// When the oldest of them entered Sabot.
    pub arrived_at: Timestamp,
    /// The span that produced them.
    pub trace: Option<TraceContext>,
    /// Further spans that contributed rows, for links.
    pub links: Vec<TraceContext>,
}

impl Envelope {
    /// The same origin with other rows.
    #[must_use]
    pub fn with_batch(&self, batch: RecordBatch) -> Self {
        Self { batch, links: Vec::new(), ..self.clone() }
    }

    /// Rows in the batch.
    pub fn rows(&self) -> u64 {
        self.batch.num_rows() as u64
    }
}

/// Whether a span that made rows is to be remembered with those that made others. One that is not recorded only matters,
/// to what follows, where no other is; it leaves for one that is.
pub fn admit_cause(causes: &mut Vec<TraceContext>, cause: &TraceContext) -> bool {
    if cause.is_sampled() {
        causes.retain(TraceContext::is_sampled);
    }
    cause.is_sampled() || causes.is_empty()
}

/// Which of a job's outputs rows are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// The result.
    #[default]
    Main,
    /// Rows that came too late; operators do not see them.
    Late,
    /// Rows that came too late and that the query would not have taken anyway: they have been read, and that is all.
    LeftOut,
    /// Input that did not fit the schema; operators do not see it.
    Dead,
}

/// How rows stand to their own partition's watermark, decided once, at the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lateness {
    /// At or ahead of it.
    #[default]
    OnTime,
    /// Behind it, by no more than allowed.
    Allowed,
}
