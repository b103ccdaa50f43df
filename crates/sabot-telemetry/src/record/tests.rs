//! What a span has room for.

use crate::{TelemetryConfig, TraceContext, init_telemetry};

#[test]
fn what_is_too_much_for_a_span_is_left_out_and_counted() {
    let telemetry = init_telemetry(TelemetryConfig::new("test")).expect("telemetry");
    let link = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 1 };
    let mut builder = telemetry.spans().start("large").root();
    for _ in 0..130 {
        builder = builder.link(link);
    }
    let mut span = builder.start();
    for number in 0..131_i64 {
        span.set_attribute("key", number);
    }
    for _ in 0..128 {
        span.add_event("small", [("key", 1.into())]);
    }
    span.add_event("one too many", [("key", 1.into())]);
    drop(span);
    let record = telemetry.span_queue().drain(1).remove(0);
    assert_eq!((record.attributes.len(), record.events.len(), record.links.len()), (128, 128, 128));
    assert_eq!((record.dropped.attributes, record.dropped.events, record.dropped.links), (3, 1, 2));
}

#[test]
fn a_record_is_small() {
    // One is allocated per span and moved by its pointer.
    assert!(size_of::<crate::SpanRecord>() <= 256, "{}", size_of::<crate::SpanRecord>());
    assert_eq!(size_of::<crate::Attribute>(), 48);
}
