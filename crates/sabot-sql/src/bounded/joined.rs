//! Texts joined with `||`, which is an operator, so that no function can stand in for it.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::estimate::bytes_of;
use super::{MAX_JOINED_BYTES, rows_of, size};

/// Hands on what it is given, unless that is too much. What is joined within bounds is at most twice as much.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct WithinBounds {
    signature: Signature,
}

impl WithinBounds {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for WithinBounds {
    fn name(&self) -> &'static str {
        "within_bounds"
    }

    /// That of what it is given: a column keeps its name.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|arg| arg.schema_name().to_string()).collect())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return exec_err!("within_bounds takes one argument") };
        Ok(FieldRef::clone(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(joined) = args.args.into_iter().next() else { return exec_err!("within_bounds takes one argument") };
        let (bytes, rows) = match &joined {
            ColumnarValue::Array(values) => (bytes_of(values), rows),
            ColumnarValue::Scalar(value) => (value.size() as u128, 1),
        };
        if bytes > MAX_JOINED_BYTES {
            return exec_err!("|| makes {} {}; the most is {}", size(bytes), rows_of(rows), size(MAX_JOINED_BYTES));
        }
        Ok(joined)
    }
}
