//! A planned agent: one stream, and the steps its rows go through.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::{Aggregation, Expr, Tumble};

/// An agent's SQL, planned: a scan and a chain of steps.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is read.
    pub scan: Scan,
    /// What happens to it, in order.
    pub steps: Vec<Step>,
    /// The rows that come out, in plain types.
    pub schema: SchemaRef,
}

/// Reading a stream.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The stream's name.
    pub relation: String,
    /// The windows its rows are assigned to; adds `window_start` and `window_end` to its columns.
    pub window: Option<Tumble>,
    /// The stream's columns, and the window's when there is one.
    pub full_schema: SchemaRef,
    /// Columns of `full_schema` that later steps read, in order.
    pub projection: Vec<usize>,
    /// The columns after the projection.
    pub schema: SchemaRef,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub enum Step {
    /// Keeps rows for which the predicate holds.
    Filter(Expr),
    /// Computes new columns.
    Project {
        /// One expression per output column.
        exprs: Vec<Expr>,
        /// The columns they make.
        schema: SchemaRef,
    },
    /// Adds a table's columns.
    Lookup(Lookup),
    /// Aggregates per window and group.
    Aggregate(Arc<Aggregation>),
}

/// A stream-table join: each row meets at most one row of the table, the one under its key.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The table.
    pub table: String,
    /// Inner or left.
    pub kind: LookupKind,
    /// One expression over the stream's row per key column of the table, in the key's order.
    pub keys: Vec<Expr>,
    /// Columns of the table that are read, in order.
    pub table_columns: Vec<usize>,
    /// Conditions over the columns read; a row of the table that fails one is no match.
    pub table_filters: Vec<Expr>,
    /// Which of the columns read are added to the stream's, in order.
    pub added_columns: Vec<usize>,
    /// A condition over the joined row; where it fails there is no match.
    pub condition: Option<Expr>,
    /// The stream's columns followed by those added.
    pub schema: SchemaRef,
}

/// What happens to a row without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKind {
    /// It is left out.
    Inner,
    /// It stays, with nulls for the table's columns.
    Left,
}

impl LookupKind {
    /// The word used in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Left => "left",
        }
    }
}

/// Which end of its window a group column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowColumn {
    /// `window_start`.
    Start,
    /// `window_end`.
    End,
}

impl Plan {
    /// Lookups of rows in tables.
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.steps.iter().filter_map(|step| match step {
            Step::Lookup(lookup) => Some(lookup),
            _ => None,
        })
    }

    /// Tables the plan looks rows up in.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.lookups().map(|lookup| lookup.table.as_str())
    }

    /// The windowed aggregation, if the plan has one.
    pub fn aggregation(&self) -> Option<&Arc<Aggregation>> {
        self.steps.iter().find_map(|step| match step {
            Step::Aggregate(aggregation) => Some(aggregation),
            _ => None,
        })
    }
}

impl fmt::Display for Plan {
    /// The plan as people read it, source first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scan {}", self.scan.relation)?;
        if let Some(window) = self.scan.window {
            let size = std::time::Duration::from_micros(window.size_micros.unsigned_abs());
            write!(f, " in tumbling windows of {}", sabot_common::units::format_duration(size))?;
        }
        for step in &self.steps {
            f.write_str("\n")?;
            match step {
                Step::Filter(predicate) => write!(f, "filter {predicate}")?,
                Step::Project { exprs, schema } => {
                    let columns =
                        exprs.iter().zip(schema.fields()).map(|(e, field)| format!("{e} AS {}", field.name()));
                    write!(f, "project {}", columns.collect::<Vec<_>>().join(", "))?;
                }
                Step::Lookup(lookup) => {
                    let keys: Vec<_> = lookup.keys.iter().map(ToString::to_string).collect();
                    write!(f, "{} lookup in {} by {}", lookup.kind.as_str(), lookup.table, keys.join(", "))?;
                }
                Step::Aggregate(aggregation) => write!(f, "{aggregation}")?,
            }
        }
        Ok(())
    }
}
