//! What can be said on the command line and in the environment.

use std::net::{IpAddr, SocketAddr};

use clap::Parser;

const EXAMPLES: &str = "Examples:
  cargo run -p tracing_service
  cargo run -p tracing_service -- --port 0
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 cargo run -p tracing_service
  REDIS_URL=redis://localhost:6379 DATABASE_URL=postgres://postgres@localhost/postgres cargo run -p tracing_service
  PROFILE_SERVICE_URL=http://localhost:9000 cargo run -p tracing_service

Everything OpenTelemetry's specification reads from the environment (OTEL_*) is read here, too.";

/// An API of users and premium operations that traces, measures and logs what it does.
#[derive(Clone, Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The address to listen on.
    #[arg(long, env = "ADDRESS", default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// The port to listen on instead of the address's; 0 takes a free one.
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// Keeps users in this PostgreSQL, in a table demo_users; in memory without one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Caches users in this Redis for a minute; in memory without one.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: Option<String>,
    /// Asks this service for GET /profiles/{id}, in any language, and hands the trace on.
    #[arg(long, env = "PROFILE_SERVICE_URL")]
    pub(crate) profile_service_url: Option<String>,
    /// How long a premium operation is promised to take at most.
    #[arg(long, env = "SLO_SECONDS", default_value_t = 0.25)]
    pub(crate) slo_seconds: f64,
    /// Secret of at least 16 bytes that makes user ids pseudonyms, such as the output of openssl rand -hex 32; without
    /// one, pseudonyms change with every start.
    #[arg(long, env = "USER_ID_KEY", hide_env_values = true)]
    pub(crate) user_id_key: Option<String>,
}

impl Args {
    /// Where to listen.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        let ip: IpAddr = self.address.ip();
        SocketAddr::new(ip, self.port.unwrap_or_else(|| self.address.port()))
    }
}
