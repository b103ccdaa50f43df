//! SQL for Sabot: the only crate that names DataFusion. Its API speaks Arrow and our own types.
//!
//! Two front doors share one parser and one set of functions:
//!
//! - [`Planner`] turns an agent's SQL into a [`Plan`]: a chain of [`Step`]s over one stream, each holding compiled
//!   [`Expr`]s or an [`Aggregation`]. The engine lowers the steps to its own operators; no DataFusion execution plan
//!   runs in an agent, because those coalesce without a deadline and carry neither watermark nor barrier.
//! - [`QueryEngine`] answers ad-hoc questions over whatever [`Relations`] offers, inside limits of memory, rows and time.
//!
//! ```
//! use std::sync::Arc;
//! use arrow::datatypes::{DataType, Field, Schema};
//! use sabot_sql::{Planner, Relation, RelationKind, Step};
//!
//! let schema = Arc::new(Schema::new(vec![Field::new("price", DataType::Int64, true)]));
//! let planner = Planner::new(vec![Relation::new("orders", schema, RelationKind::Stream { event_time: None })]);
//! let plan = planner.plan("SELECT price * 2 AS twice FROM orders WHERE price > 10").unwrap();
//! assert_eq!(plan.scan.relation, "orders");
//! assert!(matches!(plan.steps.as_slice(), [Step::Filter(_), Step::Project { .. }]));
//! ```

mod aggregate;
mod bounded;
mod depth;
mod distinct;
mod error;
mod expansion;
mod expr;
mod lower;
mod passing;
mod plan;
mod planner;
mod query;
mod relation;
mod steps;
mod tumble;
mod types;

pub use aggregate::{Aggregation, GroupTable};
pub use depth::DEEP_STACK_BYTES;
pub use error::SqlError;
pub use expr::Expr;
pub use plan::{Lookup, LookupKind, Plan, Scan, Step, WindowColumn};
pub use planner::Planner;
pub use query::{
    Batches, PartitionReader, QueryEngine, QueryLimits, QueryResult, Relations, RowSink, RowSource, RowSourceKind,
    check_condition,
};
pub use relation::{Relation, RelationKind};
pub use tumble::{Tumble, WINDOW_END, WINDOW_START};
pub use types::{event_time_type, plain_schema, plain_type, to_plain};
