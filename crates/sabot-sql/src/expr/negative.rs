//! Negation that fails where the result does not fit: the least integer has no counterpart.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::kernels::numeric::neg;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::internal_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

/// The negative of an expression.
#[derive(Debug, Eq)]
pub(super) struct CheckedNegative {
    pub(super) of: Arc<dyn PhysicalExpr>,
}

// Derived, the comparison would move the child out.
impl PartialEq for CheckedNegative {
    fn eq(&self, other: &Self) -> bool {
        self.of.eq(&other.of)
    }
}

impl Hash for CheckedNegative {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.of.hash(state);
    }
}

impl fmt::Display for CheckedNegative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(- {})", self.of)
    }
}

impl PhysicalExpr for CheckedNegative {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.of.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.of.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.of.evaluate(batch)? {
            ColumnarValue::Array(values) => ColumnarValue::Array(neg(&values)?),
            // Checked by DataFusion itself.
            ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.arithmetic_negate()?),
        })
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.of]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let of = children.into_iter().next().ok_or_else(|| internal_datafusion_err!("a negation of nothing"))?;
        Ok(Arc::new(Self { of }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(- ")?;
        self.of.fmt_sql(f)?;
        write!(f, ")")
    }
}
