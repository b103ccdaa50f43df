//! What a span has room for.

use crate::{TelemetryConfig, TraceContext, init_telemetry};

#[test]
fn what_is_too_much_for_a_span_is_left_out_and_counted() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry");
    let link = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 1 };
    let mut builder = telemetry.spans().start("large").root();
    for _ in 0..130 {
        builder = builder.link(link);
    }
    let mut span = builder.start();
    for number in 0..131_i64 {
        span.set_attribute(format!("key{number}"), number);
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
fn a_key_that_is_set_again_has_the_last_value() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry");
    let mut span = telemetry.spans().start("failed").root().attribute("try", 1).attribute("rows", 2).start();
    span.set_attribute("try", 3);
    drop(span);
    let record = telemetry.span_queue().drain(1).remove(0);
    assert_eq!(record.attributes, [("try".into(), 3.into()), ("rows".into(), 2.into())]);
}

/// One that is its own cause, and one with more causes than anybody reads.
#[test]
fn an_error_that_goes_round_in_circles_ends() {
    #[derive(Debug)]
    struct Round;
    impl std::fmt::Display for Round {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("round")
        }
    }
    impl std::error::Error for Round {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&Self)
        }
    }
    let told = crate::spans::causes("round", Some(&Round)).unwrap();
    assert_eq!(told.lines().count(), 65);
}

#[test]
fn a_record_is_small() {
    // One is allocated per span and moved by its pointer.
    assert!(size_of::<crate::SpanRecord>() <= 248, "{}", size_of::<crate::SpanRecord>());
    assert_eq!(size_of::<crate::Attribute>(), 48);
}
