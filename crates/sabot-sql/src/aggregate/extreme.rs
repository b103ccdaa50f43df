//! `min` and `max` of floating-point numbers that do not depend on the order of rows.
//!
//! DataFusion's compare with `<` and `>`, for which NaN is neither less nor more, and begin with the largest finite number,
//! which infinity is not less than. Ours order numbers as PostgreSQL does: infinities are numbers, and NaN of either sign
//! comes after all.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::compute::{cast, nullif, prep_null_mask_filter};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{ScalarValue, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::accumulate;

/// Puts ours in front of DataFusion's among these functions.
pub(crate) fn replace_extremes(functions: &mut [Arc<AggregateUDF>]) {
    for function in functions {
        let wanted = match function.name() {
            "min" => Ordering::Less,
            "max" => Ordering::Greater,
            _ => continue,
        };
        *function = Arc::new(Extreme { inner: Arc::clone(function), wanted }.into());
    }
}

/// The least or the greatest of the values, as `wanted` says. What is no floating-point number is DataFusion's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    inner: Arc<AggregateUDF>,
    wanted: Ordering,
}

// Neither what statistics say nor which direction it has is told: those of Parquet know nothing of NaN, and a grouping that
// is cut to its first rows would compare by itself.
impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<arrow::datatypes::FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            DataType::Float32 => Ok(Box::new(OneGroup(Floats::<Float32Type>::new(self.wanted)))),
            DataType::Float64 => Ok(Box::new(OneGroup(Floats::<Float64Type>::new(self.wanted)))),
            _ => self.inner.accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_field.data_type() {
            DataType::Float32 => Ok(Box::new(Floats::<Float32Type>::new(self.wanted))),
            DataType::Float64 => Ok(Box::new(Floats::<Float64Type>::new(self.wanted))),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_field.data_type() {
            float @ (DataType::Float32 | DataType::Float64) => Ok(Box::new(Sliding::new(self.wanted, float))),
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_udf()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// The extremes of groups; none where there was no value.
#[derive(Debug)]
struct Floats<T: ArrowPrimitiveType> {
    wanted: Ordering,
    found: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> Floats<T> {
    const fn new(wanted: Ordering) -> Self {
        Self { wanted, found: Vec::new() }
    }
}

/// NaN as one of all of them, which comparisons too take for the greatest: its sign is an accident.
fn plain<N: ArrowNativeTypeOp>(number: N) -> N {
    if number.partial_cmp(&number).is_none() { N::MAX_TOTAL_ORDER } else { number }
}

impl<T: ArrowPrimitiveType + Send> GroupsAccumulator for Floats<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = values.first().and_then(|values| values.as_primitive_opt::<T>());
        let values =
            values.ok_or_else(|| internal_datafusion_err!("an extreme of {} got something else", T::DATA_TYPE))?;
        self.found.resize(total_num_groups, None);
        let (found, wanted) = (&mut self.found, self.wanted);
        accumulate(group_indices, values, opt_filter, |group, value| {
            let value = plain(value);
            if let Some(best) = found.get_mut(group)
                && best.is_none_or(|best| value.compare(best) == wanted)
            {
                *best = Some(value);
            }
        });
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let found = emit_to.take_needed(&mut self.found);
        Ok(Arc::new(found.into_iter().collect::<PrimitiveArray<T>>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    /// A value is the extreme of itself.
    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let Some(filter) = opt_filter else { return Ok(values.to_vec()) };
        let left_out = arrow::compute::not(&prep_null_mask_filter(filter))?;
        values.iter().map(|values| Ok(nullif(values, &left_out)?)).collect()
    }

    fn size(&self) -> usize {
        self.found.capacity() * size_of::<Option<T::Native>>()
    }
}

/// The extreme of rows that come and go, as in `OVER (ROWS 2 PRECEDING)`.
#[derive(Debug)]
struct Sliding {
    wanted: Ordering,
    data_type: DataType,
    /// The values there are in their order, and how often each is there.
    values: BTreeMap<i64, (f64, usize)>,
}

impl Sliding {
    fn new(wanted: Ordering, data_type: &DataType) -> Self {
        Self { wanted, data_type: data_type.clone(), values: BTreeMap::new() }
    }

    /// Each value with its place in the order.
    fn placed(values: &[ArrayRef]) -> Result<Vec<(i64, f64)>> {
        let values = values.first().ok_or_else(|| internal_datafusion_err!("an extreme of nothing"))?;
        let values = cast(values, &DataType::Float64)?;
        // The order of the bits is that of numbers, but for those with a sign, whose bits run the other way.
        let place = |bits: i64| if bits < 0 { bits ^ i64::MAX } else { bits };
        let values = values.as_primitive::<Float64Type>().iter().flatten().map(plain);
        Ok(values.map(|value| (place(value.to_bits().cast_signed()), value)).collect())
    }
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (place, value) in Self::placed(values)? {
            self.values.entry(place).or_insert((value, 0)).1 += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (place, _) in Self::placed(values)? {
            if let Entry::Occupied(mut there) = self.values.entry(place) {
                there.get_mut().1 -= 1;
                if there.get().1 == 0 {
                    there.remove();
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found = match self.wanted {
            Ordering::Less => self.values.first_key_value(),
            _ => self.values.last_key_value(),
        };
        ScalarValue::Float64(found.map(|(_, (value, _))| *value)).cast_to(&self.data_type)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.len() * size_of::<(i64, (f64, usize))>()
    }
}

/// One group alone, as where there is no GROUP BY.
#[derive(Debug)]
struct OneGroup<T: ArrowPrimitiveType>(Floats<T>);

impl<T: ArrowPrimitiveType + Send> OneGroup<T> {
    /// The extreme so far; it stays.
    fn found(&mut self) -> Result<ScalarValue> {
        let found = self.0.evaluate(EmitTo::All)?;
        if found.is_empty() {
            return ScalarValue::try_from(found.data_type());
        }
        self.0.merge_batch(&[Arc::clone(&found)], &[0], 1)?;
        ScalarValue::try_from_array(&found, 0)
    }
}

impl<T: ArrowPrimitiveType + Send + std::fmt::Debug> Accumulator for OneGroup<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, Array::len);
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.found()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.found()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::Float64Type;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionContext;

    use crate::planner::with_functions;

    const NAN: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;

    /// Least and greatest of the values, each in a batch of its own.
    async fn extremes(values: &[Option<f64>], grouped: bool) -> [Option<f64>; 2] {
        let context = SessionContext::new_with_state(with_functions(SessionStateBuilder::new()));
        let batches = values.iter().map(|value| {
            let values: ArrayRef = Arc::new(Float64Array::from(vec![*value, None]));
            let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 1]));
            RecordBatch::try_from_iter_with_nullable([("k", keys, false), ("v", values, true)]).unwrap()
        });
        let table = context.read_batches(batches.collect::<Vec<_>>()).unwrap();
        context.register_table("t", table.into_view()).unwrap();
        let grouping = if grouped { " GROUP BY k" } else { "" };
        let sql = format!("SELECT min(v) AS low, max(v) AS high FROM t{grouping}");
        let rows = context.sql(&sql).await.unwrap().collect().await.unwrap();
        let of = |column: usize| rows[0].column(column).as_primitive::<Float64Type>().iter().next().unwrap();
        [of(0), of(1)]
    }

    /// As PostgreSQL and DuckDB order them.
    #[tokio::test]
    async fn infinities_are_numbers_and_nan_comes_after_all_in_any_order() {
        for (values, low, high) in [
            (vec![-INF, NAN, 1.0], -INF, NAN),
            (vec![1.0, NAN], 1.0, NAN),
            (vec![INF, INF], INF, INF),
            (vec![-INF, -INF], -INF, -INF),
            (vec![NAN, -NAN], NAN, NAN),
            (vec![3.0, -2.0, 0.5], -2.0, 3.0),
        ] {
            for reversed in [false, true] {
                let mut values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
                if reversed {
                    values.reverse();
                }
                for grouped in [false, true] {
                    let found = extremes(&values, grouped).await;
                    // NaN is not equal to itself; its text is.
                    let text = |numbers: [Option<f64>; 2]| {
                        format!("{:?}", numbers.map(|n| n.map(f64::abs).zip(n.filter(|n| !n.is_nan()))))
                    };
                    assert_eq!(text(found), text([Some(low), Some(high)]), "{values:?}");
                }
            }
        }
        assert_eq!(extremes(&[None], true).await, [None, None]);
        assert_eq!(extremes(&[None], false).await, [None, None]);
    }

    /// Where DataFusion would rather compare by itself.
    #[tokio::test]
    async fn first_rows_and_sliding_frames_have_the_same() {
        let context = SessionContext::new_with_state(with_functions(SessionStateBuilder::new()));
        let values = "(VALUES (1, 1, -('nan'::double)), (1, 2, 5.0), (2, 3, 7.0), (2, 4, -'inf'::double), (2, 5, 1.0)) AS v(k, i, x)";
        for (sql, expected) in [
            (format!("SELECT min(x) AS m FROM {values} GROUP BY k ORDER BY m LIMIT 1"), vec![-INF]),
            (format!("SELECT min(x) AS m FROM {values} GROUP BY k ORDER BY m DESC LIMIT 1"), vec![5.0]),
            (
                format!("SELECT min(x) OVER (ORDER BY i ROWS 1 PRECEDING) AS m FROM {values} WHERE i > 1 ORDER BY i"),
                vec![5.0, 5.0, -INF, -INF],
            ),
            (
                format!(
                    "SELECT coalesce(nullif(max(x) OVER (ORDER BY i ROWS 1 PRECEDING), 'nan'::double), -1.0) AS m FROM {values} ORDER BY i"
                ),
                vec![-1.0, -1.0, 7.0, 7.0, 1.0],
            ),
        ] {
            let rows = context.sql(&sql).await.unwrap().collect().await.unwrap();
            let found: Vec<f64> =
                rows.iter().flat_map(|rows| rows.column(0).as_primitive::<Float64Type>().values().to_vec()).collect();
            let found: Vec<f64> = found.into_iter().map(|x| if x.is_nan() { -1.0 } else { x }).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }

    /// `HAVING max(x) > 0` must not depend on which NaN came first.
    #[tokio::test]
    async fn nan_has_no_sign() {
        for values in [[NAN, -NAN], [-NAN, NAN], [-NAN, -NAN]] {
            for grouped in [false, true] {
                let [low, high] = extremes(&values.map(Some), grouped).await.map(Option::unwrap);
                assert!(low.is_nan() && high.is_nan() && low.is_sign_positive() && high.is_sign_positive());
            }
        }
    }

    #[tokio::test]
    async fn nothing_has_no_extreme() {
        assert_eq!(extremes(&[None], false).await, [None, None]);
    }
}
