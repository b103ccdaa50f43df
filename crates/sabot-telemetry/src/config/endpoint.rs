//! Where telemetry is sent: addresses and headers, checked before anything is sent.
//!
//! A mistake here would otherwise show as telemetry that never arrives, so that each comes with what to write instead.

use http::{HeaderName, HeaderValue, Uri};

use super::{ConfigError, OtlpProtocol};

/// The usual port of OTLP over gRPC.
const GRPC_PORT: u16 = 4317;
/// The usual port of OTLP over HTTP.
const HTTP_PORT: u16 = 4318;
/// Ports of protocols only Jaeger speaks: Thrift over HTTP, over UDP (compact, binary), its own gRPC, and sampling.
const JAEGER_PORTS: [u16; 5] = [14268, 6831, 6832, 14250, 5778];

/// Checks the address of a receiver of OTLP.
pub(crate) fn otlp(endpoint: &str, protocol: OtlpProtocol) -> Result<Uri, ConfigError> {
    let port = if protocol == OtlpProtocol::Grpc { GRPC_PORT } else { HTTP_PORT };
    let uri = http_uri("otlp", endpoint, port)?;
    let wrong = |problem: String| Err(ConfigError::endpoint("otlp", endpoint, problem));
    match (protocol, uri.port_u16()) {
        (OtlpProtocol::Grpc, Some(HTTP_PORT)) => wrong(format!(
            "port {HTTP_PORT} is that of OTLP over HTTP: write port {GRPC_PORT}, or the protocol http/protobuf"
        )),
        (OtlpProtocol::HttpProtobuf | OtlpProtocol::HttpJson, Some(GRPC_PORT)) => {
            wrong(format!("port {GRPC_PORT} is that of OTLP over gRPC: write port {HTTP_PORT}, or the protocol grpc"))
        }
        (_, Some(port)) if JAEGER_PORTS.contains(&port) => wrong(format!(
            "port {port} speaks a protocol of Jaeger: give it as jaeger_endpoint, or write port {GRPC_PORT} or {HTTP_PORT}"
        )),
        (OtlpProtocol::Grpc, _) if !matches!(uri.path(), "" | "/") => {
            wrong(format!("OTLP over gRPC takes no path: leave out {}", uri.path()))
        }
        _ => Ok(uri),
    }
}

/// Checks the address of a receiver of Zipkin's JSON; its usual path is added where there is none.
pub(crate) fn zipkin(endpoint: &str) -> Result<Uri, ConfigError> {
    let uri = http_uri("zipkin", endpoint, 9411)?;
    if uri.path() != "/" {
        return Ok(uri);
    }
    let (address, query) = endpoint.split_once('?').map_or((endpoint, String::new()), |(a, q)| (a, format!("?{q}")));
    let with_path = format!("{}/api/v2/spans{query}", address.trim_end_matches('/'));
    with_path.parse().map_err(|error| ConfigError::endpoint("zipkin", endpoint, format!("{error}")))
}

/// The address at which a Jaeger takes OTLP over gRPC, from any address of it: `http://host:14268/api/traces`,
/// `host:6831`. True when it had to be translated, of which people should be told.
pub(crate) fn jaeger(endpoint: &str) -> Result<(String, bool), ConfigError> {
    let with_scheme = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let uri = http_uri("jaeger", &with_scheme, GRPC_PORT)?;
    let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default());
    match uri.port_u16() {
        Some(GRPC_PORT) if matches!(uri.path(), "" | "/") => Ok((with_scheme, false)),
        Some(port) if port != HTTP_PORT && !JAEGER_PORTS.contains(&port) => {
            // A port of one's own choice; what speaks Thrift there cannot be told from outside.
            Ok((format!("{scheme}://{host}:{port}"), uri.path() != "/"))
        }
        _ => Ok((format!("{scheme}://{host}:{GRPC_PORT}"), true)),
    }
}

fn http_uri(kind: &'static str, endpoint: &str, port: u16) -> Result<Uri, ConfigError> {
    let wrong = |problem: String| ConfigError::endpoint(kind, endpoint, problem);
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        let host = endpoint.split(['/', ':']).next().filter(|host| !host.is_empty()).unwrap_or("localhost");
        return Err(wrong(format!("it has no scheme: write http://{host}:{port}")));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(wrong(format!("the scheme {scheme} is not known: write http://{rest} or https://{rest}")));
    }
    let uri: Uri = endpoint.parse().map_err(|error| wrong(format!("{error}: write http://localhost:{port}")))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(wrong(format!("it names no host: write {scheme}://localhost:{port}")));
    }
    let host_end = uri.host().map_or(0, str::len);
    let has_port = uri
        .authority()
        .is_some_and(|authority| authority.as_str().get(host_end..).is_some_and(|rest| rest.contains(':')));
    if has_port
        && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'))
        && uri.port_u16().is_none()
    {
        return Err(wrong("its port is none: write a number from 1 to 65535".to_owned()));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("it holds a password: give it as a header".to_owned()));
    }
    Ok(uri)
}

