//! Which rows are late.
//!
//! A row is late when it is behind its own partition's watermark: older than the newest event time of the rows up to
//! and including itself, less the agent's `watermark`. The rule looks at rows one by one in partition order, so the
//! answer does not depend on how rows were batched, and nothing later in the process can change it.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, max, min};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use sabot_runtime::WATERMARK_NONE;

/// The rule, for one agent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatenessRule {
    /// The event-time column.
    pub(crate) column: usize,
    /// How far the watermark stays behind the newest event.
    pub(crate) bound_micros: i64,
    /// How late rows may be and still be added to their window.
    pub(crate) allowed_micros: i64,
}

/// A batch by lateness; parts without rows are none.
#[derive(Debug, Default)]
pub(crate) struct Split {
    pub(crate) on_time: Option<RecordBatch>,
    pub(crate) allowed: Option<RecordBatch>,
    pub(crate) late: Option<RecordBatch>,
}

impl LatenessRule {
    /// The watermark when `newest` is the newest event time.
    pub(crate) const fn watermark(&self, newest: i64) -> i64 {
        if newest == WATERMARK_NONE { WATERMARK_NONE } else { newest.saturating_sub(self.bound_micros) }
    }

    /// Splits a batch and moves `newest` past it.
    pub(crate) fn split(&self, batch: RecordBatch, newest: &mut i64) -> Result<Split, ArrowError> {
        let times = batch.column(self.column).as_primitive::<TimestampMicrosecondType>();
        let times = times.reinterpret_cast::<Int64Type>();
        let (Some(low), Some(high)) = (min(&times), max(&times)) else { return Ok(Split::default()) };
        let before = *newest;
        *newest = before.max(high);
        if low >= self.watermark(*newest) {
            return Ok(Split { on_time: Some(batch), ..Split::default() });
        }
        let mut running = before;
        let mut lateness = Vec::with_capacity(batch.num_rows());
        for time in times.values() {
            running = running.max(*time);
            let behind = self.watermark(running).saturating_sub(*time);
            lateness.push(if behind <= 0 {
                0_u8
            } else if behind <= self.allowed_micros {
                1
            } else {
                2
            });
        }
        let part = |kind: u8| {
            let mask: BooleanArray = lateness.iter().map(|l| Some(*l == kind)).collect();
            let rows = filter_record_batch(&batch, &mask)?;
            Ok::<_, ArrowError>(Some(rows).filter(|rows| rows.num_rows() > 0))
        };
        Ok(Split { on_time: part(0)?, allowed: part(1)?, late: part(2)? })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema, TimestampMicrosecondType};
    use sabot_runtime::WATERMARK_NONE;

    use super::LatenessRule;

    fn batch(times: &[i64]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("t", sabot_sql::event_time_type(), false)]);
        let column = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("+00:00");
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column)]).expect("a batch")
    }

    fn split(rule: LatenessRule, batches: &[&[i64]]) -> [Vec<i64>; 3] {
        let mut newest = WATERMARK_NONE;
        let mut all = [Vec::new(), Vec::new(), Vec::new()];
        for times in batches {
            let split = rule.split(batch(times), &mut newest).expect("a split");
            for (kind, part) in all.iter_mut().zip([split.on_time, split.allowed, split.late]) {
                if let Some(rows) = part {
                    kind.extend(rows.column(0).as_primitive::<TimestampMicrosecondType>().values().iter());
                    assert_eq!(rows.column(0).null_count(), 0);
                }
            }
        }
        all
    }

    #[test]
    fn the_answer_does_not_depend_on_batches() {
        let rule = LatenessRule { column: 0, bound_micros: 10, allowed_micros: 5 };
        let times = [100, 89, 90, 120, 105, 104, 109, 110, 111];
        let whole = split(rule, &[&times]);
        assert_eq!(whole, [vec![100, 90, 120, 110, 111], vec![89, 105, 109], vec![104]]);
        for cut in 1..times.len() {
            let (head, tail) = times.split_at(cut);
            assert_eq!(split(rule, &[head, tail]), whole);
        }
    }
}
