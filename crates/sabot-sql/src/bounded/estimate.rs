//! How many bytes a call would make besides what it is given: exactly where that is as cheap as not, otherwise at least
//! as many as it makes.
//!
//! What is handed on is not counted, so that large texts and lists can be worked on. What a call would refuse for another
//! reason counts as nothing too; the function then says what is wrong.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray, OffsetSizeTrait, StringViewArray,
    new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::Result;
use datafusion::functions::regex::regexpcount::regexp_count_func;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::{MAX_BYTES, MAX_JOINED_BYTES};

/// A text's character takes at most this.
const MAX_CHAR_BYTES: u128 = 4;
/// A value of a list takes at least as much as an index of it.
const MIN_VALUE_BYTES: u128 = 8;
const DAY_NANOS: i128 = 86_400 * 1_000_000_000;
/// The shortest month makes the most of them.
const MONTH_DAYS: i128 = 28;

/// What a function makes of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    Repeat,
    Pad,
    Replace,
    RegexpReplace,
    ArrayRepeat,
    ArrayResize,
    ArrayToString,
    /// Values up to a last one, which is among them or not.
    Series {
        inclusive: bool,
    },
    /// What is given, so many times.
    Joined {
        times: u8,
    },
}

impl Growth {
    /// That of the function of this name, if it needs a bound.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "repeat" => Self::Repeat,
            "lpad" | "rpad" => Self::Pad,
            "replace" => Self::Replace,
            "regexp_replace" => Self::RegexpReplace,
            "array_repeat" => Self::ArrayRepeat,
            "array_resize" => Self::ArrayResize,
            "array_to_string" => Self::ArrayToString,
            "range" => Self::Series { inclusive: false },
            "generate_series" => Self::Series { inclusive: true },
            "concat" | "concat_ws" | "overlay" | "array_concat" | "array_append" | "array_prepend" | "make_array"
            | "map" | "named_struct" | "struct" => Self::Joined { times: 1 },
            // A byte is two digits.
            "encode" => Self::Joined { times: 2 },
            _ => return None,
        })
    }

    /// The bound on what a call makes.
    pub(super) const fn most(self) -> u128 {
        if matches!(self, Self::Joined { .. }) { MAX_JOINED_BYTES } else { MAX_BYTES }
    }

    pub(super) fn bytes(self, call: &Call<'_>) -> Result<u128> {
        match self {
            Self::Repeat => repeated(call),
            Self::Pad => padded(call),
            Self::Replace => replaced(call),
            Self::RegexpReplace => regexp_replaced(call),
            Self::ArrayRepeat => array_repeated(call),
            Self::ArrayResize => array_resized(call),
            Self::ArrayToString => array_as_text(call),
            Self::Series { inclusive } => series(call, inclusive),
            Self::Joined { times } => Ok(joined(call)? * u128::from(times)),
        }
    }
}

/// The arguments of a call, and the rows it makes of them.
pub(super) struct Call<'a> {
    args: &'a [ColumnarValue],
    rows: usize,
}

