//! Requests to a running server, and what their failures mean to the user.
//!
//! Blocking, one at a time, bounded in time and size. Proxies of the environment are not asked: the server is local or
//! named on purpose.

use std::io::ErrorKind;
use std::time::Duration;

use sabot_common::clock::{Clock, SystemClock};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Body, Timeout};

use crate::cli::Global;
use crate::error::CliError;
use crate::output::Printer;
use crate::rows::Row;

/// Time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time a request may take unless it says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer taken from a server.
const MAX_ANSWER_BYTES: u64 = 256 << 20;

/// Query parameters in order.
pub(crate) type Query = Vec<(&'static str, String)>;

/// A request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// Nothing.
    Empty,
    /// A file's text.
    Yaml(&'a str),
    /// A document.
    Json(&'a Value),
}

/// What was answered.
struct Answered {
    url: String,
    status: StatusCode,
    body: String,
}

/// How rows are asked for.
#[derive(Debug)]
pub(crate) enum Asked<'a> {
    /// With these parameters.
    Get(Query),
    /// With this document.
    Post(&'a Value),
}

/// A server's API.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    agent: ureq::Agent,
    server: String,
    token: Option<String>,
    timeout: Duration,
    /// Whether requests repeat on their own; the server leaves such ones out of its traces.
    polling: bool,
    clock: SystemClock,
    printer: &'a Printer,
}

impl<'a> Client<'a> {
    /// A client of the server the global flags name.
    pub(crate) fn new(global: &Global, printer: &'a Printer) -> Self {
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("sabot/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: ureq::Agent::new_with_config(config),
            server: global.server.as_str().to_owned(),
            token: global.token.clone().filter(|token| !token.is_empty()),
            timeout: REQUEST_TIMEOUT,
            polling: false,
            clock: SystemClock::new(),
            printer,
        }
    }

    /// The same with requests that may take this long.
    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same with requests marked as repeating.
    pub(crate) fn polling(self) -> Self {
        Self { polling: true, ..self }
    }

    /// The server's address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Reads one resource.
    pub(crate) fn get(&self, path: &[&str], query: &Query) -> Result<Value, CliError> {
        self.call(&Method::GET, path, query, Payload::Empty)
    }

    /// Reads one resource as part of a trace.
    pub(crate) fn get_within(&self, path: &[&str], traceparent: &str) -> Result<Value, CliError> {
        let answered = self.exchange(&Method::GET, path, &Query::new(), Payload::Empty, Some(traceparent))?;
        self.read(answered, path, "JSON", |body| serde_json::from_str(body).ok())
    }

    /// Reads a resource that is a list.
    pub(crate) fn get_list(&self, path: &[&str], query: &Query) -> Result<Vec<Value>, CliError> {
        match self.get(path, query)? {
            Value::Array(items) => Ok(items),
            _ => Err(self.misshapen(path, "a list")),
        }
    }

    /// Reads a resource that has a list under `key`.
    pub(crate) fn get_list_in(&self, key: &str, path: &[&str], query: &Query) -> Result<Vec<Value>, CliError> {
        match self.get(path, query)?.get_mut(key).map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(self.misshapen(path, &format!("an object with a list of {key}"))),
        }
    }

    /// Asks for something to be done.
    pub(crate) fn post(&self, path: &[&str], payload: Payload<'_>) -> Result<Value, CliError> {
        self.post_with(path, &Query::new(), payload)
    }

    /// The same with parameters.
    pub(crate) fn post_with(&self, path: &[&str], query: &Query, payload: Payload<'_>) -> Result<Value, CliError> {
        self.call(&Method::POST, path, query, payload)
    }

    /// Deletes one resource.
    pub(crate) fn delete(&self, path: &[&str]) -> Result<Value, CliError> {
        self.call(&Method::DELETE, path, &Query::new(), Payload::Empty)
    }

    /// An answer that is valid JSON but not what the API promises.
    pub(crate) fn misshapen(&self, path: &[&str], expected: &str) -> CliError {
        CliError::failed(format!("{}: the answer is not {expected}", self.url(path, &Query::new())))
            .with_hint("is this a Sabot server of the same version?")
    }

    fn call(&self, method: &Method, path: &[&str], query: &Query, payload: Payload<'_>) -> Result<Value, CliError> {
        let answered = self.exchange(method, path, query, payload, None)?;
        self.read(answered, path, "JSON", |body| serde_json::from_str(body).ok())
    }

    /// Reads an answer with rows of users' data, and what it says besides.
    pub(crate) fn rows(&self, path: &[&str], asked: Asked<'_>) -> Result<(Value, Vec<Row>), CliError> {
        let (method, query, payload) = match asked {
            Asked::Get(query) => (Method::GET, query, Payload::Empty),
            Asked::Post(document) => (Method::POST, Query::new(), Payload::Json(document)),
        };
        let answered = self.exchange(&method, path, &query, payload, None)?;
        self.read(answered, path, "an object with a list of rows", crate::rows::with_rows)
    }

    /// Reads one row of users' data.
    pub(crate) fn row(&self, path: &[&str]) -> Result<Row, CliError> {
        let answered = self.exchange(&Method::GET, path, &Query::new(), Payload::Empty, None)?;
        self.read(answered, path, "a row", |body| serde_json::from_str(body).ok())
    }

    /// What was answered as `read` takes it, or why it was refused.
    fn read<T>(
        &self,
        answered: Answered,
        path: &[&str],
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, CliError> {
        let Answered { url, status, body } = answered;
        if status.is_success() && serde_json::from_str::<&RawValue>(&body).is_ok() {
            return read(&body).ok_or_else(|| self.misshapen(path, expected));
        }
        let refused = serde_json::from_str(&body).ok().and_then(|answer| refusal(status.as_u16(), &answer));
        Err(refused.unwrap_or_else(|| not_sabot(&url, status.as_u16())))
    }

    fn exchange(
        &self,
        method: &Method,
        path: &[&str],
        query: &Query,
        payload: Payload<'_>,
        traceparent: Option<&str>,
    ) -> Result<Answered, CliError> {
        let url = self.url(path, query);
        let started = self.clock.monotonic();
        let mut response = self.send(method, &url, payload, traceparent)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
        let body = body.map_err(|error| CliError::failed(format!("{url}: the answer broke off: {error}")))?;
        let elapsed_ms = (self.clock.monotonic().saturating_sub(started)).as_millis();
        self.printer.detail(&format!("{method} {url} {} {elapsed_ms}ms", status.as_u16()));
        Ok(Answered { url, status, body })
    }

    fn send(
        &self,
        method: &Method,
        url: &str,
        payload: Payload<'_>,
        traceparent: Option<&str>,
    ) -> Result<Response<Body>, CliError> {
        let mut request = Request::builder().method(method).uri(url).header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if self.polling {
            request = request.header("x-sabot-poll", "1");
        }
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let (content_type, text) = match payload {
            Payload::Empty => ("", None),
            Payload::Yaml(text) => ("application/yaml", Some(text.to_owned())),
            Payload::Json(document) => ("application/json", Some(document.to_string())),
        };
        if text.is_some() {
            request = request.header("content-type", content_type);
        }
        let malformed = |error: ureq::http::Error| CliError::usage(format!("{url}: {error}"));
        let sent = match text {
            Some(text) => self.run(request.body(text).map_err(malformed)?),
            None => self.run(request.body(()).map_err(malformed)?),
        };
        sent.map_err(|error| self.not_sent(error))
    }

    fn run(&self, request: Request<impl ureq::AsSendBody>) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request).timeout_global(Some(self.timeout)).build();
        self.agent.run(request)
    }

    /// `http://host:port/api/v1/streams/flights?limit=3`.
    fn url(&self, path: &[&str], query: &Query) -> String {
        let path: Vec<String> = path.iter().map(|segment| encode(segment)).collect();
        let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{}/api/v1/{}{separator}{}", self.server, path.join("/"), query.join("&"))
    }

    fn not_sent(&self, error: ureq::Error) -> CliError {
        match error {
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                    CliError::failed(format!("{}: the connection broke off: {error}", self.server))
                }
                kind => CliError::unreachable(&self.server, &kind.to_string()),
            },
            ureq::Error::HostNotFound => CliError::unreachable(&self.server, "host not found"),
            ureq::Error::ConnectionFailed => CliError::unreachable(&self.server, "connection failed"),
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                CliError::unreachable(&self.server, &format!("no connection within {}s", CONNECT_TIMEOUT.as_secs()))
            }
            ureq::Error::Timeout(_) => {
                let timeout = sabot_common::units::format_duration(self.timeout);
                CliError::failed(format!("{}: no answer within {timeout}", self.server))
            }
            other => CliError::failed(format!("{}: {other}", self.server)),
        }
    }
}

