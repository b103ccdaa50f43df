//! Requests that come in over HTTP: a layer for axum, and for any other tower server.
//!
//! Invariants: a span is named by its route, never by its path; the span is current wherever the handler goes on; every
//! answer has the correlation id that was sent or made. The span and the duration end with the head of the answer: a body
//! that streams is not waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::exchange::{Exchange, Failure};
use super::http::{HttpMetrics, Measured, OTHER, content_length, failed, has_body};
use crate::names::metric_attributes::{REQUEST_ID, TENANT_ID, USER_TIER};
use crate::{CorrelationId, Registry, Text};

mod request;

/// From when on a request is called slow, unless said otherwise.
pub const DEFAULT_SLOW_REQUEST: Duration = Duration::from_secs(1);

const CORRELATION_ID: HeaderName = HeaderName::from_static(CorrelationId::HEADER);

/// Traces and measures the requests of a server.
///
/// Give it to `Router::layer` after all routes: only there axum has found the route. Around another tower server spans
/// have no route and are named by the method alone.
///
/// ```
/// use axum::{Router, routing::get};
/// use sabot_telemetry::{HttpServerLayer, Registry};
///
/// let registry = Registry::new();
/// let app: Router = Router::new()
///     .route("/users/{id}", get(|| async { "Ada" }))
///     .layer(HttpServerLayer::new().with_business_headers().with_metrics(&registry));
/// ```
#[derive(Clone, Debug)]
pub struct HttpServerLayer {
    config: Arc<Config>,
}

#[derive(Clone, Debug)]
struct Config {
    slow: Duration,
    takes_query: bool,
    trusts_forwarded: bool,
    attributes: Vec<(HeaderName, Text)>,
    metrics: Option<Arc<HttpMetrics>>,
}

impl Default for HttpServerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpServerLayer {
    /// Spans without metrics, without the query and without anything from headers.
    pub fn new() -> Self {
        let config = Config {
            slow: DEFAULT_SLOW_REQUEST,
            takes_query: false,
            trusts_forwarded: false,
            attributes: Vec::new(),
            metrics: None,
        };
        Self { config: Arc::new(config) }
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Records `http.server.request.duration` and `http.server.active_requests` into `registry`, sampled or not.
    #[must_use]
    pub fn with_metrics(self, registry: &Registry) -> Self {
        let metrics = Arc::new(HttpMetrics::of_server(registry));
        self.with(|config| config.metrics = Some(metrics))
    }

    /// Puts the start of a request header, 256 bytes at most, on the span. No header is recorded unless it is named here:
    /// name none that holds a secret.
    #[must_use]
    pub fn with_header_attribute(self, header: HeaderName, attribute: impl Into<Text>) -> Self {
        self.with(|config| config.attributes.push((header, attribute.into())))
    }

    /// Puts `x-tenant-id`, `x-customer-tier` and `x-request-id` on the span as `tenant.id`, `user.tier` and `request.id`,
    /// which [`Sampling`](crate::Sampling) can go by.
    #[must_use]
    pub fn with_business_headers(self) -> Self {
        self.with_header_attribute(HeaderName::from_static("x-tenant-id"), TENANT_ID)
            .with_header_attribute(HeaderName::from_static("x-customer-tier"), USER_TIER)
            .with_header_attribute(HeaderName::from_static("x-request-id"), REQUEST_ID)
    }

    /// From how much time on a request has `performance.slow` on its span; [`DEFAULT_SLOW_REQUEST`] unless given.
    #[must_use]
    pub fn with_slow_threshold(self, slow: Duration) -> Self {
        self.with(|config| config.slow = slow)
    }

    /// Puts the query on the span as well. Queries often hold what nobody should keep.
    #[must_use]
    pub fn with_query(self) -> Self {
        self.with(|config| config.takes_query = true)
    }

    /// Believes `x-forwarded-for` and `x-forwarded-proto`: for a server that only a proxy can reach, since anybody else
    /// could write anything into them.
    #[must_use]
    pub fn with_forwarded_headers(self) -> Self {
        self.with(|config| config.trusts_forwarded = true)
    }
}

impl<S> Layer<S> for HttpServerLayer {
    type Service = HttpServer<S>;

    fn layer(&self, inner: S) -> HttpServer<S> {
        HttpServer { inner, config: Arc::clone(&self.config) }
    }
}

/// A server whose requests are traced and measured.
#[derive(Clone, Debug)]
pub struct HttpServer<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S, B, R> Service<Request<B>> for HttpServer<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = HttpServerFuture<S::Future>;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut exchange, correlation_id) = self.config.begin(&request);
        let method = request.method().clone();
        let inner = exchange.run(|| self.inner.call(request));
        HttpServerFuture { inner, exchange, correlation_id, method, config: Arc::clone(&self.config) }
    }
}

pin_project! {
    /// An answer that is being made.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct HttpServerFuture<F> {
        #[pin]
        inner: F,
        exchange: Exchange<Measured>,
        correlation_id: CorrelationId,
        method: Method,
        config: Arc<Config>,
    }
}

impl<F, R, E> Future for HttpServerFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.exchange.run(|| this.inner.poll(task)));
        if this.exchange.elapsed() >= this.config.slow {
            this.exchange.span().set_attribute("performance.slow", true);
        }
        match &mut result {
            Ok(response) => {
                end(this.exchange, this.method, response);
                if let Ok(id) = HeaderValue::from_str(this.correlation_id.as_str()) {
                    response.headers_mut().entry(CORRELATION_ID).or_insert(id);
                }
            }
            Err(_unreadable) => this.exchange.end(Some(Failure::new(OTHER, "not answered"))),
        }
        Poll::Ready(result)
    }
}

/// Says what was answered. What the client did wrong is no failure of the server.
fn end<R: Body>(exchange: &mut Exchange<Measured>, method: &Method, response: &Response<R>) {
    let status = response.status();
    exchange.note("http.response.status_code", u32::from(status.as_u16()).into());
    let size = || content_length(response.headers()).or_else(|| response.body().size_hint().exact());
    if exchange.span().is_recording()
        && has_body(method, status)
        && let Some(size) = size()
    {
        exchange.span().set_attribute("http.response.body.size", size);
    }
    exchange.end(status.is_server_error().then(|| failed(status)));
}
