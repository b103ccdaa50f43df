//! Commands to a small server of this test and, where there is one, to Redis.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use expect_test::{Expect, expect};
use redis::aio::ConnectionLike;
use redis::{AsyncCommands, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, cmd, pipe};
use tokio::runtime::{Builder, Runtime};

use super::RedisTracing;
use super::command::Command;
use super::key::pattern_of;
use crate::ambient::tests::{attribute, recorded, string};
use crate::instrument::tests::server;
use crate::{AttributeValue, SpanKind, SpanRecord, SpanStatus, clock, context_with_trace, current_trace};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn check(keys: &[&str], expected: Expect) {
    let lines: Vec<_> = keys.iter().map(|key| format!("{key} -> {}\n", pattern_of(key.as_bytes()))).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn patterns_of_keys() {
    check(
        &[
            "user:123:cart",
            "session:550e8400-e29b-41d4-a716-446655440000",
            "session:550e8400e29b41d4a716446655440000",
            "cache:deadbeefcafe",
            "mail:ada@example.com:inbox",
            "token:eyJhbGciOiJIUzI1NiIsInR5cCI6",
            "token:abcDefGhiJklMnoPqr",
            "api:v2:rate_limit:10.0.0.7",
            "{user:7}.followers",
            "jobs/2026-11-28/pending",
            "sessionToken:a1",
            "größe:x",
            "FEATURE_FLAGS_ENABLED",
            "a:b:c:d:e:f:g:h:i:j",
            "facade:fed4",
            "::",
            "",
        ],
        expect![[r"
            user:123:cart -> user:*:cart
            session:550e8400-e29b-41d4-a716-446655440000 -> session:*
            session:550e8400e29b41d4a716446655440000 -> session:*
            cache:deadbeefcafe -> cache:*
            mail:ada@example.com:inbox -> mail:*:inbox
            token:eyJhbGciOiJIUzI1NiIsInR5cCI6 -> token:*
            token:abcDefGhiJklMnoPqr -> token:*
            api:v2:rate_limit:10.0.0.7 -> api:v2:rate_limit:*
            {user:7}.followers -> {user:*}*
            jobs/2026-11-28/pending -> jobs/*/pending
            sessionToken:a1 -> sessionToken:*
            größe:x -> *:x
            FEATURE_FLAGS_ENABLED -> FEATURE_FLAGS_ENABLED
            a:b:c:d:e:f:g:h:i:j -> a:b:c:d:e:f:g:h:*
            facade:fed4 -> facade:*
            :: -> ::
             -> 
        "]],
    );
    assert_eq!(pattern_of(&[0xff, 0xfe]), "*");
    assert_eq!(pattern_of("secret:".repeat(100).as_bytes()), "*");
}

#[test]
fn commands_have_a_category() {
    let told = |name: &str| {
        let command = Command::named(name.as_bytes());
        format!("{} {}", command.name, command.category.as_str())
    };
    for (name, expected) in [
        ("get", "GET read"),
        ("HSET", "HSET write"),
        ("unlink", "UNLINK delete"),
        ("SCAN", "SCAN scan"),
        ("ping", "PING other"),
        ("JSON.GET", "JSON.GET other"),
        ("secret 42", "_OTHER other"),
        ("", "_OTHER other"),
    ] {
        assert_eq!(told(name), expected);
    }
}

/// A server that answers one connection, command by command, until the other side is done.
fn serve(listener: &TcpListener) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(command) = read_command(&mut reader) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer = match words[..] {
            ["GET", _] => "$6\r\nsecret\r\n",
            ["DEL", ..] => ":2\r\n",
            ["LPUSH", ..] => "-WRONGTYPE Operation against a key holding secret\r\n",
            ["EVAL", ..] => "-s3cret value of a script\r\n",
            ["QUIT"] => return,
            _ => "+OK\r\n",
        };
        writer.write_all(answer.as_bytes()).unwrap();
    }
}

fn read_command(reader: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = read_number(reader)?;
    let words = (0..count).map(|_| {
        let mut word = vec![0; read_number(reader)? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        String::from_utf8(word).ok()
    });
    words.collect()
}

/// A line such as `*3` or `$5`.
fn read_number(reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    line.trim_end().get(1..)?.parse().ok()
}

/// What is recorded of work with a connection to the small server.
fn with_server(work: impl AsyncFnOnce(Client)) -> (SocketAddr, Vec<SpanRecord>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let spans = std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener));
        let ((), spans) = recorded(|| runtime().block_on(work(Client::open(format!("redis://{address}/0")).unwrap())));
        spans
    });
    (address, spans)
}

#[test]
fn a_command_is_a_span_without_its_values() {
    let (address, spans) = with_server(async |client| {
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut cache = RedisTracing::of(&client).on(connection);
        let value: String = cache.get("user:123:cart").await.unwrap();
        assert_eq!(value, "secret");
        let _: () = cache.set("user:123:mail", "secret@x.org").await.unwrap();
        let gone: i64 = cache.del(&["user:1:cart", "user:2:cart"]).await.unwrap();
        assert_eq!(gone, 2);
        let _: () = cmd("PING").query_async(&mut cache).await.unwrap();
    });
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let text = |key| attribute(span, key).map(|value| format!("{value:?}")).unwrap_or_default();
            let [category, pattern, count] =
                ["db.redis.command.category", "db.redis.key.pattern", "db.redis.key.count"].map(text);
            format!("{} {category} {pattern} {count}", span.name)
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"GET Str("read") Str("user:*:cart") Int(1)"#,
            r#"SET Str("write") Str("user:*:mail") Int(1)"#,
            r#"DEL Str("delete") Str("user:*:cart") Int(2)"#,
            r#"PING Str("other")  "#,
        ]
    );
    for span in &spans {
        assert_eq!((span.kind, &span.status), (SpanKind::Client, &SpanStatus::Unset));
        assert_eq!(attribute(span, "db.system.name"), Some(&string("redis")));
        assert_eq!(attribute(span, "db.operation.name"), Some(&string(&span.name)));
        assert_eq!(attribute(span, "db.namespace"), Some(&string("0")));
        assert_eq!(attribute(span, "server.address"), Some(&string("127.0.0.1")));
        assert_eq!(attribute(span, "server.port"), Some(&AttributeValue::Int(i64::from(address.port()))));
        assert_eq!(attribute(span, "performance.slow"), None);
    }
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
}

#[test]
fn an_error_has_its_code_and_not_its_message() {
    let (_, spans) = with_server(async |client| {
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut cache = RedisTracing::new().on(connection);
        cache.lpush::<_, _, ()>("user:1", "x").await.unwrap_err();
        cmd("EVAL").arg("return 1").arg(0).query_async::<()>(&mut cache).await.unwrap_err();
        let pipeline = pipe().get("a").lpush("b", "x").to_owned();
        pipeline.query_async::<()>(&mut cache).await.unwrap_err();
        cmd("QUIT").query_async::<()>(&mut cache).await.unwrap_err();
    });
    let told: Vec<_> = spans
        .iter()
        .map(|span| {
            let SpanStatus::Error(status) = &span.status else { panic!("{span:?}") };
            assert_eq!(attribute(span, "error.type"), Some(&string(status)));
            (span.name.as_str(), status.as_str())
        })
        .collect();
    let [lpush, eval, pipeline, quit] = &told[..] else { panic!("{told:?}") };
    assert_eq!((lpush, eval), (&("LPUSH", "WRONGTYPE"), &("EVAL", "server")));
    assert_eq!((pipeline, quit), (&("PIPELINE", "WRONGTYPE"), &("QUIT", "connection_dropped")));
    assert_eq!(spans.get(2).and_then(|span| attribute(span, "db.operation.batch.size")), Some(&AttributeValue::Int(2)));
    assert!(!format!("{spans:?}").contains("secret") && !format!("{spans:?}").contains("s3cret"), "{spans:?}");
}

/// A connection to nowhere on which every command takes its time.
struct Taking(Duration);

impl ConnectionLike for Taking {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async {
            clock::advance(u64::try_from(self.0.as_nanos()).unwrap());
            Ok(Value::Okay)
        })
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a Pipeline, _: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async { Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))) })
    }

    fn get_db(&self) -> i64 {
        3
    }
}

#[test]
fn a_command_is_slow_from_a_threshold_on() {
    let slow = |taken, tracing: RedisTracing| {
        let (answer, spans) = recorded(|| runtime().block_on(tracing.on(Taking(taken)).set::<_, _, ()>("user:1", "x")));
        assert_eq!(answer, Ok(()));
        let [span] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(attribute(span, "db.namespace"), Some(&string("3")));
        attribute(span, "performance.slow").cloned()
    };
    let minute = RedisTracing::new().with_slow_threshold(Duration::from_mins(1));
    assert_eq!(slow(Duration::ZERO, minute.clone()), None);
    assert_eq!(slow(Duration::from_mins(1), minute), Some(AttributeValue::Bool(true)));
    assert_eq!(slow(Duration::from_millis(50), RedisTracing::new()), Some(AttributeValue::Bool(true)));
}

#[test]
fn a_transaction_that_times_out_says_so() {
    let (answer, spans): (RedisResult<()>, _) = recorded(|| {
        let mut cache = RedisTracing::new().on(Taking(Duration::ZERO));
        runtime().block_on(pipe().atomic().set("a", 1).query_async(&mut cache))
    });
    assert!(answer.is_err());
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.name.as_str(), &span.status), ("MULTI SET", &SpanStatus::Error("timeout".into())));
}

#[test]
fn nothing_is_recorded_below_what_is_not() {
    let (answer, spans) = recorded(|| {
        let _attached = context_with_trace(current_trace().unwrap().unsampled()).attach();
        runtime().block_on(RedisTracing::new().on(Taking(Duration::ZERO)).set::<_, _, ()>("user:1", "x"))
    });
    assert_eq!((answer, spans.len()), (Ok(()), 0));
}

#[test]
fn redis_is_told_of_with_its_server() {
    let Some(url) = server("SABOT_TEST_REDIS_URL") else { return };
    let client = Client::open(url.as_str()).unwrap();
    let runtime = runtime();
    let Some(connection) = url.reached(runtime.block_on(client.get_multiplexed_async_connection())) else { return };
    let key = format!("sabot_test:{}:cart", std::process::id());
    let ((), spans) = recorded(|| {
        runtime.block_on(async {
            let mut cache = RedisTracing::of(&client).on(connection);
            let _: () = cache.set(&key, "secret").await.unwrap();
            let value: String = cache.get(&key).await.unwrap();
            assert_eq!(value, "secret");
            cache.lpush::<_, _, ()>(&key, "secret").await.unwrap_err();
            let gone: i64 = cache.del(&key).await.unwrap();
            assert_eq!(gone, 1);
        });
    });
    let [set, get, lpush, del] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!([set, get, lpush, del].map(|span| span.name.as_str()), ["SET", "GET", "LPUSH", "DEL"]);
    assert_eq!(attribute(get, "db.redis.key.pattern"), Some(&string("sabot_test:*:cart")));
    assert_eq!(attribute(lpush, "error.type"), Some(&string("WRONGTYPE")));
    assert!(attribute(get, "server.address").is_some());
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
}
