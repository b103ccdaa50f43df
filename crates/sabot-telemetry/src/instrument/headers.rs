//! Headers of HTTP as what context is read from and written to.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};

/// Reads context from the headers of a request.
///
/// ```
/// use http::HeaderMap;
/// use sabot_telemetry::{HeaderExtractor, HeaderInjector, extract_from_headers, inject_into_headers, with_baggage};
///
/// let mut headers = HeaderMap::new();
/// let attached = with_baggage([("tenant.id", "acme")]).attach();
/// inject_into_headers(&mut HeaderInjector(&mut headers));
/// drop(attached);
/// assert_eq!(headers["baggage"], "tenant.id=acme");
/// let _attached = extract_from_headers(&HeaderExtractor(&headers)).attach();
/// assert_eq!(sabot_telemetry::get_baggage("tenant.id").as_deref(), Some("acme"));
/// ```
#[derive(Debug)]
pub struct HeaderExtractor<'a>(pub &'a HeaderMap);

/// Writes context into the headers of a request, in place of what is there.
#[derive(Debug)]
pub struct HeaderInjector<'a>(pub &'a mut HeaderMap);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values = self.0.get_all(key); // looked up once: there are several keys for every request
        let values: Vec<_> = values.iter().filter_map(|value| value.to_str().ok()).collect();
        Some(values).filter(|values| !values.is_empty())
    }
}

impl Injector for HeaderInjector<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The propagator's names and values are valid; what others give and is not, is not sent.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
