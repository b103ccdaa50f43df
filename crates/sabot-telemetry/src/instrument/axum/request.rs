//! What is known of a request when it comes in.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath};
use http::header::{HOST, HeaderName, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, Request};

use super::Config;
use crate::ambient::{Operation, SpanBuilder};
use crate::correlation::ensure_correlation_id;
use crate::instrument::exchange::Exchange;
use crate::instrument::headers::HeaderExtractor;
use crate::instrument::http::{Measured, OTHER, bare_name, content_length, method_name, version_name};
use crate::instrument::span_name::span_name;
use crate::propagation::extract_from_headers;
use crate::record::{AttributeValue, SpanKind};
use crate::{CorrelationId, Text};

/// Most bytes of a header that are recorded.
const MAX_HEADER_BYTES: usize = 256;
/// Most bytes of a path that are recorded.
const MAX_PATH_BYTES: usize = 2_048;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Config {
    /// Starts what there is to say of a request.
    pub(super) fn begin<B>(&self, request: &Request<B>) -> (Exchange<Measured>, CorrelationId) {
        let (context, correlation_id) =
            ensure_correlation_id(extract_from_headers(&HeaderExtractor(request.headers())));
        let method = method_name(request.method());
        let scheme = self.scheme(request);
        let route = request.extensions().get::<MatchedPath>().map(|path| span_name(bare_name(method), path.as_str()));
        let (route, name) = match route {
            Some((route, name)) => (Some(route), Text::Shared(name)),
            None => (None, Text::Static(bare_name(method))),
        };
        let version = version_name(request.version());
        let known = |key: &str| match key {
            "http.request.method" => Some(method.into()),
            "http.route" => Some(route.clone()?.into()),
            "url.path" => Some(path(request).into()),
            _ => self.asked_for(request.headers(), key),
        };
        let mut span = SpanBuilder::below_with(&context, name, SpanKind::Server, known);
        if span.is_recording() {
            span = span
                .with_attribute("http.request.method", method)
                .with_attribute("url.scheme", scheme)
                .with_attribute("url.path", path(request))
                .with_attribute("network.protocol.version", version)
                .with_attributes(route.clone().map(|route| ("http.route", route)));
            if method == OTHER {
                span = span.with_attribute("http.request.method_original", bounded(request.method().as_str()));
            }
            span = self.describe(span, request);
        }
        let more = route.map(|route| (Text::Static("http.route"), route.into())).into_iter();
        let more = more.chain([(Text::Static("network.protocol.version"), version.into())]);
        let measured = Measured::begin(self.metrics.as_ref(), method, scheme, more);
        (Exchange::begin(Operation::of(span.start(), &context), measured), correlation_id)
    }

    fn scheme<B>(&self, request: &Request<B>) -> &'static str {
        let forwarded = text(request.headers(), &FORWARDED_PROTO).filter(|_| self.trusts_forwarded);
        // Of several proxies the first is the one the client spoke with.
        let forwarded = forwarded.and_then(|schemes| schemes.split(',').next()).map(str::trim);
        let scheme = forwarded.or_else(|| request.uri().scheme_str());
        if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) { "https" } else { "http" }
    }

    /// An attribute that comes from a header; of two for one attribute the last that is there.
    fn asked_for(&self, headers: &HeaderMap, key: &str) -> Option<AttributeValue> {
        let mut asked_for = self.attributes.iter().rev().filter(|(_, attribute)| *attribute == *key);
        asked_for.find_map(|(header, _)| Some(bounded(text(headers, header)?).into()))
    }

    /// What takes work to find out, for a span that is recorded.
    fn describe<B>(&self, span: SpanBuilder, request: &Request<B>) -> SpanBuilder {
        let headers = request.headers();
        let query = request.uri().query().filter(|_| self.takes_query);
        let authority = request.uri().authority().cloned();
        let authority = authority.or_else(|| text(headers, &HOST)?.parse::<Authority>().ok());
        let port = authority.as_ref().and_then(Authority::port_u16);
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer);
        let forwarded = text(headers, &FORWARDED_FOR).filter(|_| self.trusts_forwarded);
        let client = forwarded.and_then(|hops| hops.split(',').next()).map(|first| bounded(first.trim()));
        let known: [(Text, Option<AttributeValue>); 8] = [
            ("url.query".into(), query.map(|query| bounded(query).into())),
            ("server.address".into(), authority.as_ref().map(|authority| bounded(authority.host()).into())),
            ("server.port".into(), port.map(|port| u32::from(port).into())),
            ("user_agent.original".into(), text(headers, &USER_AGENT).map(|agent| bounded(agent).into())),
            ("http.request.body.size".into(), content_length(headers).map(AttributeValue::from)),
            ("client.address".into(), client.or_else(|| Some(peer?.ip().to_string())).map(AttributeValue::from)),
            ("network.peer.address".into(), peer.map(|peer| peer.ip().to_string().into())),
            ("network.peer.port".into(), peer.map(|peer| u32::from(peer.port()).into())),
        ];
        let asked_for = self.attributes.iter();
        let asked_for =
            asked_for.map(|(header, key)| (key.clone(), text(headers, header).map(|text| bounded(text).into())));
        span.with_attributes(known.into_iter().chain(asked_for).filter_map(|(key, value)| Some((key, value?))))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The start of something others have sent.
fn bounded(text: &str) -> String {
    start(text, MAX_HEADER_BYTES)
}

fn path<B>(request: &Request<B>) -> String {
    start(request.uri().path(), MAX_PATH_BYTES)
}

fn start(text: &str, most_bytes: usize) -> String {
    text.get(..text.floor_char_boundary(most_bytes)).unwrap_or_default().to_owned()
}
