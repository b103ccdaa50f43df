//! Which of the two formats a caller gets, and how it is written.

use std::io::{self, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Limits;
use super::head::{Head, Request};
use super::timed::Timed;
use crate::Registry;
use crate::metrics::weight;

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
    let (content_type, text) = registry.text_for(&request.accept);
    let (more, body) = if takes_gzip(&request.accept_encoding) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes())?;
        ("content-encoding: gzip\r\nvary: accept, accept-encoding\r\n", encoder.finish()?)
    } else {
        ("vary: accept, accept-encoding\r\n", text.into_bytes())
    };
    Ok(Answer { status: "200 OK", content_type, more, body, with_body })
}

pub(super) fn takes_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|range| {
        let name = range.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("gzip") && weight(range) > 0.0
    })
}
