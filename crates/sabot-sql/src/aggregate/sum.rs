//! Sums of integers and decimals that are exact, or fail when they are asked for and do not fit.
//!
//! They add up in a type twice as wide, so that neither the order of rows nor what a sum went through on its way matters.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, DecimalType,
    Int64Type, UInt64Type, i256,
};
use datafusion::common::{ScalarValue, exec_datafusion_err, exec_err, internal_datafusion_err, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::NullState;

/// The accumulator of a sum whose type can overflow; none for other aggregates.
pub(super) fn exact(aggregate: &Arc<AggregateFunctionExpr>) -> Option<Box<dyn GroupsAccumulator>> {
    if aggregate.fun().name() != "sum" {
        return None;
    }
    match aggregate.field().data_type() {
        DataType::Int64 => Some(of_type::<Int64Type>(aggregate)),
        DataType::UInt64 => Some(of_type::<UInt64Type>(aggregate)),
        DataType::Decimal128(..) => Some(of_type::<Decimal128Type>(aggregate)),
        _ => None,
    }
}

fn of_type<T: Summed>(aggregate: &Arc<AggregateFunctionExpr>) -> Box<dyn GroupsAccumulator> {
    let target = Target { name: aggregate.name().to_owned(), data_type: aggregate.field().data_type().clone() };
    if !aggregate.is_distinct() {
        return Box::new(ExactSum::<T> { sums: Vec::new(), nulls: NullState::new(), target });
    }
    let factory = Arc::clone(aggregate);
    Box::new(GroupsAccumulatorAdapter::new(move || {
        let values = factory.create_accumulator()?;
        Ok(Box::new(ExactDistinctSum::<T> { values, target: target.clone(), of: PhantomData }))
    }))
}

/// A type that is summed in a wider one.
trait Summed: ArrowPrimitiveType + Send + Sync + std::fmt::Debug {
    /// Holds the sum of as many values as there can be.
    type Wide: ArrowPrimitiveType + Send;

    fn widen(value: Self::Native) -> <Self::Wide as ArrowPrimitiveType>::Native;
    fn narrow(sum: <Self::Wide as ArrowPrimitiveType>::Native, target: &DataType) -> Option<Self::Native>;
    /// The type of partial sums.
    fn wide_type(target: &DataType) -> DataType;
}

impl Summed for Int64Type {
    type Wide = Decimal128Type;

    fn widen(value: i64) -> i128 {
        i128::from(value)
    }

    fn narrow(sum: i128, _: &DataType) -> Option<i64> {
        i64::try_from(sum).ok()
    }

    fn wide_type(_: &DataType) -> DataType {
        DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)
    }
}

impl Summed for UInt64Type {
    type Wide = Decimal128Type;

    fn widen(value: u64) -> i128 {
        i128::from(value)
    }

    fn narrow(sum: i128, _: &DataType) -> Option<u64> {
        u64::try_from(sum).ok()
    }

    fn wide_type(_: &DataType) -> DataType {
        DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)
    }
}

impl Summed for Decimal128Type {
    type Wide = Decimal256Type;

    fn widen(value: i128) -> i256 {
        i256::from_i128(value)
    }

    fn narrow(sum: i256, target: &DataType) -> Option<i128> {
        let DataType::Decimal128(precision, scale) = target else { return None };
        sum.to_i128().filter(|sum| Self::validate_decimal_precision(*sum, *precision, *scale).is_ok())
    }

    fn wide_type(target: &DataType) -> DataType {
        let scale = if let DataType::Decimal128(_, scale) = target { *scale } else { 0 };
        DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale)
    }
}

/// The sum as the query knows it.
#[derive(Clone, Debug)]
struct Target {
    name: String,
    data_type: DataType,
}

impl Target {
    fn fitting<T: Summed>(&self, sum: <T::Wide as ArrowPrimitiveType>::Native) -> Result<T::Native> {
        T::narrow(sum, &self.data_type).ok_or_else(|| {
            exec_datafusion_err!(
                "{} does not fit {}; sum a wider type, such as CAST(… AS DECIMAL(38, 0)) or DOUBLE",
                self.name,
                self.data_type
            )
        })
    }
}

/// Sums of groups.
struct ExactSum<T: Summed> {
    sums: Vec<<T::Wide as ArrowPrimitiveType>::Native>,
    nulls: NullState,
    target: Target,
}

impl<T: Summed> ExactSum<T> {
    fn add<V>(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
        widen: impl Fn(V::Native) -> <T::Wide as ArrowPrimitiveType>::Native + Send + Sync,
    ) -> Result<()>
    where
        V: ArrowPrimitiveType + Send,
    {
        let [values] = values else { return exec_err!("{} takes one argument", self.target.name) };
        let values = values.as_primitive_opt::<V>().ok_or_else(|| {
            internal_datafusion_err!("{} cannot go on from a sum of {}", self.target.name, values.data_type())
        })?;
        self.sums.resize(groups, Default::default());
        let sums = &mut self.sums;
        self.nulls.accumulate(group_indices, values, filter, groups, |group, value| {
            if let Some(sum) = sums.get_mut(group) {
                *sum = sum.add_wrapping(widen(value));
            }
        });
        Ok(())
    }
}

impl<T: Summed> GroupsAccumulator for ExactSum<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.add::<T>(values, group_indices, opt_filter, total_num_groups, T::widen)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.add::<T::Wide>(values, group_indices, None, total_num_groups, |sum| sum)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums).into_iter();
        let sums = sums.map(|sum| self.target.fitting::<T>(sum)).collect::<Result<Vec<_>>>()?;
        let array = PrimitiveArray::<T>::new(sums.into(), self.nulls.build(emit_to));
        Ok(Arc::new(array.with_data_type(self.target.data_type.clone())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let array = PrimitiveArray::<T::Wide>::new(sums.into(), self.nulls.build(emit_to));
        Ok(vec![Arc::new(array.with_data_type(T::wide_type(&self.target.data_type)))])
    }

    /// Only DataFusion's own aggregation would ask for it, and only of accumulators that offer it.
    fn convert_to_state(&self, _: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        not_impl_err!("{} does not pass rows on as states", self.target.name)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<<T::Wide as ArrowPrimitiveType>::Native>() + self.nulls.size()
    }
}

/// The sum of the different values of one group.
#[derive(Debug)]
struct ExactDistinctSum<T> {
    /// Keeps them.
    values: Box<dyn Accumulator>,
    target: Target,
    of: PhantomData<T>,
}

impl<T: Summed> Accumulator for ExactDistinctSum<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.values.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.values.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.values.state()?;
        let Some(ScalarValue::List(list)) = state.first() else {
            return Err(internal_datafusion_err!("{} keeps no list of values", self.target.name));
        };
        let values = list.values().as_primitive_opt::<T>().ok_or_else(|| {
            internal_datafusion_err!("{} keeps values of {}", self.target.name, list.values().data_type())
        })?;
        if values.is_empty() {
            return ScalarValue::try_from(&self.target.data_type);
        }
        let zero = <T::Wide as ArrowPrimitiveType>::Native::default();
        let sum = values.values().iter().fold(zero, |sum, value| sum.add_wrapping(T::widen(*value)));
        ScalarValue::new_primitive::<T>(Some(self.target.fitting::<T>(sum)?), &self.target.data_type)
    }

    fn size(&self) -> usize {
        self.values.size()
    }
}
