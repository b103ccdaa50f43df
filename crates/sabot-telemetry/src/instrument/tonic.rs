//! gRPC, in and out: a layer for tonic's servers and channels, and for any other tower service that speaks gRPC.
//!
//! Invariant: a call ends with its status, wherever that is: in the head of the answer, in its trailers after the last
//! message, or nowhere because nobody waited for it.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use http::header::HeaderValue;
use http::{Request, Response};
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
use crate::record::SpanKind;
use crate::{CorrelationId, Text};

mod body;

pub use body::GrpcBody;

/// Longest path that names a span, in bytes: anybody can send a longer one to a server.
const MAX_PATH_BYTES: usize = 256;

/// Traces gRPC calls: spans named `package.Service/Method` with the call's status.
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
/// A server takes it as `Server::builder().layer(GrpcLayer::server())`.
#[derive(Clone, Debug)]
pub struct GrpcLayer {
    side: Side,
}

#[derive(Clone, Debug)]
enum Side {
    Server,
    /// With what the other side is called.
    Client(Text),
}

impl GrpcLayer {
    /// For calls that come in: spans below the caller's, with its baggage, and a correlation id that is sent back.
    pub const fn server() -> Self {
        Self { side: Side::Server }
    }

    /// For calls that go out: spans below the current one, whose context goes along. `dependency` is what the other side
    /// is called: `peer.service` of the spans.
    pub fn client(dependency: impl Into<Text>) -> Self {
        let dependency = match dependency.into() {
            Text::Owned(text) => Text::Shared(text.into()), // copied for every call
            other => other,
        };
        Self { side: Side::Client(dependency) }
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = GrpcService<S>;

    fn layer(&self, inner: S) -> GrpcService<S> {
        GrpcService { inner, side: self.side.clone() }
    }
}

/// A server or a client whose calls are traced.
#[derive(Clone, Debug)]
pub struct GrpcService<S> {
    inner: S,
    side: Side,
}

impl<S, B, R> Service<Request<B>> for GrpcService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<GrpcBody<R>>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future>;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (mut call, correlation_id) = match &self.side {
            Side::Server => {
                let context = extract_from_headers(&HeaderExtractor(request.headers()));
                let (context, id) = ensure_correlation_id(context);
                (Call::begin(&context, request.uri().path(), &self.side), Some(id))
            }
            Side::Client(_) => {
                let call = Context::map_current(|context| Call::begin(context, request.uri().path(), &self.side));
                (call, None)
            }
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

/// A call that goes on.
#[derive(Debug)]
struct Call {
    exchange: Exchange<()>,
    is_server: bool,
}

impl Call {
    fn begin(context: &Context, path: &str, side: &Side) -> Self {
        let named = Some(path).filter(|path| path.len() <= MAX_PATH_BYTES).map(|path| span_name("", path).1);
        let name = named.map_or(Text::Static("grpc"), Text::Shared);
        let is_server = matches!(side, Side::Server);
        let kind = if is_server { SpanKind::Server } else { SpanKind::Client };
        let mut span = SpanBuilder::below(context, name).with_kind(kind);
        if span.is_recording() {
            let path = path.get(..path.floor_char_boundary(MAX_PATH_BYTES)).unwrap_or_default();
            let parts = path.strip_prefix('/').unwrap_or(path).rsplit_once('/');
            span = span
                .with_attribute("rpc.system", "grpc")
                .with_attributes(parts.map(|(service, _)| ("rpc.service", service.to_owned())))
                .with_attributes(parts.map(|(_, method)| ("rpc.method", method.to_owned())));
            if let Side::Client(dependency) = side {
                span = span.with_attribute("peer.service", dependency.clone());
            }
        }
        Self { exchange: Exchange::begin(Operation::of(span.start(), context), ()), is_server }
    }

    /// Ends with what the other side or the handler has said.
    fn end(&mut self, status: &Status) {
        let code = status.code();
        self.exchange.note("rpc.grpc.status_code", i32::from(code).into());
        let failed = is_failure(code, self.is_server);
        self.exchange.end(failed.then(|| Failure::new(code_name(code), status.message().to_owned())));
    }

    /// Ends without a status.
    fn fail(&mut self, message: &'static str) {
        self.exchange.end(Some(Failure::new("_OTHER", message)));
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
                // Without messages the status is in the head.
                if let (Some(call), Some(status)) = (&mut call, Status::from_header_map(response.headers())) {
                    call.end(&status);
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
