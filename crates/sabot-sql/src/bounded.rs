//! Functions that can make far more than they are given, within bounds.
//!
//! `repeat('x', 2000000000)` is quickly written, and such functions reserve what they will make at once. Memory that
//! cannot be had ends the process: nothing could catch that. So each of them is put behind one of the same name that
//! first works out what a call would make, and refuses more than [`MAX_BYTES`]. What joins what it is given can double it
//! with each step of a query, and is held to [`MAX_JOINED_BYTES`]. What is made once must not be large where every row
//! gets it, and no type may be wide by itself.
//!
//! The bound is one of single calls: what several make together, and what grows by joining rows, is not counted.

mod constant;
mod estimate;
mod joined;
mod rule;
mod width;

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::unary;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use sabot_common::units::{format_count, format_size};

pub(crate) use self::constant::{check_constants, check_constants_of};
use self::estimate::{Call, Growth};
pub(crate) use self::rule::{Bounds, bound};

/// What one call may make for one batch, besides what it is given.
const MAX_BYTES: u128 = 64 << 20;
/// What a call may make of a batch by joining what it is given: far more than any batch of a stream holds.
const MAX_JOINED_BYTES: u128 = 256 << 20;

/// A function that refuses to make too much. What is not delegated makes plans better, and no difference to results.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    // `simplify` and `with_updated_config` stay as they are by default: what they give could be the function inside.

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(self.growth, &args);
        let bytes = self.growth.bytes(&call)?;
        let most = self.growth.most();
        if bytes > most {
            let rows = rows_of(call.rows());
            return exec_err!("{} would make {} {rows}; the most is {}", self.name(), size(bytes), size(most));
        }
        if self.growth == Growth::Pad {
            args.args.iter_mut().skip(1).take(1).for_each(without_negatives);
        }
        self.inner.invoke_with_args(args)
    }
}

fn rows_of(rows: usize) -> String {
    match rows {
        1 => "for one row".to_owned(),
        rows => format!("in one batch of {} rows", format_count(rows as u64)),
    }
}

fn size(bytes: u128) -> String {
    u64::try_from(bytes).map_or_else(|_| "too much to count".to_owned(), format_size)
}

/// A text padded to a negative length is empty. DataFusion finds that too, but first reserves room for the length as if
/// it had no sign.
fn without_negatives(lengths: &mut ColumnarValue) {
    if let ColumnarValue::Array(array) = lengths
        && let Some(values) = array.as_primitive_opt::<Int64Type>()
    {
        *array = Arc::new(unary::<_, _, Int64Type>(values, |length| length.max(0)));
    }
}

#[cfg(test)]
mod tests;
