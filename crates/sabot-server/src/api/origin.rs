//! Who may ask: protection of a server on loopback from pages of other sites.
//!
//! A page of another site can make a browser send requests here. Without a name of this machine in `Host` they come from a
//! name that was rebound to it, so a server that listens on loopback answers to names of loopback only. Requests that
//! change something must, beyond that, not come from a page of another origin.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// Whether the server listens on loopback only.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnLoopback(pub(super) bool);

pub(super) async fn check(State(OnLoopback(on_loopback)): State<OnLoopback>, request: Request, next: Next) -> Response {
    if on_loopback && !names_loopback(&request) {
        return ApiError::refused("this server listens on loopback and answers to names of loopback only")
            .hint("ask http://localhost or http://127.0.0.1 with its port; a proxy in front must set Host so")
            .into_response();
    }
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if !reads && is_foreign(request.headers()) {
        return ApiError::refused("requests that change something must come from Sabot's own pages or a program")
            .into_response();
    }
    next.run(request).await
}

/// Whether all that says whom the request is for says loopback.
fn names_loopback(request: &Request) -> bool {
    let hosts: Vec<&HeaderValue> = request.headers().get_all(header::HOST).iter().collect();
    let parsed = |host: &HeaderValue| Authority::try_from(host.as_bytes()).ok();
    let of_host = |host: &HeaderValue| parsed(host).is_some_and(|authority| is_loopback(&authority));
    hosts.len() == 1 && hosts.into_iter().all(of_host) && request.uri().authority().is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    let is_ip = ip.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    is_ip || host.eq_ignore_ascii_case("localhost")
}

/// Whether a browser says that the request comes from a page of another host.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    headers.get(header::ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
        origin.zip(text(header::HOST)).is_none_or(|(origin, host)| !origin.eq_ignore_ascii_case(host))
    })
}
