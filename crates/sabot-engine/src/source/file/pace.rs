//! Replay speed: which of the next rows are due by now.

use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use sabot_common::clock::SharedClock;
use sabot_common::units::Speed;

/// How often a paced source looks again.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// The schedule of one source. After a restart it goes on from the first row it sees.
#[derive(Debug)]
pub(super) struct Pace {
    speed: Speed,
    /// The timestamp column that spaces the rows, for speeds given as a factor.
    column: Option<usize>,
    total_rows: Option<u64>,
    clock: SharedClock,
    /// Set by the first row: when it was given, its position and its time.
    started: Option<Start>,
}

#[derive(Debug)]
struct Start {
    at: Duration,
    row: u64,
    time: Option<i64>,
}

impl Pace {
    pub(super) fn new(speed: Speed, column: Option<usize>, total_rows: Option<u64>, clock: &SharedClock) -> Self {
        Self { speed, column, total_rows, clock: SharedClock::clone(clock), started: None }
    }

    /// How many of `rows`, the first of which is at `position`, are due.
    pub(super) fn due(&mut self, rows: &RecordBatch, position: u64) -> usize {
        if self.speed == Speed::Max {
            return rows.num_rows();
        }
        let now = self.clock.monotonic();
        let times = self.column.and_then(|column| rows.column(column).as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.map(arrow::array::PrimitiveArray::reinterpret_cast::<Int64Type>);
        let first_time = times.as_ref().filter(|t| !t.is_empty() && t.is_valid(0)).map(|t| t.value(0));
        let started = self.started.get_or_insert(Start { at: now, row: position, time: first_time });
        let elapsed = now.saturating_sub(started.at);
        match (self.speed, times, started.time) {
            (Speed::Over(over), _, _) => {
                due_over(over, elapsed, self.total_rows, position - started.row, rows.num_rows())
            }
            (Speed::Times(factor), Some(times), Some(zero)) => {
                let horizon = zero.saturating_add(micros(elapsed.as_secs_f64() * factor));
                times.iter().take_while(|time| time.is_none_or(|time| time <= horizon)).count()
            }
            // Without times to go by, a factor means nothing: replay at once.
            (Speed::Times(_) | Speed::Max, _, _) => rows.num_rows(),
        }
    }
}

/// Rows spread evenly over a time. A file of unknown length is read at once.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "row counts")]
fn due_over(over: Duration, elapsed: Duration, total: Option<u64>, given: u64, available: usize) -> usize {
    let Some(total) = total else { return available };
    let due = (total as f64 * elapsed.as_secs_f64() / over.as_secs_f64()) as u64;
    usize::try_from(due.saturating_sub(given)).unwrap_or(usize::MAX).min(available)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
const fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}
