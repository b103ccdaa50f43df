//! Queries to SQLite in memory and, where there is one, to PostgreSQL.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Row, SqlitePool};
use tokio::runtime::{Builder, Runtime};

use super::SqlTracing;
use crate::ambient::tests::{attribute, recorded, string};
use crate::instrument::tests::server;
use crate::{AttributeValue, SpanKind, SpanRecord, SpanStatus, clock, context_with_trace, current_trace};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A database in memory with two users.
async fn users() -> SqlitePool {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO users (mail) VALUES ('ada@x.org'), ('bob@x.org')").execute(&pool).await.unwrap();
    pool
}

fn one(spans: &[SpanRecord]) -> &SpanRecord {
    let [span] = spans else { panic!("{spans:?}") };
    span
}

#[test]
fn a_query_is_a_span_without_its_values() {
    let (id, spans) = recorded(|| {
        runtime().block_on(async {
            let pool = users().await;
            let query = sqlx::query_as("SELECT id FROM users WHERE mail = 'ada@x.org' OR mail = ?").bind("bob@x.org");
            let ids: Vec<(i64,)> = query.fetch_all(SqlTracing::of(&pool).on(&pool)).await.unwrap();
            ids.len()
        })
    });
    assert_eq!(id, 2);
    let span = one(&spans);
    assert_eq!((span.name.as_str(), span.kind), ("SELECT users", SpanKind::Client));
    for (key, value) in [
        ("db.system.name", "sqlite"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "users"),
        ("db.query.summary", "SELECT users"),
        ("db.query.text", "SELECT id FROM users WHERE mail = ? OR mail = ?"),
    ] {
        assert_eq!(attribute(span, key), Some(&string(value)), "{key}");
    }
    assert_eq!(attribute(span, "db.response.returned_rows"), Some(&AttributeValue::Int(2)));
    assert_eq!((attribute(span, "performance.slow"), attribute(span, "error.type")), (None, None));
    assert_eq!(span.status, SpanStatus::Unset);
    assert!(!format!("{span:?}").contains("x.org"), "{span:?}");
}

#[test]
fn every_way_to_run_a_query_is_seen() {
    let ((), spans) = recorded(|| {
        runtime().block_on(async {
            let pool = users().await;
            let traced = SqlTracing::of(&pool);
            let update = sqlx::query("UPDATE users SET mail = mail || ?").bind("!");
            assert_eq!(update.execute(traced.on(&pool)).await.unwrap().rows_affected(), 2);
            let none = sqlx::query("SELECT 1 FROM users WHERE id = 9").fetch_optional(traced.on(&pool)).await.unwrap();
            assert!(none.is_none());
            let mut transaction = pool.begin().await.unwrap();
            let row = sqlx::query("SELECT id FROM users").fetch_one(traced.on(&mut *transaction)).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), 1);
            drop(sqlx::query("SELECT id FROM users").fetch(traced.on(&mut *transaction)).try_next().await.unwrap());
            sqlx::raw_sql("DELETE FROM users; VACUUM_IS_NOT_RUN")
                .execute(traced.on(&mut *transaction))
                .await
                .unwrap_err();
        });
    });
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let rows = |key| attribute(span, key).cloned();
            (span.name.as_str(), rows("db.response.returned_rows"), rows("db.response.affected_rows"))
        })
        .collect();
    let int = |n| Some(AttributeValue::Int(n));
    assert_eq!(
        told,
        [
            ("UPDATE users", None, int(2)),
            ("SELECT users", int(0), None),
            ("SELECT users", int(1), None),
            ("SELECT users", int(1), None),
            ("DELETE users", None, int(2)),
        ]
    );
}

#[test]
fn a_span_ends_with_the_last_row_and_is_slow_from_a_threshold_on() {
    let ((), spans) = recorded(|| {
        runtime().block_on(async {
            let pool = users().await;
            let traced = SqlTracing::of(&pool).with_slow_threshold(Duration::from_mins(1));
            for seconds in [1, 60] {
                let mut rows = sqlx::query("SELECT id FROM users").fetch(traced.on(&pool));
                clock::advance(seconds * 1_000_000_000);
                while rows.try_next().await.unwrap().is_some() {}
                clock::advance(600_000_000_000); // after the last row
                drop(rows);
            }
        });
    });
    let slow: Vec<_> = spans.iter().map(|span| attribute(span, "performance.slow").cloned()).collect();
    assert_eq!(slow, [None, Some(AttributeValue::Bool(true))]);
}

