//! Connections: no more than there is room for, and none kept open with half a request or an answer nobody takes.
//!
//! Each takes a file handle, of which agents need some too; so callers beyond [`Limits`] wait to be let in.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::ServerError;

/// What callers may keep busy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// How long a connection may take for the head of its next request.
    pub(crate) head_timeout: Duration,
    /// How long an answer may wait for its caller to take more of it.
    pub(crate) take_timeout: Duration,
}

impl Default for Limits {
    /// Half of the files a process may usually open.
    fn default() -> Self {
        Self { connections: 512, head_timeout: Duration::from_secs(30), take_timeout: Duration::from_mins(1) }
    }
}

/// Pause after a connection that could not be accepted: there is no file handle left, or no memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Takes a port.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|error| {
        let fix = match error.kind() {
            io::ErrorKind::AddrInUse => "another program has it; choose another with --port, or 0 for any free one",
            _ => "choose another address with --bind and --port",
        };
        ServerError::environment(format!("cannot listen on {address}: {error}; {fix}"))
    })
}

/// Answers requests until told to close; then those under way are answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, mut closed: watch::Receiver<bool>) {
    let mut protocol = Builder::new(TokioExecutor::new()).http1_only();
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout);
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            // An error means the server is gone, which closes it too.
            _ = closed.wait_for(|closed| *closed) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let service = TowerToHyperService::new(router.clone());
        let stream = Patient { stream, patience: limits.take_timeout, stuck: None };
        let connection = protocol.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let mut told = false;
    loop {
        // Never closed, so there is always a place some time.
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return std::future::pending().await };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("a connection could not be accepted, and is tried again: {error}");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// A connection that ends when nothing of what is written is taken for too long.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Until when, if nothing is taken.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// Passes a write on, unless it has waited for too long.
    fn patiently<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not take the answer")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.patiently(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.patiently(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::watch;

    use super::{Limits, bind, serve};

    async fn answer(stream: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        drop(read.expect("the connection ends"));
        String::from_utf8(answer).expect("text")
    }

    #[tokio::test]
    async fn half_a_request_keeps_nobody_out_for_long() {
        let limits = Limits { connections: 2, head_timeout: Duration::from_millis(200), ..Limits::default() };
        let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (close, closed) = watch::channel(false);
        let router = Router::new().route("/", get(|| async { "here" }));
        let serving = tokio::spawn(serve(listener, router, limits, closed));

        let mut silent = TcpStream::connect(address).await.expect("a connection");
        let mut slow = TcpStream::connect(address).await.expect("a connection");
        slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.expect("sent");
        let mut whole = TcpStream::connect(address).await.expect("a connection");
        whole.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.expect("sent");
        assert!(answer(&mut whole).await.ends_with("here"), "when one of the others has been sent away");
        assert!(!answer(&mut slow).await.contains("200"));
        assert_eq!(answer(&mut silent).await, "");

        close.send_replace(true);
        tokio::time::timeout(Duration::from_secs(20), serving).await.expect("it closes").expect("without a panic");
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn an_answer_nobody_takes_keeps_nobody_out_for_long() {
        let limits = Limits { connections: 1, take_timeout: Duration::from_millis(200), ..Limits::default() };
        let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (_open, closed) = watch::channel(false);
        let router =
            Router::new().route("/large", get(|| async { vec![b'x'; 64 << 20] })).route("/", get(|| async { "here" }));
        tokio::spawn(serve(listener, router, limits, closed));

        let mut idle = TcpStream::connect(address).await.expect("a connection");
        idle.write_all(b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n").await.expect("sent");
        let mut whole = TcpStream::connect(address).await.expect("a connection");
        whole.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await.expect("sent");
        assert!(answer(&mut whole).await.ends_with("here"), "when the other has been sent away");
    }
}
