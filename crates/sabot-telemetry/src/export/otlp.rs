//! Records as OTLP.
//!
//! Requests are encoded as protocol buffers once; JSON is made from them for those who want it.

mod logs;
mod metrics;
mod spans;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1;
use prost::Message;
use serde::Serialize;

pub(crate) use self::logs::logs;
pub(crate) use self::metrics::{MetricsState, metrics};
pub(crate) use self::spans::spans;
use super::batch::Batch;
use super::transport::SendError;
use crate::config::Signal;
use crate::{Attribute, AttributeValue, Resource, Scope};

/// The request of a batch as the JSON of OTLP.
pub(crate) fn to_json(batch: &Batch) -> Result<Vec<u8>, SendError> {
    match batch.signal {
        Signal::Traces => json(decode::<ExportTraceServiceRequest>(batch)?),
        Signal::Metrics => json(decode::<ExportMetricsServiceRequest>(batch)?),
        Signal::Logs => json(decode::<ExportLogsServiceRequest>(batch)?),
    }
}

/// The spans of a batch, for targets that speak something else.
pub(crate) fn spans_of(batch: &Batch) -> Result<ExportTraceServiceRequest, SendError> {
    decode(batch)
}

fn decode<T: Message + Default>(batch: &Batch) -> Result<T, SendError> {
    T::decode(batch.payload.clone())
        .map_err(|error| SendError::Refused { problem: format!("it cannot be read: {error}") })
}

fn json(request: impl Serialize) -> Result<Vec<u8>, SendError> {
    serde_json::to_vec(&request).map_err(|error| SendError::Refused { problem: format!("it is no JSON: {error}") })
}

fn encode(signal: Signal, items: usize, request: &impl Message) -> Batch {
    Batch { signal, items: items as u64, payload: Bytes::from(request.encode_to_vec()) }
}

fn resource(of: &Resource) -> v1::Resource {
    let name: Attribute = ("service.name".into(), of.service_name.clone().into());
    let attributes = std::iter::once(&name).chain(&of.attributes).map(key_value).collect();
    v1::Resource { attributes, ..v1::Resource::default() }
}

fn scope(of: Option<&Scope>) -> Option<InstrumentationScope> {
    let of = of?;
    let version = of.version.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(InstrumentationScope { name: of.name.to_string(), version, ..InstrumentationScope::default() })
}

/// Attributes; of a key that was set twice the later value counts, as OTLP wants every key once.
fn key_values(attributes: &[Attribute]) -> Vec<KeyValue> {
    let counts = |at: &usize| {
        let later = attributes.get(at + 1..).unwrap_or_default();
        attributes.get(*at).is_some_and(|(key, _)| later.iter().all(|(other, _)| other != key))
    };
    (0..attributes.len()).filter(counts).filter_map(|at| attributes.get(at)).map(key_value).collect()
}

fn key_value((key, value): &Attribute) -> KeyValue {
    KeyValue { key: key.to_string(), value: Some(any_value(value)), ..KeyValue::default() }
}

fn any_value(value: &AttributeValue) -> AnyValue {
    let value = match value {
        AttributeValue::Str(text) => Value::StringValue(text.to_string()),
        AttributeValue::Int(number) => Value::IntValue(*number),
        AttributeValue::Float(number) => Value::DoubleValue(*number),
        AttributeValue::Bool(flag) => Value::BoolValue(*flag),
        AttributeValue::List(values) => {
            Value::ArrayValue(ArrayValue { values: values.iter().map(any_value).collect() })
        }
    };
    AnyValue { value: Some(value) }
}
