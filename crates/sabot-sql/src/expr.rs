//! A compiled expression: columns in, one column out.

mod negative;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr as LogicalExpr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, NegativeExpr};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use self::negative::CheckedNegative;
use crate::SqlError;

/// A compiled expression. Cheap to clone; evaluation shares column buffers where it can.
#[derive(Clone)]
pub struct Expr {
    inner: Arc<dyn PhysicalExpr>,
}

impl Expr {
    pub(crate) fn new(inner: Arc<dyn PhysicalExpr>) -> Self {
        Self { inner: checked(inner) }
    }

    pub(crate) fn compile(expr: &LogicalExpr, schema: &DFSchema) -> Result<Self, SqlError> {
        refuse_subqueries(expr)?;
        create_physical_expr(expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())
            .map(Self::new)
            .map_err(|error| SqlError::planning(&error))
    }

    /// The column at `index`.
    pub fn column(name: &str, index: usize) -> Self {
        Self::new(Arc::new(Column::new(name, index)))
    }

    /// The index of the column this is, when it is nothing but a column.
    pub fn as_column(&self) -> Option<usize> {
        self.inner.downcast_ref::<Column>().map(Column::index)
    }

    /// The type it yields for rows of `schema`.
    pub fn data_type(&self, schema: &Schema) -> Result<DataType, SqlError> {
        self.inner.data_type(schema).map_err(|error| SqlError::planning(&error))
    }

    /// One value per row of `batch`.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, SqlError> {
        self.inner
            .evaluate(batch)
            .and_then(|value| value.into_array(batch.num_rows()))
            .map_err(|error| SqlError::evaluating(&error))
    }

    /// One truth value per row; null counts as false.
    pub fn evaluate_predicate(&self, batch: &RecordBatch) -> Result<BooleanArray, SqlError> {
        let values = self.evaluate(batch)?;
        let truth = values
            .as_any()
            .downcast_ref::<BooleanArray>()
            .ok_or_else(|| SqlError::Evaluate(format!("predicate {self} is not boolean")))?;
        if truth.null_count() == 0 {
            return Ok(truth.clone());
        }
        Ok(arrow::compute::prep_null_mask_filter(truth))
    }
}

/// They would be planned as queries of their own, which agents do not run.
fn refuse_subqueries(expr: &LogicalExpr) -> Result<(), SqlError> {
    let is_subquery = |part: &LogicalExpr| {
        Ok(matches!(part, LogicalExpr::InSubquery(_) | LogicalExpr::Exists(_) | LogicalExpr::ScalarSubquery(_)))
    };
    match expr.exists(is_subquery) {
        Ok(false) => Ok(()),
        Ok(true) => Err(SqlError::unsupported("a subquery in an expression", "join a table instead")),
        Err(error) => Err(SqlError::planning(&error)),
    }
}

/// The same with arithmetic that fails where a result does not fit, instead of going on from the other end of the range.
fn checked(expr: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    let check = |expr: Arc<dyn PhysicalExpr>| {
        let arithmetic: Option<Arc<dyn PhysicalExpr>> = if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            Some(Arc::new(binary.clone().with_fail_on_overflow(true)))
        } else if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
            Some(Arc::new(CheckedNegative { of: Arc::clone(negative.arg()) }))
        } else {
            None
        };
        Ok(arithmetic.map_or_else(|| Transformed::no(expr), Transformed::yes))
    };
    let original = Arc::clone(&expr);
    // Only `check` could fail, and it does not.
    expr.transform_up(check).map_or(original, |transformed| transformed.data)
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({self})")
    }
}
