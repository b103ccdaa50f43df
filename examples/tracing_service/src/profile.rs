//! Another service, perhaps in another language, that knows more of a user.
//!
//! Invariant: without it, or when it fails, a user is answered without a profile. Its spans are in the same trace: the
//! client hands the context on in W3C headers.

use std::time::Duration;

use reqwest::Url;
use sabot_telemetry::{Registry, TracedClient};
use serde_json::Value;

use crate::StartError;
use crate::user::UserId;

/// How long the other service may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The other service.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    client: TracedClient,
    base: Url,
}

impl Profiles {
    pub(crate) fn new(url: &str, registry: &Registry) -> Result<Self, StartError> {
        let refused = |problem: &str| StartError::Profiles { url: url.to_owned(), problem: problem.to_owned() };
        let base = Url::parse(url).map_err(|error| refused(&error.to_string()))?;
        if base.scheme() != "http" || base.host().is_none() {
            return Err(refused("this example is built without TLS and speaks http"));
        }
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(StartError::Client)?;
        Ok(Self { client: TracedClient::new(client, "profiles").with_metrics(registry), base })
    }

    /// What the other service knows of a user.
    pub(crate) async fn of(&self, id: &UserId) -> Option<Value> {
        match self.ask(id).await {
            Ok(profile) => profile,
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "no profile");
                None
            }
        }
    }

    async fn ask(&self, id: &UserId) -> reqwest::Result<Option<Value>> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["profiles", id.as_str()]);
        }
        let request = self.client.client().get(url).build()?;
        let answer = self.client.execute(request).await?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        answer.error_for_status()?.json().await.map(Some)
    }
}
