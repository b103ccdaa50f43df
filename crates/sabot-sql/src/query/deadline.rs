//! The end of a query's time, as seen from within a join.
//!
//! A join on something else than equality compares a batch with all rows of the other side in one go, and hands nothing on
//! while nothing matches. So its condition is what looks at the clock.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use tokio::time::Instant;

/// The same plan, optimised, with joins that end when time is up.
pub(super) fn with_deadline(plan: LogicalPlan, deadline: Instant) -> Result<LogicalPlan> {
    let func = Arc::new(InTime { deadline, signature: Signature::any(1, Volatility::Immutable) }.into());
    let watched = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(mut join) = node else { return Ok(Transformed::no(node)) };
        let condition = join.filter.take();
        let changed = condition.is_some();
        let watched = |condition| Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&func), vec![condition]));
        join.filter = condition.map(watched);
        Ok(Transformed::new(LogicalPlan::Join(join), changed, TreeNodeRecursion::Continue))
    });
    watched.map(|plan| plan.data)
}

/// Gives back what it is given while there is time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct InTime {
    deadline: Instant,
    signature: Signature,
}

impl ScalarUDFImpl for InTime {
    fn name(&self) -> &'static str {
        "in_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return internal_err!("in_time has one argument") };
        Ok(FieldRef::clone(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if Instant::now() >= self.deadline {
            return exec_err!("the query's time is up");
        }
        let Some(value) = args.args.into_iter().next() else { return internal_err!("in_time has one argument") };
        Ok(value)
    }
}
