//! What a request brings: names in its path, parameters, a body. What is wrong with them is told as every error is.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Path, Query, Request};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Which parameters a path takes; those left out take none.
const PARAMETERS: [(&str, &[&str]); 8] = [
    ("/api/v1/overview", &["history_since"]),
    ("/api/v1/streams/{name}/rows", &["limit", "from"]),
    ("/api/v1/tables/{name}/rows", &["limit"]),
    (
        "/api/v1/traces",
        &["service", "operation", "tag", "status", "min_duration", "max_duration", "since", "where", "limit"],
    ),
    ("/api/v1/traces/{id}", &["limit"]),
    ("/api/v1/telemetry/metrics", &["component"]),
    ("/api/v1/telemetry/enable", &["write"]),
    ("/api/v1/telemetry/disable", &["write"]),
];
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The one that may be given several times.
const REPEATED: &str = "tag";

/// Refuses parameters that a path does not take: a misspelt one would change the answer without a word.
pub(super) async fn known_parameters(route: MatchedPath, params: Params, request: Request, next: Next) -> Response {
    let known = PARAMETERS.iter().find(|(path, _)| *path == route.as_str()).map_or(&[][..], |(_, known)| *known);
    match params.check(known) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// A request's parameters. One without a value counts as not given.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    fn check(&self, known: &[&str]) -> Result<(), ApiError> {
        for (number, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let hint = if known.is_empty() {
                    "this path takes no parameters".to_owned()
                } else {
                    format!("the parameters here are {}", known.join(", "))
                };
                return Err(ApiError::bad_request(format!("there is no parameter \"{name}\" here")).hint(hint));
            }
            if name != REPEATED && self.0.iter().take(number).any(|(before, _)| before == name) {
                return Err(ApiError::bad_request(format!("{name} is given twice")));
            }
        }
        Ok(())
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How many to list: `limit`, from 1 to `most`.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(default) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| ApiError::bad_request(format!("limit: \"{text}\" is not a number from 1 to {most}")))
    }
}

impl IntoIterator for Params {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        if !is_utf8(parts.uri.query().unwrap_or_default()) {
            return Err(ApiError::bad_request("the parameters are not UTF-8").hint("percent-encode them as UTF-8"));
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(ApiError::bad_request)?;
        Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }
}

/// Whether a query string is text once it is decoded; decoding itself replaces what is not.
fn is_utf8(query: &str) -> bool {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let escaped = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = more.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// Names in a path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(names) = Path::from_request_parts(parts, state).await?;
        Ok(Self(names))
    }
}

/// A body of text.
pub(super) struct Text(pub(super) String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        in_time(String::from_request(request, state)).await.map(Self)
    }
}

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        in_time(Json::from_request(request, state)).await.map(|Json(body)| Self(body))
    }
}

/// A body that does not arrive would keep its connection for ever.
async fn in_time<T, E>(body: impl Future<Output = Result<T, E>>) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(read) => Ok(read?),
        Err(_elapsed) => Err(ApiError::too_slow(format!("the body did not arrive within {BODY_TIMEOUT:?}"))),
    }
}
