//! What passes fits on the stack, and what could not is refused.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};

use super::on_deep_stack;
use crate::planner::check_depth;
use crate::{Planner, QueryEngine, QueryLimits, Relation, RelationKind, Relations, RowSource, RowSourceKind, SqlError};

/// Ways to make a deep tree of a number of parts.
fn deep(parts: usize) -> Vec<String> {
    let repeat = |part: &str, between: &str| vec![part; parts].join(between);
    vec![
        format!("SELECT n FROM numbers WHERE {}", repeat("n = 5", " OR ")),
        format!("SELECT {} AS sum FROM numbers", repeat("n", " + ")),
        format!("SELECT n FROM numbers WHERE {} n = 1", repeat("NOT", " ")),
        format!("SELECT {} n AS minus FROM numbers", repeat("-", " ")),
        format!("SELECT {}n{} AS brackets FROM numbers", "(".repeat(parts), ")".repeat(parts)),
        format!("SELECT n{} AS cast FROM numbers", "::bigint".repeat(parts)),
        format!("SELECT n{} AS null FROM numbers", " IS NULL".repeat(parts)),
        format!("SELECT {}n{} AS calls FROM numbers", "abs(".repeat(parts), ")".repeat(parts)),
        format!("SELECT {}1 {} AS nested FROM numbers", "CASE WHEN n = 1 THEN ".repeat(parts), "END ".repeat(parts)),
        repeat("SELECT n FROM numbers", " UNION ALL "),
        format!("SELECT 1 AS one FROM {}", repeat("numbers", " CROSS JOIN ")),
        format!("SELECT 1 AS one FROM {}", repeat("numbers", ", ")),
        format!("{}SELECT n FROM numbers{}", "SELECT n FROM (".repeat(parts), ") AS t".repeat(parts)),
        format!("SELECT n{} AS subscripts FROM numbers", "[1]".repeat(parts)),
        format!("SELECT n{} AS distinct_from FROM numbers", " IS DISTINCT FROM n".repeat(parts)),
    ]
}

/// Words that begin a clause, and are names elsewhere.
const CLAUSE_WORDS: [&str; 13] =
    ["limit", "where", "group", "order", "having", "window", "on", "when", "then", "else", "from", "end", "select"];

/// A long sum in which a column of such a name stands now and then.
fn named(word: &str, parts: usize) -> String {
    let term = |part: usize| if part.is_multiple_of(20) { format!("x.{word}") } else { "1".to_owned() };
    let sum: Vec<_> = (0..parts).map(term).collect();
    format!("SELECT {} AS sum FROM (SELECT n AS \"{word}\" FROM numbers) AS x", sum.join(" + "))
}

struct Numbers;

impl Relations for Numbers {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let kind = RowSourceKind::Partitions(vec![Arc::new(|| Ok(Box::new(std::iter::empty())))]);
        (name == "numbers").then_some(RowSource { schema, kind })
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Answers a query as a server does. The tree goes where it was made, so that letting go of it is part of it.
fn answer(sql: &str) -> Result<(), SqlError> {
    on_deep_stack(|| {
        let engine = QueryEngine::new(Arc::new(Numbers), 64 << 20, std::env::temp_dir())?.with_parallelism(1);
        let limits = QueryLimits { timeout: Duration::from_mins(1), ..QueryLimits::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(engine.query(sql, limits)).map(|_| ())
    })
}

#[test]
fn a_query_of_any_depth_is_answered_or_refused() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let relation = Relation::new("numbers", schema, RelationKind::Stream { event_time: None });
    let planner = Planner::new(vec![relation]);
    for parts in [30, 190, 900, 2_000, 100_000] {
        for sql in deep(parts) {
            let outcome = answer(&sql);
            let start: String = sql.chars().take(60).collect();
            assert!(parts < 2_000 || outcome.is_err(), "{parts}: {start}");
            drop(planner.plan(&sql));
        }
    }
    // About as deep as two SELECTs may go.
    for sql in CLAUSE_WORDS.map(|word| named(word, 480)) {
        assert!(!matches!(answer(&sql), Err(SqlError::Limit(_))), "{sql}");
    }
}

#[test]
fn a_name_does_not_hide_what_stands_before_it() {
    for word in CLAUSE_WORDS {
        let bare = named(word, 3_000).replace("x.", "");
        for sql in [named(word, 3_000), bare] {
            assert!(check_depth(&sql).is_err(), "{word}");
        }
    }
}

#[test]
fn what_people_write_passes() {
    let many = |part: fn(usize) -> String, between: &str| (0..3_000).map(part).collect::<Vec<_>>().join(between);
    for sql in [
        format!("SELECT n FROM numbers WHERE {}", vec!["n = 5"; 400].join(" OR ")),
        format!("SELECT n FROM numbers WHERE n IN ({})", many(|n| format!("-{n}"), ", ")),
        format!("SELECT CASE {} END AS c FROM numbers", many(|n| format!("WHEN n = {n} THEN {n} + 1"), " ")),
        format!("SELECT {} FROM numbers", (0..500).map(|n| format!("n * {n} AS c{n}")).collect::<Vec<_>>().join(", ")),
        "SELECT n FROM (SELECT n + 1 AS n FROM numbers WHERE n > 1 AND n < 9) AS t WHERE n IS NOT NULL".to_owned(),
    ] {
        assert_eq!(check_depth(&sql), Ok(()), "{sql}");
    }
}

#[test]
fn types_in_quotes_are_no_way_around() {
    let nested = |levels: usize| format!("arrow_cast(n, '{}Int64{}')", "List(".repeat(levels), ")".repeat(levels));
    for levels in [10, 900, 1_100, 60_000] {
        let sql = format!("SELECT {} AS x FROM numbers", nested(levels));
        let refused = matches!(answer(&sql), Err(SqlError::Limit(_)));
        assert_eq!(refused, levels > 1_000, "{levels} levels");
    }
    let text = format!("SELECT n FROM numbers WHERE '{}' = 'smile'", "(".repeat(2_000));
    assert_eq!(check_depth(&text), Ok(()), "a text that is no type is nobody's business");
}
