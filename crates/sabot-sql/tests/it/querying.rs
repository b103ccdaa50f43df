//! Ad-hoc queries and their limits.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use sabot_sql::{QueryEngine, QueryLimits, Relations, RowSource, RowSourceKind, SqlError};

struct Numbers;

impl Relations for Numbers {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let batches = Arc::clone(&schema);
        let open = move || -> Result<sabot_sql::Batches, String> {
            let schema = Arc::clone(&batches);
            Ok(Box::new((0..10_i64).map(move |block| {
                let values = Int64Array::from_iter_values(block * 1_000..(block + 1) * 1_000);
                RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)]).map_err(|e| e.to_string())
            })))
        };
        let known = name == "numbers" || name == "sabot.numbers";
        known.then(|| RowSource { schema, kind: RowSourceKind::Partitions(vec![Arc::new(open)]) })
    }

    fn names(&self) -> Vec<String> {
        vec!["numbers".to_owned()]
    }
}

async fn query(sql: &str, max_rows: usize) -> Result<(usize, bool), SqlError> {
    let engine = QueryEngine::new(Arc::new(Numbers), 16 << 20, std::env::temp_dir()).expect("an engine");
    let limits = QueryLimits { max_rows, timeout: Duration::from_secs(20) };
    let result = engine.query(sql, limits).await?;
    Ok((result.batches.iter().map(RecordBatch::num_rows).sum(), result.truncated))
}

#[tokio::test]
async fn rows_are_cut_at_the_limit_and_the_result_says_so() {
    assert_eq!(query("SELECT n FROM numbers WHERE n < 100", 100).await, Ok((100, false)));
    assert_eq!(query("SELECT n FROM numbers", 100).await, Ok((100, true)));
    assert_eq!(query("SELECT count(*) FROM sabot.numbers", 100).await, Ok((1, false)));
}

#[tokio::test]
async fn writing_statements_are_refused() {
    for sql in ["CREATE TABLE t (a INT)", "INSERT INTO numbers VALUES (1)", "DROP TABLE numbers", "SET x = 1"] {
        assert!(matches!(query(sql, 10).await, Err(SqlError::Plan { .. })), "{sql}");
    }
}

#[tokio::test]
async fn unknown_names_are_met_with_the_nearest() {
    let error = query("SELECT * FROM number", 10).await.expect_err("unknown");
    assert_eq!(error.to_string(), "stream or table \"number\" does not exist; did you mean \"numbers\"?");
}

#[track_caller]
fn check(error: &SqlError, expected: Expect) {
    expected.assert_eq(&error.to_string());
}

#[tokio::test]
async fn what_queries_do_not_have_names_what_they_have() {
    for sql in [
        "DROP TABLE numbers",
        "SET x = 1",
        "CREATE TABLE t (a INT)",
        "INSERT INTO numbers VALUES (1, 2)",
        "SELECT n INTO copy FROM numbers",
        "EXPLAIN INSERT INTO numbers VALUES (1)",
        "COPY numbers TO 'numbers.csv'",
    ] {
        let error = query(sql, 10).await.expect_err(sql).to_string();
        let reads = "a query only reads: write one SELECT; streams and tables are declared in a project's files";
        assert_eq!(error, reads, "{sql}");
    }
    for sql in ["SHOW TABLES", "SHOW COLUMNS FROM numbers", "SELECT * FROM information_schema.tables"] {
        let error = query(sql, 10).await.expect_err(sql).to_string();
        assert!(error.starts_with("queries have neither SHOW nor information_schema; "), "{sql}: {error}");
    }
    let tumble = "SELECT window_start FROM TUMBLE(numbers, n, INTERVAL '1 hour')";
    check(
        &query(tumble, 10).await.expect_err(tumble),
        expect![
            "TUMBLE is for agents; in a query bin the time, as in SELECT date_bin(INTERVAL '1 hour', time_column) AS hour, count(*) FROM stream_name GROUP BY hour"
        ],
    );
    for instead in [
        "DESCRIBE numbers",
        "SELECT date_bin(INTERVAL '1 hour', to_timestamp_seconds(n)) AS hour, count(*) FROM numbers GROUP BY hour",
    ] {
        assert!(query(instead, 10).await.is_ok(), "{instead}");
    }
}

#[tokio::test]
async fn mistakes_are_told_with_their_place_and_without_the_parser() {
    check(
        &query("SELCT 1", 10).await.expect_err("no SELECT"),
        expect!["sql line 1, column 1: expected an SQL statement, found SELCT"],
    );
    check(&query("SELECT (1", 10).await.expect_err("no bracket"), expect!["expected ), found the end of the text"]);
    check(
        &query("SELECT n,\n  'a", 10).await.expect_err("no quote"),
        expect!["sql line 2, column 3: unterminated string literal"],
    );
    check(
        &query("SELECT 1; SELECT 2", 10).await.expect_err("two"),
        expect!["there is more than one statement; write one"],
    );
    check(
        &query("SELECT n, count(*) FROM numbers", 10).await.expect_err("no GROUP BY"),
        expect![[r#"column "numbers.n" must be in GROUP BY or inside an aggregate function"#]],
    );
    check(
        &query("SELECT sum('x')", 10).await.expect_err("text"),
        expect![
            "there is no sum(Utf8), only sum(Decimal), sum(UInt64), sum(Int64), sum(Float64), sum(Duration), sum(Interval); CAST what does not fit"
        ],
    );
    check(
        &query("SELECT 'a' * 'b'", 10).await.expect_err("text"),
        expect!["there is no Utf8 * Utf8; CAST what does not fit"],
    );
    check(
        &query("SELECT n FROM numbers WHERE 1 / (n - n) > 1", 10).await.expect_err("zero"),
        expect!["divide by zero error"],
    );
}

#[tokio::test]
async fn what_every_row_gets_is_small() {
    let large = "SELECT n, range(0, 100000) AS x FROM numbers";
    let error = query(large, 100).await.expect_err(large);
    assert_eq!(error.to_string(), "a constant of 782 KiB would be written out for every row; the most is 64 KiB");
    assert_eq!(query("SELECT unnest(generate_series(1, 100000))", 1_000_000).await, Ok((100_000, false)));
    assert_eq!(query("SELECT repeat('x', 100000) AS x", 100).await, Ok((1, false)));
    assert_eq!(query("SELECT count(*), repeat('x', 100000) AS x FROM numbers", 100).await, Ok((1, false)));
    assert_eq!(query("SELECT n, repeat('x', 1000) AS x FROM numbers WHERE n < 5", 100).await, Ok((5, false)));
}