impl<'a> Call<'a> {
    pub(super) fn new(growth: Growth, args: &'a ScalarFunctionArgs) -> Self {
        let of_scalars = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        // A scalar made of scalars is made once, but for padding, which knows no such case.
        let rows = if of_scalars && growth != Growth::Pad { 1 } else { args.number_rows };
        Self { args: &args.args, rows }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// What the rows make together, given that of each; none where it makes nothing.
    fn sum(&self, of_row: impl Fn(usize) -> Option<u128>) -> u128 {
        (0..self.rows).filter_map(of_row).fold(0, u128::saturating_add)
    }

    /// The argument at `index`; one that is not there is null.
    fn values(&self, index: usize) -> Result<ByRow<ArrayRef>> {
        Ok(match self.args.get(index) {
            Some(ColumnarValue::Array(values)) => ByRow { values: Arc::clone(values), is_scalar: false },
            Some(ColumnarValue::Scalar(value)) => ByRow { values: value.to_array()?, is_scalar: true },
            None => ByRow { values: new_null_array(&DataType::Null, 1), is_scalar: true },
        })
    }

    fn cast(&self, index: usize, to: &DataType) -> Result<ByRow<ArrayRef>> {
        let given = self.values(index)?;
        Ok(ByRow { values: cast(&given.values, to)?, is_scalar: given.is_scalar })
    }

    fn texts(&self, index: usize) -> Result<ByRow<StringViewArray>> {
        Ok(self.cast(index, &DataType::Utf8View)?.map(|values| values.as_string_view().clone()))
    }

    fn integers(&self, index: usize) -> Result<ByRow<Int64Array>> {
        Ok(self.cast(index, &DataType::Int64)?.map(|values| values.as_primitive::<Int64Type>().clone()))
    }

    fn intervals(&self, index: usize) -> Result<ByRow<IntervalMonthDayNanoArray>> {
        let intervals = self.cast(index, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        Ok(intervals.map(|values| values.as_primitive::<IntervalMonthDayNanoType>().clone()))
    }
}

/// An argument: a value for each row, or a scalar, which is the same for all.
struct ByRow<A> {
    values: A,
    is_scalar: bool,
}

impl<A: Array> ByRow<A> {
    fn map<B>(self, values: impl FnOnce(A) -> B) -> ByRow<B> {
        ByRow { values: values(self.values), is_scalar: self.is_scalar }
    }

    const fn place(&self, row: usize) -> usize {
        if self.is_scalar { 0 } else { row }
    }

    /// The value for a row, unless it is null.
    fn get<'a>(&'a self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item>
    where
        &'a A: ArrayAccessor,
    {
        let place = self.place(row);
        self.values.is_valid(place).then(|| (&self.values).value(place))
    }

    /// What the value for a row takes, be it null or not.
    fn bytes(&self, row: usize) -> u128 {
        bytes_of(&self.values.slice(self.place(row), 1))
    }
}

/// A count of the query's; a negative one is none.
fn count(number: i64) -> u128 {
    u128::try_from(number).unwrap_or(0)
}

/// How many times something is made besides the one that is given.
fn more(number: i64) -> u128 {
    count(number).saturating_sub(1)
}

fn repeated(call: &Call<'_>) -> Result<u128> {
    let (texts, counts) = (call.texts(0)?, call.integers(1)?);
    Ok(call.sum(|row| Some((texts.get(row)?.len() as u128).saturating_mul(more(counts.get(row)?)))))
}

/// Room is reserved for every length, also where there is no text to pad.
fn padded(call: &Call<'_>) -> Result<u128> {
    let (lengths, fills) = (call.integers(1)?, call.texts(2)?);
    Ok(call.sum(|row| {
        // A fill of one byte has no wide characters.
        let fill = fills.get(row).map_or(1, |fill| fill.len() as u128).clamp(1, MAX_CHAR_BYTES);
        Some(count(lengths.get(row)?) * fill)
    }))
}

fn replaced(call: &Call<'_>) -> Result<u128> {
    let (texts, parts, by) = (call.texts(0)?, call.texts(1)?, call.texts(2)?);
    let bytes = |row: usize, matches: &dyn Fn(&str, &str) -> usize| {
        let (text, part, by) = (texts.get(row)?, parts.get(row)?, by.get(row)?);
        let matches = if part.is_empty() { 0 } else { matches(text, part) };
        Some((matches as u128).saturating_mul(by.len().saturating_sub(part.len()) as u128))
    };
    // Texts are searched only if they could make too much.
    let most = call.sum(|row| bytes(row, &|text, part| text.len() / part.len()));
    if most <= MAX_BYTES {
        return Ok(most);
    }
    Ok(call.sum(|row| bytes(row, &|text, part| text.matches(part).count())))
}

fn regexp_replaced(call: &Call<'_>) -> Result<u128> {
    let (texts, by, flags) = (call.texts(0)?, call.texts(2)?, call.texts(3)?);
    let bytes = |row: usize, matches: &dyn Fn(&str) -> u128| {
        let (text, by) = (texts.get(row)?, by.get(row)?);
        let everywhere = flags.get(row).is_some_and(|flags| flags.contains('g'));
        let matches = if everywhere { matches(text) } else { 1 };
        // Each reference to a group gives back the whole text at most, over all matches; the first of them adds nothing.
        let groups = by.matches(['\\', '$']).count().saturating_sub(1) as u128;
        let groups = groups.saturating_mul(text.len() as u128);
        Some(matches.saturating_mul(by.len() as u128).saturating_add(groups))
    };
    let most = call.sum(|row| bytes(row, &|text| text.len() as u128 + 1));
    // A scalar that is searched for many patterns is not worth it.
    if most <= MAX_BYTES || (texts.is_scalar && call.rows > 1) {
        return Ok(most);
    }
    let patterns = call.texts(1)?;
    let patterns: StringViewArray = (0..call.rows)
        .map(|row| match (patterns.get(row), flags.get(row).unwrap_or("").replace('g', "")) {
            (pattern, flags) if flags.is_empty() => pattern.map(str::to_owned),
            (pattern, flags) => pattern.map(|pattern| format!("(?{flags}){pattern}")),
        })
        .collect();
    let counts = regexp_count_func(&[Arc::new(texts.values.clone()), Arc::new(patterns)])?;
    let counts = ByRow { values: counts.as_primitive::<Int64Type>().clone(), is_scalar: false };
    Ok(call.sum(|row| bytes(row, &|_| counts.get(row).map_or(0, count))))
}

fn array_repeated(call: &Call<'_>) -> Result<u128> {
    let (elements, counts) = (call.values(0)?, call.integers(1)?);
    Ok(call.sum(|row| Some(more(counts.get(row)?).saturating_mul(elements.bytes(row)))))
}

fn array_resized(call: &Call<'_>) -> Result<u128> {
    let (arrays, sizes, fills) = (call.values(0)?, call.integers(1)?, call.values(2)?);
    let (DataType::List(element) | DataType::LargeList(element)) = arrays.values.data_type() else { return Ok(0) };
    let nothing = bytes_of(&new_null_array(element.data_type(), 1));
    let lengths = cast(&length(&arrays.values)?, &DataType::Int64)?;
    let lengths = ByRow { values: lengths.as_primitive::<Int64Type>().clone(), is_scalar: arrays.is_scalar };
    Ok(call.sum(|row| {
        let added = count(sizes.get(row)?).saturating_sub(count(lengths.get(row)?));
        Some(if added == 0 { 0 } else { added.saturating_mul(fills.bytes(row).max(nothing)) })
    }))
}

fn array_as_text(call: &Call<'_>) -> Result<u128> {
    let (arrays, delimiters, nulls) = (call.values(0)?, call.texts(1)?, call.texts(2)?);
    Ok(call.sum(|row| {
        let between = delimiters.get(row)?.len() + nulls.get(row).map_or(0, str::len);
        Some((arrays.bytes(row) / MIN_VALUE_BYTES).saturating_mul(between as u128))
    }))
}

fn series(call: &Call<'_>, inclusive: bool) -> Result<u128> {
    let of_instants = call.args.iter().any(|arg| matches!(arg.data_type(), DataType::Interval(_)));
    let values = if of_instants { instants(call, inclusive)? } else { integers(call, inclusive)? };
    Ok(values.saturating_mul(MIN_VALUE_BYTES))
}

/// `stop`, or `start, stop`, or `start, stop, step`.
fn integers(call: &Call<'_>, inclusive: bool) -> Result<u128> {
    let has_start = call.args.len() > 1;
    let (starts, stops, steps) = (call.integers(0)?, call.integers(usize::from(has_start))?, call.integers(2)?);
    let has_step = call.args.len() > 2;
    Ok(call.sum(|row| {
        let start = if has_start { starts.get(row)? } else { 0 };
        let step = if has_step { steps.get(row)? } else { 1 };
        Some(values_between(start.into(), stops.get(row)?.into(), step.into(), inclusive))
    }))
}

/// `start, stop, step` of dates or timestamps.
fn instants(call: &Call<'_>, inclusive: bool) -> Result<u128> {
    let (starts, stops, steps) = (call.integers(0)?, call.integers(1)?, call.intervals(2)?);
    let scale = |index: usize| match call.args.get(index).map(ColumnarValue::data_type) {
        Some(DataType::Date32) => DAY_NANOS,
        Some(DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _)) => 1_000_000,
        Some(DataType::Timestamp(TimeUnit::Second, _)) => 1_000_000_000,
        Some(DataType::Timestamp(TimeUnit::Microsecond, _)) => 1_000,
        _ => 1,
    };
    let (start_scale, stop_scale) = (scale(0), scale(1));
    let of_dates = matches!(call.args.first().map(ColumnarValue::data_type), Some(DataType::Date32 | DataType::Date64));
    Ok(call.sum(|row| {
        let (start, stop) = (i128::from(starts.get(row)?) * start_scale, i128::from(stops.get(row)?) * stop_scale);
        // Steps back and forth may never arrive.
        let step = shortest(steps.get(row)?, of_dates);
        Some(step.map_or(u128::MAX, |step| values_between(start, stop, step, inclusive)))
    }))
}

/// The shortest a step can be, in nanoseconds; none if its parts go in different directions.
fn shortest(step: IntervalMonthDayNano, of_dates: bool) -> Option<i128> {
    let time = i128::from(step.nanoseconds);
    // A date goes on by whole days.
    let time = if of_dates { time - time % DAY_NANOS } else { time };
    let (months, days) = (i128::from(step.months), i128::from(step.days));
    let signs = [months.signum(), days.signum(), i128::from(step.nanoseconds).signum()];
    let same = !(signs.contains(&1) && signs.contains(&-1));
    same.then_some((months * MONTH_DAYS + days) * DAY_NANOS + time)
}

/// How many values a series has. One that does not move has none: it is refused.
fn values_between(start: i128, stop: i128, step: i128, inclusive: bool) -> u128 {
    let span = if step < 0 { start - stop } else { stop - start } - i128::from(!inclusive);
    let Ok(span) = u128::try_from(span) else { return 0 };
    span.checked_div(step.unsigned_abs()).map_or(0, |steps| steps + 1)
}

/// All that is given; a scalar is written out for each row.
fn joined(call: &Call<'_>) -> Result<u128> {
    let bytes = (0..call.args.len()).map(|index| {
        let given = call.values(index)?;
        let times = if given.is_scalar { call.rows as u128 } else { 1 };
        Ok(bytes_of(&given.values).saturating_mul(times))
    });
    bytes.sum()
}

/// What the values of an array take, with those in them.
pub(super) fn bytes_of(values: &dyn Array) -> u128 {
    let nested = match values.data_type() {
        DataType::List(_) => {
            let lists = values.as_list::<i32>();
            bytes_of(&part(lists.values(), lists.offsets()))
        }
        DataType::LargeList(_) => {
            let lists = values.as_list::<i64>();
            bytes_of(&part(lists.values(), lists.offsets()))
        }
        DataType::Map(..) => {
            let maps = values.as_map();
            let entries: ArrayRef = Arc::new(maps.entries().clone());
            bytes_of(&part(&entries, maps.offsets()))
        }
        DataType::FixedSizeList(..) => bytes_of(values.as_fixed_size_list().values()),
        DataType::Utf8View => values.as_string_view().lengths().map(u128::from).sum(),
        DataType::BinaryView => values.as_binary_view().lengths().map(u128::from).sum(),
        DataType::Struct(_) => values.as_struct().columns().iter().map(|column| bytes_of(column)).sum(),
        _ => values.to_data().get_slice_memory_size().map_or(0, |bytes| bytes as u128),
    };
    nested.max(values.len() as u128 * MIN_VALUE_BYTES)
}

/// The values that lists hold.
fn part<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &OffsetBuffer<O>) -> ArrayRef {
    let edge = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
    let (start, end) = (edge(offsets.first()), edge(offsets.last()));
    values.slice(start, end - start)
}
