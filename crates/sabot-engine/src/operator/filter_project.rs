//! Filters and projections, fused: predicates one after another, then the new columns over the rows that are left.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, SchemaRef};
use sabot_common::registry::spans;
use sabot_runtime::{Emitter, Envelope, JobError, Operator};
use sabot_sql::Expr;

use super::failed;

/// Keeps rows for which all predicates hold, then computes columns. Stateless.
#[derive(Debug)]
pub(crate) struct FilterProject {
    predicates: Vec<Expr>,
    projection: Option<(Vec<Expr>, SchemaRef)>,
    /// Input columns the projection reads, when it reads only some: only those are copied when rows are filtered.
    columns: Option<Vec<usize>>,
}

impl FilterProject {
    pub(crate) fn new(predicates: Vec<Expr>, projection: Option<(Vec<Expr>, SchemaRef)>) -> Self {
        let bare = projection.as_ref().and_then(|(exprs, _)| exprs.iter().map(Expr::as_column).collect());
        Self { predicates, projection, columns: bare }
    }

    /// The rows for which all predicates but the last hold, and which of them the last holds for. A predicate sees only
    /// rows that passed those before it: `n <> 0 AND x / n > 2` divides by no zero.
    fn mask(&self, batch: &RecordBatch) -> Result<(RecordBatch, Option<BooleanArray>), JobError> {
        let failed =
            |error: &dyn std::fmt::Display| JobError::operator(spans::FILTER_PROJECT, format!("condition: {error}"));
        let Some((last, earlier)) = self.predicates.split_last() else { return Ok((batch.clone(), None)) };
        let mut rows = batch.clone();
        for predicate in earlier {
            let holds = predicate.evaluate_predicate(&rows).map_err(|error| failed(&error))?;
            rows = filter_record_batch(&rows, &holds).map_err(|error| failed(&error))?;
        }
        let holds = last.evaluate_predicate(&rows).map_err(|error| failed(&error))?;
        Ok((rows, Some(holds)))
    }

    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, JobError> {
        let failed = failed(spans::FILTER_PROJECT);
        let (batch, mask) = self.mask(batch)?;
        // A projection to bare columns needs no evaluation: drop columns first, then copy the rows that stay.
        let (narrow, projected) = match (&self.columns, &self.projection) {
            (Some(columns), Some((_, schema))) => {
                let kept = batch.project(columns).map_err(&failed)?;
                let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
                let columns = kept.columns().to_vec();
                let named = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options);
                (named.map_err(failed)?, true)
            }
            _ => (batch, false),
        };
        let rows = match mask {
            Some(mask) if mask.true_count() < narrow.num_rows() => {
                filter_record_batch(&narrow, &mask).map_err(super::failed(spans::FILTER_PROJECT))?
            }
            _ => narrow,
        };
        match &self.projection {
            Some((exprs, schema)) if !projected => evaluate(exprs, schema, &rows),
            _ => Ok(rows),
        }
    }
}

fn evaluate(exprs: &[Expr], schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, JobError> {
    let column = |(expr, field): (&Expr, &Arc<Field>)| {
        let failed = |error| JobError::operator(spans::FILTER_PROJECT, format!("column \"{}\": {error}", field.name()));
        expr.evaluate(batch).map_err(failed)
    };
    let columns = exprs.iter().zip(schema.fields()).map(column).collect::<Result<Vec<_>, _>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed(spans::FILTER_PROJECT))
}

impl Operator for FilterProject {
    fn name(&self) -> &'static str {
        spans::FILTER_PROJECT
    }

    fn process(&mut self, input: Envelope, out: &mut Emitter<'_>) -> Result<(), JobError> {
        let batch = self.apply(&input.batch)?;
        out.emit(input.with_batch(batch));
        Ok(())
    }
}
