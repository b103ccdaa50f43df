//! Stream-table lookup join: each row meets the table's row under its key, if there is one.
//!
//! The table is read as it stands when the batch is processed. A table filled by a file is complete before agents that
//! join it start, so that results do not depend on timing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter, filter_record_batch, is_not_null, not, nullif, take, take_record_batch};
use sabot_common::clock::SharedClock;
use sabot_common::registry::{attributes, spans};
use sabot_runtime::{Emitter, Envelope, JobError, Operator};
use sabot_sql::{Lookup, LookupKind};
use sabot_store::Table;

use super::failed;
use super::metrics::JoinMetrics;

/// How often the skew of keys is looked at.
const LOOK_AT_SKEW: Duration = Duration::from_secs(1);

/// What errors call it.
const JOIN: &str = "join";

/// A lookup join. Its state is the table's, shared with everybody who reads it.
pub(crate) struct LookupJoin {
    plan: Lookup,
    table: Arc<Table>,
    metrics: JoinMetrics,
    clock: SharedClock,
    looked_at_skew: Option<Duration>,
}

impl LookupJoin {
    pub(crate) const fn new(plan: Lookup, table: Arc<Table>, metrics: JoinMetrics, clock: SharedClock) -> Self {
        Self { plan, table, metrics, clock, looked_at_skew: None }
    }

    /// Measures how unevenly rows fall on keys, now and then.
    fn look_at_skew(&mut self, matches: &UInt32Array, now: Duration) {
        let is_due = self.looked_at_skew.is_none_or(|last| now.saturating_sub(last) >= LOOK_AT_SKEW);
        if let Some(skew) = is_due.then(|| skew_of(matches)).flatten() {
            self.looked_at_skew = Some(now);
            self.metrics.skew.set(skew);
        }
    }

