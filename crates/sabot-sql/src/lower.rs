//! Lowering: a logical plan becomes a chain of steps, or an error that says what to write instead.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr as LogicalExpr, ExprSchemable, Join, LogicalPlan, Projection, TableScan};

use crate::relation::PlannedRelation;
use crate::{
    Aggregation, Expr, Lookup, LookupKind, Plan, RelationKind, Scan, SqlError, Step, WindowColumn, plain_schema,
};

mod aggregation;

/// A plan in the making.
struct Chain {
    scan: Scan,
    steps: Vec<Step>,
    /// For each column of the chain's output: the end of the window it is, if it is one.
    window_columns: Vec<Option<WindowColumn>>,
    /// The schema of the chain's output.
    schema: SchemaRef,
}

/// Lowers an agent's query.
pub(crate) fn to_plan(logical: &LogicalPlan) -> Result<Plan, SqlError> {
    let chain = lower(logical, Windowing::Required)?;
    let mut names = std::collections::BTreeSet::new();
    for field in chain.schema.fields() {
        if !names.insert(field.name()) {
            let message = format!("two output columns are named \"{}\"; name one with AS", field.name());
            return Err(SqlError::Plan { message, at: None });
        }
    }
    Ok(Plan { scan: chain.scan, steps: chain.steps, schema: plain_schema(&chain.schema) })
}

