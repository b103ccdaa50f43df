//! Spans as OTLP: grouped by what recorded them.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{self, Event, Link};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::{encode, key_values, resource, scope};
use crate::config::Signal;
use crate::export::batch::Batch;
use crate::{Resource, Scope, SpanEvent, SpanKind, SpanLink, SpanRecord, SpanStatus};

/// Trace flags of a recorded span: `sampled`. Whether its parent is in another process is not said.
const SAMPLED: u32 = 0x01;

/// Spans as one request.
pub(crate) fn spans(records: &[SpanRecord]) -> Batch {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for record in records {
        // Nearly always the same as that of the one before.
        match groups.iter_mut().rfind(|group| group.has(record)) {
            Some(group) => group.spans.push(span(record)),
            None => groups.push(Group {
                resource: &record.resource,
                scope: record.scope.as_ref(),
                spans: vec![span(record)],
            }),
        }
    }
    let mut resource_spans: Vec<(&Arc<Resource>, ResourceSpans)> = Vec::new();
    for Group { resource: of, scope: by, spans } in groups {
        let scope_spans = ScopeSpans { scope: scope(by.map(AsRef::as_ref)), spans, ..ScopeSpans::default() };
        let is_same = |other: &Arc<Resource>| Arc::ptr_eq(other, of) || other == of;
        if let Some((_, there)) = resource_spans.iter_mut().find(|(other, _)| is_same(other)) {
            there.scope_spans.push(scope_spans);
            continue;
        }
        let (resource, scope_spans) = (Some(resource(of)), vec![scope_spans]);
        resource_spans.push((of, ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }));
    }
    let resource_spans = resource_spans.into_iter().map(|(_, spans)| spans).collect();
    encode(Signal::Traces, records.len(), &ExportTraceServiceRequest { resource_spans })
}

/// Spans that were recorded by the same library of the same process.
struct Group<'a> {
    resource: &'a Arc<Resource>,
    scope: Option<&'a Arc<Scope>>,
    spans: Vec<Span>,
}

impl Group<'_> {
    fn has(&self, record: &SpanRecord) -> bool {
        let same_scope = match (self.scope, &record.scope) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (None, None) => true,
            _ => false,
        };
        same_scope && (Arc::ptr_eq(self.resource, &record.resource) || self.resource == &record.resource)
    }
}

fn span(record: &SpanRecord) -> Span {
    Span {
        trace_id: record.trace_id.to_vec(),
        span_id: record.span_id.to_vec(),
        trace_state: record.trace_state.to_string(),
        parent_span_id: record.parent_span_id.map(|id| id.to_vec()).unwrap_or_default(),
        flags: SAMPLED,
        name: record.name.to_string(),
        kind: kind(record.kind) as i32,
        start_time_unix_nano: record.start_unix_nano,
        end_time_unix_nano: record.end_unix_nano,
        attributes: key_values(&record.attributes),
        dropped_attributes_count: record.dropped.attributes,
        events: record.events.iter().map(event).collect(),
        dropped_events_count: record.dropped.events,
        links: record.links.iter().map(link).collect(),
        dropped_links_count: record.dropped.links,
        status: status(&record.status),
    }
}

const fn kind(kind: SpanKind) -> span::SpanKind {
    match kind {
        SpanKind::Internal => span::SpanKind::Internal,
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Client => span::SpanKind::Client,
        SpanKind::Producer => span::SpanKind::Producer,
        SpanKind::Consumer => span::SpanKind::Consumer,
    }
}

fn event(event: &SpanEvent) -> Event {
    Event {
        time_unix_nano: event.at_unix_nano,
        name: event.name.to_string(),
        attributes: key_values(&event.attributes),
        dropped_attributes_count: 0,
    }
}

fn link(link: &SpanLink) -> Link {
    Link { trace_id: link.trace_id.to_vec(), span_id: link.span_id.to_vec(), ..Link::default() }
}

fn status(status: &SpanStatus) -> Option<Status> {
    let (code, message) = match status {
        SpanStatus::Unset => return None,
        SpanStatus::Ok => (StatusCode::Ok, String::new()),
        SpanStatus::Error(message) => (StatusCode::Error, message.to_string()),
    };
    Some(Status { code: code as i32, message })
}
