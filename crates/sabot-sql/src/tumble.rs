//! `TUMBLE(stream, time_column, size [, offset])`: the stream's rows with `window_start` and `window_end`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{max, min};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use sabot_common::suggest;

use crate::relation::PlannedRelation;
use crate::{Relation, RelationKind, event_time_type};

/// Name of the column with a window's first instant.
pub const WINDOW_START: &str = "window_start";
/// Name of the column with the instant after a window's last.
pub const WINDOW_END: &str = "window_end";

/// A tumbling window: fixed size, no overlap, aligned to the Unix epoch plus an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tumble {
    /// Index of the event-time column in the stream's schema.
    pub time_column: usize,
    /// Length in microseconds, above zero.
    pub size_micros: i64,
    /// Shift against the epoch in microseconds, at least zero and below the size.
    pub offset_micros: i64,
}

impl Tumble {
    /// First instant of the window that holds `event_time`, both in microseconds.
    #[inline]
    pub const fn start_of(&self, event_time: i64) -> i64 {
        event_time.saturating_sub(event_time.saturating_sub(self.offset_micros).rem_euclid(self.size_micros))
    }

    /// The batch with `window_start` and `window_end` added, in place of any it has. One division per row only when the batch spans windows.
    pub fn assign(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
        let times = batch.column(self.time_column).as_primitive::<TimestampMicrosecondType>();
        let as_integers = times.reinterpret_cast::<Int64Type>();
        let rows = batch.num_rows();
        let (starts, ends) = match (min(&as_integers), max(&as_integers)) {
            (Some(low), Some(high)) if self.start_of(low) == self.start_of(high) && times.null_count() == 0 => {
                let start = self.start_of(low);
                let column = |value: i64| TimestampMicrosecondArray::from_value(value, rows);
                (column(start), column(start.saturating_add(self.size_micros)))
            }
            _ => {
                let starts: TimestampMicrosecondArray = times.unary(|time| self.start_of(time));
                let ends = starts.unary(|start| start.saturating_add(self.size_micros));
                (starts, ends)
            }
        };
        let fields = batch.schema_ref().fields().iter().zip(batch.columns());
        let kept = fields.filter(|(field, _)| !is_window_column(field)).map(|(_, column)| Arc::clone(column));
        let mut columns: Vec<ArrayRef> = kept.collect();
        columns.push(Arc::new(starts.with_timezone("+00:00")) as ArrayRef);
        columns.push(Arc::new(ends.with_timezone("+00:00")));
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

fn is_window_column(field: &Field) -> bool {
    [WINDOW_START, WINDOW_END].contains(&field.name().as_str())
}

/// The stream's schema with the window's columns. They take the place of those of an earlier window, as in a stream of
/// hours that is summed up to days.
fn windowed_schema(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().filter(|field| !is_window_column(field)).map(Arc::clone).collect();
    for name in [WINDOW_START, WINDOW_END] {
        fields.push(Arc::new(Field::new(name, event_time_type(), false)));
    }
    Arc::new(Schema::new(fields))
}

/// The table function as registered with the SQL planner.
#[derive(Debug)]
pub(crate) struct TumbleFunction {
    pub(crate) relations: Vec<Relation>,
}

const USAGE: &str = "write TUMBLE(stream, time_column, INTERVAL '1 hour' [, INTERVAL 'offset'])";

impl TableFunctionImpl for TumbleFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let (stream, time, size, offset) = match args.exprs() {
            [stream, time, size] => (stream, time, size, None),
            [stream, time, size, offset] => (stream, time, size, Some(offset)),
            other => return plan_err!("TUMBLE takes 3 or 4 arguments, not {}; {USAGE}", other.len()),
        };
        let relation = self.stream_named(&name_of(stream)?)?;
        let size_micros = micros_of(size)?;
        let offset_micros = offset.map_or(Ok(0), micros_of)?;
        if size_micros <= 0 {
            return plan_err!("TUMBLE's size must be longer than 0");
        }
        let window = Tumble {
            time_column: time_column(&relation, &name_of(time)?)?,
            size_micros,
            offset_micros: offset_micros.rem_euclid(size_micros),
        };
        let schema = windowed_schema(&relation.schema);
        Ok(Arc::new(PlannedRelation { relation, window: Some(window), schema }))
    }
}

impl TumbleFunction {
    fn stream_named(&self, name: &str) -> Result<Relation> {
        match self.relations.iter().find(|relation| relation.name == name) {
            Some(relation) if matches!(relation.kind, RelationKind::Stream { .. }) => Ok(relation.clone()),
            Some(_) => plan_err!("TUMBLE needs a stream, \"{name}\" is a table"),
            None => {
                let near = suggest::hint(name, self.relations.iter().map(Relation::name));
                plan_err!("stream \"{name}\" in TUMBLE does not exist{near}")
            }
        }
    }
}

fn time_column(relation: &Relation, column: &str) -> Result<usize> {
    let RelationKind::Stream { event_time: Some(event_time) } = &relation.kind else {
        return plan_err!("stream \"{}\" has no event_time, which TUMBLE needs", relation.name);
    };
    if event_time != column {
        return plan_err!(
            "TUMBLE over \"{}\" must use its event time \"{event_time}\", not \"{column}\"",
            relation.name
        );
    }
    Ok(relation.schema.index_of(column)?)
}

fn name_of(argument: &Expr) -> Result<String> {
    match argument {
        Expr::Column(column) => Ok(column.flat_name()),
        Expr::Literal(ScalarValue::Utf8(Some(name)), _) => Ok(name.clone()),
        other => plan_err!("TUMBLE's first two arguments are names, not {other}; {USAGE}"),
    }
}

fn micros_of(argument: &Expr) -> Result<i64> {
    let Expr::Literal(value, _) = argument else {
        return plan_err!("TUMBLE's size and offset are interval literals, not {argument}; {USAGE}");
    };
    match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            Ok(i64::from(interval.days) * 86_400_000_000 + interval.nanoseconds / 1_000)
        }
        ScalarValue::IntervalMonthDayNano(_) => {
            plan_err!("TUMBLE's size cannot be given in months or years: their length varies; use days")
        }
        other => plan_err!("TUMBLE's size and offset are interval literals, not {other}; {USAGE}"),
    }
}