/// Lowers an aggregate over single batches.
pub(crate) fn to_batch_aggregation(logical: &LogicalPlan) -> Result<Arc<Aggregation>, SqlError> {
    let chain = lower(logical, Windowing::PerBatch)?;
    let mut steps = chain.steps.into_iter();
    let aggregate = steps.next();
    let rest_is_trivial = steps.all(|step| match step {
        Step::Project { exprs, .. } => exprs.iter().enumerate().all(|(i, e)| e.as_column() == Some(i)),
        _ => false,
    });
    match aggregate {
        Some(Step::Aggregate(aggregation)) if rest_is_trivial => Ok(aggregation),
        _ => Err(SqlError::unsupported("a metric's value beyond one aggregate", "write one aggregate, such as sum(…)")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Windowing {
    Required,
    PerBatch,
}

fn lower(plan: &LogicalPlan, windowing: Windowing) -> Result<Chain, SqlError> {
    match plan {
        LogicalPlan::TableScan(scan) => lower_scan(scan),
        LogicalPlan::SubqueryAlias(alias) => lower(&alias.input, windowing),
        LogicalPlan::Filter(filter) => {
            let mut chain = lower(&filter.input, windowing)?;
            for predicate in split_conjunction(&filter.predicate) {
                chain.steps.push(Step::Filter(Expr::compile(predicate, filter.input.schema())?));
            }
            Ok(chain)
        }
        LogicalPlan::Projection(projection) => lower_projection(projection, windowing),
        LogicalPlan::Join(join) => lower_join(join, windowing),
        LogicalPlan::Aggregate(aggregate) => aggregation::lower_aggregate(aggregate, windowing),
        other => Err(refusal(other)),
    }
}

fn planned_relation(scan: &TableScan) -> Result<Arc<dyn datafusion::catalog::TableProvider>, SqlError> {
    source_as_provider(&scan.source).map_err(|error| SqlError::planning(&error))
}

fn lower_scan(scan: &TableScan) -> Result<Chain, SqlError> {
    let provider = planned_relation(scan)?;
    let Some(planned) = provider.downcast_ref::<PlannedRelation>() else {
        return Err(SqlError::unsupported(format!("\"{}\"", scan.table_name), "read a stream of this project"));
    };
    if let RelationKind::Table { .. } = planned.relation.kind {
        let name = &planned.relation.name;
        return Err(SqlError::unsupported(
            format!("a query that starts at table \"{name}\""),
            "start FROM a stream and JOIN the table to it",
        ));
    }
    let full_schema = Arc::clone(&planned.schema);
    let width = full_schema.fields().len();
    let projection = scan.projection.clone().unwrap_or_else(|| (0..width).collect());
    let window_of = |column: usize| match (planned.window, width - column) {
        (Some(_), 2) => Some(WindowColumn::Start),
        (Some(_), 1) => Some(WindowColumn::End),
        _ => None,
    };
    let schema = Arc::new(full_schema.project(&projection).map_err(|error| SqlError::Evaluate(error.to_string()))?);
    Ok(Chain {
        window_columns: projection.iter().map(|column| window_of(*column)).collect(),
        scan: Scan {
            relation: planned.relation.name.clone(),
            window: planned.window,
            full_schema,
            projection,
            schema: Arc::clone(&schema),
        },
        steps: Vec::new(),
        schema,
    })
}

fn lower_projection(projection: &Projection, windowing: Windowing) -> Result<Chain, SqlError> {
    let mut chain = lower(&projection.input, windowing)?;
    let exprs = projection
        .expr
        .iter()
        .map(|expr| Expr::compile(expr, projection.input.schema()))
        .collect::<Result<Vec<_>, _>>()?;
    let schema = named_schema(projection.schema.as_arrow());
    let identity = exprs.len() == chain.schema.fields().len()
        && exprs.iter().enumerate().all(|(index, expr)| expr.as_column() == Some(index));
    chain.window_columns = exprs
        .iter()
        .map(|expr| expr.as_column().and_then(|column| chain.window_columns.get(column).copied().flatten()))
        .collect();
    if !identity || schema.fields() != chain.schema.fields() {
        chain.steps.push(Step::Project { exprs, schema: Arc::clone(&schema) });
    }
    chain.schema = schema;
    Ok(chain)
}

fn lower_join(join: &Join, windowing: Windowing) -> Result<Chain, SqlError> {
    let mut chain = lower(&join.left, windowing)?;
    let kind = match join.join_type {
        JoinType::Inner => LookupKind::Inner,
        JoinType::Left => LookupKind::Left,
        other => return Err(SqlError::unsupported(format!("{other} JOIN"), "use JOIN or LEFT JOIN with a table")),
    };
    let side = table_side(&join.right)?;
    let keys = lookup_keys(join, &side)?;
    let condition = join.filter.as_ref().map(|filter| Expr::compile(filter, &join.schema)).transpose()?;
    let schema = named_schema(join.schema.as_arrow());
    chain.window_columns.resize(schema.fields().len(), None);
    chain.steps.push(Step::Lookup(Lookup {
        table: side.table,
        kind,
        keys,
        table_columns: side.columns,
        table_filters: side.filters,
        added_columns: side.added,
        condition,
        schema: Arc::clone(&schema),
    }));
    chain.schema = schema;
    Ok(chain)
}

/// The table on a join's right.
struct TableSide {
    table: String,
    /// Key columns, as columns of the table, with their names.
    key: Vec<(usize, String)>,
    /// Columns of the table that are read.
    columns: Vec<usize>,
    filters: Vec<Expr>,
    /// Which of `columns` the join sees.
    added: Vec<usize>,
}

fn table_side(plan: &LogicalPlan) -> Result<TableSide, SqlError> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => table_side(&alias.input),
        LogicalPlan::TableScan(scan) => scanned_table(scan),
        LogicalPlan::Filter(filter) => {
            let mut side = table_side(&filter.input)?;
            for predicate in split_conjunction(&filter.predicate) {
                side.filters.push(Expr::compile(predicate, filter.input.schema())?);
            }
            Ok(side)
        }
        LogicalPlan::Projection(projection) => {
            let mut side = table_side(&projection.input)?;
            let column = |expr| {
                let compiled = Expr::compile(expr, projection.input.schema())?;
                let index = compiled.as_column().and_then(|index| side.added.get(index).copied());
                index.ok_or_else(subquery_refusal)
            };
            side.added = projection.expr.iter().map(column).collect::<Result<_, _>>()?;
            Ok(side)
        }
        _ => Err(subquery_refusal()),
    }
}

fn subquery_refusal() -> SqlError {
    SqlError::unsupported("a join with a subquery", "join the table by name and put conditions on its columns in WHERE")
}

fn scanned_table(scan: &TableScan) -> Result<TableSide, SqlError> {
    let provider = planned_relation(scan)?;
    let planned = provider.downcast_ref::<PlannedRelation>();
    let Some((planned, RelationKind::Table { key })) = planned.map(|p| (p, &p.relation.kind)) else {
        return Err(SqlError::unsupported(
            format!("a join of a stream with stream \"{}\"", scan.table_name),
            "join a stream with a table",
        ));
    };
    let index_of = |column: &String| Ok((planned.schema.index_of(column)?, column.clone()));
    let key: Result<_, arrow::error::ArrowError> = key.iter().map(index_of).collect();
    let columns = scan.projection.clone().unwrap_or_else(|| (0..planned.schema.fields().len()).collect());
    Ok(TableSide {
        table: planned.relation.name.clone(),
        key: key.map_err(|error| SqlError::Evaluate(error.to_string()))?,
        added: (0..columns.len()).collect(),
        columns,
        filters: Vec::new(),
    })
}

/// The stream's expression for each key column of the table.
fn lookup_keys(join: &Join, side: &TableSide) -> Result<Vec<Expr>, SqlError> {
    let wanted = || SqlError::Unsupported {
        construct: format!("a join with table \"{}\" on other columns than its key", side.table),
        instead: format!(
            "compare each key column ({}) for equality with an expression over the stream",
            side.key.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ")
        ),
    };
    let table_column = |right: &LogicalExpr| {
        let index = join.right.schema().maybe_index_of_column(column_of(right)?)?;
        side.added.get(index).and_then(|added| side.columns.get(*added)).copied()
    };
    for (left, right) in &join.on {
        let of_key =
            |(column, name): &(usize, String)| (table_column(uncast(right)) == Some(*column)).then(|| name.clone());
        if let Some(name) = side.key.iter().find_map(of_key).filter(|_| table_column(right).is_none()) {
            return Err(other_type(join, &name, uncast(left), uncast(right)));
        }
    }
    if join.on.len() != side.key.len() {
        return Err(wanted());
    }
    let mut keys = Vec::with_capacity(side.key.len());
    for (key_column, _) in &side.key {
        let pair = join.on.iter().find(|(_, right)| table_column(right) == Some(*key_column));
        let (stream_side, _) = pair.ok_or_else(wanted)?;
        keys.push(Expr::compile(stream_side, join.left.schema())?);
    }
    Ok(keys)
}

/// A key compared in another type than its own cannot be looked up.
fn other_type(join: &Join, name: &str, stream_side: &LogicalExpr, key: &LogicalExpr) -> SqlError {
    let of =
        |expr: &LogicalExpr, schema| expr.get_type(schema).map_or_else(|_| "?".to_owned(), |found| found.to_string());
    let (given, wanted) = (of(stream_side, join.left.schema()), of(key, join.right.schema()));
    SqlError::unsupported(
        format!("a join that compares key column {name}, which is {wanted}, with {stream_side}, which is {given}"),
        format!("give it the key's type with CAST({stream_side} AS …), or arrow_cast({stream_side}, '{wanted}')"),
    )
}

/// What is compared before both sides were made one type.
fn uncast(expr: &LogicalExpr) -> &LogicalExpr {
    match expr {
        LogicalExpr::Cast(cast) => uncast(&cast.expr),
        other => other,
    }
}

const fn column_of(expr: &LogicalExpr) -> Option<&Column> {
    match expr {
        LogicalExpr::Column(column) => Some(column),
        _ => None,
    }
}

fn refusal(plan: &LogicalPlan) -> SqlError {
    let (construct, instead) = match plan {
        LogicalPlan::Sort(_) => ("ORDER BY", "a stream has no end to sort at; order the result when you query it"),
        LogicalPlan::Limit(_) => ("LIMIT", "a stream has no end; limit the result when you query it"),
        LogicalPlan::Distinct(_) => ("DISTINCT", "group by the columns within a window of TUMBLE(…)"),
        LogicalPlan::Union(_) => ("UNION", "deploy one agent per input stream"),
        LogicalPlan::Window(_) => ("OVER windows", "aggregate within a window of TUMBLE(…)"),
        LogicalPlan::EmptyRelation(_) => ("a query without FROM", "read a stream"),
        LogicalPlan::Subquery(_) => ("a subquery in an expression", "join a table instead"),
        _ => ("this statement", "write one SELECT over a stream"),
    };
    SqlError::unsupported(construct, instead)
}

/// The fields without qualifiers' metadata.
fn named_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> =
        schema.fields().iter().map(|f| Field::new(f.name(), f.data_type().clone(), f.is_nullable())).collect();
    Arc::new(Schema::new(fields))
}