/// Headers that say how a request is to be read; another value would make it another request.
const FRAMING: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Checks headers.
pub(crate) fn headers(headers: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    let check = |(name, value): &(String, String)| {
        let wrong =
            |problem: &str| ConfigError::Header { name: name.escape_debug().to_string(), problem: problem.to_owned() };
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_invalid| wrong("its name may hold letters, digits and -_.; write it like x-api-key"))?;
        if FRAMING.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
            return Err(wrong("it belongs to the protocol: leave it out"));
        }
        if value.contains(['\r', '\n']) {
            return Err(wrong("its value holds a line break: write it on one line"));
        }
        let visible = || wrong("its value may hold visible ASCII: percent-encode or base64-encode the rest");
        let is_visible = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        let mut value = HeaderValue::from_str(value).ok().filter(|_| is_visible).ok_or_else(visible)?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    headers.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::{headers, jaeger, otlp, zipkin};
    use crate::config::OtlpProtocol::{Grpc, HttpJson, HttpProtobuf};

    #[test]
    fn addresses_that_cannot_work_are_refused_with_what_to_write() {
        for (endpoint, protocol, expected) in [
            ("localhost:4317", Grpc, "otlp endpoint \"localhost:4317\": it has no scheme: write http://localhost:4317"),
            ("collector", HttpProtobuf, "otlp endpoint \"collector\": it has no scheme: write http://collector:4318"),
            (
                "grpc://c:4317",
                Grpc,
                "otlp endpoint \"grpc://c:4317\": the scheme grpc is not known: write http://c:4317 or https://c:4317",
            ),
            (
                "http://c:4318",
                Grpc,
                "otlp endpoint \"http://c:4318\": port 4318 is that of OTLP over HTTP: write port 4317, or the protocol http/protobuf",
            ),
            (
                "http://c:4317",
                HttpJson,
                "otlp endpoint \"http://c:4317\": port 4317 is that of OTLP over gRPC: write port 4318, or the protocol grpc",
            ),
            (
                "http://c:4317/v1/traces",
                Grpc,
                "otlp endpoint \"http://c:4317/v1/traces\": OTLP over gRPC takes no path: leave out /v1/traces",
            ),
            (
                "http://c:14268",
                HttpProtobuf,
                "otlp endpoint \"http://c:14268\": port 14268 speaks a protocol of Jaeger: give it as jaeger_endpoint, or write port 4317 or 4318",
            ),
            ("http://", Grpc, "otlp endpoint \"http://\": empty string: write http://localhost:4317"),
            (
                "http://a b:4317",
                Grpc,
                "otlp endpoint \"http://a b:4317\": invalid uri character: write http://localhost:4317",
            ),
            (
                "https://u:p@c:4317",
                Grpc,
                "otlp endpoint \"https://…@c:4317\": it holds a password: give it as a header",
            ),
        ] {
            let error = otlp(endpoint, protocol).map(|uri| uri.to_string()).expect_err(endpoint);
            assert_eq!(error.to_string(), expected);
        }
        for (endpoint, protocol) in
            [("http://c:4317", Grpc), ("https://c", HttpJson), ("http://[::1]:4318/x", HttpProtobuf)]
        {
            otlp(endpoint, protocol).expect(endpoint);
        }
    }

    #[test]
    fn every_address_of_a_jaeger_becomes_the_one_that_takes_otlp() {
        for (endpoint, expected, translated) in [
            ("http://j:14268/api/traces", "http://j:4317", true),
            ("j:6831", "http://j:4317", true),
            ("https://j:14250", "https://j:4317", true),
            ("http://j", "http://j:4317", true),
            ("http://j:4318", "http://j:4317", true),
            ("http://j:4317", "http://j:4317", false),
            ("http://j:9999", "http://j:9999", false),
            ("http://j:9999/api/traces", "http://j:9999", true),
        ] {
            assert_eq!(jaeger(endpoint).expect(endpoint), (expected.to_owned(), translated), "{endpoint}");
        }
        assert!(jaeger("thrift://j").is_err() && jaeger("").is_err());
    }

    #[test]
    fn zipkin_has_a_usual_path() {
        assert_eq!(zipkin("http://z:9411").expect("an address").path(), "/api/v2/spans");
        assert_eq!(zipkin("http://z:9411?x=1").expect("an address"), "http://z:9411/api/v2/spans?x=1");
        assert_eq!(zipkin("http://z:9411/other").expect("an address").path(), "/other");
    }

    #[test]
    fn headers_that_would_split_a_request_are_refused() {
        let check = |name: &str, value: &str| {
            headers(&[(name.to_owned(), value.to_owned())]).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(check("x-api-key", "abc"), Ok(()));
        assert_eq!(
            check("x-api-key", "abc\r\nhost: evil"),
            Err("header \"x-api-key\": its value holds a line break: write it on one line".to_owned())
        );
        assert!(check("x\napi", "abc").is_err_and(|text| text.starts_with("header \"x\\napi\": its name")));
        for name in ["Content-Length", "host", "grpc-timeout"] {
            assert!(
                check(name, "1").is_err_and(|text| text.ends_with("it belongs to the protocol: leave it out")),
                "{name}"
            );
        }
        assert!(check("k", "ü").is_err_and(|text| text.contains("percent-encode")));
    }
}
