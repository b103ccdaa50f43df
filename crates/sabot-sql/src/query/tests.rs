//! Limits that end a query end its work too, and conditions stay within their brackets.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::{Batches, QueryEngine, QueryLimits, Relations, RowSink, RowSource, RowSourceKind};
use crate::{SqlError, check_condition};

/// `endless` never ends; `numbers` are a million.
#[derive(Default)]
struct Numbers {
    given: Arc<AtomicU64>,
}

impl Relations for Numbers {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let blocks = match name {
            "endless" => i64::MAX / 1_000,
            "numbers" => 1_000,
            _ => return None,
        };
        let (of_batches, given) = (Arc::clone(&schema), Arc::clone(&self.given));
        let open = move || -> Result<Batches, String> {
            let (schema, given) = (Arc::clone(&of_batches), Arc::clone(&given));
            Ok(Box::new((0..blocks).map(move |block| {
                given.fetch_add(1, Ordering::Relaxed);
                let values = Int64Array::from_iter_values(block * 1_000..(block + 1) * 1_000);
                RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)]).map_err(|e| e.to_string())
            })))
        };
        let open: super::PartitionReader = Arc::new(open);
        Some(RowSource { schema, kind: RowSourceKind::Partitions(vec![Arc::clone(&open), open]) })
    }

    fn names(&self) -> Vec<String> {
        vec!["endless".to_owned(), "numbers".to_owned()]
    }
}

fn engine(memory_bytes: usize) -> (QueryEngine, Arc<AtomicU64>) {
    let numbers = Numbers::default();
    let given = Arc::clone(&numbers.given);
    let engine = QueryEngine::new(Arc::new(numbers), memory_bytes, std::env::temp_dir()).expect("an engine");
    (engine, given)
}

fn limits(timeout: Duration) -> QueryLimits {
    QueryLimits { max_rows: 10_000_000, timeout }
}

/// The work has ended when nothing more is read.
async fn assert_still(given: &AtomicU64) {
    let mut before = given.load(Ordering::Relaxed);
    assert!(before > 0, "it had begun");
    // A batch under way is finished first, which a busy machine may take its time for.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = given.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
    panic!("it goes on reading");
}

const ENDLESS: [&str; 4] = [
    "SELECT count(*) FROM endless",
    "SELECT n FROM endless WHERE n < 0",
    "SELECT n % 7 AS k, count(DISTINCT n % 1000) FROM endless GROUP BY k",
    "SELECT count(*) FROM endless a JOIN numbers b ON a.n = b.n",
];

#[tokio::test]
async fn a_query_that_runs_too_long_stops_working_also_on_one_thread() {
    for sql in ENDLESS {
        let (engine, given) = engine(256 << 20);
        let error = engine.query(sql, limits(Duration::from_millis(300))).await.expect_err(sql);
        assert!(matches!(&error, SqlError::Spent(what) if what.contains("longer than 0.3 s")), "{sql}: {error}");
        assert_still(&given).await;
    }
}

