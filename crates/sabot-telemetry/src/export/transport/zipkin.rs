//! Zipkin's JSON, version 2, for spans.
//!
//! The translation is the one OpenTelemetry specifies: durations in microseconds, events as annotations, the status as
//! `otel.status_code` and `error`, the scope and what was dropped as tags. Kinds Zipkin does not have are left out.

use http::{HeaderName, HeaderValue, Uri};
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use serde_json::{Map, Value, json};

use super::http::Poster;
use super::{Accepted, SendError, Sending, Transport};
use crate::config::{Certificates, Compression};
use crate::export::batch::Batch;
use crate::export::otlp;

/// A receiver of Zipkin's JSON.
#[derive(Debug)]
pub(super) struct Zipkin {
    poster: Poster,
    uri: Uri,
}

impl Zipkin {
    pub(super) fn new(
        uri: Uri,
        headers: Vec<(HeaderName, HeaderValue)>,
        compression: Compression,
        tls: Certificates,
    ) -> Self {
        Self { poster: Poster::new(headers, compression, tls), uri }
    }

    async fn post(&self, batch: &Batch) -> Result<Accepted, SendError> {
        let body = serde_json::to_vec(&spans(batch)?);
        let body = body.map_err(|error| SendError::Refused { problem: format!("it is no JSON: {error}") })?;
        self.poster.post(&self.uri, "application/json", self.poster.pack(body.into())?).await?;
        Ok(Accepted::default())
    }
}

impl Transport for Zipkin {
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a> {
        Box::pin(self.post(batch))
    }
}

fn spans(batch: &Batch) -> Result<Vec<Value>, SendError> {
    let mut all = Vec::new();
    for of_resource in otlp::spans_of(batch)?.resource_spans {
        let resource = of_resource.resource.unwrap_or_default();
        for ScopeSpans { scope, spans, .. } in of_resource.scope_spans {
            all.extend(spans.iter().map(|span| zipkin(&resource, scope.as_ref(), span)));
        }
    }
    Ok(all)
}

fn zipkin(resource: &Resource, scope: Option<&InstrumentationScope>, span: &Span) -> Value {
    let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name").map(text);
    let nanos = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
    let mut zipkin = json!({
        "traceId": hex(&span.trace_id),
        "id": hex(&span.span_id),
        "name": span.name,
        "timestamp": span.start_time_unix_nano / 1_000,
        // Zipkin takes zero for unknown.
        "duration": (nanos / 1_000).max(1),
        "localEndpoint": { "serviceName": service.unwrap_or_else(|| "unknown_service".to_owned()) },
        "tags": tags(scope, span),
    });
    let Some(fields) = zipkin.as_object_mut() else { return zipkin };
    if !span.parent_span_id.is_empty() {
        fields.insert("parentId".to_owned(), hex(&span.parent_span_id).into());
    }
    let kind = match span.kind() {
        SpanKind::Server => Some("SERVER"),
        SpanKind::Client => Some("CLIENT"),
        SpanKind::Producer => Some("PRODUCER"),
        SpanKind::Consumer => Some("CONSUMER"),
        SpanKind::Internal | SpanKind::Unspecified => None,
    };
    if let Some(kind) = kind {
        fields.insert("kind".to_owned(), kind.into());
    }
    if let Some(peer) = remote(span) {
        fields.insert("remoteEndpoint".to_owned(), json!({ "serviceName": peer }));
    }
    if !span.events.is_empty() {
        fields.insert("annotations".to_owned(), span.events.iter().map(annotation).collect());
    }
    zipkin
}

/// Who was asked, by the attributes OpenTelemetry ranks.
fn remote(span: &Span) -> Option<String> {
    let asks = matches!(span.kind(), SpanKind::Client | SpanKind::Producer);
    let keys = [
        "service.peer.name",
        "peer.service",
        "server.address",
        "net.peer.name",
        "network.peer.address",
        "db.namespace",
        "db.name",
        "db.system.name",
    ];
    let value = |key: &str| span.attributes.iter().find(|attribute| attribute.key == key).map(text);
    keys.into_iter().filter(|_| asks).find_map(value)
}

fn tags(scope: Option<&InstrumentationScope>, span: &Span) -> Map<String, Value> {
    let mut tags: Map<String, Value> =
        span.attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute).into())).collect();
    let mut tag = |key: &str, value: String| drop(tags.insert(key.to_owned(), value.into()));
    if let Some(scope) = scope.filter(|scope| !scope.name.is_empty()) {
        tag("otel.scope.name", scope.name.clone());
        if !scope.version.is_empty() {
            tag("otel.scope.version", scope.version.clone());
        }
    }
    for (key, count) in [
        ("otel.dropped_attributes_count", span.dropped_attributes_count),
        ("otel.dropped_events_count", span.dropped_events_count),
        ("otel.dropped_links_count", span.dropped_links_count),
    ] {
        if count > 0 {
            tag(key, count.to_string());
        }
    }
    if let Some(status) = &span.status {
        match status.code() {
            StatusCode::Ok => tag("otel.status_code", "OK".to_owned()),
            StatusCode::Error => {
                tag("otel.status_code", "ERROR".to_owned());
                tag("error", status.message.clone());
            }
            StatusCode::Unset => {}
        }
    }
    tags
}

fn annotation(event: &Event) -> Value {
    let value = if event.attributes.is_empty() {
        event.name.clone()
    } else {
        let attributes: Map<String, Value> = event
            .attributes
            .iter()
            .map(|attribute| (attribute.key.clone(), json_of(attribute.value.as_ref())))
            .collect();
        format!("{}: {}", Value::from(event.name.as_str()), Value::Object(attributes))
    };
    json!({ "timestamp": event.time_unix_nano / 1_000, "value": value })
}

/// Tags are text.
fn text(attribute: &KeyValue) -> String {
    match json_of(attribute.value.as_ref()) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn json_of(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(OtlpValue::StringValue(text)) => text.as_str().into(),
        Some(OtlpValue::BoolValue(flag)) => (*flag).into(),
        Some(OtlpValue::IntValue(number)) => (*number).into(),
        Some(OtlpValue::DoubleValue(number)) => {
            serde_json::Number::from_f64(*number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        Some(OtlpValue::ArrayValue(list)) => list.values.iter().map(|value| json_of(Some(value))).collect(),
        Some(OtlpValue::KvlistValue(map)) => {
            map.values.iter().map(|entry| (entry.key.clone(), json_of(entry.value.as_ref()))).collect()
        }
        Some(OtlpValue::BytesValue(bytes)) => hex(bytes).into(),
        Some(OtlpValue::StringValueStrindex(_)) | None => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
