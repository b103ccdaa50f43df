//! W3C trace context, valid and not.

use super::TraceContext;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn reads_the_example_of_the_standard() {
    let header = format!("00-{TRACE}-{SPAN}-01");
    let context = TraceContext::from_traceparent(&header).unwrap();
    assert_eq!(context.trace_id[..3], [0x4b, 0xf9, 0x2f]);
    assert_eq!(context.span_id[6..], [0x02, 0xb7]);
    assert!(context.is_sampled());
    assert_eq!(context.to_traceparent().unwrap(), header);
    assert_eq!((context.trace_id_hex().as_str(), context.span_id_hex().as_str()), (TRACE, SPAN));
}

#[test]
fn accepts_what_the_standard_accepts() {
    for (header, flags) in [
        (format!("00-{TRACE}-{SPAN}-00"), 0),
        (format!("00-{TRACE}-{SPAN}-03"), 3),
        (format!("00-{TRACE}-{SPAN}-ff"), 3), // unknown flags are cleared
        (format!("01-{TRACE}-{SPAN}-01"), 1),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), 1),
        (format!("cc-{TRACE}-{SPAN}-01-"), 1),
    ] {
        assert_eq!(TraceContext::from_traceparent(&header).map(|context| context.flags), Some(flags), "{header}");
    }
}

#[test]
fn refuses_what_the_standard_refuses() {
    for header in [
        String::new(),
        "00".to_owned(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-extra"),
        format!("00-{TRACE}-{SPAN}-0x"),
        format!("00-{TRACE}-{SPAN}-.1"),
        format!("cc-{TRACE}-{SPAN}-01.more"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{SPAN}-01", TRACE.trim_start_matches('4')),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}0-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("0G-{TRACE}-{SPAN}-01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!("00-{}é-{SPAN}-01", "a".repeat(30)),
        format!("00_{TRACE}_{SPAN}_01"),
    ] {
        assert_eq!(TraceContext::from_traceparent(&header), None, "{header:?}");
    }
}

#[test]
fn bytes_round_trip_and_have_the_documented_layout() {
    let context = TraceContext { trace_id: [7; 16], span_id: [9; 8], flags: 1 };
    let bytes = context.to_bytes();
    assert_eq!((bytes[0], bytes[15], bytes[16], bytes[23], bytes[24]), (7, 7, 9, 9, 1));
    assert_eq!(TraceContext::from_bytes(bytes), Some(context));
}

#[test]
fn an_empty_context_has_no_form_to_read_back() {
    let empty = TraceContext::default();
    assert!(!empty.is_valid());
    assert_eq!(empty.to_traceparent(), None);
    assert_eq!(TraceContext::from_bytes(empty.to_bytes()), None);
}
