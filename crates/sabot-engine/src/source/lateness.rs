//! Which rows are late.
//!
//! A row is late when it is behind its own partition's watermark: older than the newest event time of the rows up to
//! and including itself, less the agent's `watermark`. The rule looks at rows one by one in partition order, so the
//! answer does not depend on how rows were batched, and nothing later in the process can change it. A row without an
//! event time, which a stream made by an agent may have, belongs to no window: it is late whatever is allowed.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, max, min};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use sabot_runtime::{WATERMARK_END, WATERMARK_NONE};

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
    /// The watermark when `newest` is the newest event time. No event time yields the values that stand for none and for
    /// the end.
    pub(crate) fn watermark(&self, newest: i64) -> i64 {
        if newest == WATERMARK_NONE {
            return WATERMARK_NONE;
        }
        newest.saturating_sub(self.bound_micros).clamp(WATERMARK_NONE + 1, WATERMARK_END - 1)
    }

    /// Splits a batch and moves `newest` past it.
    pub(crate) fn split(&self, batch: RecordBatch, newest: &mut i64) -> Result<Split, ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(Split::default());
        }
        let times = batch.column(self.column).as_primitive_opt::<TimestampMicrosecondType>();
        let times = times.ok_or_else(|| ArrowError::SchemaError("the event time is not an instant".to_owned()))?;
        let times = times.reinterpret_cast::<Int64Type>();
        let mut running = *newest;
        *newest = running.max(max(&times).unwrap_or(running));
        let low = min(&times).unwrap_or(WATERMARK_NONE);
        if times.null_count() == 0 && low >= self.watermark(*newest) {
            return Ok(Split { on_time: Some(batch), ..Split::default() });
        }
        let lateness: Vec<u8> = times.iter().map(|time| self.lateness(time, &mut running)).collect();
        let part = |kind: u8| {
            let mask: BooleanArray = lateness.iter().map(|l| Some(*l == kind)).collect();
            let rows = filter_record_batch(&batch, &mask)?;
            Ok::<_, ArrowError>(Some(rows).filter(|rows| rows.num_rows() > 0))
        };
        Ok(Split { on_time: part(0)?, allowed: part(1)?, late: part(2)? })
    }

    /// How late a row is: 0 on time, 1 allowed, 2 late.
    fn lateness(&self, time: Option<i64>, running: &mut i64) -> u8 {
        let Some(time) = time else { return 2 };
        *running = time.max(*running);
        match self.watermark(*running).saturating_sub(time) {
            ..=0 => 0,
            behind if behind <= self.allowed_micros => 1,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, RecordBatch, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema, TimestampMicrosecondType};
    use sabot_runtime::WATERMARK_NONE;

    use super::LatenessRule;

    fn batch(times: &[Option<i64>]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("t", sabot_sql::event_time_type(), true)]);
        let column = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("+00:00");
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column)]).expect("a batch")
    }

    fn split(rule: LatenessRule, batches: &[&[Option<i64>]]) -> [Vec<Option<i64>>; 3] {
        let mut newest = WATERMARK_NONE;
        let mut all = [Vec::new(), Vec::new(), Vec::new()];
        for times in batches {
            let split = rule.split(batch(times), &mut newest).expect("a split");
            for (kind, part) in all.iter_mut().zip([split.on_time, split.allowed, split.late]) {
                if let Some(rows) = part {
                    kind.extend(rows.column(0).as_primitive::<TimestampMicrosecondType>().iter());
                }
            }
        }
        all
    }

    fn check_every_cut(rule: LatenessRule, times: &[Option<i64>], expected: [Vec<Option<i64>>; 3]) {
        assert_eq!(split(rule, &[times]), expected);
        for cut in 1..times.len() {
            let (head, tail) = times.split_at(cut);
            assert_eq!(split(rule, &[head, tail]), expected, "cut at {cut}");
        }
        let single: Vec<&[Option<i64>]> = times.chunks(1).collect();
        assert_eq!(split(rule, &single), expected, "row by row");
    }

    #[test]
    fn the_answer_does_not_depend_on_batches() {
        let rule = LatenessRule { column: 0, bound_micros: 10, allowed_micros: 5 };
        let times = [100, 89, 90, 120, 105, 104, 109, 110, 111].map(Some);
        let [on_time, allowed] = [vec![100, 90, 120, 110, 111], vec![89, 105, 109]];
        let some = |times: Vec<i64>| times.into_iter().map(Some).collect();
        check_every_cut(rule, &times, [some(on_time), some(allowed), some(vec![104])]);
    }

    #[test]
    fn rows_without_an_event_time_are_late_whatever_surrounds_them() {
        let rule = LatenessRule { column: 0, bound_micros: 10, allowed_micros: i64::MAX };
        check_every_cut(rule, &[None, Some(5), None, Some(7)], [vec![Some(5), Some(7)], vec![], vec![None, None]]);
        check_every_cut(rule, &[None, None], [vec![], vec![], vec![None, None]]);
    }

    #[test]
    fn times_at_the_ends_of_the_range_neither_overflow_nor_mean_none_or_the_end() {
        let rule = LatenessRule { column: 0, bound_micros: i64::MAX, allowed_micros: 0 };
        let times = [i64::MIN, i64::MAX, 0, i64::MIN + 1].map(Some);
        let late = vec![Some(i64::MIN + 1)];
        check_every_cut(rule, &times, [vec![Some(i64::MIN), Some(i64::MAX), Some(0)], vec![], late]);
        let exact = LatenessRule { column: 0, bound_micros: 0, allowed_micros: 0 };
        assert_eq!(exact.watermark(i64::MAX), i64::MAX - 1);
        assert_eq!(rule.watermark(-5), i64::MIN + 1);
        assert_eq!(rule.watermark(WATERMARK_NONE), WATERMARK_NONE);
    }
}
