//! gRPC, in and out: a layer for tonic's servers and channels, and for any other tower service that speaks gRPC.
//!
//! Invariant: a call ends with its status, wherever that is: in the head of the answer, in its trailers after the last
//! message, or nowhere because nobody waited for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use http_body::Body;
use opentelemetry::Context;
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;

use super::exchange::{Exchange, Failure};
use super::headers::{HeaderExtractor, HeaderInjector};
use super::span_name::span_name;
use crate::ambient::{Operation, SpanBuilder};
use crate::correlation::ensure_correlation_id;
use crate::propagation::{extract_from_headers, inject_into_headers};
use crate::record::{Attribute, AttributeValue, SpanKind};
use crate::{CorrelationId, Registry, Text};

mod body;
mod metrics;

pub use body::GrpcBody;

use metrics::{GrpcMetrics, Measured};

/// Longest path that names a span, in bytes: anybody can send a longer one to a server.
const MAX_PATH_BYTES: usize = 256;
/// The value of `rpc.system.name`, and the name of a call of nobody knows what.
const GRPC: &str = "grpc";
/// What a method that nobody knows is called.
const OTHER: &str = "_OTHER";

/// Traces gRPC calls: spans named `package.Service/Method` with the call's status.
///
/// What a server has not implemented is called `grpc` there, so that whoever tries names makes none.
///
/// ```no_run
/// use sabot_telemetry::GrpcLayer;
/// use tower_layer::Layer;
///
/// # async fn connect() -> Result<(), tonic::transport::Error> {
/// let channel = tonic::transport::Endpoint::from_static("http://stock:50051").connect().await?;
/// let channel = GrpcLayer::client("stock").layer(channel); // for any generated client
/// # Ok(())
/// # }
/// ```
///
/// A server takes it as a layer, inside of one for gRPC-Web: a request that is not plain gRPC is let through as if this
/// was not there.
///
/// ```no_run
/// use sabot_telemetry::GrpcLayer;
/// use tonic::transport::Server;
///
/// # async fn serve(services: tonic::service::Routes) -> Result<(), Box<dyn std::error::Error>> {
/// Server::builder().layer(GrpcLayer::server()).add_routes(services).serve("[::1]:50051".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GrpcLayer {
    side: Side,
    metrics: Option<Arc<GrpcMetrics>>,
}

#[derive(Clone, Debug)]
enum Side {
    Server,
    Client(Peer),
}

/// Whom a client asks.
#[derive(Clone, Debug)]
struct Peer {
    name: Text,
    address: Option<Text>,
    port: Option<u16>,
}

impl GrpcLayer {
    /// For calls that come in: spans below the caller's, with its baggage, and a correlation id that is sent back.
    pub const fn server() -> Self {
        Self { side: Side::Server, metrics: None }
    }

    /// For calls that go out: spans below the current one, whose context goes along. `dependency` is what the other side
    /// is called: `service.peer.name` of the spans.
    pub fn client(dependency: impl Into<Text>) -> Self {
        let peer = Peer { name: shared(dependency.into()), address: None, port: None };
        Self { side: Side::Client(peer), metrics: None }
    }

    /// Records `rpc.server.call.duration` or `rpc.client.call.duration` into `registry`, sampled or not.
    #[must_use]
    pub fn with_metrics(mut self, registry: &Registry) -> Self {
        self.metrics = Some(Arc::new(match self.side {
            Side::Server => GrpcMetrics::of_server(registry),
            Side::Client(_) => GrpcMetrics::of_client(registry),
        }));
        self
    }

    /// Where the other side of a client is: `server.address` and `server.port`, which a channel keeps to itself.
    #[must_use]
    pub fn with_server(mut self, address: impl Into<Text>, port: Option<u16>) -> Self {
        if let Side::Client(peer) = &mut self.side {
            peer.address = Some(shared(address.into()));
            peer.port = port;
        }
        self
    }
}

/// A text that is copied for every call, as one that costs nothing to copy.
fn shared(text: Text) -> Text {
    match text {
        Text::Owned(text) => Text::Shared(text.into()),
        other => other,
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = GrpcService<S>;

    fn layer(&self, inner: S) -> GrpcService<S> {
        GrpcService { inner, side: self.side.clone(), metrics: self.metrics.clone() }
    }
}

/// A server or a client whose calls are traced.
#[derive(Clone, Debug)]
pub struct GrpcService<S> {
    inner: S,
    side: Side,
    metrics: Option<Arc<GrpcMetrics>>,
}

impl<S, B, R> Service<Request<B>> for GrpcService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<GrpcBody<R>>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future>;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (mut call, correlation_id) = match &self.side {
            Side::Server if !is_grpc(&request) => {
                return GrpcFuture { inner: self.inner.call(request), call: None, correlation_id: None };
            }
            Side::Server => {
                let context = extract_from_headers(&HeaderExtractor(request.headers()));
                let (context, id) = ensure_correlation_id(context);
                (self.begin(&context, &request), Some(id))
            }
            Side::Client(_) => (Context::map_current(|context| self.begin(context, &request)), None),
        };
        let inner = call.exchange.run(|| {
            if !call.is_server {
                inject_into_headers(&mut HeaderInjector(request.headers_mut()));
            }
            self.inner.call(request)
        });
        GrpcFuture { inner, call: Some(call), correlation_id }
    }
}

/// Whether it is gRPC as this reads it.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ', ..]))
}

