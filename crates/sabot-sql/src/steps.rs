//! Projections that read the same, kept apart.
//!
//! DataFusion 55 takes a projection right over one that reads the same for one of them, so that
//! `SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM …)` adds 1 once. The second one of a plan and all after it get a mark,
//! which changes nothing but that they do not read the same.

use std::collections::HashMap;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, Projection};
use datafusion::optimizer::AnalyzerRule;

use crate::passing::{self, Watch};

/// Marks the projections of a plan.
#[derive(Debug)]
pub(crate) struct Steps;

impl AnalyzerRule for Steps {
    fn name(&self) -> &'static str {
        "steps"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let mut seen: HashMap<Vec<Expr>, usize> = HashMap::new();
        let marked = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::Projection(projection) = node else { return Ok(Transformed::no(node)) };
            let times = seen.entry(projection.expr.clone()).or_default();
            *times += 1;
            if *times == 1 {
                return Ok(Transformed::no(LogicalPlan::Projection(projection)));
            }
            let expr = projection.expr.into_iter().map(|expr| marked(expr, *times)).collect();
            let projection = Projection::try_new_with_schema(expr, projection.input, projection.schema)?;
            Ok(Transformed::yes(LogicalPlan::Projection(projection)))
        });
        marked.map(|plan| plan.data)
    }
}

/// What is computed, and named, with a mark. What only takes a column over does the same once as many times.
fn marked(expr: Expr, number: usize) -> Expr {
    match expr {
        Expr::Alias(Alias { expr: inner, relation, name, metadata })
            if !matches!(*inner, Expr::Column(_) | Expr::Literal(..)) =>
        {
            let inner = passing::watched(&passing::function(Step { number }), *inner);
            Expr::Alias(Alias { expr: Box::new(inner), relation, name, metadata })
        }
        other => other,
    }
}

/// Tells projections apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Step {
    number: usize,
}

impl Watch for Step {
    const NAME: &'static str = "step";

    fn look(&self, _: &ColumnarValue, _: usize) -> Result<()> {
        Ok(())
    }
}
