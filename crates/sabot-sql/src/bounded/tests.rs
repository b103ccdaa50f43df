//! What is small is made as ever, and what is large is refused before it is made.

use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, Date32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::common::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use expect_test::expect;

use super::Growth;
use crate::planner::with_functions;
use crate::{Planner, Relation, RelationKind, SqlError, Step};

fn bounded() -> SessionContext {
    SessionContext::new_with_state(with_functions(SessionStateBuilder::new()))
}

/// Eight rows, of which the last two hold nulls.
fn rows() -> RecordBatch {
    let texts = ["a", "äöü", "xx", "x", "", "axbxc", "null"].map(Some).into_iter().chain([None]);
    let numbers = [0, 3, 1, 12, 2, 5].map(Some).into_iter().chain([None, Some(4)]);
    let lists = (0..8).map(|row| (row != 6).then(|| vec![Some(row), None, Some(3)]));
    let days = (0..8).map(|row| (row != 7).then_some(20_000 + row));
    let instants = (0..8).map(|row| (row != 7).then_some(i64::from(row) * 3_600_000_000));
    RecordBatch::try_from_iter([
        ("t", Arc::new(texts.collect::<StringArray>()) as ArrayRef),
        ("n", Arc::new(numbers.collect::<Int64Array>())),
        ("l", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("d", Arc::new(days.collect::<Date32Array>())),
        ("i", Arc::new(instants.collect::<TimestampMicrosecondArray>())),
    ])
    .unwrap()
}

async fn value(context: &SessionContext, sql: &str, rows: RecordBatch) -> Result<ArrayRef> {
    let frame = context.read_batch(rows)?;
    let expr = frame.parse_sql_expr(sql)?;
    let batches = frame.select([expr])?.collect().await?;
    Ok(Arc::clone(batches[0].column(0)))
}

#[tokio::test]
async fn they_are_bounded_under_all_their_names() {
    let state = bounded().state();
    let functions = state.scalar_functions().iter();
    let mut names: Vec<_> =
        functions.filter(|(_, f)| Growth::of(f.name()).is_some()).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    expect!["array_append array_cat array_concat array_join array_prepend array_push_back array_push_front array_repeat array_resize array_to_string concat concat_ws encode generate_series list_append list_cat list_concat list_join list_prepend list_push_back list_push_front list_repeat list_resize list_to_string lpad make_array make_list map named_struct overlay range regexp_replace repeat replace row rpad struct"].assert_eq(&names.join(" "));
}

/// With bounds and without them a call makes the same, or fails the same.
async fn assert_as_ever(sql: &str) {
    let (ours, theirs) = (value(&bounded(), sql, rows()).await, value(&SessionContext::new(), sql, rows()).await);
    let told = |made: Result<ArrayRef>| made.map_err(|error| error.strip_backtrace());
    assert_eq!(told(ours), told(theirs), "{sql}");
}

#[tokio::test]
async fn what_is_joined_is_joined_as_ever() {
    for sql in [
        "t || n || t",
        "'a' || 'b' || 1",
        "arrow_cast(t, 'Utf8View') || t",
        "l || [n]",
        "[n, 1]",
        "[[n], l]",
        "concat(t, n, NULL)",
        "concat_ws(', ', t, n)",
        "overlay(t PLACING 'zz' FROM 2)",
        "array_concat(l, l, [1])",
        "array_append(l, n)",
        "array_prepend(n, l)",
        "{'a': t, 'b': n}",
        "struct(t, l)",
        "named_struct('a', t)",
        "map {'a': n}",
        "map(['x'], [n])",
        "encode(t, 'hex')",
        "arrow_cast([n, n], 'FixedSizeList(2, Int64)')",
    ] {
        value(&bounded(), sql, rows()).await.expect(sql);
        assert_as_ever(sql).await;
    }
}

#[tokio::test]
async fn what_is_small_is_made_as_ever() {
    let (ours, theirs) = (bounded(), SessionContext::new());
    for sql in [
        "repeat(t, n)",
        "repeat(t, -1)",
        "repeat('ab', n)",
        "repeat('ab', 3)",
        "repeat(NULL, 3)",
        "repeat(arrow_cast(t, 'Utf8View'), n)",
        "repeat(arrow_cast(t, 'LargeUtf8'), 2)",
        "lpad(t, n)",
        "lpad(t, 4, '')",
        "lpad(t, n, 'äb')",
        "rpad(t, 7, t)",
        "rpad('ab', n, '-')",
        "rpad('ab', 5)",
        "lpad(t, NULL)",
        "replace(t, 'x', 'yyy')",
        "replace(t, t, 'z')",
        "replace('axa', 'a', t)",
        "replace('axa', '', 'b')",
        "replace(t, NULL, 'b')",
        "regexp_replace(t, '[ax]', '-\\0-', 'g')",
        "regexp_replace(t, t, 'y')",
        "regexp_replace('AxA', 'a', t, 'gi')",
        "array_repeat(n, 3)",
        "array_repeat(t, n)",
        "list_repeat(l, n)",
        "array_repeat(NULL, 2)",
        "array_repeat([1, 2], 2)",
        "array_resize(l, n)",
        "list_resize(l, 5, n)",
        "array_resize([1], 3)",
        "array_resize(['a'], n, 'b')",
        "array_to_string(l, ', ')",
        "list_join(l, t, '?')",
        "array_to_string([[1, 2], [3]], '-')",
        "range(n)",
        "range(n, 10)",
        "range(10, n, -3)",
        "range(5, 1)",
        "range(NULL, 5)",
        "generate_series(1, n, 2)",
        "generate_series(4)",
        "range(d, DATE '2024-12-31', INTERVAL '1 month')",
        "generate_series(d, DATE '2020-01-01', INTERVAL '-1 year')",
        "range(i, TIMESTAMP '1970-01-02', INTERVAL '90 minutes')",
        "generate_series(TIMESTAMP '1970-01-02', arrow_cast(i, 'Timestamp(s)'), INTERVAL '-1 day -1 hour')",
        "range('2024-01-01', '2024-02-01', INTERVAL '1 week')",
    ] {
        assert_as_ever(sql).await;
    }
    for sql in ["range(1, n, 0)", "range(d, d, INTERVAL '1 hour')", "lpad(t)", "repeat(n, n)", "array_resize(NULL, 3)"]
    {
        let (ours, theirs) = (value(&ours, sql, rows()).await, value(&theirs, sql, rows()).await);
        assert_eq!(ours.expect_err(sql).strip_backtrace(), theirs.expect_err(sql).strip_backtrace(), "{sql}");
    }
}

#[tokio::test]
async fn a_negative_length_pads_to_nothing_wherever_it_comes_from() {
    let lengths = Int64Array::from(vec![Some(-1), None, Some(2), Some(i64::MIN)]);
    let rows = RecordBatch::try_from_iter([("n", Arc::new(lengths) as ArrayRef)]).unwrap();
    let expected = StringArray::from(vec![Some(""), None, Some("-a"), Some("")]);
    assert_eq!(value(&bounded(), "lpad('a', n, '-')", rows).await.unwrap().as_ref(), &expected);
}

#[tokio::test]
async fn what_is_large_is_refused_and_told() {
    let mut told = String::new();
    for sql in [
        "repeat('x', 2000000000)",
        "repeat('x', n * 10000000)",
        "repeat(t, 9223372036854775807)",
        "lpad(t, 1000000000)",
        "rpad('x', n + 1000000000, t)",
        "replace(repeat('x', 1000), 'x', repeat('y', 100000))",
        "replace(rpad(t, 1000, 'x'), 'x', repeat('y', 50000))",
        "regexp_replace(rpad(t, 1000), '[ ]', repeat('y', 50000), 'g')",
        "regexp_replace(rpad(t, 100000), '.*', repeat('\\0', 1000))",
        "array_repeat(1, 10000000000)",
        "array_repeat(NULL, n * 10000000)",
        "list_repeat(l, 10000000000)",
        "array_repeat(array_repeat(NULL, 1000000), 1000000)",
        "array_resize([1], 10000000000)",
        "array_resize([t], 100000, repeat('x', 1000))",
        "list_resize(l, n * 10000000)",
        "array_to_string(range(100000), repeat(t, 10000))",
        "range(0, 1000000000000)",
        "range(n, 1000000000000, 1000)",
        "generate_series(-9223372036854775808, 9223372036854775807)",
        "generate_series(9223372036854775807, n, -1)",
        "range(d, DATE '9999-01-01', INTERVAL '1 day')",
        "range(i, TIMESTAMP '2200-01-01', INTERVAL '1 microsecond')",
        "generate_series(d, d, INTERVAL '1 month -31 days')",
    ] {
        let error = value(&bounded(), sql, rows()).await.map(drop).expect_err(sql);
        let error = SqlError::evaluating(&error).to_string();
        told += error.strip_suffix("; the most is 64 MiB").expect(&error);
        told += "\n";
    }
    expect![[r"
        repeat would make 1.86 GiB for one row
        repeat would make 257 MiB in one batch of 8 rows
        repeat would make too much to count in one batch of 8 rows
        lpad would make 7.45 GiB in one batch of 8 rows
        rpad would make 13 GiB in one batch of 8 rows
        replace would make 95.4 MiB for one row
        replace would make 333 MiB in one batch of 8 rows
        regexp_replace would make 333 MiB in one batch of 8 rows
        regexp_replace would make 667 MiB in one batch of 8 rows
        array_repeat would make 74.5 GiB for one row
        array_repeat would make 2.01 GiB in one batch of 8 rows
        array_repeat would make 1.66 TiB in one batch of 8 rows
        array_repeat would make 7.28 TiB for one row
        array_resize would make 83.8 GiB for one row
        array_resize would make 769 MiB in one batch of 8 rows
        array_resize would make 2.26 GiB in one batch of 8 rows
        array_to_string would make 17.7 GiB in one batch of 8 rows
        range would make 7.28 TiB for one row
        range would make 52.2 GiB in one batch of 8 rows
        generate_series would make too much to count for one row
        generate_series would make too much to count in one batch of 8 rows
        range would make 156 MiB in one batch of 8 rows
        range would make 369668 TiB in one batch of 8 rows
        generate_series would make too much to count in one batch of 8 rows
    "]]
    .assert_eq(&told);
}

#[test]
fn agents_are_refused_it_too() {
    let refused = |result: Result<ArrayRef, SqlError>| match result {
        Err(SqlError::Evaluate(what)) => assert!(what.contains("would make"), "{what}"),
        other => panic!("{other:?}"),
    };
    let schema = rows().schema();
    for sql in ["repeat('x', 2000000000)", "lpad(t, 1000000000)"] {
        refused(Planner::expression(&schema, sql).expect("it plans").evaluate(&rows()));
        let relation = Relation::new("s", Arc::clone(&schema), RelationKind::Stream { event_time: None });
        let plan = Planner::new(vec![relation]).plan(&format!("SELECT {sql} AS big FROM s")).expect("it plans");
        let Some(Step::Project { exprs, .. }) = plan.steps.last() else { panic!("{plan:?}") };
        refused(exprs[0].evaluate(&rows().project(&plan.scan.projection).unwrap()));
    }
}

/// Under a constant's bound, and over it.
#[tokio::test]
async fn a_constant_is_small_where_every_row_gets_it() {
    let schema = rows().schema();
    let relation = Relation::new("s", Arc::clone(&schema), RelationKind::Stream { event_time: None });
    let planner = Planner::new(vec![relation]);
    for (small, large) in [
        ("repeat('x', 20000)", "repeat('x', 100000)"),
        ("range(8000)", "range(10000)"),
        ("CASE WHEN n > 0 THEN [1] ELSE range(8000) END", "CASE WHEN n > 0 THEN [1] ELSE range(10000) END"),
    ] {
        assert_eq!(Planner::expression(&schema, small).map(drop), Ok(()), "{small}");
        assert_eq!(planner.plan(&format!("SELECT {small} AS x FROM s")).map(drop), Ok(()), "{small}");
        let told = |result: Result<(), SqlError>| match result {
            Err(SqlError::Plan { message, .. }) => assert!(message.contains("for every row"), "{message}"),
            other => panic!("{large}: {other:?}"),
        };
        told(Planner::expression(&schema, large).map(drop));
        told(planner.plan(&format!("SELECT {large} AS x FROM s")).map(drop));
    }
}

/// 32 texts of 3 MB.
fn large_texts() -> RecordBatch {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x y".repeat(1_000_000); 32]));
    RecordBatch::try_from_iter([("t", text)]).unwrap()
}

#[tokio::test]
async fn what_joins_too_much_is_refused_and_told() {
    let mut told = String::new();
    for sql in [
        "concat(t, 'x', t, t)",
        "concat_ws(', ', t, t, t)",
        "[t, t, t]",
        "struct(t, t, t)",
        "encode(concat(t, t), 'hex')",
        "t || t || t",
    ] {
        let error = value(&bounded(), sql, large_texts()).await.map(drop).expect_err(sql);
        told += &SqlError::evaluating(&error).to_string();
        told += "\n";
    }
    expect![[r"
        concat would make 275 MiB in one batch of 32 rows; the most is 256 MiB
        concat_ws would make 275 MiB in one batch of 32 rows; the most is 256 MiB
        make_array would make 275 MiB in one batch of 32 rows; the most is 256 MiB
        struct would make 275 MiB in one batch of 32 rows; the most is 256 MiB
        encode would make 366 MiB in one batch of 32 rows; the most is 256 MiB
        || makes 275 MiB in one batch of 32 rows; the most is 256 MiB
    "]]
    .assert_eq(&told);
}

#[tokio::test]
async fn work_on_large_texts_is_not_growth() {
    let rows = large_texts();
    for sql in [
        "repeat(t, 1)",
        "replace(t, 'x', 'z')",
        "replace(t, 'q', 'zzzzzzzzzzzzz')",
        "regexp_replace(t, '^(x).*$', '\\1')",
        "regexp_replace(t, '[q]', 'zzzz', 'g')",
        "array_to_string([t, t], ', ')",
        "array_repeat(t, 1)",
        "lpad(t, 10)",
    ] {
        value(&bounded(), sql, rows.clone()).await.expect(sql);
    }
}

#[tokio::test]
async fn a_type_is_not_wide_by_itself() {
    for sql in [
        "arrow_cast(n, 'FixedSizeList(2147483647, Int64)')",
        "arrow_try_cast([n], 'FixedSizeList(300, FixedSizeList(300, Int64))')",
        "arrow_cast(t, 'FixedSizeBinary(2147483647)')",
        "arrow_cast([t], 'List(FixedSizeBinary(2147483647))')",
        "arrow_cast(t, 'RunEndEncoded(\"run_ends\": non-null Int32, \"values\": FixedSizeBinary(2147483647))')",
        "CAST([n] AS BIGINT[100000])",
        "TRY_CAST([n] AS BIGINT[100000])",
    ] {
        let error = value(&bounded(), sql, rows()).await.map(drop).expect_err(sql).strip_backtrace();
        assert!(error.contains("takes too much room"), "{sql}: {error}");
    }
}

/// Each step doubles what the one before made.
#[tokio::test]
async fn what_joins_itself_again_and_again_is_refused() {
    let mut sql = "SELECT rpad(t, 1000000) AS x FROM batch".to_owned();
    for _ in 0..8 {
        sql = format!("SELECT x || x AS x FROM ({sql}) AS s");
    }
    let context = bounded();
    context.register_batch("batch", rows()).unwrap();
    let error = context.sql(&sql).await.unwrap().collect().await.map(drop).expect_err("too much");
    assert!(error.strip_backtrace().contains("|| makes"), "{error}");
}

/// A column's name is that of what is written.
#[tokio::test]
async fn names_stay() {
    let context = bounded();
    context.register_batch("batch", rows()).unwrap();
    let sql = "SELECT t || n, concat(t, 'x'), [n], count(*) FROM batch GROUP BY t || n, concat(t, 'x'), [n] HAVING t || n > 'a'";
    let names =
        |schema: &arrow::datatypes::Schema| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    let ours = context.sql(sql).await.unwrap().collect().await.unwrap();
    let plain = SessionContext::new();
    plain.register_batch("batch", rows()).unwrap();
    let theirs = plain.sql(sql).await.unwrap().collect().await.unwrap();
    assert_eq!(names(&ours[0].schema()), names(&theirs[0].schema()));
}

/// What a filter or an order inside a call is written with is part of the call's name.
#[tokio::test]
async fn joined_texts_stand_wherever_an_expression_may() {
    let (context, plain) = (bounded(), SessionContext::new());
    for context in [&context, &plain] {
        context.register_batch("batch", rows()).unwrap();
    }
    for sql in [
        "SELECT count(*) FILTER (WHERE t || 'a' = 'xa') FROM batch",
        "SELECT n % 2, count(*) FILTER (WHERE t || 'a' = 'xa') AS c FROM batch GROUP BY 1 HAVING count(*) FILTER (WHERE t || 'a' = 'xa') > 0",
        "SELECT row_number() OVER (ORDER BY t || 'y', n) FROM batch",
        "SELECT first_value(t ORDER BY t || 'x') FROM batch",
        "SELECT string_agg(t, ',' ORDER BY t || 'z') FROM batch",
        "SELECT max(t || 'x') OVER (PARTITION BY t || 'y') AS m FROM batch ORDER BY m",
        "SELECT a.t || b.t AS x FROM batch a JOIN batch b ON a.t || 'x' = b.t || 'x' ORDER BY a.t || b.t",
        "SELECT DISTINCT t || 'x' FROM batch ORDER BY 1",
    ] {
        let rows = async |context: &SessionContext| context.sql(sql).await.expect(sql).collect().await.expect(sql);
        let (ours, theirs) = (rows(&context).await, rows(&plain).await);
        let shown = |rows: &[RecordBatch]| arrow::util::pretty::pretty_format_batches(rows).unwrap().to_string();
        assert_eq!(shown(&ours), shown(&theirs), "{sql}");
    }
}
