//! Lowering of GROUP BY.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Aggregate, Expr as LogicalExpr};
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;

use super::{Chain, Windowing, lower, named_schema};
use crate::aggregate::Function;
use crate::{Aggregation, Expr, SqlError, Step};

pub(super) fn lower_aggregate(aggregate: &Aggregate, windowing: Windowing) -> Result<Chain, SqlError> {
    let mut chain = lower(&aggregate.input, windowing)?;
    if chain.steps.iter().any(|step| matches!(step, Step::Aggregate(_))) {
        return Err(SqlError::unsupported(
            "an aggregate of an aggregate",
            "write the inner one to a stream and aggregate that in a second agent",
        ));
    }
    if aggregate.schema.fields().len() != aggregate.group_expr.len() + aggregate.aggr_expr.len() {
        return Err(SqlError::unsupported("a GROUP BY that names an expression twice", "name it once"));
    }
    let mut keys = Vec::new();
    let mut group_columns = Vec::new();
    let mut window = None;
    for (group, field) in aggregate.group_expr.iter().zip(aggregate.schema.fields()) {
        if matches!(group, LogicalExpr::GroupingSet(_)) {
            return Err(SqlError::unsupported("GROUPING SETS, CUBE and ROLLUP", "deploy one agent per grouping"));
        }
        let expr = Expr::compile(group, aggregate.input.schema())?;
        let end =
            expr.as_column().and_then(|column| Some((column, chain.window_columns.get(column).copied().flatten()?)));
        group_columns.push(end.map(|(_, end)| end));
        match end {
            Some(found) => window = window.or(Some(found)),
            None => keys.push((expr, Field::new(field.name(), field.data_type().clone(), field.is_nullable()))),
        }
    }
    if window.is_none() && windowing == Windowing::Required {
        return Err(SqlError::unsupported(
            "an aggregate without a window",
            "its state would grow for ever; read FROM TUMBLE(stream, time_column, INTERVAL '…') and GROUP BY window_start",
        ));
    }
    let functions = aggregate.aggr_expr.iter().map(|expr| function(expr, aggregate)).collect::<Result<_, _>>()?;
    let schema = named_schema(aggregate.schema.as_arrow());
    chain.window_columns.clone_from(&group_columns);
    chain.window_columns.resize(schema.fields().len(), None);
    chain.schema = Arc::clone(&schema);
    chain.steps.push(Step::Aggregate(Arc::new(Aggregation { keys, functions, window, group_columns, schema })));
    Ok(chain)
}

fn function(expr: &LogicalExpr, aggregate: &Aggregate) -> Result<Function, SqlError> {
    let input = aggregate.input.schema();
    let lowered = LoweredAggregateBuilder::new(
        expr,
        input,
        input.as_arrow(),
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .build()
    .map_err(|error| SqlError::planning(&error))?;
    if !lowered.order_bys.is_empty() {
        return Err(SqlError::unsupported(
            "ORDER BY inside an aggregate",
            "use min_by-like expressions or drop the order",
        ));
    }
    Ok(Function {
        arguments: lowered.aggregate.expressions().into_iter().map(Expr::new).collect(),
        filter: lowered.filter.map(Expr::new),
        aggregate: lowered.aggregate,
    })
}
