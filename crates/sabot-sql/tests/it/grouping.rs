//! Group tables: partial states merge to the same result as one pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use sabot_sql::{Aggregation, GroupTable, Planner};

fn aggregation(value: &str, labels: &[&str]) -> Aggregation {
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

#[test]
fn a_sum_that_does_not_fit_fails_and_names_itself() {
    let plan = aggregation("sum(v)", &["k"]);
    let mut whole = plan.new_table().expect("a table");
    whole.update(&batch(&[("a", i64::MAX), ("b", i64::MIN), ("a", 0)])).expect("the ends of the range fit");
    let error = whole.update(&batch(&[("b", -1)])).expect_err("too small").to_string();
    assert!(error.contains("sum(") && error.contains("does not fit Int64") && error.contains("DECIMAL"), "{error}");

    let state = |rows: &[(&str, i64)]| {
        let mut part = plan.new_table().expect("a table");
        part.update(&batch(rows)).expect("update");
        part.into_state().expect("state")
    };
    let mut merged = plan.new_table().expect("a table");
    merged.merge(&state(&[("a", i64::MAX), ("b", 1)])).expect("merge");
    assert!(merged.merge(&state(&[("a", 1)])).is_err(), "a merge that does not fit");

    let wide = aggregation("sum(CAST(v AS DECIMAL(38, 0)))", &[]);
    let mut wide = wide.new_table().expect("a table");
    wide.update(&batch(&[("a", i64::MAX), ("a", i64::MAX)])).expect("decimals have room");
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
}
