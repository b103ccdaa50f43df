//! Headers of records: what is written, replaced and read.

use opentelemetry::trace::TraceContextExt;

use super::{extract_from_kafka_headers, inject_into_kafka_headers};
use crate::{CorrelationId, TraceContext, context_with_trace, get_baggage, with_baggage};

const TRACE: TraceContext = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 1 };

fn read(headers: &[(String, Vec<u8>)]) -> opentelemetry::Context {
    extract_from_kafka_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

fn header(name: &str, value: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), value.to_vec())
}

#[test]
fn context_goes_through_a_record_and_the_rest_stays() {
    let mut headers = vec![
        header("schema", &[0xff, 0]),
        header("Traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        header("key", b"7"),
    ];
    let id = CorrelationId::create();
    let attached = context_with_trace(TRACE).attach();
    let baggage = with_baggage([("tenant.id", "acme")]).with_value(id.clone()).attach();
    inject_into_kafka_headers(&mut headers);
    drop((baggage, attached));
    assert_eq!(headers.get(..2), Some(&[header("schema", &[0xff, 0]), header("key", b"7")][..]));
    assert_eq!(headers.len(), 5, "one of each: {headers:?}");

    let context = read(&headers);
    assert_eq!(TraceContext::from(context.span().span_context()), TRACE);
    assert_eq!(context.get::<CorrelationId>(), Some(&id));
    let _attached = context.attach();
    assert_eq!(get_baggage("tenant.id").as_deref(), Some("acme"));
}

#[test]
fn the_last_of_two_counts_and_what_is_not_text_is_none() {
    let last = TRACE.to_traceparent().unwrap();
    let other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let both = [header("traceparent", other.as_bytes()), header("traceparent", last.as_bytes())];
    assert_eq!(TraceContext::from(read(&both).span().span_context()), TRACE);
    let broken = [header("traceparent", &[0xff; 55]), header("baggage", b"a=\xff")];
    assert!(!read(&broken).span().span_context().is_valid());
}