    /// For each row of `batch` the row of the first result it matches, null where there is none.
    fn matches(&self, batch: &RecordBatch, out: &Emitter<'_>) -> Result<(RecordBatch, UInt32Array), JobError> {
        let keys = self.plan.keys.iter().map(|key| key.evaluate(batch)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(failed(JOIN))?;
        let start = self.clock.monotonic();
        let mut span = out.start_span(spans::STATE_GET);
        if span.is_recording() {
            span.set_attribute(attributes::TABLE, self.table.name().to_owned());
            span.set_attribute(attributes::COMPONENT, "state-store");
        }
        let (rows, indices) = self.table.lookup(&keys)?;
        let rows = rows.project(&self.plan.table_columns).map_err(failed(JOIN))?;
        drop(span);
        self.metrics.gets.add(batch.num_rows() as u64);
        self.metrics.get_duration.observe(self.clock.monotonic().saturating_sub(start).as_secs_f64());
        let indices = self.without_filtered(&rows, indices)?;
        Ok((rows, indices))
    }

    /// Takes matches away whose table row fails a condition.
    fn without_filtered(&self, rows: &RecordBatch, indices: UInt32Array) -> Result<UInt32Array, JobError> {
        let mut kept = indices;
        for condition in &self.plan.table_filters {
            // Only rows that matched: others may be replaced ones, or not be fit for the condition.
            let matched: UInt32Array = kept.iter().flatten().collect::<Vec<_>>().into();
            let matched = take_record_batch(rows, &matched).map_err(failed(JOIN))?;
            let holds = condition.evaluate_predicate(&matched).map_err(failed(JOIN))?;
            let mut holds = holds.iter();
            kept = kept.iter().map(|index| index.filter(|_| holds.next().flatten() == Some(true))).collect();
        }
        Ok(kept)
    }

    fn join(&mut self, batch: &RecordBatch, out: &Emitter<'_>) -> Result<RecordBatch, JobError> {
        let (rows, indices) = self.matches(batch, out)?;
        self.look_at_skew(&indices, self.clock.monotonic());
        let joined = self.combine(batch, &rows, &indices)?;
        let Some(condition) = &self.plan.condition else { return Ok(joined) };
        let holds = condition.evaluate_predicate(&joined).map_err(failed(JOIN))?;
        match self.plan.kind {
            LookupKind::Inner => filter_record_batch(&joined, &holds).map_err(failed(JOIN)),
            LookupKind::Left => {
                let holds: ArrayRef = Arc::new(holds);
                self.combine(batch, &rows, &unmatched_where_false(&indices, &holds)?)
            }
        }
    }

    fn combine(&self, batch: &RecordBatch, rows: &RecordBatch, indices: &UInt32Array) -> Result<RecordBatch, JobError> {
        let failed = failed(JOIN);
        let drop_unmatched = self.plan.kind == LookupKind::Inner && indices.null_count() > 0;
        let (stream, indices) = if drop_unmatched {
            let matched = is_not_null(indices).map_err(&failed)?;
            let kept = filter(indices, &matched).map_err(&failed)?;
            (filter_record_batch(batch, &matched).map_err(&failed)?, kept)
        } else {
            (batch.clone(), Arc::new(indices.clone()) as ArrayRef)
        };
        let mut columns = stream.columns().to_vec();
        for added in &self.plan.added_columns {
            columns.push(take(rows.column(*added), &indices, None).map_err(&failed)?);
        }
        RecordBatch::try_new(Arc::clone(&self.plan.schema), columns).map_err(failed)
    }
}

fn unmatched_where_false(indices: &UInt32Array, holds: &ArrayRef) -> Result<UInt32Array, JobError> {
    let holds = holds
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or_else(|| JobError::operator(JOIN, "a join condition is not boolean"))?;
    let fails = not(holds).map_err(failed(JOIN))?;
    let kept = nullif(indices, &fails).map_err(failed(JOIN))?;
    let kept = kept.as_any().downcast_ref::<UInt32Array>().cloned();
    kept.ok_or_else(|| JobError::operator(JOIN, "matches lost their type"))
}

/// Rows of the most frequent match over the mean of all; none where nothing matched.
#[expect(clippy::cast_precision_loss, reason = "rows of a batch")]
fn skew_of(matches: &UInt32Array) -> Option<f64> {
    let mut rows_of: HashMap<u32, usize> = HashMap::new();
    matches.iter().flatten().for_each(|row| *rows_of.entry(row).or_default() += 1);
    let most = rows_of.values().max()?;
    let matched = matches.len() - matches.null_count();
    Some((most * rows_of.len()) as f64 / matched as f64)
}

const fn name_of(kind: LookupKind) -> &'static str {
    match kind {
        LookupKind::Inner => spans::JOIN_INNER,
        LookupKind::Left => spans::JOIN_LEFT,
    }
}

impl Operator for LookupJoin {
    fn name(&self) -> &'static str {
        name_of(self.plan.kind)
    }

    fn component(&self) -> &'static str {
        "join-engine"
    }

    fn process(&mut self, input: Envelope, out: &mut Emitter<'_>) -> Result<(), JobError> {
        let start = self.clock.monotonic();
        let joined = self.join(&input.batch, out)?;
        self.metrics.operations.add(1);
        self.metrics.duration.observe(self.clock.monotonic().saturating_sub(start).as_secs_f64());
        out.emit(input.with_batch(joined));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::UInt32Array;

    use super::skew_of;

    #[test]
    fn skew_is_one_where_keys_are_even_and_counts_matches_only() {
        let skew = |matches: Vec<Option<u32>>| skew_of(&UInt32Array::from(matches));
        assert_eq!(skew(vec![Some(1), Some(2), Some(1), Some(2), None]), Some(1.0));
        assert_eq!(skew(vec![Some(7); 6]), Some(1.0), "one key alone is even");
        assert_eq!(skew(vec![Some(1), Some(1), Some(1), Some(2)]), Some(1.5));
        assert_eq!(skew(vec![None, None]), None);
    }
}