/// Joins that have read all there is soon, and compute for hours.
#[tokio::test]
async fn a_query_that_waits_for_nothing_ends_in_time_too() {
    for sql in [
        "SELECT count(*) FROM numbers a JOIN numbers b ON a.n + b.n >= 0",
        "SELECT count(*) FROM (SELECT 1 AS k FROM numbers) a JOIN (SELECT 1 AS k FROM numbers) b ON a.k = b.k",
        "SELECT a.n + b.n AS s FROM numbers a CROSS JOIN numbers b ORDER BY s LIMIT 1",
        "SELECT count(*) FROM numbers a, numbers b WHERE a.n + b.n < 0",
        "SELECT count(*) FROM (SELECT 1 AS k, n FROM numbers) a JOIN (SELECT 1 AS k, n FROM numbers) b ON a.k = b.k AND a.n + b.n < 0",
        "EXPLAIN ANALYZE SELECT count(*) FROM numbers a JOIN numbers b ON a.n + b.n >= 0",
    ] {
        let (engine, _) = engine(256 << 20);
        let start = tokio::time::Instant::now();
        let error = engine.query(sql, limits(Duration::from_millis(300))).await.expect_err(sql);
        assert!(matches!(&error, SqlError::Spent(what) if what.contains("longer than 0.3 s")), "{sql}: {error}");
        assert!(start.elapsed() < Duration::from_secs(20), "{sql}: {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_nobody_waits_for_stops_working() {
    let (engine, given) = engine(256 << 20);
    let query = tokio::spawn(async move { engine.query(ENDLESS[2], limits(Duration::from_mins(1))).await });
    while given.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    query.abort();
    assert!(query.await.expect_err("aborted").is_cancelled());
    assert_still(&given).await;
}

#[tokio::test]
async fn an_answer_counts_as_memory() {
    let (engine, given) = engine(4 << 20);
    let limits = limits(Duration::from_mins(1));
    let error = engine.query("SELECT n FROM numbers", limits).await.expect_err("16 MB of numbers");
    assert!(matches!(&error, SqlError::Spent(what) if what.contains("more memory")), "{error}");
    assert!(given.load(Ordering::Relaxed) < 2_000, "it ended early");
    let small = engine.query("SELECT n FROM numbers WHERE n < 100000", limits).await.expect("1.6 MB of numbers");
    assert_eq!(small.batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 200_000);
}

/// Has room for a number of rows.
struct Room(usize);

impl RowSink for Room {
    fn columns(&mut self, schema: &SchemaRef) -> Result<(), SqlError> {
        assert_eq!(schema.field(0).name(), "n");
        Ok(())
    }

    fn take(&mut self, rows: &RecordBatch) -> Result<ControlFlow<()>, SqlError> {
        let full = rows.num_rows() > self.0;
        self.0 = self.0.saturating_sub(rows.num_rows());
        Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

#[tokio::test]
async fn a_sink_that_is_full_ends_the_query() {
    let (engine, given) = engine(64 << 20);
    let limits = limits(Duration::from_mins(1));
    assert_eq!(engine.query_into("SELECT n FROM endless", limits, &mut Room(10_000)).await, Ok(true));
    assert_still(&given).await;
    assert_eq!(engine.query_into("SELECT n FROM numbers", limits, &mut Room(2_000_000)).await, Ok(false));
}

#[test]
fn a_condition_is_one_expression_as_the_parser_reads_it() {
    for fine in [
        "a = 1",
        "(a = 1) OR (b = ')')",
        "\"odd)column\" = 'it''s )'",
        "`odd)column` = 1",
        "a = 1 -- )",
        "a = 1 -- )\n AND b = 2",
        "a /* ) /* ) */ ( */ = (1)",
        "a = $$)$$ AND b = $tag$ ) $$ $tag$",
        "a = E'\\')' OR a = U&'\\0029'",
        "trace_id IN (SELECT trace_id FROM t WHERE (x))",
        "müde = '('",
    ] {
        assert_eq!(check_condition(fine), Ok(()), "{fine}");
    }
    for wrong in [
        "",
        "true) OR (true",
        "1=1 /* /* */ ( */ ) OR (1=1",
        "1=1 /* ( */ ) OR (1=1",
        "a = $$($$ ) OR (1=1",
        "a = E'\\'(' ) OR (1=1",
        "`(` = 1) OR (1=1",
        "a = '(' )",
        "a = 1 -- (\n)",
        "'it''s' = x)",
        "a = '",
        "a = 1 /*",
        "a = 1 /* /* */",
        "a = $$",
        "1 = 1; DROP TABLE x",
        "a = 1, b = 2",
        "a = 1 AS b",
        "1=1 UNION SELECT 1",
        "1=1 ORDER BY a",
        "SELECT 1",
    ] {
        assert!(check_condition(wrong).is_err(), "{wrong}");
    }
}

/// Steps that read the same are steps all the same.
#[tokio::test]
async fn equal_subqueries_without_names_are_all_evaluated() {
    let (engine, _) = engine(64 << 20);
    let mut sql = "SELECT 1 AS n".to_owned();
    let mut expected = 1;
    for _ in 0..5 {
        sql = format!("SELECT n + n AS n FROM ({sql})");
        expected *= 2;
        let result = engine.query(&sql, limits(Duration::from_secs(20))).await.unwrap();
        assert_eq!(result.schema.field(0).name(), "n");
        let rows: Vec<i64> = result
            .batches
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect();
        assert_eq!(rows, [expected], "{sql}");
    }
}

/// Also where steps become neighbours only when a filter moves, and where they are written as steps.
#[tokio::test]
async fn equal_steps_are_all_taken_however_they_are_written() {
    let (engine, _) = engine(64 << 20);
    for sql in [
        "SELECT n FROM (SELECT 1 AS n) |> SELECT n + n AS n |> SELECT n + n AS n |> SELECT n + n AS n",
        "SELECT n + n AS n FROM (SELECT n + n AS n FROM (SELECT n + n AS n FROM (SELECT 1 AS n) WHERE n > 0) WHERE n > 0) WHERE n > 0",
        "WITH a AS (SELECT 1 AS n), b AS (SELECT n + n AS n FROM a) SELECT n + n AS n FROM (SELECT n + n AS n FROM b)",
        "SELECT (SELECT max(n) FROM (SELECT n FROM numbers WHERE numbers.n = t.n)) AS n FROM numbers t WHERE t.n = 8 LIMIT 1",
    ] {
        let result = engine.query(sql, limits(Duration::from_secs(20))).await;
        let rows = result.map(|result| result.batches[0].column(0).as_primitive::<Int64Type>().value(0));
        assert_eq!(rows, Ok(8), "{sql}");
    }
}
