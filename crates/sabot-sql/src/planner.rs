//! SQL text to an analysed logical plan, and on to a [`Plan`].

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr as LogicalExpr, LogicalPlan, Volatility};
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyExpressions};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect as SqlDialect, dialect_from_str};
use sabot_common::suggest;

use crate::aggregate::replace_extremes;
use crate::depth::{self, on_deep_stack};
use crate::relation::PlannedRelation;
use crate::tumble::TumbleFunction;
use crate::{
    Aggregation, Expr, Plan, Relation, RelationKind, SqlError, Step, bounded, distinct, expansion, lower, steps,
};

/// Plans agents' SQL against a set of relations.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    relations: Vec<Relation>,
}

impl Planner {
    /// A planner that knows these relations.
    pub const fn new(relations: Vec<Relation>) -> Self {
        Self { relations }
    }

    /// Plans an agent's query.
    pub fn plan(&self, sql: &str) -> Result<Plan, SqlError> {
        check_depth(sql)?;
        on_deep_stack(|| lower::to_plan(&self.logical_plan(sql, rules())?))
    }

    /// Compiles a scalar expression over the columns of `schema`.
    pub fn expression(schema: &SchemaRef, sql: &str) -> Result<Expr, SqlError> {
        check_depth(sql)?;
        on_deep_stack(|| Self::compile(schema, sql))
    }

    fn compile(schema: &SchemaRef, sql: &str) -> Result<Expr, SqlError> {
        let schema = DFSchema::try_from(Arc::clone(schema)).map_err(|error| SqlError::planning(&error))?;
        let context = SessionContext::new_with_state(session_state());
        let dialect = context.state().config_options().sql_parser.dialect;
        let parsed = context.state().sql_to_expr(sql, &dialect).map_err(|error| SqlError::planning(&error))?;
        distinct::check_parsed(&parsed)?;
        let compiled = context.parse_sql_expr(sql, &schema).and_then(|expr| {
            refuse_unstable(&expr)?;
            // Some functions exist only until they are simplified, so this is not an optimisation.
            let simplifier =
                ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build());
            let expr = simplifier.simplify(bounded::bound(simplifier.coerce(expr, &schema)?)?)?;
            bounded::check_constants_of(&expr)?;
            context.create_physical_expr(expr, &schema)
        });
        compiled.map(Expr::new).map_err(|error| SqlError::planning(&error))
    }

    /// Plans an aggregate over each batch of `schema`: the value per combination of `labels`.
    pub fn batch_aggregate(schema: &SchemaRef, value: &str, labels: &[String]) -> Result<Arc<Aggregation>, SqlError> {
        let relation = Relation::new("batch", Arc::clone(schema), RelationKind::Stream { event_time: None });
        let columns: Vec<_> = labels.iter().map(|label| format!("\"{}\"", label.replace('"', "\"\""))).collect();
        let select = columns.iter().cloned().chain([format!("({value}) AS value")]).collect::<Vec<_>>().join(", ");
        let grouping = if columns.is_empty() { String::new() } else { format!(" GROUP BY {}", columns.join(", ")) };
        let sql = format!("SELECT {select} FROM batch{grouping}");
        check_depth(&sql)?;
        on_deep_stack(|| {
            // Nothing that removes columns: their numbers must stay those of the batch.
            let plan = Self::new(vec![relation]).logical_plan(&sql, vec![Arc::new(SimplifyExpressions::new())]);
            plan.and_then(|plan| lower::to_batch_aggregation(&plan)).map_err(SqlError::without_place)
        })
    }

    fn logical_plan(&self, sql: &str, rules: Rules) -> Result<LogicalPlan, SqlError> {
        let state = session_state();
        let dialect = state.config_options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql, &dialect).map_err(|error| SqlError::planning(&error))?;
        distinct::check(&statement)?;
        expansion::check(&statement)?;
        let context = SessionContext::new_with_state(state);
        self.register(&context, &statement)?;
        let planned = futures::executor::block_on(context.state().statement_to_plan(statement))
            .and_then(|plan| refuse_unstable_plan(&plan).map(|()| plan))
            .and_then(|plan| simplified(&context.state(), plan, rules))
            .and_then(|plan| bounded::check_constants(&plan).map(|()| plan));
        planned.map_err(|error| SqlError::planning(&error))
    }

    /// Registers the relations a statement names, under the spelling it uses.
    fn register(&self, context: &SessionContext, statement: &Statement) -> Result<(), SqlError> {
        let references =
            context.state().resolve_table_references(statement).map_err(|error| SqlError::planning(&error))?;
        for reference in references {
            let name = dotted(&reference);
            if name.eq_ignore_ascii_case("tumble") {
                continue;
            }
            let relation = self.relations.iter().find(|relation| relation.name == name);
            let relation = relation.ok_or_else(|| self.unknown(&name))?;
            register_as(context, &reference, PlannedRelation::plain(relation.clone()))
                .map_err(|error| SqlError::planning(&error))?;
        }
        for spelling in ["tumble", "TUMBLE", "Tumble"] {
            context.register_udtf(spelling, Arc::new(TumbleFunction { relations: self.relations.clone() }));
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> SqlError {
        if is_of_catalog(name) {
            return SqlError::unsupported("SHOW and information_schema", "write one SELECT over a stream");
        }
        let near = suggest::hint(name, self.relations.iter().map(Relation::name));
        SqlError::unplannable(format!("stream or table \"{name}\" does not exist{near}"))
    }
}

/// Whether a name is of the catalog that DataFusion reads for SHOW.
pub(crate) fn is_of_catalog(name: &str) -> bool {
    name.starts_with("information_schema.")
}

/// Refuses SQL that would go too deep, as the parser of queries reads it.
pub(crate) fn check_depth(sql: &str) -> Result<(), SqlError> {
    depth::check(sql, parser_dialect()?.as_ref())
}

/// The dialect queries are read in.
pub(crate) fn parser_dialect() -> Result<Box<dyn SqlDialect>, SqlError> {
    let dialect = session_config().options().sql_parser.dialect;
    let missing = || SqlError::Plan { message: format!("there is no SQL dialect {dialect}"), at: None };
    dialect_from_str(dialect).ok_or_else(missing)
}

/// The settings all planning shares: plain strings rather than views, UTC.
pub(crate) fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("+00:00".to_owned());
    config
}

