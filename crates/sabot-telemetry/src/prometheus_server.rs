//! A small HTTP server that answers Prometheus' scrapes, for services that have none of their own.
//!
//! It runs on threads of its own and needs no runtime. Invariant: whatever callers do, it holds at most eight connections,
//! none for longer than its limits say, and reads no more than a head of 8 KiB from each.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Registry;

mod head;
mod response;
mod timed;

use head::read_head;
use response::respond;

/// What one caller can take up.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections: usize,
    head_bytes: usize,
    /// For the whole head, and again to take the whole answer.
    patience: Duration,
}

const LIMITS: Limits = Limits { connections: 8, head_bytes: 8 * 1_024, patience: Duration::from_secs(10) };
/// Between two tries to take a connection after one has failed, as when there are no file handles left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a stop waits for its own knock to be let in.
const KNOCK: Duration = Duration::from_secs(1);

/// A running server; it stops when it is dropped.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct PrometheusServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    limits: Limits,
    is_stopping: AtomicBool,
    open: AtomicUsize,
}

/// Serves a registry at `GET /metrics`, as Prometheus text or as `OpenMetrics`, whichever the caller prefers. Port 0 takes
/// a free one. Fails if the address cannot be listened on.
///
/// ```no_run
/// let registry = sabot_telemetry::Registry::new();
/// let server = sabot_telemetry::serve_prometheus(&registry, "127.0.0.1:9464")?;
/// // …
/// server.stop();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve_prometheus(registry: &Registry, address: impl ToSocketAddrs) -> io::Result<PrometheusServer> {
    serve_with(registry, address, LIMITS)
}

fn serve_with(registry: &Registry, address: impl ToSocketAddrs, limits: Limits) -> io::Result<PrometheusServer> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared {
        registry: registry.clone(),
        limits,
        is_stopping: AtomicBool::new(false),
        open: AtomicUsize::new(0),
    });
    let accepting = Arc::clone(&shared);
    let acceptor = thread::Builder::new().name("prometheus".to_owned()).spawn(move || accept(&listener, &accepting))?;
    Ok(PrometheusServer { address, shared, acceptor: Some(acceptor) })
}

impl PrometheusServer {
    /// Where it listens, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits until the port is free. An answer that is being written goes on to its end.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.is_stopping.store(true, Ordering::Release);
        // It waits for a connection, so it gets one.
        let knocked = TcpStream::connect_timeout(&reachable(self.address), KNOCK);
        if (knocked.is_ok() || acceptor.is_finished()) && acceptor.join().is_err() {
            tracing::warn!("the thread that served metrics has panicked");
        }
    }
}

/// An address that leads to a listener, also to one that listens everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let accepted = listener.accept();
        if shared.is_stopping.load(Ordering::Acquire) {
            return;
        }
        match accepted {
            Ok((stream, _)) => take(stream, shared),
            Err(error) => {
                tracing::warn!("a scrape could not be taken: {error}");
                thread::park_timeout(PAUSE);
            }
        }
    }
}

/// Gives a connection a thread, or turns it away.
fn take(stream: TcpStream, shared: &Arc<Shared>) {
    let place = Place::take(shared);
    let Some(place) = place else {
        turn_away(&stream);
        return;
    };
    let spawned = thread::Builder::new().name("prometheus-scrape".to_owned()).spawn(move || {
        // Whoever is gone does not need an answer, and there is nobody else to tell.
        drop(serve(&stream, &place.0));
    });
    if let Err(error) = spawned {
        tracing::warn!("a scrape could not be answered: {error}");
    }
}

/// One of the places for connections; given back when dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let taken = shared.open.fetch_add(1, Ordering::AcqRel);
        let place = Self(Arc::clone(shared));
        (taken < shared.limits.connections).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

fn turn_away(mut stream: &TcpStream) {
    // A few bytes into an empty buffer: this would not wait, and does not.
    drop(stream.set_nonblocking(true));
    drop(stream.write_all(
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ));
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let head = read_head(stream, shared.limits)?;
    respond(stream, shared.limits, &head, &shared.registry)?;
    stream.shutdown(std::net::Shutdown::Write)
}

#[cfg(test)]
mod tests;
