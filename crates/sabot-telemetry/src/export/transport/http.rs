//! OTLP over HTTP, as protocol buffers or JSON, and the client all HTTP targets share.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::answer::{http_error, partial_success, partial_success_json};
use super::{Accepted, SendError, Sending, Transport};
use crate::clock::unix_nanos_now;
use crate::config::{Certificates, Compression, ConfigError, OtlpProtocol, Signal, Target};
use crate::export::batch::Batch;
use crate::export::otlp;

/// Most of an answer that is read; more is a mistake of the receiver.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How Sabot's requests are told from others.
pub(super) const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Sends bodies to HTTP servers.
#[derive(Debug)]
pub(super) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    compression: Compression,
}

/// A good answer.
pub(super) struct Answer {
    pub(super) is_json: bool,
    pub(super) body: Bytes,
}

impl Poster {
    pub(super) fn new(headers: Vec<(HeaderName, HeaderValue)>, compression: Compression, tls: Certificates) -> Self {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls.client).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let mut all = HeaderMap::new();
        all.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        all.extend(headers);
        Self { client, headers: all, compression }
    }

    pub(super) async fn post(&self, uri: &Uri, content_type: &'static str, body: Bytes) -> Result<Answer, SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.compression == Compression::Gzip {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let response = self.client.request(request).await.map_err(|error| SendError::later(chain(&error)))?;
        let (head, body) = response.into_parts();
        let is_json = starts_with(&head.headers, "application/json");
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if head.status.is_success() => {
                return Err(SendError::later(format!("its answer broke off: {error}")));
            }
            Err(_broken) => Bytes::new(),
        };
        if head.status.is_success() && starts_with(&head.headers, "text/html") {
            // A proxy's page for logging in, most likely.
            return Err(SendError::Misdirected { problem: format!("it answered {} with a page of HTML", head.status) });
        }
        if head.status.is_success() {
            return Ok(Answer { is_json, body });
        }
        // A protocol buffer is nothing to show to people.
        let text = if is_json || starts_with(&head.headers, "text/") { &body[..] } else { &[] };
        Err(http_error(head.status, &head.headers, text, Duration::from_nanos(unix_nanos_now())))
    }

    pub(super) fn pack(&self, body: Bytes) -> Result<Bytes, SendError> {
        match self.compression {
            Compression::None => Ok(body),
            Compression::Gzip => {
                let mut packed = GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
                packed
                    .write_all(&body)
                    .and_then(|()| packed.finish())
                    .map(Bytes::from)
                    .map_err(|error| SendError::Refused { problem: format!("it could not be compressed: {error}") })
            }
        }
    }
}

/// Whether the type of what was sent is of a kind.
fn starts_with(headers: &HeaderMap, kind: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..kind.len()));
    value.is_some_and(|value| value.eq_ignore_ascii_case(kind.as_bytes()))
}

/// An error with what caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// A receiver of OTLP over HTTP.
#[derive(Debug)]
pub(super) struct Otlp {
    poster: Poster,
    traces: Uri,
    metrics: Uri,
    logs: Uri,
    json: bool,
}

impl Otlp {
    pub(super) fn new(
        uri: &Uri,
        headers: Vec<(HeaderName, HeaderValue)>,
        protocol: OtlpProtocol,
        target: &Target,
        tls: Certificates,
    ) -> Result<Self, ConfigError> {
        let of = |signal: &str| if target.exact_path { Ok(uri.clone()) } else { path(uri, signal) };
        let (traces, metrics, logs) = (of("traces")?, of("metrics")?, of("logs")?);
        let poster = Poster::new(headers, target.compression, tls);
        Ok(Self { poster, traces, metrics, logs, json: protocol == OtlpProtocol::HttpJson })
    }

    async fn post(&self, batch: &Batch) -> Result<Accepted, SendError> {
        let uri = match batch.signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        };
        let (content_type, body) = if self.json {
            ("application/json", otlp::to_json(batch)?.into())
        } else {
            ("application/x-protobuf", batch.payload.clone())
        };
        let answer = self.poster.post(uri, content_type, self.poster.pack(body)?).await?;
        let read = if answer.is_json {
            partial_success_json(&answer.body)
        } else {
            partial_success(batch.signal, &answer.body)
        };
        Ok(read)
    }
}

impl Transport for Otlp {
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a> {
        Box::pin(self.post(batch))
    }
}

/// Where a signal goes below a receiver's address, also when that is given as the address of another signal.
fn path(uri: &Uri, signal: &str) -> Result<Uri, ConfigError> {
    let path = uri.path().trim_end_matches('/');
    let base = match path.rsplit_once("/v1/") {
        Some((base, "traces" | "metrics" | "logs")) => base,
        _ => path,
    };
    let path = format!("{base}/v1/{signal}");
    let with_query = uri.query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    let wrong = |error: &dyn std::fmt::Display| ConfigError::endpoint("otlp", &uri.to_string(), error.to_string());
    parts.path_and_query = Some(with_query.parse().map_err(|error| wrong(&error))?);
    Uri::from_parts(parts).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn signals_have_their_usual_paths_below_the_address() {
        for (address, expected) in [
            ("http://c:4318", "http://c:4318/v1/logs"),
            ("http://c:4318/", "http://c:4318/v1/logs"),
            ("https://c/otlp", "https://c/otlp/v1/logs"),
            ("https://c/otlp/v1/logs", "https://c/otlp/v1/logs"),
            ("https://c/otlp/v1/traces", "https://c/otlp/v1/logs"),
            ("https://c/in?key=1", "https://c/in/v1/logs?key=1"),
        ] {
            assert_eq!(path(&address.parse().expect("an address"), "logs").expect("a path"), expected);
        }
    }
}
