//! Grouped aggregation as a kernel: one [`GroupTable`] holds the groups of one window pane.
//!
//! Group keys and accumulators are DataFusion's; when to update, snapshot, merge, finish and drop is the engine's.

mod extreme;
mod sum;

pub(crate) use extreme::replace_extremes;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::{Expr, SqlError, WindowColumn};

/// A planned aggregation: what to group by, what to compute, and where the window's ends go.
#[derive(Clone)]
pub struct Aggregation {
    pub(crate) keys: Vec<(Expr, Field)>,
    pub(crate) functions: Vec<Function>,
    /// An input column that holds an end of the window; none for an aggregation over a batch alone.
    pub(crate) window: Option<(usize, WindowColumn)>,
    /// For each group column of the output: a window end, or the next key.
    pub(crate) group_columns: Vec<Option<WindowColumn>>,
    /// Group columns, then aggregates.
    pub(crate) schema: SchemaRef,
}

#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) aggregate: Arc<AggregateFunctionExpr>,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) filter: Option<Expr>,
}

impl Aggregation {
    /// An input column that holds an end of the window, and which end.
    pub const fn window(&self) -> Option<(usize, WindowColumn)> {
        self.window
    }

    /// Group columns in output order: an end of the window, or `None` for the next key.
    pub fn group_columns(&self) -> &[Option<WindowColumn>] {
        &self.group_columns
    }

    /// The rows that come out: group columns, then aggregates.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many columns are keys beside the window.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The key columns of a batch.
    pub fn keys_of(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, SqlError> {
        self.keys.iter().map(|(expr, _)| expr.evaluate(batch)).collect()
    }

    /// An empty table.
    pub fn new_table(self: &Arc<Self>) -> Result<GroupTable, SqlError> {
        GroupTable::new(Arc::clone(self))
    }

    /// Of rows that begin with the keys, those whose keys are among `keys`. Without keys all rows are one group.
    pub fn rows_among(self: &Arc<Self>, rows: &RecordBatch, keys: &RecordBatch) -> Result<RecordBatch, SqlError> {
        if self.keys.is_empty() {
            return Ok(rows.clone());
        }
        let key_columns = |batch: &RecordBatch| batch.columns().get(..self.keys.len()).unwrap_or_default().to_vec();
        let mut groups = self.new_table()?;
        let known = groups.intern(&key_columns(keys), keys.num_rows())?;
        groups.intern(&key_columns(rows), rows.num_rows())?;
        let is_known: BooleanArray = groups.indices.iter().map(|group| Some(*group < known)).collect();
        filter_record_batch(rows, &is_known).map_err(|error| SqlError::Evaluate(error.to_string()))
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<_> = self.functions.iter().map(|function| function.aggregate.name()).collect();
        write!(f, "aggregate {}", functions.join(", "))?;
        let keys: Vec<_> = self.keys.iter().map(|(expr, _)| expr.to_string()).collect();
        let window = self.window.map(|_| "window".to_owned());
        write!(f, " by {}", window.into_iter().chain(keys).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aggregation({self})")
    }
}

/// The groups of one pane and their running aggregates.
pub struct GroupTable {
    plan: Arc<Aggregation>,
    /// None when there is no key beside the window: all rows are one group.
    groups: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// Whether any row has arrived, for the keyless case.
    touched: bool,
    indices: Vec<usize>,
}

impl fmt::Debug for GroupTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupTable({} groups)", self.len())
    }
}

impl GroupTable {
    fn new(plan: Arc<Aggregation>) -> Result<Self, SqlError> {
        let accumulators = plan.functions.iter().map(|f| accumulator(&f.aggregate)).collect::<Result<_, _>>();
        let groups = if plan.keys.is_empty() {
            None
        } else {
            let fields: Vec<_> = plan.keys.iter().map(|(_, field)| field.clone()).collect();
            Some(new_group_values(Arc::new(Schema::new(fields)), &GroupOrdering::None).map_err(evaluating)?)
        };
        Ok(Self { accumulators: accumulators.map_err(evaluating)?, plan, groups, touched: false, indices: Vec::new() })
    }

    /// Groups so far.
    pub fn len(&self) -> usize {
        self.groups.as_ref().map_or_else(|| usize::from(self.touched), |groups| groups.len())
    }

