//! Projections that read the same, kept apart.
//!
//! DataFusion 55 takes a projection right over one that reads the same for one of them, so that
//! `SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM …)` adds 1 once. The second one of a plan and all after it get a mark,
//! which changes nothing but that they do not read the same.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::{Alias, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, Projection, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;

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
            let func = Arc::new(Step { number, signature: Signature::any(1, Volatility::Immutable) }.into());
            let inner = Box::new(Expr::ScalarFunction(ScalarFunction::new_udf(func, vec![*inner])));
            Expr::Alias(Alias { expr: inner, relation, name, metadata })
        }
        other => other,
    }
}

/// Gives back what it is given.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Step {
    number: usize,
    signature: Signature,
}

impl ScalarUDFImpl for Step {
    fn name(&self) -> &'static str {
        "step"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return internal_err!("a step has one argument") };
        Ok(FieldRef::clone(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.into_iter().next() else { return internal_err!("a step has one argument") };
        Ok(value)
    }
}
