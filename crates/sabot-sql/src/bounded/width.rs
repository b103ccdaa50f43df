//! Types whose every value takes room, null or not: `FixedSizeList(2147483647, Int64)` is quickly written too.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{Cast, Expr, TryCast};

/// Numbers or bytes that a value may take room for.
const MAX_WIDTH: u128 = 64 << 10;

/// Refuses a cast to a type that is too wide.
pub(super) fn check(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => check_type(field.data_type()),
        Expr::ScalarFunction(call) if matches!(call.name(), "arrow_cast" | "arrow_try_cast") => {
            match call.args.get(1) {
                // What is no type is for the function to refuse.
                Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => {
                    text.parse().map_or(Ok(()), |data_type| check_type(&data_type))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn check_type(data_type: &DataType) -> Result<()> {
    if widest(data_type) > MAX_WIDTH {
        return plan_err!(
            "a value of type {data_type} takes too much room; lists and texts of any length take only what they need"
        );
    }
    Ok(())
}

/// The room of one value, or of one in it where that has a place of its own.
fn widest(data_type: &DataType) -> u128 {
    match data_type {
        DataType::FixedSizeBinary(bytes) => u128::try_from(*bytes).unwrap_or(0),
        DataType::FixedSizeList(item, length) => {
            u128::try_from(*length).unwrap_or(0).saturating_mul(widest(item.data_type()))
        }
        DataType::Struct(fields) => {
            fields.iter().fold(0, |sum: u128, field| sum.saturating_add(widest(field.data_type())))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => widest(item.data_type()),
        DataType::Dictionary(_, value) => widest(value),
        DataType::RunEndEncoded(_, values) => widest(values.data_type()),
        DataType::Union(fields, _) => {
            fields.iter().fold(0, |sum: u128, (_, field)| sum.saturating_add(widest(field.data_type())))
        }
        _ => 1,
    }
}