/// The API's error as ours: 404 is not found, 400 and 422 are the user's input unless they say that a query was tried and
/// failed, 401 and 403 are refusals.
fn refusal(status: u16, answer: &Value) -> Option<CliError> {
    let error = answer.get("error")?;
    let message = error.get("message")?.as_str()?;
    let failure = match status {
        422 if error.get("code").and_then(Value::as_str) == Some("failed") => CliError::failed(message),
        400 | 422 => CliError::usage(message),
        401 | 403 => CliError::refused(message),
        404 => CliError::not_found(message),
        _ => CliError::failed(message),
    };
    Some(match error.get("hint").and_then(Value::as_str).filter(|hint| !hint.is_empty()) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    })
}

fn not_sabot(url: &str, status: u16) -> CliError {
    CliError::failed(format!("{url}: status {status} without an answer in Sabot's form"))
        .with_hint("is something else listening there? name the server with --server URL")
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 0xF)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{encode, refusal};
    use serde_json::json;

    #[test]
    fn only_unreserved_characters_travel_as_they_are() {
        assert_eq!(encode("flights.late-1_~"), "flights.late-1_~");
        assert_eq!(encode("a/b c,é?&="), "a%2Fb%20c%2C%C3%A9%3F%26%3D");
        assert_eq!(encode(".."), "..");
    }

    #[test]
    fn only_errors_in_the_api_s_form_are_believed() {
        let error = json!({"error": {"code": "not_found", "message": "no stream", "hint": "try"}});
        assert_eq!(refusal(404, &error).map(|e| (e.to_string(), e.hint().map(str::to_owned))), {
            Some(("no stream".to_owned(), Some("try".to_owned())))
        });
        assert!(refusal(404, &json!({"detail": "Not Found"})).is_none());
    }
}