/// A call that goes on.
#[derive(Debug)]
struct Call {
    exchange: Exchange<Measured>,
    method: Text,
    is_server: bool,
}

impl<S> GrpcService<S> {
    fn begin<B>(&self, context: &Context, request: &Request<B>) -> Call {
        let side = &self.side;
        let path = request.uri().path();
        let method = Some(path).filter(|path| path.len() <= MAX_PATH_BYTES).map(|path| span_name("", path).1);
        let method = method.map_or(Text::Static(OTHER), Text::Shared);
        let name = if method == OTHER { Text::Static(GRPC) } else { method.clone() };
        let is_server = matches!(side, Side::Server);
        let kind = if is_server { SpanKind::Server } else { SpanKind::Client };
        let known = |key: &str| match key {
            "rpc.system.name" => Some(GRPC.into()),
            "rpc.method" => Some(method.clone().into()),
            _ => None,
        };
        let mut span = SpanBuilder::below_with(context, name, kind, known);
        if span.is_recording() {
            let original = (method == OTHER).then(|| ("rpc.method_original", start_of(path)));
            span = span
                .with_attribute("rpc.system.name", GRPC)
                .with_attribute("rpc.method", method.clone())
                .with_attributes(original)
                .with_attributes(server(request, side));
            if let Side::Client(peer) = side {
                span = span.with_attribute("service.peer.name", peer.name.clone());
            }
        }
        // A server's name is what its callers write.
        let known = self.metrics.as_ref().filter(|_| !is_server).map(|_| server(request, side));
        let measured = Measured::begin(self.metrics.as_ref(), &method, known.into_iter().flatten());
        Call { exchange: Exchange::begin(Operation::of(span.start(), context), measured), method, is_server }
    }
}

impl Call {
    /// Ends with what the other side or the handler has said.
    fn end(&mut self, status: &Status) {
        let code = status.code();
        if self.is_server && code == Code::Unimplemented {
            self.forget_name();
        }
        self.exchange.note("rpc.response.status_code", code_name(code).into());
        let failed = is_failure(code, self.is_server);
        self.exchange.end(failed.then(|| Failure::new(code_name(code), status.message().to_owned())));
    }

    /// Anybody can ask for anything: what nobody answers names no span.
    #[cold]
    fn forget_name(&mut self) {
        if self.method != OTHER {
            self.exchange.span().set_attribute("rpc.method_original", self.method.clone());
            self.exchange.note("rpc.method", OTHER.into());
            self.exchange.rename(GRPC);
        }
    }

    /// Looks into the head of an answer.
    fn answered<R: Body>(&mut self, response: &Response<R>) {
        let http_status = response.status();
        match Status::from_header_map(response.headers()) {
            // Without messages the status is in the head.
            Some(status) => self.end(&status),
            None if http_status.is_client_error() || http_status.is_server_error() => {
                self.end(&Status::new(code_of(http_status), ""));
            }
            None if response.body().is_end_stream() => self.fail("an answer without a status"),
            None => {}
        }
    }

    /// Ends without a status.
    fn fail(&mut self, message: &'static str) {
        self.exchange.end(Some(Failure::new(OTHER, message)));
    }
}

pin_project! {
    /// An answer that is being made or waited for.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct GrpcFuture<F> {
        #[pin]
        inner: F,
        // Given to the body with the head of the answer.
        call: Option<Call>,
        // Sent back by a server.
        correlation_id: Option<CorrelationId>,
    }
}

impl<F, R, E> Future for GrpcFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<GrpcBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.call.as_mut() {
            Some(call) => ready!(call.exchange.run(|| this.inner.poll(task))),
            None => ready!(this.inner.poll(task)),
        };
        let mut call = this.call.take();
        Poll::Ready(match result {
            Ok(mut response) => {
                if let Some(call) = &mut call {
                    call.answered(&response);
                }
                let id = this.correlation_id.take().and_then(|id| HeaderValue::from_str(id.as_str()).ok());
                if let Some(id) = id {
                    response.headers_mut().entry(CorrelationId::HEADER).or_insert(id);
                }
                Ok(response.map(|body| GrpcBody::new(body, call)))
            }
            Err(error) => {
                if let Some(call) = &mut call {
                    call.fail("not answered");
                }
                Err(error)
            }
        })
    }
}

/// The start of a path or a name others have sent.
fn start_of(path: &str) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.get(..path.floor_char_boundary(MAX_PATH_BYTES)).unwrap_or_default().to_owned()
}

/// Where the server is: as configured, or as the request has it.
fn server<B>(request: &Request<B>, side: &Side) -> impl Iterator<Item = Attribute> {
    let authority = request.uri().authority();
    let (address, port) = if let Side::Client(Peer { address: Some(address), port, .. }) = side {
        (Some(address.clone()), *port)
    } else {
        let host = authority.map(|authority| Text::Owned(start_of(authority.host())));
        (host, authority.and_then(Authority::port_u16))
    };
    let address = address.map(|address| (Text::Static("server.address"), AttributeValue::from(address)));
    address.into_iter().chain(port.map(|port| (Text::Static("server.port"), u32::from(port).into())))
}

/// What an answer without a status of gRPC's means, as gRPC has it.
const fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// To a client every status but `OK` is a failure; to a server those that are not the caller's doing.
const fn is_failure(code: Code, is_server: bool) -> bool {
    match code {
        Code::Ok => false,
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        _ => !is_server,
    }
}

/// The code as gRPC spells it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
