//! Sums of integers and decimals that fail where they do not fit, instead of going on from the other end of the range.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, BooleanArray};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, UInt64Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// The accumulator of a plain sum whose type can overflow without saying so; none for other aggregates.
pub(super) fn checked(aggregate: &AggregateFunctionExpr) -> Option<Box<dyn GroupsAccumulator>> {
    if aggregate.fun().name() != "sum" || aggregate.is_distinct() {
        return None;
    }
    let field = aggregate.field();
    match field.data_type() {
        DataType::Int64 => Some(CheckedSum::boxed::<Int64Type>(aggregate, field.data_type())),
        DataType::UInt64 => Some(CheckedSum::boxed::<UInt64Type>(aggregate, field.data_type())),
        DataType::Decimal128(..) => Some(CheckedSum::boxed::<Decimal128Type>(aggregate, field.data_type())),
        _ => None,
    }
}

/// A sum that notices when it leaves its type's range.
struct CheckedSum {
    sums: Box<dyn GroupsAccumulator>,
    /// Set by an addition that did not fit.
    overflowed: Arc<AtomicBool>,
    name: String,
    data_type: DataType,
}

impl CheckedSum {
    fn boxed<T>(aggregate: &AggregateFunctionExpr, data_type: &DataType) -> Box<dyn GroupsAccumulator>
    where
        T: ArrowPrimitiveType + Send,
        T::Native: ArrowNativeTypeOp,
    {
        let overflowed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&overflowed);
        let add = move |sum: &mut T::Native, value: T::Native| match sum.add_checked(value) {
            Ok(more) => *sum = more,
            Err(_) => flag.store(true, Ordering::Relaxed),
        };
        let sums = Box::new(PrimitiveGroupsAccumulator::<T, _>::new(data_type, add));
        Box::new(Self { sums, overflowed, name: aggregate.name().to_owned(), data_type: data_type.clone() })
    }

    fn in_range(&self) -> Result<()> {
        if self.overflowed.load(Ordering::Relaxed) {
            return exec_err!(
                "{} does not fit {}; sum a wider type, such as CAST(… AS DECIMAL(38, 0)) or DOUBLE",
                self.name,
                self.data_type
            );
        }
        Ok(())
    }
}

impl GroupsAccumulator for CheckedSum {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sums.update_batch(values, group_indices, opt_filter, total_num_groups)?;
        self.in_range()
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.sums.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(emit_to)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.sums.merge_batch(values, group_indices, total_num_groups)?;
        self.in_range()
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.sums.size()
    }
}
