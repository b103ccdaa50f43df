//! A small service to copy from: users behind a cache and a database, and an operation that is worth money, traced.
//!
//! The story of a run: read what was asked for, start telemetry, open what users are kept in, bind, say where, serve until
//! Ctrl-C or SIGTERM, drain, flush, say what was sent. Invariant: a cache, database or receiver of telemetry that is away
//! ends a request at most, never the service.

mod args;
mod business;
mod cache;
mod database;
mod problem;
mod profile;
mod service;
mod telemetry;
mod user;
mod users;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::args::Args;
use self::service::Service;
use self::telemetry::Telemetry;

/// How long requests that are being answered may take once the service is to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("telemetry: {0}")]
    Telemetry(#[from] telemetry::StartError),
    #[error(
        "DATABASE_URL is not one of PostgreSQL: {0}; write one such as postgres://user:password@localhost:5432/shop"
    )]
    Database(#[source] sqlx::Error),
    #[error("REDIS_URL is not one of Redis: {0}; write one such as redis://localhost:6379")]
    Cache(#[source] redis::RedisError),
    #[error("PROFILE_SERVICE_URL \"{url}\" is not an address: {problem}; write one such as http://localhost:9000")]
    Profiles { url: String, problem: String },
    #[error("client for HTTP: {0}")]
    Client(#[source] reqwest::Error),
    #[error("--slo-seconds {0}: write a number of seconds such as 0.25")]
    Slo(f64),
    #[error("{address} cannot be listened on: {source}; give another with --address or --port")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("{0}")]
    Io(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody to tell.
            writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), StartError> {
    let telemetry = Telemetry::start(&args)?;
    let service = Service::new(&args, &telemetry)?;
    let address = args.socket_address();
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Bind { address, source })?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "tracing_service listens on http://{address} (Ctrl-C ends it)\n")?;
    writeln!(io::stdout(), "{}", service::what_to_try(&address.to_string()))?;
    service.prepare().await;
    serve(listener, service.router()).await?;
    telemetry.end(io::stdout()).await?;
    Ok(())
}

/// Serves until it is to end, and then for as long as [`DRAIN`] says.
async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let asked = async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        stop.send_replace(true);
        tokio::time::sleep(DRAIN).await;
    };
    let mut until = stopped;
    let until = async move { until.wait_for(|stop| *stop).await.map_or((), |_stop| ()) };
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(until) => served,
        () = asked => {
            tracing::warn!("requests that took longer than {} s were left", DRAIN.as_secs());
            Ok(())
        }
    }
}
