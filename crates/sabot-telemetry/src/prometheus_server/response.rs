//! Which of the two formats a caller gets, and how it is written.

use std::io::{self, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Limits;
use super::head::{Head, Request};
use super::timed::Timed;
use crate::{OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE, Registry};

const PLAIN: &str = "text/plain; charset=utf-8";

/// An answer before it is written.
struct Answer {
    status: &'static str,
    content_type: &'static str,
    /// Further header lines, each with its end.
    more: &'static str,
    body: Vec<u8>,
    /// False for `HEAD`, which hears of the body only.
    with_body: bool,
}

/// Answers a request.
pub(super) fn respond(stream: &TcpStream, limits: Limits, head: &Head, registry: &Registry) -> io::Result<()> {
    let answer = match head {
        Head::Request(request) => answer(request, registry)?,
        Head::TooLarge => refusal("431 Request Header Fields Too Large", "", "the head of the request is too large\n"),
        Head::Malformed => refusal("400 Bad Request", "", "this is not a request of HTTP/1.1\n"),
    };
    let Answer { status, content_type, more, body, with_body } = answer;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n"
    );
    // Begins here: making the answer takes no time of the caller's.
    let mut stream = Timed::new(stream, limits.patience);
    stream.write_all(head.as_bytes())?;
    if with_body { stream.write_all(&body) } else { Ok(()) }
}

fn refusal(status: &'static str, more: &'static str, text: &str) -> Answer {
    Answer { status, content_type: PLAIN, more, body: text.into(), with_body: true }
}

fn answer(request: &Request, registry: &Registry) -> io::Result<Answer> {
    let with_body = request.method != "HEAD";
    if request.path != "/metrics" {
        return Ok(Answer { with_body, ..refusal("404 Not Found", "", "metrics are at /metrics\n") });
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Ok(refusal("405 Method Not Allowed", "allow: GET, HEAD\r\n", "metrics can only be read\n"));
    }
    let (content_type, text) = if prefers_openmetrics(&request.accept) {
        (OPENMETRICS_CONTENT_TYPE, registry.openmetrics_text())
    } else {
        (PROMETHEUS_CONTENT_TYPE, registry.prometheus_text())
    };
    let (more, body) = if takes_gzip(&request.accept_encoding) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes())?;
        ("content-encoding: gzip\r\nvary: accept, accept-encoding\r\n", encoder.finish()?)
    } else {
        ("vary: accept, accept-encoding\r\n", text.into_bytes())
    };
    Ok(Answer { status: "200 OK", content_type, more, body, with_body })
}

/// Whether `OpenMetrics` 1.0 is named and no less wanted than plain text. What is not named is not sent: a browser that
/// takes anything gets the plainer of the two.
pub(super) fn prefers_openmetrics(accept: &str) -> bool {
    let best = |is: &dyn Fn(&str) -> bool| {
        let wanted = accept.split(',').filter(|range| is(range)).map(weight);
        wanted.fold(0.0, f64::max)
    };
    let openmetrics = best(&|range| {
        let mut parts = range.split(';').map(str::trim);
        let version = parts.clone().find_map(|part| part.strip_prefix("version="));
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"))
            && version.is_none_or(|version| matches!(version.trim_matches('"'), "1.0.0" | "1.0"))
    });
    let text = best(&|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/plain") || kind.eq_ignore_ascii_case("text/*")
    });
    openmetrics > 0.0 && openmetrics >= text
}

pub(super) fn takes_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|range| {
        let name = range.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("gzip") && weight(range) > 0.0
    })
}

/// The `q` of one range; one unless given, zero if it is not a number.
fn weight(range: &str) -> f64 {
    let given = range.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    });
    given.map_or(1.0, |value| value.parse().unwrap_or(0.0))
}
