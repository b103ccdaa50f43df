//! What agents' SQL may name: streams and tables with their schemas.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::not_impl_err;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::Tumble;

/// A stream or table as planning sees it.
#[derive(Clone, Debug)]
pub struct Relation {
    pub(crate) name: String,
    pub(crate) schema: SchemaRef,
    pub(crate) kind: RelationKind,
}

/// Whether a relation is a stream or a table, and what planning needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A stream and its event-time column.
    Stream {
        /// The event-time column, if it has one.
        event_time: Option<String>,
    },
    /// A table and its key columns.
    Table {
        /// Key columns in order.
        key: Vec<String>,
    },
}

impl Relation {
    /// Describes a relation.
    pub fn new(name: impl Into<String>, schema: SchemaRef, kind: RelationKind) -> Self {
        Self { name: name.into(), schema, kind }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A relation placed in a plan; it can be planned but not executed.
#[derive(Debug)]
pub(crate) struct PlannedRelation {
    pub(crate) relation: Relation,
    /// Set when the relation stands inside `TUMBLE(…)`; `schema` then ends with the window's columns.
    pub(crate) window: Option<Tumble>,
    pub(crate) schema: SchemaRef,
}

impl PlannedRelation {
    pub(crate) fn plain(relation: Relation) -> Arc<Self> {
        let schema = Arc::clone(&relation.schema);
        Arc::new(Self { relation, window: None, schema })
    }
}

#[async_trait]
impl TableProvider for PlannedRelation {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("\"{}\" is planned here, not executed", self.relation.name)
    }
}