    /// Whether no row has arrived.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory it holds, in bytes.
    pub fn size_bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.size()).sum();
        accumulators + self.groups.as_ref().map_or(0, |groups| groups.size())
    }

    /// Adds input rows.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        let keys = self.plan.keys_of(batch)?;
        let total = self.intern(&keys, batch.num_rows())?;
        for (function, accumulator) in self.plan.functions.iter().zip(&mut self.accumulators) {
            let values = function.arguments.iter().map(|e| e.evaluate(batch)).collect::<Result<Vec<_>, _>>()?;
            let filter = function.filter.as_ref().map(|f| f.evaluate_predicate(batch)).transpose()?;
            accumulator.update_batch(&values, &self.indices, filter.as_ref(), total).map_err(evaluating)?;
        }
        Ok(())
    }

    /// Adds partial states made by [`GroupTable::into_state`] of a table of the same plan.
    pub fn merge(&mut self, state: &RecordBatch) -> Result<(), SqlError> {
        let (keys, mut rest) = state.columns().split_at(self.plan.keys.len().min(state.num_columns()));
        let total = self.intern(keys, state.num_rows())?;
        for (function, accumulator) in self.plan.functions.iter().zip(&mut self.accumulators) {
            let width = function.aggregate.state_fields().map_err(evaluating)?.len();
            let (states, tail) = rest.split_at_checked(width).ok_or_else(|| {
                SqlError::Evaluate(format!("state of {} is missing columns", function.aggregate.name()))
            })?;
            accumulator.merge_batch(states, &self.indices, total).map_err(evaluating)?;
            rest = tail;
        }
        Ok(())
    }

    /// The partial states: keys, then each function's state columns. Ends the table: what DataFusion's group values hold
    /// after they have given everything is not fit for more rows.
    pub fn into_state(mut self) -> Result<RecordBatch, SqlError> {
        let mut fields: Vec<Field> = self.plan.keys.iter().map(|(_, field)| field.clone()).collect();
        let (mut columns, rows) = self.take_keys()?;
        for (index, (function, accumulator)) in self.plan.functions.iter().zip(&mut self.accumulators).enumerate() {
            let states = accumulator.state(EmitTo::All).map_err(evaluating)?;
            let state_fields = function.aggregate.state_fields().map_err(evaluating)?;
            for (part, (field, column)) in state_fields.iter().zip(&states).enumerate() {
                fields.push(Field::new(format!("{index}.{part}"), column.data_type().clone(), field.is_nullable()));
            }
            columns.extend(states);
        }
        // Builders of keys begin with kilobytes, and there may be a state of one group for each of many windows.
        columns.iter_mut().filter_map(Arc::get_mut).for_each(Array::shrink_to_fit);
        batch_of(Schema::new(fields), columns, rows)
    }

    /// The results: keys, then one column per function.
    pub fn into_results(mut self) -> Result<RecordBatch, SqlError> {
        let mut fields: Vec<Field> = self.plan.keys.iter().map(|(_, field)| field.clone()).collect();
        let (mut columns, rows) = self.take_keys()?;
        for (function, accumulator) in self.plan.functions.iter().zip(&mut self.accumulators) {
            let column = accumulator.evaluate(EmitTo::All).map_err(evaluating)?;
            fields.push(Field::new(function.aggregate.name(), column.data_type().clone(), true));
            columns.push(column);
        }
        batch_of(Schema::new(fields), columns, rows)
    }

    /// Fills `indices` with each row's group and returns how many groups there are now.
    fn intern(&mut self, keys: &[ArrayRef], rows: usize) -> Result<usize, SqlError> {
        self.touched |= rows > 0;
        if let Some(groups) = &mut self.groups {
            groups.intern(keys, &mut self.indices).map_err(evaluating)?;
            Ok(groups.len())
        } else {
            self.indices.clear();
            self.indices.resize(rows, 0);
            Ok(usize::from(self.touched))
        }
    }

    fn take_keys(&mut self) -> Result<(Vec<ArrayRef>, usize), SqlError> {
        let rows = self.len();
        let keys = match &mut self.groups {
            Some(groups) => groups.emit(EmitTo::All).map_err(evaluating)?,
            None => Vec::new(),
        };
        Ok((keys, rows))
    }
}

fn batch_of(schema: Schema, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, SqlError> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)
        .map_err(|error| SqlError::Evaluate(error.to_string()))
}

fn accumulator(aggregate: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>, DataFusionError> {
    if let Some(sum) = sum::exact(aggregate) {
        return Ok(sum);
    }
    if aggregate.groups_accumulator_supported() {
        return aggregate.create_groups_accumulator();
    }
    let factory = Arc::clone(aggregate);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || factory.create_accumulator())))
}

fn evaluating(error: DataFusionError) -> SqlError {
    SqlError::evaluating(&error)
}
