//! Group tables: partial states merge to the same result as one pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema};
use sabot_sql::{Aggregation, GroupTable, Planner};

fn aggregation(value: &str, labels: &[&str]) -> Arc<Aggregation> {
    let labels: Vec<_> = labels.iter().map(|l| (*l).to_owned()).collect();
    Planner::batch_aggregate(&batch(&[]).schema(), value, &labels).expect("a plan")
}

fn batch(rows: &[(&str, i64)]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Int64, true)]);
    let keys: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(k, _)| k)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, v)| *v)));
    RecordBatch::try_new(Arc::new(schema), vec![keys, values]).expect("a batch")
}

fn sums(table: GroupTable) -> Vec<(String, i64)> {
    let result = table.into_results().expect("results");
    let keys = result.column(0).as_string::<i32>();
    let sums = result.column(1).as_primitive::<Int64Type>();
    let mut rows: Vec<_> = keys.iter().zip(sums.values()).map(|(k, v)| (k.unwrap_or("").to_owned(), *v)).collect();
    rows.sort();
    rows
}

#[test]
fn merged_states_equal_one_pass() {
    let plan = aggregation("sum(v)", &["k"]);
    let (first, second) = (batch(&[("a", 1), ("b", 2)]), batch(&[("b", 3), ("c", 4)]));
    let mut whole = plan.new_table().expect("a table");
    whole.update(&first).expect("update");
    whole.update(&second).expect("update");
    let mut merged = plan.new_table().expect("a table");
    for part in [first, second] {
        let mut delta = plan.new_table().expect("a table");
        delta.update(&part).expect("update");
        merged.merge(&delta.into_state().expect("state")).expect("merge");
    }
    let expected = vec![("a".to_owned(), 1), ("b".to_owned(), 5), ("c".to_owned(), 4)];
    assert_eq!(sums(whole), expected);
    assert_eq!(sums(merged), expected);
}

#[test]
fn every_aggregate_survives_the_trip_through_its_state() {
    for value in
        ["count(*)", "count(DISTINCT v)", "avg(v)", "min(v)", "max(v)", "median(v)", "sum(v) FILTER (WHERE v > 1)"]
    {
        let plan = aggregation(value, &[]);
        let rows = batch(&[("a", 1), ("b", 2), ("b", 2), ("c", 9)]);
        let mut direct = plan.new_table().expect("a table");
        direct.update(&rows).expect("update");
        let mut merged = plan.new_table().expect("a table");
        for at in 0..4 {
            let mut delta = plan.new_table().expect("a table");
            delta.update(&rows.slice(at, 1)).expect("update");
            merged.merge(&delta.into_state().expect("state")).expect("merge");
        }
        let (direct, merged) = (direct.into_results().expect("results"), merged.into_results().expect("results"));
        assert_eq!(direct.num_rows(), 1, "{value}");
        assert_eq!(direct, merged, "{value}");
    }
}

/// The sum in keys of these rows: in one table, and merged from a table of each row.
fn summed(value: &str, rows: &[(&str, i64)]) -> [Result<RecordBatch, String>; 2] {
    let plan = aggregation(value, &["k"]);
    let mut whole = plan.new_table().expect("a table");
    whole.update(&batch(rows)).expect("update");
    let mut merged = plan.new_table().expect("a table");
    for row in rows {
        let mut part = plan.new_table().expect("a table");
        part.update(&batch(&[*row])).expect("update");
        merged.merge(&part.into_state().expect("state")).expect("merge");
    }
    [whole, merged].map(|table| table.into_results().map_err(|error| error.to_string()))
}

#[test]
fn a_sum_that_does_not_fit_fails_and_names_itself() {
    for (value, rows) in [
        ("sum(v)", [("a", i64::MIN), ("a", -1)]),
        ("sum(DISTINCT v)", [("a", i64::MAX), ("a", i64::MAX - 1)]),
        (
            "sum(CAST(v AS DECIMAL(38, 0)) * CAST(9223372036854775807 AS DECIMAL(38, 0)))",
            [("a", i64::MAX), ("a", i64::MAX)],
        ),
    ] {
        for outcome in summed(value, &rows) {
            let error = outcome.expect_err(value);
            assert!(error.contains("sum(") && error.contains("does not fit") && error.contains("DECIMAL"), "{error}");
        }
    }
}

#[test]
fn a_sum_that_fits_does_not_depend_on_what_it_went_through() {
    let sum = |batch: &RecordBatch| batch.column(1).as_primitive::<Int64Type>().value(0);
    for rows in [[i64::MAX, 1, -5, -5], [1, -5, i64::MAX, -5]] {
        for outcome in summed("sum(v)", &rows.map(|value| ("a", value))) {
            assert_eq!(sum(&outcome.expect("it fits")), i64::MAX - 9);
        }
    }
    for outcome in summed("sum(DISTINCT v)", &[("a", i64::MAX), ("a", 7), ("a", 7), ("a", -7)]) {
        assert_eq!(sum(&outcome.expect("it fits")), i64::MAX);
    }
    for outcome in summed("sum(CAST(v AS DECIMAL(20, 2)))", &[("a", i64::MAX / 100), ("a", 1)]) {
        let expected = (i128::from(i64::MAX / 100) + 1) * 100;
        assert_eq!(outcome.expect("it fits").column(1).as_primitive::<Decimal128Type>().value(0), expected);
    }
}

#[test]
fn arithmetic_that_does_not_fit_fails() {
    let schema = batch(&[]).schema();
    for sql in ["v + 1", "v * 2", "-2 - v", "CASE WHEN v > 0 THEN v + 1 ELSE 0 END"] {
        let expression = Planner::expression(&schema, sql).expect("a plan");
        let error = expression.evaluate(&batch(&[("a", i64::MAX)])).expect_err(sql).to_string();
        assert!(error.to_lowercase().contains("overflow"), "{sql}: {error}");
        assert!(expression.evaluate(&batch(&[("a", 5)])).is_ok(), "{sql}");
    }
    let negative = Planner::expression(&schema, "-v").expect("a plan");
    assert!(negative.evaluate(&batch(&[("a", i64::MIN)])).is_err(), "there is no such number");
    assert_eq!(negative.evaluate(&batch(&[("a", 5)])).expect("it fits").as_primitive::<Int64Type>().value(0), -5);
}
