//! `GET /api/users/{id}`: a user from the cache, or else from the database, with a profile from another service.

use axum::Json;
use axum::extract::{Path, State};
use sabot_telemetry::{MetricsRecorder, current_span, traced};
use serde::Serialize;
use serde_json::Value;

use crate::cache::Cache;
use crate::database::Database;
use crate::problem::Problem;
use crate::service::Service;
use crate::user::{User, UserId};

/// The users, and what keeps them at hand.
#[derive(Debug)]
pub(crate) struct Users {
    pub(crate) cache: Cache,
    pub(crate) database: Database,
    pub(crate) recorder: MetricsRecorder,
}

impl Users {
    /// A user, if there is one of that id.
    #[traced(name = "find_user")]
    pub(crate) async fn find(&self, id: &UserId) -> Result<Option<User>, Problem> {
        let span = current_span();
        span.set_attribute("cache.store", self.cache.name());
        let cached = self.cache.get(id).await.map_err(Problem::Cache)?;
        span.set_attribute("cache.hit", cached.is_some());
        let result = if cached.is_some() { "hit" } else { "miss" };
        let labels = [("store", self.cache.name()), ("result", result)];
        self.recorder.record_counter_with("users.cache.lookups", 1, &labels);
        if cached.is_some() {
            return Ok(cached);
        }
        span.set_attribute("users.store", self.database.name());
        let found = self.database.find(id).await.map_err(Problem::Database)?;
        if let Some(user) = &found
            && let Err(error) = self.cache.put(id, user).await
        {
            // The user is there all the same.
            tracing::warn!(error = %error, "the cache did not take a user");
        }
        Ok(found)
    }
}

/// What is answered.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Value>,
}

/// Answers with a user.
pub(crate) async fn user(State(service): State<Service>, Path(id): Path<String>) -> Result<Json<Answer>, Problem> {
    let id: UserId = id.parse()?;
    let user = service.users().find(&id).await?.ok_or_else(|| Problem::NoUser(id.clone()))?;
    let profile = match service.profiles() {
        Some(profiles) => profiles.of(&id).await,
        None => None,
    };
    tracing::info!(user.tier = user.tier, profile = profile.is_some(), "a user was asked for");
    Ok(Json(Answer { user, profile }))
}
