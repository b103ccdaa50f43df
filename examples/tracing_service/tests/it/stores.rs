//! Redis and PostgreSQL, where they are, and when they are not.

use std::net::TcpListener;

use serde_json::json;

use crate::receiver::Receiver;
use crate::running::Running;

/// The server an environment variable names. Without one the test has nothing to do, and says so.
fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    url
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_cached_in_redis() {
    let Some(redis) = server("SABOT_TEST_REDIS_URL") else { return };
    let client = redis::Client::open(&*redis).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis is there");
    let key = "tracing_service:user:3";
    redis::cmd("DEL").arg(key).exec_async(&mut connection).await.expect("it is gone");
    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[("REDIS_URL", &redis)]);
    for _ in 0..2 {
        let (status, user) = Running::answer(service.get("/api/users/3")).await;
        assert_eq!((status, &user["name"]), (200, &json!("Alan Turing")));
    }
    let (_, health) = Running::answer(service.get("/health")).await;
    assert_eq!((&health["status"], &health["cache"]), (&json!("ok"), &json!({ "kind": "redis", "answers": true })));
    service.end();

    let found = receiver.named("find_user");
    assert_eq!([found[0].get("cache.hit"), found[1].get("cache.hit")], ["false", "true"]);
    let commands: Vec<_> = receiver.spans().into_iter().filter(|span| span.get("db.system.name") == "redis").collect();
    let told: Vec<_> = commands.iter().map(|span| (span.name.as_str(), span.parent_id.as_str())).collect();
    assert_eq!(told, [("GET", &*found[0].id), ("SETEX", &*found[0].id), ("GET", &*found[1].id)]);
    assert!(!receiver.text().contains("alan@example.com") && !receiver.text().contains(key));
    let kept: u64 = redis::cmd("TTL").arg(key).query_async(&mut connection).await.expect("a time");
    assert!((1..=60).contains(&kept), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_kept_in_postgresql() {
    let Some(postgres) = server("SABOT_TEST_POSTGRES_URL") else { return };
    let (receiver, url) = Receiver::start().await;
    let service = Running::start(&url, &[("DATABASE_URL", &postgres)]);
    let (status, user) = Running::answer(service.get("/api/users/2")).await;
    assert_eq!((status, &user["name"]), (200, &json!("Grace Hopper")));
    let again = Running::start(&url, &[("DATABASE_URL", &postgres)]); // the table is there already
    let (status, missing) = Running::answer(again.get("/api/users/99")).await;
    assert_eq!((status, &missing["code"]), (404, &json!("no_such_user")));
    service.end();
    again.end();

    let queries = receiver.named("SELECT demo_users");
    let found = receiver.named("find_user");
    assert_eq!((queries.len(), found.len()), (2, 2));
    for query in &queries {
        assert!(found.iter().any(|found| found.id == query.parent_id), "{queries:?}");
        assert_eq!((query.get("db.system.name"), query.get("db.collection.name")), ("postgresql", "demo_users"));
        assert_eq!(query.get("db.query.text"), "SELECT id, name, email, tier FROM demo_users WHERE id = $1");
    }
    assert!(receiver.spans().iter().all(|span| !span.has_failed), "{:?}", receiver.spans());
    assert!(!receiver.text().contains("grace@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_ends_the_request_and_not_the_service() {
    let (redis, postgres) = (format!("redis://:s3cret@{}", nobody()), format!("postgres://ann:s3cret@{}/x", nobody()));
    for (variable, value, code) in
        [("REDIS_URL", &redis, "cache_unavailable"), ("DATABASE_URL", &postgres, "database_unavailable")]
    {
        let (receiver, url) = Receiver::start().await;
        let service = Running::start(&url, &[(variable, value)]);
        for _ in 0..2 {
            let (status, problem) = Running::answer(service.get("/api/users/1")).await;
            assert_eq!((status, &problem["code"]), (503, &json!(code)), "{problem}");
            assert!(problem["error"].as_str().is_some_and(|error| error.contains("try again")), "{problem}");
        }
        let (status, health) = Running::answer(service.get("/health")).await;
        assert_eq!((status, &health["status"]), (200, &json!("degraded")));
        let ended = service.end();
        assert!(ended.success && ended.stderr.contains(code), "{}", ended.stderr);
        for name in ["GET /api/users/{id}", "find_user"] {
            let spans = receiver.named(name);
            assert!(spans.len() == 2 && spans.iter().all(|span| span.has_failed), "{spans:?}");
        }
        for told in [receiver.text(), ended.stderr, ended.stdout] {
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
}
