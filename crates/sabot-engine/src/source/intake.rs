//! The way of rows into an agent, whatever they are read from: metrics see them, lateness is decided, and the columns
//! the plan reads are laid out, with the window's.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use sabot_common::clock::Timestamp;
use sabot_runtime::{Envelope, JobError, Lateness, Route};
use sabot_sql::{Expr, Scan};
use sabot_telemetry::TraceContext;

use super::lateness::{LatenessRule, Split};
use super::observe::Observer;

/// What an agent does with rows before its first operator.
#[derive(Clone)]
pub struct Intake {
    pub(crate) scan: Scan,
    /// Set when the agent has windows.
    pub(crate) lateness: Option<LatenessRule>,
    /// The plan's first filters: a late row that fails one is not counted.
    pub(crate) leading_filters: Vec<Expr>,
    pub(crate) observers: Arc<Vec<Observer>>,
}

/// Where rows came from: their partition, the spans that wrote them and when the oldest arrived.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The partition.
    pub partition: u32,
    /// The span that wrote the first of them.
    pub trace: Option<TraceContext>,
    /// Further spans that wrote some of them.
    pub links: Vec<TraceContext>,
    /// When the oldest arrived.
    pub arrived_at: Timestamp,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Intake({})", self.stream())
    }
}

impl Intake {
    /// The stream the agent's SQL reads.
    pub fn stream(&self) -> &str {
        &self.scan.relation
    }

    /// The watermark of a partition whose newest event time is `newest`; none when the agent has no windows.
    pub fn watermark(&self, newest: i64) -> Option<i64> {
        self.lateness.map(|rule| rule.watermark(newest))
    }

    /// Takes rows of one partition in, with all of the stream's columns, and moves the partition's `newest` past them.
    pub fn envelopes(&self, batch: RecordBatch, newest: &mut i64, origin: &Origin) -> Result<Vec<Envelope>, JobError> {
        for observer in self.observers.iter() {
            observer.observe(&batch)?;
        }
        let split = match self.lateness {
            Some(rule) => rule.split(batch, newest).map_err(failed)?,
            None => Split { on_time: Some(batch), ..Split::default() },
        };
        let mut envelopes = Vec::with_capacity(1);
        for (batch, lateness) in [(split.on_time, Lateness::OnTime), (split.allowed, Lateness::Allowed)] {
            if let Some(batch) = batch {
                envelopes.push(origin.envelope(self.view(&batch, &self.scan.full_schema)?, Route::Main, lateness));
            }
        }
        if let Some(all) = split.late {
            let late = self.passing(all.clone())?;
            // Which of them they are is nobody's concern, only how many.
            let left_out = all.slice(0, all.num_rows() - late.num_rows());
            for (rows, route) in [(late, Route::Late), (left_out, Route::LeftOut)] {
                if rows.num_rows() > 0 {
                    envelopes.push(origin.envelope(rows, route, Lateness::OnTime));
                }
            }
        }
        Ok(envelopes)
    }

    /// The columns the plan reads, with the window's.
    fn view(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, JobError> {
        let windowed = match self.scan.window {
            Some(window) => window.assign(batch, schema),
            None => Ok(batch.clone()),
        };
        windowed.and_then(|b| b.project(&self.scan.projection)).map_err(failed)
    }

    /// Late rows, whole, that pass the plan's first filters.
    fn passing(&self, late: RecordBatch) -> Result<RecordBatch, JobError> {
        let mut rows = late;
        // Those without an event time have no window either.
        let schema = nullable(&self.scan.full_schema);
        for filter in &self.leading_filters {
            let mask =
                filter.evaluate_predicate(&self.view(&rows, &schema)?).map_err(|e| JobError::operator("source", e))?;
            rows = filter_record_batch(&rows, &mask).map_err(failed)?;
        }
        Ok(rows)
    }
}

impl Origin {
    fn envelope(&self, batch: RecordBatch, route: Route, lateness: Lateness) -> Envelope {
        let Self { partition, trace, links, arrived_at } = self.clone();
        Envelope { batch, partition, route, lateness, arrived_at, trace, links }
    }
}

fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn failed(error: ArrowError) -> JobError {
    JobError::operator("source", error)
}
