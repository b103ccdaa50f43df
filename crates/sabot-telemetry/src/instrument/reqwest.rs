//! Requests that go out over HTTP with reqwest.
//!
//! Invariant: an address is recorded without its query, its fragment and its credentials. A request is one span with the
//! address that was asked for, however often it is redirected or sent again by the client.

use std::error::Error;
use std::sync::Arc;

use http::Method;
use opentelemetry::Context;
use reqwest::{Body, Client, Request, Response, Result, Url};

use super::exchange::{Exchange, Failure};
use super::headers::HeaderInjector;
use super::http::{
    HttpMetrics, Measured, OTHER, bare_name, content_length, failed, has_body, method_name, version_name,
};
use crate::ambient::{Operation, SpanBuilder};
use crate::propagation::inject_into_headers;
use crate::record::{Attribute, AttributeValue, SpanKind};
use crate::{Registry, Text};

/// A client for one dependency, whose requests are traced and measured.
///
/// ```no_run
/// use sabot_telemetry::{Registry, TracedClient};
///
/// # async fn charge(registry: &Registry) -> reqwest::Result<()> {
/// let payments = TracedClient::new(reqwest::Client::new(), "payments").with_metrics(registry);
/// let request = payments.client().post("http://payments:8080/charges").body("12.50").build()?;
/// let answer = payments.execute(request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TracedClient {
    client: Client,
    dependency: Text,
    metrics: Option<Arc<HttpMetrics>>,
    sends_context: bool,
}

impl TracedClient {
    /// `dependency` is what the other side is called: `service.peer.name` of the spans.
    pub fn new(client: Client, dependency: impl Into<Text>) -> Self {
        Self { client, dependency: shared(dependency.into()), metrics: None, sends_context: true }
    }

    /// Sends nothing of the context along, neither trace nor baggage nor correlation id: for services of others.
    #[must_use]
    pub const fn without_propagation(mut self) -> Self {
        self.sends_context = false;
        self
    }

    /// Records `http.client.request.duration` into `registry`, sampled or not.
    #[must_use]
    pub fn with_metrics(mut self, registry: &Registry) -> Self {
        self.metrics = Some(Arc::new(HttpMetrics::of_client(registry)));
        self
    }

    /// The client, to build requests with.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request in a span below the current one, with its trace, the baggage and the correlation id in its headers.
    /// The span ends with the head of the answer.
    pub async fn execute(&self, mut request: Request) -> Result<Response> {
        let mut exchange = begin(&request, self.dependency.clone(), self.metrics.as_ref());
        if self.sends_context {
            inject(&mut exchange, &mut request);
        }
        execute(&self.client, request, exchange).await
    }
}

/// Sends one request as [`TracedClient::execute`] does, without metrics.
///
/// ```no_run
/// # async fn read() -> reqwest::Result<String> {
/// let client = reqwest::Client::new();
/// let request = client.get("http://stock:8080/items/7").build()?;
/// sabot_telemetry::traced_request(&client, request, "stock").await?.text().await
/// # }
/// ```
pub async fn traced_request(
    client: &Client,
    mut request: Request,
    dependency: impl Into<Text> + Send,
) -> Result<Response> {
    let mut exchange = begin(&request, dependency.into(), None);
    inject(&mut exchange, &mut request);
    execute(client, request, exchange).await
}

fn inject(exchange: &mut Exchange<Measured>, request: &mut Request) {
    exchange.run(|| inject_into_headers(&mut HeaderInjector(request.headers_mut())));
}

async fn execute(client: &Client, request: Request, mut exchange: Exchange<Measured>) -> Result<Response> {
    let method = request.method().clone();
    let result = client.execute(request).await;
    match &result {
        Ok(response) => answered(&mut exchange, &method, response),
        Err(error) => exchange.end(Some(failure(error))),
    }
    result
}

fn begin(request: &Request, dependency: Text, metrics: Option<&Arc<HttpMetrics>>) -> Exchange<Measured> {
    let (method, url) = (method_name(request.method()), request.url());
    let mut span = SpanBuilder::new(bare_name(method)).with_kind(SpanKind::Client);
    if span.is_recording() {
        let size = request.body().and_then(Body::as_bytes).map(<[u8]>::len);
        span = span
            .with_attribute("http.request.method", method)
            .with_attribute("url.full", without_secrets(url))
            .with_attribute("service.peer.name", dependency)
            .with_attributes(server(url))
            .with_attributes(size.map(|size| ("http.request.body.size", size)));
        if method == OTHER {
            span = span.with_attribute("http.request.method_original", request.method().as_str().to_owned());
        }
    }
    let scheme = if url.scheme() == "https" { "https" } else { "http" };
    let server = metrics.map(|_| server(url)).into_iter().flatten();
    let measured = Measured::begin(metrics, method, scheme, server);
    Exchange::begin(Context::map_current(|context| Operation::of(span.start(), context)), measured)
}

/// Says what was answered: to a client also its own mistakes are failures.
fn answered(exchange: &mut Exchange<Measured>, method: &Method, response: &Response) {
    let status = response.status();
    exchange.note("http.response.status_code", u32::from(status.as_u16()).into());
    exchange.note("network.protocol.version", version_name(response.version()).into());
    if has_body(method, status)
        && let Some(size) = content_length(response.headers())
    {
        exchange.span().set_attribute("http.response.body.size", size);
    }
    exchange.end((status.is_client_error() || status.is_server_error()).then(|| failed(status)));
}

/// What went wrong, in the words of its causes: those of the error itself have the whole address in them.
fn failure(error: &reqwest::Error) -> Failure {
    let error_type = match error {
        _ if error.is_timeout() => "timeout",
        _ if error.is_connect() => "connect",
        _ if error.is_redirect() => "redirect",
        _ if error.is_builder() => "invalid_request",
        _ if error.is_body() => "body",
        _ => OTHER,
    };
    Failure::new(error_type, error.source().map(ToString::to_string).unwrap_or_default())
}

fn server(url: &Url) -> impl Iterator<Item = Attribute> {
    let address = url.host_str().map(|host| (Text::Static("server.address"), AttributeValue::from(host.to_owned())));
    let port = url.port_or_known_default().map(|port| (Text::Static("server.port"), u32::from(port).into()));
    address.into_iter().chain(port)
}

fn without_secrets(url: &Url) -> String {
    let (scheme, host, path) = (url.scheme(), url.host_str().unwrap_or_default(), url.path());
    match url.port() {
        Some(port) => format!("{scheme}://{host}:{port}{path}"),
        None => format!("{scheme}://{host}{path}"),
    }
}

/// A text that is copied for every request, as one that costs nothing to copy.
fn shared(text: Text) -> Text {
    match text {
        Text::Owned(text) => Text::Shared(text.into()),
        other => other,
    }
}
