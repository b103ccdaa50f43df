//! Constants, which are written out for every row of a batch.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan};
use sabot_common::units::format_size;

/// What a constant may take where it meets rows: 512 MiB in a batch of 8,192 of them.
const MAX_BYTES: usize = 64 << 10;

/// Refuses a plan, calls with constants evaluated, in which a large constant meets more than one row. One that is only
/// made, or taken apart with `unnest`, may be larger.
pub(crate) fn check_constants(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if !node.inputs().into_iter().all(is_one_row) {
            node.apply_expressions(|expr| check_constants_of(expr).map(|()| TreeNodeRecursion::Continue))?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(|_| ())
}

/// Whether a plan gives one row at most, as far as can be told at a glance.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() <= 1,
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Join(_) => plan.inputs().into_iter().all(is_one_row),
        _ => false,
    }
}

/// The same for one expression, which is evaluated for many rows.
pub(crate) fn check_constants_of(expr: &Expr) -> Result<()> {
    expr.apply(|part| match part {
        Expr::Literal(value, _) if value.size() > MAX_BYTES => {
            let (size, most) = (format_size(value.size() as u64), format_size(MAX_BYTES as u64));
            plan_err!("a constant of {size} would be written out for every row; the most is {most}")
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })
    .map(|_| ())
}
