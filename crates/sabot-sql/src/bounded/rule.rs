//! Where the bounds are put: into analysed plans and expressions, before anything is evaluated, constants included.

use std::sync::{Arc, LazyLock};

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use super::estimate::Growth;
use super::joined::WithinBounds;
use super::{Bounded, width};
use crate::passing;

static WITHIN_BOUNDS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| passing::function(WithinBounds));

/// Bounds what a plan can make. To be applied after types are coerced; twice is as good as once.
#[derive(Debug)]
pub(crate) struct Bounds;

impl AnalyzerRule for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let bounded = plan.transform_up_with_subqueries(|node| {
            // A filter or an order inside an aggregate is part of its name.
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(bound_one)?.update_data(|expr| name.restore(expr)))
            })
        });
        bounded.map(|plan| plan.data)
    }
}

/// The same for one expression.
pub(crate) fn bound(expr: Expr) -> Result<Expr> {
    expr.transform_up(bound_one).map(|expr| expr.data)
}

fn bound_one(expr: Expr) -> Result<Transformed<Expr>> {
    width::check(&expr)?;
    Ok(match expr {
        Expr::ScalarFunction(mut call) => match Growth::of(call.func.name()) {
            Some(growth) if !call.func.inner().is::<Bounded>() => {
                call.func = Arc::new(Bounded { inner: call.func, growth }.into());
                Transformed::yes(Expr::ScalarFunction(call))
            }
            // Its argument has been bounded once more.
            _ if passing::is::<WithinBounds>(&call.func) => match call.args.pop() {
                Some(Expr::ScalarFunction(inner)) if passing::is::<WithinBounds>(&inner.func) => {
                    Transformed::yes(Expr::ScalarFunction(inner))
                }
                arg => {
                    call.args.extend(arg);
                    Transformed::no(Expr::ScalarFunction(call))
                }
            },
            _ => Transformed::no(Expr::ScalarFunction(call)),
        },
        joined @ Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, .. }) => {
            Transformed::yes(passing::watched(&WITHIN_BOUNDS, joined))
        }
        other => Transformed::no(other),
    })
}
