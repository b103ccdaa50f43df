//! Queries of `sqlx` to PostgreSQL and SQLite as spans.
//!
//! The executor is wrapped, not the query, so every way `sqlx` has to run one is seen. A span lasts from the call to the
//! last row, waiting for a connection included. Invariants: no value of a query, a row or an error message gets into a
//! span; below a span that is not recorded, the statement is not even read.
//!
//! ```
//! use sabot_telemetry::SqlTracing;
//! use sqlx::sqlite::SqlitePoolOptions;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(async {
//! let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! let traced = SqlTracing::of(&pool); // once
//! sqlx::query("CREATE TABLE users (name TEXT)").execute(traced.on(&pool)).await?;
//! let mut transaction = pool.begin().await?;
//! sqlx::query("INSERT INTO users VALUES (?)").bind("Ada").execute(traced.on(&mut *transaction)).await?;
//! transaction.commit().await?;
//! let name: String = sqlx::query_scalar("SELECT name FROM users").fetch_one(traced.on(&pool)).await?; // SELECT users
//! assert_eq!(name, "Ada");
//! # Ok::<(), sqlx::Error>(())
//! # }).expect("queries");
//! ```

use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use sqlx::error::BoxDynError;
use sqlx::postgres::PgQueryResult;
use sqlx::sqlite::SqliteQueryResult;
use sqlx::{ConnectOptions, Connection, Database, Either, Error, Execute, Executor, Pool, Postgres, SqlStr, Sqlite};

use self::span::QuerySpan;
use super::may_be_recorded;
use super::repetition::DEFAULT_REPETITION_THRESHOLD;
use crate::text::Text;

mod span;

/// From when on a query is slow, unless said otherwise.
pub const DEFAULT_SLOW_QUERY: Duration = Duration::from_millis(100);

/// The options to connect to a database.
type OptionsOf<DB> = <<DB as Database>::Connection as Connection>::Options;

/// A database whose queries can be told of.
pub trait TracedDatabase: Database {
    /// `db.system.name`.
    const SYSTEM: &'static str;

    /// How many rows a statement changed.
    fn rows_affected(result: &Self::QueryResult) -> u64;

    /// Where connections with these options lead.
    fn server(options: &OptionsOf<Self>) -> SqlServer;
}

/// Where a database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlServer {
    /// `server.address`.
    pub address: Option<Text>,
    /// `server.port`.
    pub port: Option<u16>,
    /// `db.namespace`: the database on that server.
    pub namespace: Option<Text>,
}

impl TracedDatabase for Postgres {
    const SYSTEM: &'static str = "postgresql";

    fn rows_affected(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }

    fn server(options: &OptionsOf<Self>) -> SqlServer {
        let socket = options.get_socket().map(|path| path.to_string_lossy().into_owned());
        let by_port = socket.is_none() && !options.get_host().starts_with('/');
        SqlServer {
            address: Some(socket.unwrap_or_else(|| options.get_host().to_owned()).into()),
            port: by_port.then(|| options.get_port()),
            // As the server has it when nothing is said.
            namespace: Some(options.get_database().unwrap_or_else(|| options.get_username()).to_owned().into()),
        }
    }
}

impl TracedDatabase for Sqlite {
    const SYSTEM: &'static str = "sqlite";

    fn rows_affected(result: &SqliteQueryResult) -> u64 {
        result.rows_affected()
    }

    fn server(_: &OptionsOf<Self>) -> SqlServer {
        SqlServer::default()
    }
}

/// How queries are told of. Made once per pool; cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlTracing {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    server: SqlServer,
    slow: Duration,
    repetition_threshold: u32,
}

impl SqlTracing {
    /// For a server that is not told of.
    pub fn new() -> Self {
        Self::to(SqlServer::default())
    }

    /// For the server a pool connects to.
    pub fn of<DB: TracedDatabase>(pool: &Pool<DB>) -> Self
    where
        OptionsOf<DB>: ConnectOptions,
    {
        Self::to(DB::server(&pool.connect_options()))
    }

