//! What servers and clients say of HTTP in the same words.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, StatusCode, Version};

use super::exchange::{DURATION_BUCKETS, Failure, Measure};
use crate::metrics::{Base, Instrument, InstrumentDesc, InstrumentKind};
use crate::record::{Attribute, AttributeValue};
use crate::{Registry, Text};

/// What a method that nobody knows is called.
pub(super) const OTHER: &str = "_OTHER";

/// The method in the words of the conventions, and what it was if they have no word for it.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ if method.as_str() == "QUERY" => "QUERY",
        _ => OTHER,
    }
}

/// What a span of this method is called when there is no route.
pub(super) fn bare_name(method: &'static str) -> &'static str {
    if method == OTHER { "HTTP" } else { method }
}

/// The value of `network.protocol.version`.
pub(super) fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// A status as the failure that it is: the number says it all.
pub(super) fn failed(status: StatusCode) -> Failure {
    Failure::new(status.as_str().to_owned(), "")
}

/// Whether an answer has the body its headers tell of.
pub(super) fn has_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD && status != StatusCode::NOT_MODIFIED
}

/// The size of a body, if the headers tell.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The metrics of one side.
#[derive(Debug)]
pub(super) struct HttpMetrics {
    durations: Option<Arc<Instrument>>,
    /// Only of servers.
    active: Option<Arc<Instrument>>,
    base: Base,
}

impl HttpMetrics {
    #[cfg(feature = "axum")]
    pub(super) fn of_server(registry: &Registry) -> Self {
        let active = InstrumentDesc::new("http.server.active_requests", InstrumentKind::UpDownCounter)
            .with_unit("{request}")
            .with_description("Requests that are being answered.");
        let durations = Self::durations(registry, "http.server.request.duration", "Time to answer a request.");
        Self { durations, active: registry.instrument(active, None), base: Base::default() }
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn of_client(registry: &Registry) -> Self {
        let durations = Self::durations(registry, "http.client.request.duration", "Time until a request is answered.");
        Self { durations, active: None, base: Base::default() }
    }

    fn durations(registry: &Registry, name: &'static str, description: &'static str) -> Option<Arc<Instrument>> {
        let durations = InstrumentDesc::new(name, InstrumentKind::Histogram)
            .with_unit("s")
            .with_description(description)
            .with_buckets(DURATION_BUCKETS);
        registry.instrument(durations, None)
    }
}

/// How many attributes of a measured request say that it is active.
const ACTIVE_ATTRIBUTES: usize = 2;
/// How many attributes of each request there are, if not more.
const USUAL_ATTRIBUTES: usize = 7;

/// A request that is measured, if anybody asked for that.
#[derive(Debug)]
pub(super) struct Measured(Option<(Arc<HttpMetrics>, Vec<Attribute>)>);

impl Measured {
    /// Counts a request as active from now on.
    pub(super) fn begin(
        metrics: Option<&Arc<HttpMetrics>>,
        method: &'static str,
        scheme: &'static str,
        more: impl IntoIterator<Item = Attribute>,
    ) -> Self {
        let Some(metrics) = metrics else { return Self(None) };
        let mut attributes: Vec<Attribute> = Vec::with_capacity(USUAL_ATTRIBUTES);
        attributes.push((Text::Static("http.request.method"), method.into()));
        attributes.push((Text::Static("url.scheme"), scheme.into()));
        count_active(metrics, &attributes, 1.0);
        attributes.extend(more);
        Self(Some((Arc::clone(metrics), attributes)))
    }
}

impl Measure for Measured {
    fn note(&mut self, key: &'static str, value: AttributeValue) {
        if let Some((_, attributes)) = &mut self.0 {
            attributes.push((Text::Static(key), value));
        }
    }

    fn finish(&mut self, elapsed: Duration) {
        let Some((metrics, attributes)) = self.0.take() else { return };
        if let Some(durations) = &metrics.durations {
            durations.with_series(&metrics.base, &attributes, |series| series.observe(elapsed.as_secs_f64()));
        }
        count_active(&metrics, &attributes, -1.0);
    }
}

fn count_active(metrics: &HttpMetrics, attributes: &[Attribute], by: f64) {
    if let (Some(active), Some(attributes)) = (&metrics.active, attributes.get(..ACTIVE_ATTRIBUTES)) {
        active.with_series(&metrics.base, attributes, |series| series.add_f64(by));
    }
}
