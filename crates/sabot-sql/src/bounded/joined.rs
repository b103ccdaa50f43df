//! Texts joined with `||`, which is an operator, so that no function can stand in for it.

use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ColumnarValue;

use super::estimate::bytes_of;
use super::{MAX_JOINED_BYTES, rows_of, size};
use crate::passing::Watch;

/// Lets through what is not too much. What is joined within bounds is at most twice as much.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct WithinBounds;

impl Watch for WithinBounds {
    const NAME: &'static str = "within_bounds";

    fn look(&self, joined: &ColumnarValue, rows: usize) -> Result<()> {
        let (bytes, rows) = match joined {
            ColumnarValue::Array(values) => (bytes_of(values), rows),
            ColumnarValue::Scalar(value) => (value.size() as u128, 1),
        };
        if bytes > MAX_JOINED_BYTES {
            return exec_err!("|| makes {} {}; the most is {}", size(bytes), rows_of(rows), size(MAX_JOINED_BYTES));
        }
        Ok(())
    }
}
