//! Receivers of OTLP over HTTP, OTLP over gRPC and Zipkin's JSON, each on a port and in a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Status};

/// What an HTTP receiver got.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A receiver that runs until the test is over.
pub(crate) struct Listening<T> {
    pub(crate) address: SocketAddr,
    received: Receiver<T>,
}

impl<T> Listening<T> {
    /// The next thing received, waited for as long as a slow machine needs.
    pub(crate) fn next(&self) -> T {
        self.received.recv_timeout(Duration::from_mins(1)).expect("something is received")
    }

    /// What has been received and not been looked at.
    pub(crate) fn rest(&self) -> Vec<T> {
        self.received.try_iter().collect()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn listen() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a mode");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn serve(serving: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let thread = std::thread::Builder::new().name("receiver".to_owned());
    thread.spawn(move || runtime.block_on(serving)).expect("a thread");
}

/// Connections to a receiver, encrypted or not.
struct Connections {
    listener: tokio::net::TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Connections {
    fn new(listener: std::net::TcpListener, tls: Option<TlsAcceptor>) -> Self {
        Self { listener: tokio::net::TcpListener::from_std(listener).expect("a listener"), tls }
    }

    /// The next one that is good.
    async fn next(&mut self) -> Connection {
        loop {
            let (stream, _) = self.listener.accept().await.expect("a connection");
            match &self.tls {
                None => return Connection(Box::new(stream)),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        return Connection(Box::new(stream));
                    }
                }
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection(Box<dyn Stream>);

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, to)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl tonic::transport::server::Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl axum::serve::Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        (self.next().await, self.local_addr().expect("an address"))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Answers every request with what `answer` says, by its number.
pub(crate) fn http(answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static) -> Listening<Post> {
    http_behind(answer, None)
}

/// The same, encrypted.
pub(crate) fn http_behind(
    answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
    tls: Option<TlsAcceptor>,
) -> Listening<Post> {
    let (listener, address) = listen();
    let (sender, received) = channel::<Post>();
    let number = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let take = move |State(sender): State<Sender<Post>>, uri: Uri, headers: HeaderMap, body: Bytes| {
        let response = answer(number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        // The test may be over.
        sender.send(Post { path: uri.path().to_owned(), headers, body }).ok();
        std::future::ready(response)
    };
    let app = axum::Router::new().fallback(take).with_state(sender);
    serve(async move { axum::serve(Connections::new(listener, tls), app).await.expect("it serves") });
    Listening { address, received }
}

/// A good answer with no body.
pub(crate) fn ok(_: usize) -> Response {
    StatusCode::OK.into_response()
}

/// What a gRPC receiver got.
#[derive(Debug)]
pub(crate) enum Call {
    Traces(ExportTraceServiceRequest, tonic::metadata::MetadataMap),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

#[derive(Clone)]
struct Services {
    sender: Sender<Call>,
    rejected_spans: i64,
}

#[tonic::async_trait]
impl TraceService for Services {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.sender.send(Call::Traces(request, metadata)).ok();
        let partial = ExportTracePartialSuccess {
            rejected_spans: self.rejected_spans,
            error_message: "some are too old".to_owned(),
        };
        let partial_success = (self.rejected_spans > 0).then_some(partial);
        Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl MetricsService for Services {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        self.sender.send(Call::Metrics(request.into_inner())).ok();
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Services {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        self.sender.send(Call::Logs(request.into_inner())).ok();
        Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
    }
}

/// Takes everything, but for so many spans of each request.
pub(crate) fn grpc(rejected_spans: i64) -> Listening<Call> {
    grpc_behind(rejected_spans, None)
}

/// The same, encrypted.
pub(crate) fn grpc_behind(rejected_spans: i64, tls: Option<TlsAcceptor>) -> Listening<Call> {
    let (listener, address) = listen();
    let (sender, received) = channel();
    let services = Services { sender, rejected_spans };
    let gzip = tonic::codec::CompressionEncoding::Gzip;
    serve(async move {
        let connections = Connections::new(listener, tls);
        let incoming = futures::stream::unfold(connections, async |mut connections| {
            Some((io::Result::Ok(connections.next().await), connections))
        });
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(services.clone()).accept_compressed(gzip))
            .add_service(MetricsServiceServer::new(services.clone()).accept_compressed(gzip))
            .add_service(LogsServiceServer::new(services).accept_compressed(gzip));
        server.serve_with_incoming(incoming).await.expect("it serves");
    });
    Listening { address, received }
}
