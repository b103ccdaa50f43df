//! Users that were asked for a moment ago: in Redis if there is one, else in this process.
//!
//! Invariant: what is in the cache may be gone or unreadable at any time; that is a miss.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisError};
use sabot_telemetry::{RedisTracing, TracedConnection};

use crate::user::{User, UserId};

/// How long Redis keeps a user.
const KEPT_SECONDS: u64 = 60;
/// How long Redis may take to answer, or to take a connection.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most users kept in memory; with more, all are forgotten.
const MAX_IN_MEMORY: usize = 1_000;

/// Where users are kept for a while.
#[derive(Debug)]
pub(crate) enum Cache {
    /// Connects when it is first used, and again when the connection is lost.
    Redis(TracedConnection<ConnectionManager>),
    Memory(Mutex<HashMap<UserId, User>>),
}

impl Cache {
    /// Fails if the address is none; whether somebody answers there shows later.
    pub(crate) fn open(url: Option<&str>) -> Result<Self, RedisError> {
        let Some(url) = url else { return Ok(Self::Memory(Mutex::default())) };
        let client = Client::open(url)?;
        let tracing = RedisTracing::of(&client);
        let patience = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        Ok(Self::Redis(tracing.on(ConnectionManager::new_lazy_with_config(client, patience)?)))
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Memory(_) => "memory",
        }
    }

    pub(crate) async fn get(&self, id: &UserId) -> Result<Option<User>, RedisError> {
        match self {
            Self::Memory(users) => Ok(users.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()),
            Self::Redis(connection) => {
                let found: Option<String> = connection.clone().get(key(id)).await?;
                Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
            }
        }
    }

    pub(crate) async fn put(&self, id: &UserId, user: &User) -> Result<(), RedisError> {
        match self {
            Self::Memory(users) => {
                let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
                if users.len() >= MAX_IN_MEMORY {
                    users.clear();
                }
                users.insert(id.clone(), user.clone());
                Ok(())
            }
            Self::Redis(connection) => {
                let text = serde_json::to_string(user).map_err(std::io::Error::from)?;
                connection.clone().set_ex(key(id), text, KEPT_SECONDS).await
            }
        }
    }

    /// Whether it answers.
    pub(crate) async fn is_there(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(connection) => connection.clone().inner_mut().ping::<()>().await.is_ok(),
        }
    }
}

/// In a span this is told of as `tracing_service:user:*`.
fn key(id: &UserId) -> String {
    format!("tracing_service:user:{id}")
}
