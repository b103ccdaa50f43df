//! Queries and commands under samplers that do not follow parents, and measured without being recorded.

use futures::FutureExt;
use redis::aio::ConnectionLike;
use redis::{AsyncCommands, Cmd, Pipeline, RedisFuture, Value};
use sabot_telemetry::{
    RedisTracing, Sampling, SamplingStrategy, SqlTracing, TraceContext, context_with_trace, trace_operation,
};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool};

use crate::provider::{Instrumented, attribute};

/// A connection that answers, or never does.
#[derive(Clone)]
struct Fake {
    answers: bool,
}

impl ConnectionLike for Fake {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        if self.answers { Box::pin(async { Ok(Value::Okay) }) } else { Box::pin(std::future::pending()) }
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a Pipeline, _: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

async fn database() -> SqlitePool {
    SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.expect("a database")
}

/// One query and one command.
async fn work() {
    let pool = database().await;
    sqlx::query("SELECT 1").execute(SqlTracing::of(&pool).on(&pool)).await.expect("a row");
    let mut cache = RedisTracing::new().on(Fake { answers: true });
    cache.set::<_, _, ()>("user:1", "x").await.expect("an answer");
}

fn under(strategy: SamplingStrategy) -> Instrumented {
    let sampling = Sampling { strategy, ..Sampling::default() };
    Instrumented::with(|config| config.with_sampling(sampling).with_red_metrics("shop_"))
}

#[test]
fn a_sampler_that_does_not_follow_parents_is_asked() {
    let unsampled = TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 0 };
    for (strategy, expected) in [
        (SamplingStrategy::AlwaysOn, vec!["SELECT", "SET"]),
        (SamplingStrategy::AlwaysOn.parent_based(), vec![]),
        (SamplingStrategy::AlwaysOff, vec![]),
    ] {
        let test = under(strategy.clone());
        let attached = context_with_trace(unsampled).attach();
        test.run(work());
        drop(attached);
        let spans = test.spans();
        assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), expected, "{strategy:?}");
        assert!(spans.iter().all(|span| span.trace_id == unsampled.trace_id));
    }
}

#[test]
fn what_has_no_parent_is_measured_also_if_it_is_not_sampled() {
    let test = under(SamplingStrategy::AlwaysOff.parent_based());
    test.run(work());
    assert!(test.spans().is_empty());
    let text = test.telemetry.registry().prometheus_text();
    for operation in ["SELECT", "SET"] {
        let line = format!("shop_calls_total{{operation=\"{operation}\",kind=\"client\",status=\"ok\"}} 1");
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}

#[test]
fn what_nobody_waits_for_has_failed() {
    let test = Instrumented::install();
    test.run(async {
        let pool = database().await;
        let held = pool.acquire().await.expect("the only connection");
        let traced = SqlTracing::of(&pool);
        assert!(sqlx::query("SELECT 1").fetch_optional(traced.on(&pool)).now_or_never().is_none());
        assert!(sqlx::query::<Sqlite>("SELECT 2").execute(traced.on(&pool)).now_or_never().is_none());
        drop(held);
        let mut cache = RedisTracing::new().on(Fake { answers: false });
        assert!(cache.get::<_, Option<String>>("user:1").now_or_never().is_none());
    });
    let spans = test.spans();
    let told: Vec<_> = spans.iter().map(|span| (span.name.as_str(), attribute(span, "error.type"))).collect();
    let cancelled = |name| (name, "cancelled".to_owned());
    assert_eq!(told, ["SELECT", "SELECT", "GET"].map(cancelled));
}

#[test]
fn statements_that_were_not_read_to_their_ends_are_no_pattern() {
    let test = Instrumented::install();
    test.run(async {
        let pool = database().await;
        let traced = SqlTracing::of(&pool).with_repetition_threshold(3);
        let request = trace_operation::<(&str, &str)>("request", []);
        let queries = async {
            for number in 0..9 {
                let sql = format!("SELECT 'C:\\', {number}");
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(traced.on(&pool)).await.expect("a row");
            }
        };
        request.in_future(queries).await;
    });
    let spans = test.spans();
    assert_eq!(spans.len(), 10);
    assert!(spans.iter().all(|span| attribute(span, "db.pattern").is_empty()), "{spans:?}");
}

#[test]
fn keys_that_look_like_words_can_be_left_out() {
    let test = Instrumented::install();
    let pattern = |tracing: RedisTracing| {
        let mut cache = tracing.on(Fake { answers: true });
        test.run(cache.set::<_, _, ()>("user:ada", "x")).expect("an answer");
        let spans = test.spans();
        ["db.redis.key.pattern", "db.redis.key.count"].map(|key| attribute(&spans[0], key))
    };
    assert_eq!(pattern(RedisTracing::new()), ["user:ada", "1"]);
    assert_eq!(pattern(RedisTracing::new().without_key_patterns()), ["", "1"]);
}

#[test]
fn passwords_are_not_told() {
    let test = Instrumented::install();
    test.run(async {
        let mut cache = RedisTracing::new().on(Fake { answers: true });
        let mut commands = [redis::cmd("AUTH"), redis::cmd("HELLO"), redis::cmd("CONFIG"), redis::cmd("MIGRATE")];
        commands[0].arg("ada").arg("secret");
        commands[1].arg(3).arg("AUTH").arg("ada").arg("secret");
        commands[2].arg("SET").arg("requirepass").arg("secret");
        commands[3].arg("host").arg(6379).arg("").arg(0).arg(1).arg("AUTH").arg("secret").arg("KEYS").arg("k");
        for command in &commands {
            command.query_async::<()>(&mut cache).await.expect("an answer");
        }
        redis::pipe().add_command(commands[0].clone()).ignore().query_async::<()>(&mut cache).await.ok();
    });
    let spans = test.spans();
    assert_eq!(spans.len(), 5);
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
}

#[test]
fn a_batch_says_what_it_consists_of() {
    let test = Instrumented::install();
    test.run(async {
        let mut cache = RedisTracing::new().on(Fake { answers: true });
        for pipeline in [
            redis::pipe().get("a").get("b"),
            redis::pipe().get("a").set("b", 1),
            redis::pipe().get("a"),
            redis::pipe().atomic().incr("a", 1).incr("b", 1),
            redis::pipe().cmd("secret 42").cmd("secret 42"),
            &mut redis::pipe(),
        ] {
            pipeline.query_async::<()>(&mut cache).await.ok();
        }
    });
    let spans = test.spans();
    let told: Vec<_> =
        spans.iter().map(|span| format!("{} {}", span.name, attribute(span, "db.operation.batch.size"))).collect();
    expect_test::expect![[r#"
        [
            "PIPELINE GET 2",
            "PIPELINE 2",
            "GET ",
            "MULTI INCRBY 2",
            "PIPELINE 2",
            "PIPELINE 0",
        ]
    "#]]
    .assert_debug_eq(&told);
}
