//! Commands of `redis` as spans.
//!
//! The connection is wrapped, not the command, so every way the library has to send one is seen. Invariants: of the
//! arguments nothing is read but keys, and of a key only the words it is built from; below a span that is not recorded,
//! not even that. A name of plain letters reads like a word: where people are keys by theirs, leave the patterns out.
//! `db.namespace` is the database the connection was made for.
//!
//! ```no_run
//! use redis::AsyncCommands;
//! use sabot_telemetry::RedisTracing;
//!
//! # async fn cart() -> redis::RedisResult<()> {
//! let client = redis::Client::open("redis://cache:6379")?;
//! let connection = client.get_multiplexed_async_connection().await?;
//! let mut cache = RedisTracing::of(&client).on(connection);
//! let cart: Option<String> = cache.get("user:123:cart").await?; // GET, with the key pattern user:*:cart
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Client, Cmd, ConnectionAddr, Pipeline, RedisFuture, Value};

use self::span::CommandSpan;
use crate::text::Text;

mod command;
mod key;
mod span;

/// From when on a command is slow, unless said otherwise.
pub const DEFAULT_SLOW_COMMAND: Duration = Duration::from_millis(50);

/// How commands are told of. Made once per client; cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisTracing {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    address: Option<Text>,
    port: Option<u16>,
    slow: Duration,
    tells_patterns: bool,
}

impl RedisTracing {
    /// For a server that is not told of.
    pub fn new() -> Self {
        let settings = Settings { address: None, port: None, slow: DEFAULT_SLOW_COMMAND, tells_patterns: true };
        Self { settings: Arc::new(settings) }
    }

    /// For the server of a client.
    pub fn of(client: &Client) -> Self {
        match client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Self::new().with_server(host.clone(), Some(*port))
            }
            ConnectionAddr::Unix(path) => Self::new().with_server(path.to_string_lossy().into_owned(), None),
            _ => Self::new(),
        }
    }

    /// Where the server is: `server.address` and `server.port`.
    #[must_use]
    pub fn with_server(mut self, address: impl Into<Text>, port: Option<u16>) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        settings.address = Some(address.into());
        settings.port = port;
        self
    }

    /// Tells nothing of keys but how many there are: for keys with names of people in them, which look like words.
    #[must_use]
    pub fn without_key_patterns(mut self) -> Self {
        Arc::make_mut(&mut self.settings).tells_patterns = false;
        self
    }

    /// From when on a command has `performance.slow`.
    #[must_use]
    pub fn with_slow_threshold(mut self, slow: Duration) -> Self {
        Arc::make_mut(&mut self.settings).slow = slow;
        self
    }

    /// A connection whose commands are traced.
    pub fn on<C>(&self, connection: C) -> TracedConnection<C> {
        TracedConnection { connection, settings: Arc::clone(&self.settings) }
    }
}

impl Default for RedisTracing {
    fn default() -> Self {
        Self::new()
    }
}

/// Sends commands and tells of them; see [`RedisTracing::on`].
#[derive(Clone, Debug)]
pub struct TracedConnection<C> {
    connection: C,
    settings: Arc<Settings>,
}

impl<C> TracedConnection<C> {
    /// The connection itself, for what is not to be traced.
    pub const fn inner_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}

impl<C: ConnectionLike> ConnectionLike for TracedConnection<C> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let span = CommandSpan::of_command(&self.settings, self.connection.get_db(), command);
        let answer = self.connection.req_packed_command(command);
        let Some(mut span) = span else { return answer };
        Box::pin(async move {
            let answer = answer.await;
            span.answered(&answer);
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let span = CommandSpan::of_pipeline(&self.settings, self.connection.get_db(), pipeline);
        let answers = self.connection.req_packed_commands(pipeline, offset, count);
        let Some(mut span) = span else { return answers };
        Box::pin(async move {
            let answers = answers.await;
            span.all_answered(&answers);
            answers
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

#[cfg(test)]
mod tests;