fn session_state() -> SessionState {
    with_functions(SessionStateBuilder::new().with_config(session_config()))
}

/// The functions all SQL has, agents' and ad-hoc.
pub(crate) fn with_functions(session: SessionStateBuilder) -> SessionState {
    let mut session = session
        .with_default_features()
        .with_analyzer_rule(Arc::new(bounded::Bounds))
        .with_analyzer_rule(Arc::new(steps::Steps));
    replace_extremes(session.aggregate_functions().get_or_insert_default());
    session.build()
}

/// A reference as a relation's name: its parts joined with dots.
pub(crate) fn dotted(reference: &TableReference) -> String {
    match reference {
        TableReference::Bare { table } => table.to_string(),
        TableReference::Partial { schema, table } => format!("{schema}.{table}"),
        TableReference::Full { catalog, schema, table } => format!("{catalog}.{schema}.{table}"),
    }
}

/// Registers a provider under a possibly dotted reference, making the schema it needs.
pub(crate) fn register_as(
    context: &SessionContext,
    reference: &TableReference,
    provider: Arc<dyn datafusion::catalog::TableProvider>,
) -> Result<(), DataFusionError> {
    if let (Some(schema), Some(catalog)) = (reference.schema(), context.catalog("datafusion"))
        && reference.catalog().is_none()
        && catalog.schema(schema).is_none()
    {
        catalog.register_schema(schema, Arc::new(datafusion::catalog::MemorySchemaProvider::new()))?;
    }
    context.register_table(reference.clone(), provider)?;
    Ok(())
}

type Rules = Vec<Arc<dyn OptimizerRule + Send + Sync>>;

/// The few rewrites lowering counts on: equi-join keys found, filters before lookups, unused columns gone.
fn rules() -> Rules {
    vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// Analysis (types, coercion), then the rewrites.
fn simplified(state: &SessionState, plan: LogicalPlan, rules: Rules) -> Result<LogicalPlan, DataFusionError> {
    let analysed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
    Optimizer::with_rules(rules).optimize(analysed, state, |_, _| {})
}

fn refuse_unstable_plan(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    plan.apply(|node| node.apply_expressions(|expr| refuse_unstable(expr).map(|()| TreeNodeRecursion::Continue)))
        .map(|_| ())
}

/// `now()`, `random()` and their like would give other results after a replay.
fn refuse_unstable(expr: &LogicalExpr) -> Result<(), DataFusionError> {
    expr.apply(|part| match part {
        LogicalExpr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            datafusion::common::plan_err!(
                "{}() changes from one run to the next, so results could not be repeated after a crash; use a column of the stream",
                call.func.name()
            )
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })
    .map(|_| ())
}

impl Plan {
    /// The filters right after the scan, which rows must also pass to be counted as late.
    pub fn leading_filters(&self) -> impl Iterator<Item = &Expr> {
        self.steps.iter().map_while(|step| match step {
            Step::Filter(predicate) => Some(predicate),
            _ => None,
        })
    }
}
