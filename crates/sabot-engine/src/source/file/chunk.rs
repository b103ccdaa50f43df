//! A piece of a file: decoded rows, and those that did not fit with the reason.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use sabot_sql::Expr;

use super::DeadRow;
use super::convert::{Converted, Target, convert, evaluate};

/// Rows decoded together.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: RecordBatch,
    /// In the order of the file.
    pub(crate) dead: Vec<DeadRow>,
}

/// Gives decoded rows their final columns: event time as an instant, derived columns added. A row for which that is not
/// possible is a dead one; whether it is depends on the row alone.
#[derive(Clone, Debug)]
pub(crate) struct Finisher {
    /// Finished columns that must not be null, with what they are for.
    pub(crate) required: Vec<(usize, &'static str)>,
    pub(crate) event_time: Option<usize>,
    pub(crate) derived: Vec<Expr>,
    /// The file's columns in plain types, event time converted.
    pub(crate) base: SchemaRef,
    /// The same with the derived columns.
    pub(crate) full: SchemaRef,
}

impl Finisher {
    /// Finishes the rows of a batch. `errors` are those found in decoding, by row; rows behind its end have none. `bury`
    /// makes a dead row of a row and the reason.
    pub(super) fn finish(
        &self,
        batch: &RecordBatch,
        errors: Vec<Option<String>>,
        bury: &dyn Fn(usize, String) -> DeadRow,
    ) -> Result<Chunk, String> {
        let (columns, errors) = self.columns(batch, errors).map_err(|error| error.to_string())?;
        let rows = RecordBatch::try_new(Arc::clone(&self.full), columns).map_err(|error| error.to_string())?;
        let dead = errors.into_iter().enumerate().filter_map(|(row, error)| Some(bury(row, error?)));
        Ok(Chunk { rows, dead: dead.collect() })
    }

    /// The columns of the rows that fit, and why the others do not.
    fn columns(
        &self,
        batch: &RecordBatch,
        errors: Vec<Option<String>>,
    ) -> Result<(Vec<ArrayRef>, Vec<Option<String>>), ArrowError> {
        let mut work = Work::new(batch.num_rows(), errors);
        let (base, full) = (self.base.fields().len(), self.full.fields().len());
        for (index, column) in batch.columns().iter().enumerate() {
            work.add(self.base.field(index).name(), convert(column, self.target(index))?);
        }
        self.require(0..base, &mut work);
        work.remove_failed()?;
        if !self.derived.is_empty() {
            let rows = RecordBatch::try_new(Arc::clone(&self.base), work.columns.clone())?;
            for (index, expr) in (base..full).zip(&self.derived) {
                let name = format!("derive: {}", self.full.field(index).name());
                work.add(&name, evaluate(expr, &rows, self.target(index))?);
            }
            self.require(base..full, &mut work);
            work.remove_failed()?;
        }
        Ok((work.columns, work.errors))
    }

    fn target(&self, column: usize) -> Target<'_> {
        Target { data_type: self.full.field(column).data_type(), is_event_time: self.event_time == Some(column) }
    }

    /// Fails rows that miss a value in a required column among `columns`.
    fn require(&self, columns: Range<usize>, work: &mut Work) {
        for (index, purpose) in self.required.iter().filter(|(index, _)| columns.contains(index)) {
            let Some(column) = work.columns.get(*index).filter(|column| column.null_count() > 0) else { continue };
            let column = Arc::clone(column);
            for row in (0..column.len()).filter(|row| column.is_null(*row)) {
                work.fail(row, || format!("{purpose} {} is null", self.full.field(*index).name()));
            }
        }
    }
}

/// Rows on their way to a chunk.
struct Work {
    columns: Vec<ArrayRef>,
    /// Which rows of the batch those of the columns are.
    places: Vec<usize>,
    /// By row of the batch: the first thing that is wrong with it.
    errors: Vec<Option<String>>,
}

impl Work {
    fn new(rows: usize, mut errors: Vec<Option<String>>) -> Self {
        errors.resize(rows, None);
        Self { columns: Vec::new(), places: (0..rows).collect(), errors }
    }

    fn add(&mut self, name: &str, column: Converted) {
        self.columns.push(column.values);
        for (row, error) in column.failed {
            self.fail(row, || format!("{name}: {error}"));
        }
    }

    fn fail(&mut self, row: usize, error: impl FnOnce() -> String) {
        if let Some(place) = self.places.get(row).and_then(|place| self.errors.get_mut(*place)) {
            place.get_or_insert_with(error);
        }
    }

    fn remove_failed(&mut self) -> Result<(), ArrowError> {
        let fits: Vec<bool> =
            self.places.iter().map(|place| self.errors.get(*place).is_some_and(Option::is_none)).collect();
        if fits.iter().all(|fits| *fits) {
            return Ok(());
        }
        let mut fit = fits.iter();
        self.places.retain(|_| fit.next() == Some(&true));
        let mask = BooleanArray::from(fits);
        for column in &mut self.columns {
            *column = filter(column, &mask)?;
        }
        Ok(())
    }
}
