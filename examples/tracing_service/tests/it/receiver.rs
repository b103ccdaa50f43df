//! A receiver of OTLP over HTTP, in JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use serde_json::Value;

type Posts = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Serves on the current runtime until the test is over.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// What takes telemetry.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    posts: Posts,
}

impl Receiver {
    /// Starts one; the second is its address.
    pub(crate) async fn start() -> (Self, String) {
        let receiver = Self::default();
        let take = |State(posts): State<Posts>, uri: Uri, body: Bytes| async move {
            posts.lock().expect("posts").push((uri.path().to_owned(), body));
        };
        let address = serve(Router::new().fallback(take).with_state(Arc::clone(&receiver.posts))).await;
        (receiver, format!("http://{address}"))
    }

    /// Every byte that was sent, as text.
    pub(crate) fn text(&self) -> String {
        let posts = self.posts.lock().expect("posts");
        posts.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    }

    fn records(&self, path: &str, keys: [&str; 3]) -> Vec<Value> {
        let posts = self.posts.lock().expect("posts");
        let of_path = posts.iter().filter(|(posted, _)| posted == path);
        let mut records: Vec<Value> = of_path.map(|(_, body)| serde_json::from_slice(body).expect("JSON")).collect();
        for key in keys {
            records = records.iter().flat_map(|value| value[key].as_array().cloned().unwrap_or_default()).collect();
        }
        records
    }

    /// All spans.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.records("/v1/traces", ["resourceSpans", "scopeSpans", "spans"]).iter().map(Span::of).collect()
    }

    /// The spans of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// Bodies of log records with the traces they belong to.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        let records = self.records("/v1/logs", ["resourceLogs", "scopeLogs", "logRecords"]);
        records.iter().map(|log| (string(&log["body"]["stringValue"]), string(&log["traceId"]))).collect()
    }

    /// Names of metrics.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let records = self.records("/v1/metrics", ["resourceMetrics", "scopeMetrics", "metrics"]);
        records.iter().map(|metric| string(&metric["name"])).collect()
    }
}

/// A span that was received.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) has_failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Span {
    fn of(value: &Value) -> Self {
        let attributes = value["attributes"].as_array().cloned().unwrap_or_default();
        let attribute = |attribute: &Value| {
            let value = attribute["value"].as_object().and_then(|value| value.values().next()).cloned();
            (string(&attribute["key"]), value.as_ref().map(string).unwrap_or_default())
        };
        Self {
            trace_id: string(&value["traceId"]),
            id: string(&value["spanId"]),
            parent_id: string(&value["parentSpanId"]),
            name: string(&value["name"]),
            has_failed: value["status"]["code"] == 2,
            attributes: attributes.iter().map(attribute).collect(),
        }
    }

    /// An attribute; empty if it is not there.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

fn string(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
