//! The demonstration as it runs: what it prints, and what arrives at a receiver of OTLP.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "clippy exempts test functions, not their helpers")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use serde_json::Value;

type Posts = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A receiver of OTLP over HTTP that runs until the test is over, and its address.
async fn receiver() -> (Posts, String) {
    let posts = Posts::default();
    let take = |State(posts): State<Posts>, uri: Uri, body: Bytes| async move {
        posts.lock().expect("posts").push((uri.path().to_owned(), body));
    };
    let router = Router::new().fallback(take).with_state(Arc::clone(&posts));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (posts, format!("http://{address}"))
}

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telemetry_demo"));
    command.env_clear();
    command
}

/// What it prints, once it has ended well.
fn page(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

/// The rows of a section, without the spaces around them.
fn rows(page: &str, section: &str) -> Vec<String> {
    let from = page.lines().skip_while(|line| !line.contains(&format!("  {section} - "))).skip(1);
    from.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The number before a word of a row.
fn number(row: &str, word: &str) -> u32 {
    let words: Vec<_> = row.split([' ', ',', ';', '=']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|known| *known == word).unwrap_or_else(|| panic!("no {word} in {row}"));
    words[at - 1].parse().unwrap_or_else(|_| panic!("no number before {word} in {row}"))
}

#[test]
fn every_section_shows_what_came_out() {
    let page = page(&mut demo());
    assert!(page.lines().count() < 100, "{page}");

    let spans = rows(&page, "Spans");
    assert_eq!(spans.len(), 4, "{page}");
    assert!(spans[0].starts_with("POST /orders server paid=false, event \"priced\""), "{}", spans[0]);
    assert!(spans.iter().any(|row| row.starts_with("reserve stock internal items=3, link to span ")), "{page}");
    let charge = "charge card client failed, cents=1290, error.type=std::io::error::Error, exception \"card declined\"";
    assert!(spans.iter().any(|row| row.starts_with(charge)), "{page}");
    assert!(spans.iter().any(|row| row.contains("exception \"mailbox full\"")), "{page}");

    let context = rows(&page, "Context");
    let known: Vec<_> =
        context.iter().filter_map(|row| row.split_once("trace ")).map(|(_, known)| known).take(3).collect();
    assert!(known.len() == 3 && known.iter().all(|all| *all == known[0]), "{page}");
    assert!(known[0].ends_with("tenant.id acme, correlation id order-4711"), "{page}");

    let metrics = rows(&page, "Metrics and exemplars");
    assert!(metrics.contains(&"shop_orders_total{tier=\"gold\"} 3".to_owned()), "{page}");
    assert!(metrics.contains(&"shop_stock 37".to_owned()), "{page}");
    assert!(metrics.iter().any(|row| row.contains("# {trace_id=")), "{page}");
    assert_eq!(
        rows(&page, "Bounded series")[0],
        "series 101, the overflow series included; their counts add up to 1000"
    );

    let business = rows(&page, "Business and promises");
    assert!(business.iter().any(|row| row.starts_with("settle ") && row.contains("slo.compliant=false")), "{page}");
    assert!(
        business.iter().any(|row| row.contains(" user.tier=gold business.value=129.9 feature.fast_lane=true"))
            && !page.contains("alice"),
        "{page}"
    );

    for row in rows(&page, "Redaction") {
        let (given, came_out) = row.split_once(" -> ").expect("an arrow");
        let is_harmless = given.starts_with("llm.token_count");
        assert_eq!(came_out.contains("[redacted]"), !is_harmless, "{row}");
        assert!(
            ["ann@", "hunter2", "4111", "correct", "not-a-token"].iter().all(|part| !came_out.contains(part)),
            "{row}"
        );
    }
}

#[test]
fn counts_of_what_was_sampled_are_true() {
    let page = page(&mut demo());
    let head = rows(&page, "Sampling at the head");
    assert_eq!(head[1], "search 2000 began, 2000 kept, which stand for 2000");
    assert_eq!(head[2], "health 2000 began, 0 kept, which stand for 0");
    let kept = number(&head[0], "kept");
    // A tenth of 2,000 by chance; further away than this once in a billion runs.
    assert!((110..300).contains(&kept) && head[0].ends_with(&format!("stand for {}", kept * 10)), "{}", head[0]);

    let outcome = rows(&page, "Sampling by outcome");
    assert_eq!(outcome[0], "error 80 kept, which stand for 80");
    let (value, baseline) = (number(&outcome[1], "kept"), number(&outcome[2], "kept"));
    assert!(outcome[2].ends_with(&format!("stand for {}", baseline * 20)), "{}", outcome[2]);
    assert_eq!(80 + value + baseline + number(&outcome[3], "of"), 2_000, "{page}");

    let red = rows(&page, "RED metrics");
    for line in [
        r#"operation="order",kind="server",status="error"} 80"#,
        r#"operation="order",kind="server",status="ok"} 1920"#,
    ] {
        assert!(red.iter().any(|row| row.starts_with("shop_calls_total{") && row.ends_with(line)), "{page}");
    }
}

#[test]
fn without_a_receiver_the_file_takes_over_and_the_account_balances() {
    let page = page(&mut demo());
    let failover = rows(&page, "Failover");
    assert!(failover[0].starts_with("primary sent 0 in ") && failover[0].contains("circuit Open"), "{page}");
    assert!(failover[1].starts_with("last-resort sent 50 in "), "{page}");
    let account = rows(&page, "The account");
    assert_eq!(account.len(), 4, "{page}");
    for row in &account[..3] {
        let (accepted, rest) = row.split_once(" = ").expect("an equation");
        let (accepted, sent) = (accepted.rsplit(' ').next(), rest.split(' ').next());
        assert!(accepted == sent && accepted != Some("0") && row.ends_with("+ 0 + 0"), "{row}");
    }
    assert_eq!(account[3], "nothing lost true; every line balances: true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_everything_but_secrets() {
    let (posts, url) = receiver().await;
    let mut command = demo();
    command.envs([("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
    let page = page(&mut command);
    assert!(rows(&page, "Failover")[0].starts_with("otlp sent 50 in "), "{page}");
    assert_eq!(rows(&page, "The account").len(), 7, "a line for each kind and target: {page}");

    let posts = posts.lock().expect("posts");
    let text: String = posts.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect();
    for secret in ["ann@example.com", "bob@example.com", "hunter2", "4111 1111", "correct horse", "alice"] {
        assert!(!text.contains(secret), "{secret}");
    }
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        assert!(posts.iter().any(|(posted, _)| posted == path), "{path}");
    }
    let traces = posts.iter().filter(|(path, _)| path == "/v1/traces");
    let bodies: Vec<Value> = traces.map(|(_, body)| serde_json::from_slice(body).expect("JSON")).collect();
    let spans = ["resourceSpans", "scopeSpans", "spans"].iter().fold(bodies, |values, key| {
        values.iter().flat_map(|value| value[*key].as_array().cloned().unwrap_or_default()).collect()
    });
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(named("charge card")["parentSpanId"], named("POST /orders")["spanId"]);
    assert_eq!(named("GET /stock/{item}")["parentSpanId"], named("GET")["spanId"]);
    assert_eq!(named("pack")["parentSpanId"], named("checkout")["spanId"]);
}

#[test]
fn a_steady_load_runs_until_it_is_interrupted() {
    let mut command = demo();
    command.args(["--serve", "--metrics-address", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
    let mut said = String::new();
    while !said.contains("until Ctrl-C") {
        assert!(stdout.read_line(&mut said).expect("a line") > 0, "{said}");
    }
    assert!(said.starts_with("metrics at http://127.0.0.1:"), "{said}");
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(asked.success());
    stdout.read_to_string(&mut said).expect("text");
    assert!(child.wait().expect("its end").success(), "{said}");
    assert!(said.ends_with("nothing lost at the end: true\n"), "{said}");
}