#[test]
fn an_error_has_its_code_and_not_its_message() {
    let ((), spans) = recorded(|| {
        runtime().block_on(async {
            let pool = users().await;
            let traced = SqlTracing::of(&pool);
            sqlx::query("INSERT INTO users (mail) VALUES ('ada@x.org')").execute(traced.on(&pool)).await.unwrap_err();
            sqlx::query("SELECT secret FROM nowhere").fetch_optional(traced.on(&pool)).await.unwrap_err();
            pool.close().await;
            sqlx::query("SELECT 1").execute(traced.on(&pool)).await.unwrap_err();
        });
    });
    let told: Vec<_> = spans.iter().map(|span| (span.status.clone(), attribute(span, "error.type").cloned())).collect();
    let failed = |status: &str, kind| (SpanStatus::Error(status.to_owned().into()), Some(string(kind)));
    assert_eq!(
        told,
        [failed("unique_violation: 2067", "2067"), failed("database: 1", "1"), failed("pool_closed", "pool_closed")]
    );
    assert_eq!(spans.first().and_then(|span| attribute(span, "db.response.status_code")), Some(&string("2067")));
}

#[test]
fn a_query_per_row_is_noticed_once() {
    let ((), spans) = recorded(|| {
        runtime().block_on(async {
            let pool = users().await;
            let traced = SqlTracing::of(&pool);
            for id in 0..25 {
                sqlx::query("SELECT mail FROM users WHERE id = ?").bind(id).fetch_all(traced.on(&pool)).await.unwrap();
            }
            for _ in 0..3 {
                let often = traced.clone().with_repetition_threshold(3);
                sqlx::query("SELECT count(*) FROM users").fetch_one(often.on(&pool)).await.unwrap();
            }
        });
    });
    let marked: Vec<_> = spans
        .iter()
        .enumerate()
        .filter(|(_, span)| attribute(span, "db.pattern") == Some(&string("n_plus_one")))
        .map(|(at, span)| (at, attribute(span, "db.pattern.count").cloned()))
        .collect();
    assert_eq!(marked, [(9, Some(AttributeValue::Int(10))), (27, Some(AttributeValue::Int(3)))]);
}

#[test]
fn nothing_is_recorded_below_what_is_not() {
    let (rows, spans) = recorded(|| {
        let unsampled = current_trace().unwrap().unsampled();
        let _attached = context_with_trace(unsampled).attach();
        runtime().block_on(async {
            let pool = users().await;
            let all = sqlx::query("SELECT mail FROM users WHERE id > ?").bind(0);
            all.fetch_all(SqlTracing::of(&pool).on(&pool)).await.unwrap().len()
        })
    });
    assert_eq!((rows, spans.len()), (2, 0));
}

#[test]
fn postgresql_is_told_of_with_its_server() {
    let runtime = runtime();
    let Some(url) = server("SABOT_TEST_POSTGRES_URL") else { return };
    let Some(pool) = url.reached(runtime.block_on(PgPoolOptions::new().max_connections(1).connect(url.as_str())))
    else {
        return;
    };
    let ((), spans) = recorded(|| {
        runtime.block_on(async {
            let traced = SqlTracing::of(&pool);
            let mut transaction = pool.begin().await.unwrap();
            let create = "CREATE TEMPORARY TABLE parcels (id int PRIMARY KEY, note text)";
            sqlx::query(create).execute(traced.on(&mut *transaction)).await.unwrap();
            let insert = sqlx::query("INSERT INTO parcels VALUES ($1, $2), (2, $$it's secret$$)").bind(1).bind("a");
            assert_eq!(insert.execute(traced.on(&mut *transaction)).await.unwrap().rows_affected(), 2);
            let all = sqlx::query("SELECT * FROM parcels").fetch_all(traced.on(&mut *transaction)).await.unwrap();
            assert_eq!(all.len(), 2);
            let again = sqlx::query("INSERT INTO parcels VALUES (1, 'secret')");
            again.execute(traced.on(&mut *transaction)).await.unwrap_err();
        });
    });
    let [create, insert, select, again] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((create.name.as_str(), insert.name.as_str()), ("CREATE parcels", "INSERT parcels"));
    assert_eq!(attribute(insert, "db.query.text"), Some(&string("INSERT INTO parcels VALUES (?)")));
    assert_eq!(attribute(insert, "db.response.affected_rows"), Some(&AttributeValue::Int(2)));
    assert_eq!(attribute(select, "db.response.returned_rows"), Some(&AttributeValue::Int(2)));
    assert_eq!(attribute(select, "db.system.name"), Some(&string("postgresql")));
    assert!(attribute(select, "server.address").is_some() && attribute(select, "db.namespace").is_some(), "{select:?}");
    assert_eq!(attribute(again, "error.type"), Some(&string("23505")));
    assert_eq!(again.status, SpanStatus::Error("unique_violation: 23505".into()));
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
}
