//! Rows as JSON, whatever is in them.
//!
//! Arrow can hold instants that have no date, and writes an error in their place that need not even be JSON. They are
//! written as the numbers they are.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, make_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, Writer};
use arrow::util::display::{ArrayFormatter, FormatOptions, array_value_to_string};

/// Writes rows as objects, one a line.
pub fn json_lines<W: Write>(out: W, explicit_nulls: bool) -> Writer<W, LineDelimited> {
    let builder = WriterBuilder::new().with_explicit_nulls(explicit_nulls);
    builder.with_encoder_factory(Arc::new(Instants)).build(out)
}

/// Encodes dates, times and instants.
#[derive(Debug)]
struct Instants;

impl EncoderFactory for Instants {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let is_temporal = matches!(
            array.data_type(),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_)
        );
        if !is_temporal {
            return Ok(None);
        }
        let options = FormatOptions::new().with_display_error(false);
        let encoder =
            InstantEncoder { formatter: ArrayFormatter::try_new(array, &options)?, array, text: String::new() };
        Ok(Some(NullableEncoder::new(Box::new(encoder), array.nulls().cloned())))
    }
}

struct InstantEncoder<'a> {
    formatter: ArrayFormatter<'a>,
    array: &'a dyn Array,
    /// Memory for the value at hand.
    text: String,
}

impl InstantEncoder<'_> {
    /// What the array holds, with what it counts.
    fn number(&self, row: usize) -> Result<String, ArrowError> {
        let value: ArrayRef = make_array(self.array.slice(row, 1).to_data());
        let narrow = matches!(value.data_type(), DataType::Date32 | DataType::Time32(_));
        let value = if narrow { cast(&value, &DataType::Int32)? } else { value };
        let number = array_value_to_string(&cast(&value, &DataType::Int64)?, 0)?;
        Ok(format!("{number} ({})", self.array.data_type().to_string().replace('"', "'")))
    }
}

impl Encoder for InstantEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.text.clear();
        if write!(self.text, "{}", self.formatter.value(row)).is_err() {
            self.text = self.number(row).unwrap_or_else(|error| error.to_string().replace(['"', '\\'], "'"));
        }
        out.push(b'"');
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Date32Array, Date64Array, ListArray, RecordBatch, Time32SecondArray, TimestampMicrosecondArray,
        TimestampNanosecondArray, TimestampSecondArray,
    };
    use arrow::datatypes::TimestampMicrosecondType;
    use arrow::json::LineDelimitedWriter;
    use expect_test::expect;

    use super::json_lines;

    fn text(rows: &RecordBatch) -> String {
        let mut out = Vec::new();
        let mut lines = json_lines(&mut out, false);
        lines.write(rows).and_then(|()| lines.finish()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_has_no_date_is_a_number() {
        let utc = |instants: TimestampMicrosecondArray| instants.with_timezone("+00:00");
        let columns: [(&str, ArrayRef); 6] = [
            ("seconds", Arc::new(TimestampSecondArray::from(vec![Some(i64::MAX), None]))),
            ("instant", Arc::new(utc(vec![Some(i64::MIN), Some(0)].into()))),
            ("date", Arc::new(Date32Array::from(vec![Some(i32::MAX), Some(1)]))),
            ("date64", Arc::new(Date64Array::from(vec![Some(i64::MAX), Some(86_400_000)]))),
            ("time", Arc::new(Time32SecondArray::from(vec![Some(90_000), Some(3_600)]))),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<TimestampMicrosecondType, _, _>([
                    Some(vec![Some(i64::MAX), Some(1)]),
                    None,
                ])),
            ),
        ];
        let text = text(&RecordBatch::try_from_iter(columns).unwrap());
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
        }
        expect![[r#"
            {"seconds":"9223372036854775807 (Timestamp(s))","instant":"-9223372036854775808 (Timestamp(µs, '+00:00'))","date":"2147483647 (Date32)","date64":"9223372036854775807 (Date64)","time":"90000 (Time32(s))","list":["9223372036854775807 (Timestamp(µs))","1970-01-01T00:00:00.000001"]}
            {"instant":"1970-01-01T00:00:00Z","date":"1970-01-02","date64":"1970-01-02T00:00:00","time":"01:00:00"}
        "#]].assert_eq(&text);
    }

    #[test]
    fn what_has_one_is_written_as_ever() {
        let instants: TimestampMicrosecondArray = vec![Some(1_357_000_000_123_456), Some(-1), None].into();
        let columns: [(&str, ArrayRef); 3] = [
            ("utc", Arc::new(instants.clone().with_timezone("+00:00"))),
            ("local", Arc::new(instants)),
            ("nanos", Arc::new(TimestampNanosecondArray::from(vec![Some(1), Some(1_000_000_000), None]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let mut theirs = Vec::new();
        let mut lines = LineDelimitedWriter::new(&mut theirs);
        lines.write(&rows).and_then(|()| lines.finish()).unwrap();
        assert_eq!(text(&rows), String::from_utf8(theirs).unwrap());
    }
}
