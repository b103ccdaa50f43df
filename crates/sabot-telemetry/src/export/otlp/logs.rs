//! Log records as OTLP.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::logs::v1::{self, ResourceLogs, ScopeLogs};

use super::{encode, key_values, resource};
use crate::config::Signal;
use crate::export::batch::Batch;
use crate::{LogRecord, Resource, TraceContext};

/// Log records as one request; their targets are the scopes.
pub(crate) fn logs(of: &Resource, records: &[LogRecord]) -> Batch {
    let mut scope_logs: Vec<ScopeLogs> = Vec::new();
    for record in records {
        let is_same = |logs: &ScopeLogs| logs.scope.as_ref().is_some_and(|scope| *scope.name == *record.target);
        if let Some(logs) = scope_logs.iter_mut().rfind(|logs| is_same(logs)) {
            logs.log_records.push(log(record));
            continue;
        }
        let scope = InstrumentationScope { name: record.target.to_string(), ..InstrumentationScope::default() };
        scope_logs.push(ScopeLogs { scope: Some(scope), log_records: vec![log(record)], ..ScopeLogs::default() });
    }
    let resource_logs = vec![ResourceLogs { resource: Some(resource(of)), scope_logs, ..ResourceLogs::default() }];
    encode(Signal::Logs, records.len(), &ExportLogsServiceRequest { resource_logs })
}

fn log(record: &LogRecord) -> v1::LogRecord {
    let trace = record.trace.filter(TraceContext::is_valid).unwrap_or_default();
    let id = |id: &[u8]| if trace.is_valid() { id.to_vec() } else { Vec::new() };
    v1::LogRecord {
        time_unix_nano: record.at_unix_nano,
        observed_time_unix_nano: record.at_unix_nano,
        severity_number: record.severity.number(),
        severity_text: record.severity.as_str().to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(record.body.to_string())) }),
        attributes: key_values(&record.attributes),
        dropped_attributes_count: record.dropped_attributes,
        flags: u32::from(trace.flags),
        trace_id: id(&trace.trace_id),
        span_id: id(&trace.span_id),
        event_name: String::new(),
    }
}