    /// For this server.
    pub fn to(server: SqlServer) -> Self {
        let settings =
            Settings { server, slow: DEFAULT_SLOW_QUERY, repetition_threshold: DEFAULT_REPETITION_THRESHOLD };
        Self { settings: Arc::new(settings) }
    }

    /// From when on a query has `performance.slow`.
    #[must_use]
    pub fn with_slow_threshold(mut self, slow: Duration) -> Self {
        Arc::make_mut(&mut self.settings).slow = slow;
        self
    }

    /// Which of the equal statements below one span has `db.pattern = "n_plus_one"`.
    #[must_use]
    pub fn with_repetition_threshold(mut self, count: u32) -> Self {
        Arc::make_mut(&mut self.settings).repetition_threshold = count;
        self
    }

    /// What runs queries here and is traced: a pool, a connection or a transaction, as `sqlx` takes it.
    pub fn on<E>(&self, executor: E) -> Traced<E> {
        Traced { executor, settings: Arc::clone(&self.settings) }
    }
}

impl Default for SqlTracing {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs queries and tells of them; see [`SqlTracing::on`].
#[derive(Debug)]
#[must_use = "it takes the place of what runs a query"]
pub struct Traced<E> {
    executor: E,
    settings: Arc<Settings>,
}

impl<'c, E> Executor<'c> for Traced<E>
where
    E: Executor<'c>,
    E::Database: TracedDatabase,
{
    type Database = E::Database;

    fn fetch_many<'e, 'q: 'e, Q>(self, query: Q) -> BoxStream<'e, Result<StepOf<E::Database>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Self::Database>,
    {
        if !may_be_recorded() {
            return self.executor.fetch_many(query);
        }
        let query = Opened::new(query);
        let Some(span) = QuerySpan::begin::<E::Database>(&self.settings, query.sql.as_str()) else {
            return self.executor.fetch_many(query);
        };
        let mut steps = self.executor.fetch_many(query);
        let mut span = Some(span);
        stream::poll_fn(move |context| {
            let step = ready!(steps.poll_next_unpin(context));
            match (&step, &mut span) {
                (Some(Ok(Either::Left(result))), Some(span)) => span.changed(E::Database::rows_affected(result)),
                (Some(Ok(Either::Right(_))), Some(span)) => span.returned_row(),
                (Some(Err(error)), Some(span)) => span.failed(error),
                (None, span) => {
                    // Ends here, whenever the stream goes.
                    if let Some(mut span) = span.take() {
                        span.complete();
                    }
                }
                (Some(_), None) => {}
            }
            Poll::Ready(step)
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, Result<Option<RowOf<E::Database>>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Self::Database>,
    {
        if !may_be_recorded() {
            return self.executor.fetch_optional(query);
        }
        let query = Opened::new(query);
        let Some(mut span) = QuerySpan::begin::<E::Database>(&self.settings, query.sql.as_str()) else {
            return self.executor.fetch_optional(query);
        };
        let row = self.executor.fetch_optional(query);
        Box::pin(async move {
            let row = row.await;
            match &row {
                Ok(Some(_)) => span.returned_row(),
                Ok(None) => span.complete(),
                Err(error) => span.failed(error),
            }
            row
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Self::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Self::Database as Database>::Statement, Error>>
    where
        'c: 'e,
    {
        self.executor.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Self::Database>, Error>>
    where
        'c: 'e,
    {
        self.executor.describe(sql)
    }
}

type RowOf<DB> = <DB as Database>::Row;
type StepOf<DB> = Either<<DB as Database>::QueryResult, RowOf<DB>>;

/// A query whose text has been read: `sqlx` gives the text only to who takes the query apart.
struct Opened<DB: Database> {
    sql: SqlStr,
    statement: Option<DB::Statement>,
    arguments: Result<Option<DB::Arguments>, BoxDynError>,
    persistent: bool,
}

impl<DB: Database> Opened<DB> {
    fn new<'q>(mut query: impl Execute<'q, DB>) -> Self {
        let statement = query.statement().cloned();
        let (arguments, persistent) = (query.take_arguments(), query.persistent());
        Self { sql: query.sql(), statement, arguments, persistent }
    }
}

impl<DB: Database> Execute<'_, DB> for Opened<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

#[cfg(test)]
mod tests;
