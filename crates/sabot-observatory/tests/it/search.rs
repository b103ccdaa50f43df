//! Searching traces.

use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::Timestamp;
use sabot_observatory::{MAX_TRACE_SPANS, SearchError, ServiceOperations, StatusCode, TraceQuery, TraceReader};
use sabot_telemetry::{AttributeValue, Resource, SpanStatus};

use crate::support::{Bench, MEMORY_BYTES, MILLI, NOW, at, child, root, text, trace_id, with_attribute};

const HOUR: i64 = 3_600_000 * MILLI;

fn tagged(key: &str, value: &str) -> TraceQuery {
    TraceQuery { tags: vec![(key.to_owned(), value.to_owned())], ..TraceQuery::default() }
}

fn where_sql(condition: &str) -> TraceQuery {
    TraceQuery { where_sql: Some(condition.to_owned()), ..TraceQuery::default() }
}

#[tokio::test]
async fn summaries_tell_of_the_whole_trace() {
    let bench = Bench::new();
    let mut failed = at(child(1, 2, "pay"), 2 * MILLI, 90 * MILLI);
    failed.status = SpanStatus::Error("no".into());
    bench.append_and_flush(&[failed, root(1, "checkout")]);
    bench.store.append(vec![at(child(1, 3, "mail"), 3 * MILLI, 4 * MILLI)]);
    let query = TraceQuery { operation: Some("pay".to_owned()), ..TraceQuery::default() };
    let found = serde_json::to_value(bench.search(query).await).expect("json");
    let expected = serde_json::json!([{"trace_id": trace_id(1), "root_service": "shop", "root_operation": "checkout",
        "started_at": "2025-01-01T00:00:00Z", "duration_ms": 90.0, "spans": 3, "errors": 1, "keep_reason": "all"}]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_trace_without_root_has_the_name_of_its_first_span_and_lasts_from_first_start_to_last_end() {
    let bench = Bench::new();
    bench.append_and_flush(&[at(child(1, 2, "a"), 5 * MILLI, 2 * MILLI), at(child(1, 3, "b"), 0, 3 * MILLI)]);
    let found = bench.search(TraceQuery::default()).await;
    assert_eq!((found[0].duration_ms, found[0].root_operation.as_deref()), (5.0, Some("b")));
}

#[tokio::test]
async fn newest_come_first_and_the_limit_holds_however_old_they_are() {
    let bench = Bench::new();
    let names = ["now", "minutes", "hours", "day", "year"];
    let ages = [0, HOUR / 30, 2 * HOUR, 24 * HOUR, 24 * 365 * HOUR];
    for (trace, (name, age)) in names.into_iter().zip(ages).enumerate() {
        bench.append_and_flush(&[at(root(trace as u128, name), -age, MILLI - age)]);
    }
    assert_eq!(bench.roots(TraceQuery::default()).await, names);
    for limit in 1..=5 {
        assert_eq!(bench.roots(TraceQuery { limit, ..TraceQuery::default() }).await, names[..limit]);
        let found = bench.reader().search(&TraceQuery { limit, ..TraceQuery::default() }).await.expect("an answer");
        assert_eq!(found.truncated, limit < 5, "{limit}");
    }
    let since = |age: i64| TraceQuery { since: Some(Timestamp::from_unix_nanos(NOW - age)), ..TraceQuery::default() };
    assert_eq!(bench.roots(since(0)).await, names[..1]);
    assert_eq!(bench.roots(since(HOUR)).await, names[..2]);
    assert_eq!(bench.roots(since(24 * HOUR)).await, names[..4]);
    let until = TraceQuery { until: Some(Timestamp::from_unix_nanos(NOW - 2 * HOUR)), limit: 2, ..since(24 * HOUR) };
    assert_eq!(bench.roots(until).await, names[2..4]);
}

#[tokio::test]
async fn traces_that_reach_into_a_window_are_not_of_it() {
    let bench = Bench::new();
    for trace in 0..40 {
        // These began two hours ago and are still at it.
        bench.store.append(vec![at(root(trace, "old"), -2 * HOUR, MILLI), at(child(trace, 2, "work"), -MILLI, 0)]);
    }
    bench.store.append(vec![at(root(99, "new"), -HOUR / 10, 0), at(child(99, 2, "work"), -HOUR / 10, 0)]);
    bench.store.flush().expect("a block");
    let work = TraceQuery { operation: Some("work".to_owned()), limit: 2, ..TraceQuery::default() };
    assert_eq!(bench.roots(work.clone()).await, ["new", "old"]);
    let since = Some(Timestamp::from_unix_nanos(NOW - HOUR));
    assert_eq!(bench.roots(TraceQuery { since, ..work }).await, ["new"]);
}

#[tokio::test]
async fn conditions_hold_for_one_span_together() {
    let bench = Bench::new();
    let mut pay = with_attribute(child(1, 2, "pay"), "card", text("visa"));
    pay.status = SpanStatus::Error("no".into());
    bench.append_and_flush(&[root(1, "both"), pay]);
    bench.append_and_flush(&[root(2, "apart"), child(2, 2, "pay"), {
        let mut other = with_attribute(child(2, 3, "mail"), "card", text("visa"));
        other.status = SpanStatus::Ok;
        other
    }]);
    let query = TraceQuery { operation: Some("pay".to_owned()), ..tagged("card", "visa") };
    assert_eq!(bench.roots(query).await, ["both"]);
    for (status, expected) in
        [(StatusCode::Error, vec!["both"]), (StatusCode::Ok, vec!["apart"]), (StatusCode::Unset, vec!["both", "apart"])]
    {
        let found = bench.roots(TraceQuery { status: Some(status), ..TraceQuery::default() }).await;
        assert_eq!(found, expected, "{status:?}");
    }
    let nothing =
        TraceQuery { status: Some(StatusCode::Ok), operation: Some("pay".to_owned()), ..TraceQuery::default() };
    assert_eq!(bench.roots(nothing).await, Vec::<String>::new());
}

#[tokio::test]
async fn durations_are_those_of_the_trace() {
    let bench = Bench::new();
    bench.append_and_flush(&[root(1, "ten"), at(child(1, 2, "later"), 20 * MILLI, 30 * MILLI)]);
    bench.append_and_flush(&[at(root(2, "hundred"), 0, 100 * MILLI)]);
    let ms = |ms| Some(Duration::from_millis(ms));
    let query = |min_duration, max_duration| TraceQuery { min_duration, max_duration, ..TraceQuery::default() };
    assert_eq!(bench.roots(query(ms(50), None)).await, ["hundred"]);
    assert_eq!(bench.roots(query(None, ms(50))).await, ["ten"]);
    assert_eq!(bench.roots(query(ms(30), ms(100))).await, ["ten", "hundred"]);
    assert_eq!(bench.roots(query(ms(31), ms(99))).await, Vec::<String>::new());
}

#[tokio::test]
async fn tags_find_numbers_aliases_and_parts_of_sabot() {
    let bench = Bench::new();
    bench.append_and_flush(&[
        with_attribute(root(1, "rows"), "sabot.rows", AttributeValue::Int(4096)),
        with_attribute(root(2, "tenant"), "sabot.tenant_id", text("acme")),
        with_attribute(root(3, "model"), "gen_ai.request.model", text("m-1")),
        with_attribute(root(4, "part"), "sabot.component", text("join-engine")),
        with_attribute(root(5, "plain"), "tenant_id", text("other")),
    ]);
    for (key, value, expected) in [
        ("sabot.rows", "4096", "rows"),
        ("tenant_id", "acme", "tenant"),
        ("sabot.tenant_id", "acme", "tenant"),
        ("llm_model", "m-1", "model"),
        ("gen_ai.request.model", "m-1", "model"),
        ("sabot.component", "join-engine", "part"),
        ("tenant_id", "other", "plain"),
    ] {
        assert_eq!(bench.roots(tagged(key, value)).await, [expected], "{key}={value}");
    }
    let service = |name: &str| TraceQuery { service: Some(name.to_owned()), ..TraceQuery::default() };
    assert_eq!(bench.roots(service("join-engine")).await, ["part"]);
    assert_eq!(bench.roots(service("state-store")).await, Vec::<String>::new());
    assert_eq!(bench.roots(service("shop")).await.len(), 5);
}

#[tokio::test]
async fn hostile_values_are_only_values() {
    let bench = Bench::new();
    let hostile =
        ["'", "''", "' OR 1=1 --", "100%", "_", "\\'", "ü😀\u{0}", "a\nb", "\"", "'); DROP TABLE x; --", "$1", "?"];
    for (trace, value) in hostile.into_iter().enumerate() {
        let span = with_attribute(root(trace as u128, "work"), "k", text(value));
        bench.store.append(vec![with_attribute(span, "it's \"k\" ]", text(value))]);
    }
    for (trace, value) in hostile.into_iter().enumerate() {
        for key in ["k", "it's \"k\" ]"] {
            let found = bench.search(tagged(key, value)).await;
            let ids: Vec<_> = found.iter().map(|found| found.trace_id.as_str()).collect();
            assert_eq!(ids, [trace_id(trace as u128)], "{key}={value}");
        }
        let query =
            TraceQuery { service: Some(value.to_owned()), operation: Some(value.to_owned()), ..TraceQuery::default() };
        assert_eq!(bench.search(query).await, Vec::new(), "{value}");
    }
    assert_eq!(bench.search(tagged("') OR ('1'='1", "x")).await, Vec::new());
}

#[tokio::test]
async fn a_condition_in_sql_is_one_more_condition() {
    let bench = Bench::new();
    let slow = with_attribute(at(child(1, 2, "slow"), 0, 900 * MILLI), "n", AttributeValue::Int(7));
    bench.append_and_flush(&[root(1, "one"), slow]);
    bench.append_and_flush(&[root(2, "two")]);
    for (condition, expected) in [
        ("duration_ms > 500 AND operation = 'slow'", vec!["one"]),
        ("duration_ms > 500 -- in a comment: )", vec!["one"]),
        ("operation = 'one' OR operation = 'two'", vec!["one", "two"]),
        ("CAST(attributes['n'] AS BIGINT) BETWEEN 5 AND 10", vec!["one"]),
        ("attributes['no such'] IS NOT NULL", vec![]),
        ("trace_id IN (SELECT trace_id FROM sabot.spans WHERE duration_ms > 500)", vec!["one"]),
        ("started_at > timestamp '2024-12-31 00:00:00+00:00'", vec!["one", "two"]),
        ("  ", vec!["one", "two"]),
    ] {
        assert_eq!(bench.roots(where_sql(condition)).await, expected, "{condition}");
    }
    let both = TraceQuery { operation: Some("two".to_owned()), ..where_sql("operation = 'one' OR true") };
    assert_eq!(bench.roots(both).await, ["two"], "the other conditions stay in force");
}

#[tokio::test]
async fn a_wrong_condition_is_the_users_error() {
    let bench = Bench::new();
    bench.append_and_flush(&[root(1, "work")]);
    for (condition, part) in [
        ("duration > 5", "no field named duration"),
        ("true) OR (true", "expected"),
        ("1=1 /* /* */ ( */ ) OR (1=1", "expected"),
        ("duration_ms >", "expected"),
        ("duration_ms + 1", "boolean"),
        ("operation = 'open", "unterminated"),
        ("1 = 1; DROP TABLE x", "expected"),
        ("trace_id IN (SELECT id FROM sabot.tasks)", "does not exist"),
    ] {
        let error = bench.reader().search(&where_sql(condition)).await.expect_err(condition);
        assert!(matches!(error, SearchError::Condition(_)), "{condition}: {error:?}");
        assert!(error.to_string().to_lowercase().contains(part), "{condition}: {error}");
    }
}

#[tokio::test]
async fn services_are_listed_with_their_operations() {
    let bench = Bench::new();
    let mut other = root(1, "index");
    other.resource = Arc::new(Resource::of_service("another"));
    bench.append_and_flush(&[root(2, "b"), root(3, "a"), other]);
    bench.store.append(vec![root(4, "c"), root(5, "a")]);
    let expected = [("another", vec!["index"]), ("shop", vec!["a", "b", "c"])].map(|(service, operations)| {
        let operations = operations.into_iter().map(str::to_owned).collect();
        ServiceOperations { service: service.to_owned(), operations }
    });
    assert_eq!(bench.reader().services().expect("an answer"), expected);
    // Blocks an earlier run wrote are read, and only once: what is gone from the disk is known by then.
    bench.store.flush().expect("a block");
    let (dir, reopened) = bench.reopened_copy();
    let reader = TraceReader::new(&reopened, MEMORY_BYTES).expect("a reader");
    assert_eq!(reader.services().expect("an answer"), expected);
    std::fs::remove_dir_all(dir.path().join("spans")).expect("removed");
    assert_eq!(reader.services().expect("an answer"), expected);
}

#[tokio::test]
async fn services_of_merged_and_of_removed_blocks() {
    let bench = Bench::new();
    for trace in 0..8 {
        bench.append_and_flush(&[root(trace, if trace % 2 == 0 { "even" } else { "odd" })]);
    }
    bench.store.maintain().expect("merged");
    std::fs::remove_dir_all(bench.dir.path().join("spans")).expect("removed");
    let services = bench.reader().services().expect("what was in memory or in a block is known without reading");
    assert_eq!(services[0].operations, ["even", "odd"]);
}

#[tokio::test]
async fn an_empty_store_has_nothing_and_says_so() {
    let bench = Bench::new();
    assert_eq!(bench.search(tagged("a", "b")).await, Vec::new());
    assert_eq!(bench.reader().services().expect("an answer"), Vec::new());
    assert_eq!(bench.reader().trace(&trace_id(1), MAX_TRACE_SPANS).await.expect("an answer"), None);
}
