//! Where users are kept: in PostgreSQL if there is one, else in this process.
//!
//! Invariant: the table is made, and the first users are in it, before anything is read from it; both are done again
//! without harm.

use std::collections::HashMap;
use std::time::Duration;

use sabot_telemetry::{SqlTracing, traced};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use crate::user::{User, UserId};

/// How long a request may wait for a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where users are kept.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(Postgres),
    Memory(HashMap<String, User>),
}

impl Database {
    /// Fails if the address is none; whether somebody answers there shows later.
    pub(crate) fn open(url: Option<&str>) -> Result<Self, sqlx::Error> {
        Ok(match url {
            Some(url) => Self::Postgres(Postgres::open(url)?),
            None => Self::Memory(User::first().map(|user| (user.id.clone(), user)).into()),
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Memory(_) => "memory",
        }
    }

    /// Makes the table if it is missing.
    pub(crate) async fn prepare(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(postgres) => postgres.prepare().await,
            Self::Memory(_) => Ok(()),
        }
    }

    pub(crate) async fn find(&self, id: &UserId) -> Result<Option<User>, sqlx::Error> {
        match self {
            Self::Postgres(postgres) => postgres.find(id).await,
            Self::Memory(users) => Ok(users.get(id.as_str()).cloned()),
        }
    }

    /// Whether it answers.
    pub(crate) async fn is_there(&self) -> bool {
        match self {
            Self::Postgres(postgres) => sqlx::query("SELECT 1").execute(&postgres.pool).await.is_ok(),
            Self::Memory(_) => true,
        }
    }
}

/// A pool that connects when it is first used.
#[derive(Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
    tracing: SqlTracing,
    prepared: OnceCell<()>,
}

impl Postgres {
    fn open(url: &str) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(PATIENCE).connect_lazy(url)?;
        let tracing = SqlTracing::of(&pool);
        Ok(Self { pool, tracing, prepared: OnceCell::new() })
    }

    async fn find(&self, id: &UserId) -> Result<Option<User>, sqlx::Error> {
        self.prepare().await?;
        sqlx::query_as("SELECT id, name, email, tier FROM demo_users WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.tracing.on(&self.pool))
            .await
    }

    async fn prepare(&self) -> Result<(), sqlx::Error> {
        self.prepared.get_or_try_init(|| self.create()).await.copied()
    }

    #[traced(name = "prepare_database")]
    async fn create(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        // Two services that start at once would both find no table.
        sqlx::query("SELECT pg_advisory_xact_lock(4711)").execute(self.tracing.on(&mut *transaction)).await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS demo_users \
             (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, tier TEXT NOT NULL)",
        )
        .execute(self.tracing.on(&mut *transaction))
        .await?;
        for User { id, name, email, tier } in User::first() {
            sqlx::query(
                "INSERT INTO demo_users (id, name, email, tier) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(id)
            .bind(name)
            .bind(email)
            .bind(tier)
            .execute(self.tracing.on(&mut *transaction))
            .await?;
        }
        transaction.commit().await
    }
}
