//! Drawings of small traces, and of traces no tree can hold.

use serde_json::{Value, json};

use super::{Style, waterfall};

fn span(id: &str, parent: Option<&str>, from_ms: u64, to_ms: u64, status: &str) -> Value {
    let nanos = |ms: u64| 1_700_000_000_000_000_000 + ms * 1_000_000;
    json!({
        "span_id": id, "parent_span_id": parent, "service": "sabot", "name": id, "status": status,
        "start_unix_nano": nanos(from_ms), "end_unix_nano": nanos(to_ms),
    })
}

fn draw(spans: &[Value]) -> String {
    waterfall(&json!({"trace_id": "t1", "spans": spans}), 80, Style::PLAIN).expect("a drawable trace")
}

/// The drawing without its header, one line per span.
fn lines(spans: &[Value]) -> Vec<String> {
    draw(spans).lines().skip(3).map(str::to_owned).collect()
}

#[test]
fn bars_are_scaled_to_the_trace() {
    let mut failed = span("commit", Some("batch"), 60, 80, "error");
    failed["status_message"] = json!("disk\nfull");
    let spans = [
        span("batch", None, 0, 80, "unset"),
        span("join", Some("batch"), 0, 40, "ok"),
        span("get", Some("join"), 20, 21, "ok"),
        failed,
    ];
    insta::assert_snapshot!(draw(&spans));
}

#[test]
fn an_instant_is_still_visible() {
    let drawn = lines(&[span("only", None, 5, 5, "ok")]);
    assert!(drawn.len() == 1 && drawn[0].ends_with('▏'), "{drawn:?}");
    let at_the_end = lines(&[span("a", None, 0, 9, "ok"), span("b", Some("a"), 9, 9, "ok")]);
    assert_eq!(at_the_end[1].chars().count(), at_the_end[0].chars().count(), "bars end together: {at_the_end:?}");
}

#[test]
fn spans_without_their_parent_are_roots() {
    let drawn = lines(&[span("a", Some("gone"), 0, 5, "ok"), span("b", Some("a"), 1, 2, "ok")]);
    assert!(drawn[0].starts_with("a (parent missing)") && drawn[1].starts_with("└─ b"), "{drawn:?}");
}

#[test]
fn a_window_that_fired_says_which_it_is() {
    let mut fired = span("window_fire", Some("a"), 1, 2, "unset");
    fired["attributes"] = json!({"sabot.window_start": "2013-01-01T05:00:00Z", "sabot.rows_out": 12});
    let drawn = lines(&[span("a", None, 0, 5, "ok"), fired]);
    assert!(drawn[1].starts_with("└─ window_fire 2013-01-01T05:00:00Z  "), "{drawn:?}");
}

#[test]
fn cycles_end_and_every_span_is_drawn_once() {
    let drawn = lines(&[span("a", Some("b"), 0, 5, "ok"), span("b", Some("a"), 1, 2, "ok")]);
    assert_eq!(drawn.len(), 2, "{drawn:?}");
    assert_eq!(lines(&[span("self", Some("self"), 0, 1, "ok")]).len(), 1);
}

#[test]
fn deep_traces_stay_on_the_screen() {
    let ids: Vec<String> = (0..5_000).map(|i| format!("s{i}")).collect();
    let spans = ids.iter().enumerate().map(|(i, id)| {
        let parent = i.checked_sub(1).and_then(|above| ids.get(above)).map(String::as_str);
        span(id, parent, 0, 1, "ok")
    });
    let drawn = lines(&spans.collect::<Vec<_>>());
    assert_eq!(drawn.len(), 5_000);
    assert!(drawn.iter().all(|line| line.chars().count() < 130));
}

#[test]
fn times_may_be_text_and_nonsense_does_not_panic() {
    let mut text = span("a", None, 0, 5, "ok");
    text["start_unix_nano"] = json!("1700000000000000000");
    text["end_unix_nano"] = json!("18446744073709551615");
    let mut backwards = span("b", Some("a"), 9, 1, "OK");
    backwards["name"] = json!("x".repeat(200));
    assert_eq!(lines(&[text, backwards]).len(), 2);
    assert!(waterfall(&json!({"trace_id": "t", "spans": []}), 0, Style::PLAIN).is_ok());
    assert!(waterfall(&json!({"spans": 3}), 80, Style::PLAIN).is_err());
}
