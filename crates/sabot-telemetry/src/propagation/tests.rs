//! Headers of the standards' examples, broken ones, and ones made up.

use std::collections::HashMap;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use opentelemetry::{Context, KeyValue};
use proptest::prelude::*;

use super::{BaggageItem, W3cPropagator};
use crate::{CorrelationId, TraceContext};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Headers in order, some of them several times.
struct Headers(Vec<(&'static str, String)>);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values: Vec<_> = self.0.iter().filter(|(name, _)| *name == key).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then_some(values)
    }
}

fn read(headers: &[(&'static str, &str)]) -> Context {
    let headers = Headers(headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
    W3cPropagator::new().extract_with_context(&Context::new(), &headers)
}

fn written(context: &Context) -> HashMap<String, String> {
    let mut headers = HashMap::new();
    W3cPropagator::new().inject_context(context, &mut headers);
    headers
}

/// The baggage a header holds, by key, with properties behind a semicolon.
fn baggage(header: &str) -> Vec<String> {
    let context = read(&[("baggage", header)]);
    let members = context.baggage().iter();
    let mut members: Vec<_> = members
        .map(|(key, (value, metadata))| match metadata.as_str() {
            "" => format!("{key}={value}"),
            metadata => format!("{key}={value};{metadata}"),
        })
        .collect();
    members.sort();
    members
}

#[test]
fn a_parent_goes_through_with_its_state() {
    let context =
        read(&[("traceparent", TRACEPARENT), ("tracestate", "rojo=00f067aa0ba902b7"), ("tracestate", "congo=t61")]);
    let span = context.span();
    assert!(span.span_context().is_remote() && span.span_context().is_sampled());
    assert_eq!(span.span_context().trace_state().header(), "rojo=00f067aa0ba902b7,congo=t61");
    let headers = written(&context);
    assert_eq!(headers["traceparent"], TRACEPARENT);
    assert_eq!(headers["tracestate"], "rojo=00f067aa0ba902b7,congo=t61");
    assert_eq!(headers.len(), 2);
}

#[test]
fn a_parent_that_is_not_valid_or_there_twice_is_none() {
    for headers in [
        vec![],
        vec![("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")],
        vec![("traceparent", "garbage")],
        vec![("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)],
        vec![("tracestate", "a=1")],
    ] {
        let context = read(&headers);
        assert!(!context.has_active_span(), "{headers:?}");
        assert_eq!(written(&context), HashMap::new());
    }
}

#[test]
fn a_parent_that_is_missing_leaves_the_one_there_was() {
    let known = TraceContext::from_traceparent(TRACEPARENT).unwrap().to_span_context(false, TraceState::NONE);
    let context = Context::new().with_remote_span_context(known);
    let extracted = W3cPropagator::new().extract_with_context(&context, &Headers(vec![]));
    assert_eq!(written(&extracted)["traceparent"], TRACEPARENT);
}

#[test]
fn a_state_is_read_whole_or_not_at_all() {
    let member = |number: usize| format!("k{number}=v");
    let list = |count| (0..count).map(member).collect::<Vec<_>>().join(",");
    for (header, expected) in [
        ("a=1,b=2".to_owned(), "a=1,b=2"),
        (" a=1 ,\tb=2\t".to_owned(), "a=1,b=2"),
        (",a=1,,".to_owned(), "a=1"),
        ("0tenant@vendor=opaque value".to_owned(), "0tenant@vendor=opaque value"),
        (list(32), list(32).as_str()),
        (list(33), ""),
        ("a=1,a=2".to_owned(), ""),
        ("a=1,broken".to_owned(), ""),
        ("a=1,B=2".to_owned(), ""),
        ("a=1,=2".to_owned(), ""),
        ("a=".to_owned(), ""),
        ("a=b=c".to_owned(), ""),
        ("a=1\r\nx: y".to_owned(), ""),
        (format!("a={}", "v".repeat(257)), ""),
        (format!("{}=v", "k".repeat(257)), ""),
    ] {
        let context = read(&[("traceparent", TRACEPARENT), ("tracestate", &header)]);
        assert_eq!(context.span().span_context().trace_state().header(), expected, "{header:?}");
        assert_eq!(written(&context)["traceparent"], TRACEPARENT, "the parent stays");
    }
}

#[test]
fn nothing_that_breaks_a_header_is_written_into_one() {
    let state = TraceState::from_key_value([("a", "1\r\nx: y")]).unwrap();
    let context = TraceContext::from_traceparent(TRACEPARENT).unwrap().to_span_context(true, state);
    let context = Context::new().with_remote_span_context(context).attach();
    let _attached = super::with_baggage([
        BaggageItem::new("b", "two\r\nlines, é").with_metadata("p\r\nx: y"),
        BaggageItem::new("b\nd", "x"),
    ])
    .attach();
    let headers = super::get_trace_context_headers();
    assert_eq!(headers.get("tracestate"), None);
    assert_eq!(headers["baggage"], "b=two%0D%0Alines%2C%20%C3%A9");
    assert_eq!(baggage(&headers["baggage"]), ["b=two\r\nlines, é"]);
    drop(context);
}

#[test]
fn baggage_of_the_standards_examples_is_read() {
    for (header, expected) in [
        (
            "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
            vec!["key1=value1;property1;property2", "key2=value2", "key3=value3;propertyKey=propertyValue"],
        ),
        ("serverNode=DF%2028,isProduction=false", vec!["isProduction=false", "serverNode=DF 28"]),
        ("userId=Am%C3%A9lie", vec!["userId=Amélie"]),
        ("a=1=2", vec!["a=1=2"]),
        ("a=", vec!["a="]),
        ("a=1,a=2", vec!["a=2"]),
        ("broken=%C3", vec!["broken=\u{fffd}"]),
    ] {
        assert_eq!(baggage(header), expected, "{header}");
    }
}

#[test]
fn a_plus_is_a_plus_and_is_passed_on_as_it_came() {
    // As Python writes "café, 100 %", and as others write "1+1".
    let header = "note=caf%C3%A9%2C+100+%25,sum=1%2B1,zone=+02:00;p=1";
    assert_eq!(baggage(header), ["note=café,+100+%", "sum=1+1", "zone=+02:00;p=1"]);
    let context = read(&[("baggage", header)]);
    assert_eq!(written(&context)["baggage"], header);

    // What is set here is written so that everybody reads the same; setting the same value again changes nothing.
    let _attached = context.attach();
    let context = super::with_baggage([("note", "a+b"), ("zone", "+02:00")]);
    assert_eq!(written(&context)["baggage"], "note=a%2Bb,sum=1%2B1,zone=+02:00");

    // Of a key that comes twice the later one counts, with its form.
    for (twice, once) in [("a=+1,a=2", "a=2"), ("a=2,a=+1", "a=+1"), ("a=+1,a=+2", "a=+2"), ("a=+1,a=%2B1", "a=%2B1")] {
        assert_eq!(written(&read(&[("baggage", twice)]))["baggage"], once, "{twice}");
    }
}

#[test]
fn a_bad_member_is_dropped_and_the_rest_is_kept() {
    for bad in
        ["", "novalue", "=v", "k y=v", "k=v\u{e9}", "k=\"v\"", "k=a b", "k=%4", "k=%zz", "k(=v", "k=a\\b", "k=v;p\u{1}"]
    {
        let header = format!("first=1,{bad},last=2");
        assert_eq!(baggage(&header), ["first=1", "last=2"], "{bad:?}");
    }
}

#[test]
fn the_limits_hold_when_reading_and_when_writing() {
    let many: Vec<_> = (0..100).map(|number| format!("k{number:03}=v")).collect();
    assert_eq!(baggage(&many.join(",")).len(), 64);
    let large = format!("a=1,b={},c=3", "v".repeat(9_000));
    assert_eq!(baggage(&large), ["a=1"], "nothing is read behind the limit");
    let full = format!("a=1,b={}", "v".repeat(8_192 - 6));
    assert_eq!(baggage(&full).len(), 2);

    // Encoded three times as long, so that it does not fit, and the shorter one behind it does.
    let items = [("a", "1".to_owned()), ("b", "\u{e9}".repeat(2_000)), ("c", "3".to_owned())];
    let context = Context::new().with_baggage(items.map(|(key, value)| KeyValue::new(key, value)));
    assert_eq!(written(&context)["baggage"], "a=1,c=3");
}

#[test]
fn a_correlation_id_is_read_written_and_checked() {
    for (header, expected) in
        [(" order-4711 ", Some("order-4711")), ("", None), ("a\u{e9}", None), (&*"x".repeat(129), None)]
    {
        let context = read(&[("x-correlation-id", header)]);
        assert_eq!(context.get::<CorrelationId>().map(CorrelationId::as_str), expected, "{header:?}");
        assert_eq!(written(&context).get("x-correlation-id").map(String::as_str), expected);
    }
}

#[test]
fn parts_that_are_left_out_are_neither_read_nor_written() {
    let headers = [("traceparent", TRACEPARENT), ("baggage", "a=1"), ("x-correlation-id", "id")];
    let carrier: HashMap<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let all = read(&headers);
    for (propagator, left_out) in [
        (W3cPropagator::new().without_trace_context(), "traceparent"),
        (W3cPropagator::new().without_baggage(), "baggage"),
        (W3cPropagator::new().without_correlation_id(), "x-correlation-id"),
    ] {
        let mut rewritten = HashMap::new();
        propagator.inject_context(&all, &mut rewritten);
        let mut expected = carrier.clone();
        expected.remove(left_out);
        assert_eq!(rewritten, expected);
        assert_eq!(written(&propagator.extract_with_context(&Context::new(), &carrier)), expected);
        assert!(propagator.fields().all(|field| field != left_out));
    }
}

proptest! {
    #[test]
    fn any_baggage_comes_back_as_it_was_sent(
        members in proptest::collection::btree_map("[a-zA-Z0-9._-]{1,12}", ".{0,40}", 0..20)
    ) {
        let items = members.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let context = Context::new().with_baggage(items);
        let headers = written(&context);
        prop_assert_eq!(headers.contains_key("baggage"), !members.is_empty());
        let read = W3cPropagator::new().extract_with_context(&Context::new(), &headers);
        let read: std::collections::BTreeMap<_, _> =
            read.baggage().iter().map(|(key, (value, _))| (key.to_string(), value.to_string())).collect();
        prop_assert_eq!(read, members);
    }

    #[test]
    fn whatever_is_read_can_be_sent_on(
        parent in ".{0,70}", state in ".{0,80}", baggage in ".{0,200}", id in ".{0,140}"
    ) {
        let (parent, state, baggage, id) = (&*parent, &*state, &*baggage, &*id);
        let headers = [("traceparent", parent), ("tracestate", state), ("baggage", baggage), ("x-correlation-id", id)];
        for (name, value) in written(&read(&headers)) {
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}: {:?}", name, value);
        }
    }

    #[test]
    fn any_valid_state_comes_back(
        members in proptest::collection::btree_map("[a-z0-9][a-z0-9_*/@-]{0,10}", "[!-+\\--<>-~]{1,20}", 1..32)
    ) {
        let header = members.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
        let context = read(&[("traceparent", TRACEPARENT), ("tracestate", &header)]);
        let state = context.span().span_context().trace_state().header();
        // A tenant's key has rules of its own in the API's type, which drops the whole state.
        prop_assert!(state == header || members.keys().any(|key| key.contains('@')), "{} became {}", header, state);
        prop_assert!(context.span().span_context() != &SpanContext::NONE);
    }
}
