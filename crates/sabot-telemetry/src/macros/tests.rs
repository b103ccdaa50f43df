//! What the attributes make of functions.

use std::convert::Infallible;
use std::fmt::Debug;

use futures::executor::block_on;
use futures::future::{poll_fn, ready};

use crate::ambient::tests::{attribute, recorded, string};
use crate::clock::advance;
use crate::*;

mod shapes;

#[traced]
fn plain() -> Option<TraceContext> {
    current_trace()
}

#[traced(name = "charge_card", kind = "client", fields(order_id, cents, list, "tier" = format!("g{}", "old"), half = 0.5))]
fn charge(order_id: &str, cents: u16, list: &[u8], secret: &str) -> Result<usize, std::num::ParseIntError> {
    let parsed: usize = secret.parse()?;
    if cents == 0 {
        return Ok(0);
    }
    Ok(parsed)
}

#[traced(fields(value))]
fn generic<T: Debug, E>(value: T, error: E) -> Result<T, E> {
    if format!("{value:?}").is_empty() { Ok(value) } else { Err(error) }
}

#[traced]
fn shown() -> Result<(), String> {
    Err("no luck".to_owned())
}

#[derive(Debug)]
struct Cart {
    items: Vec<String>,
}

impl Cart {
    #[traced(kind = Producer)]
    async fn add(&mut self, item: String) -> std::io::Result<&str> {
        ready(()).await;
        if item.is_empty() {
            Err(std::io::ErrorKind::InvalidInput)?;
        }
        self.items.push(item);
        Ok(self.items.last().unwrap())
    }

    #[traced]
    fn first(&mut self) -> &mut String {
        &mut self.items[0]
    }

    #[traced]
    fn first_or_error(&mut self) -> Result<&mut String, Infallible> {
        Ok(&mut self.items[0])
    }

    #[traced]
    fn last(&self) -> Result<&String, Infallible> {
        Ok(self.items.last().unwrap())
    }
}

#[traced]
fn opaque(up_to: u8) -> Result<impl Iterator<Item = u8>, Infallible> {
    Ok(0..up_to)
}

#[traced]
async fn opaque_async(up_to: u8) -> Result<impl Iterator<Item = u8>, std::fmt::Error> {
    if up_to == 0 {
        return Err(std::fmt::Error);
    }
    Ok(0..up_to)
}

/// Pending once, and some time passes meanwhile.
async fn pause(nanos: u64) {
    let mut polled = false;
    poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return std::task::Poll::Ready(());
        }
        advance(nanos);
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[trace_performance(sli_name = "checkout.latency", slo_threshold = 1, operation_type = "checkout")]
async fn checkout(nanos: u64) -> u8 {
    let inner = SpanBuilder::new("before").start();
    drop(inner);
    pause(nanos).await;
    drop(SpanBuilder::new("after").start());
    7
}

#[trace_performance(sli_name = "tidy.latency", slo_threshold = 0.5)]
fn tidy(nanos: u64) {
    advance(nanos);
}

#[trace_with_correlation(fields(number))]
async fn handle(number: i32) -> (i32, Option<CorrelationId>) {
    ready(()).await;
    (number, current_correlation_id())
}

#[test]
fn a_function_is_a_span_that_is_current_in_it() {
    let (inside, spans) = recorded(plain);
    assert_eq!(spans[0].name, "plain");
    assert_eq!(inside.map(|trace| trace.span_id), Some(spans[0].span_id));
    assert_eq!((spans[0].kind, &spans[0].status), (SpanKind::Internal, &SpanStatus::Unset));
    assert!(spans[0].attributes.is_empty());
}

#[test]
fn fields_are_recorded_and_nothing_else_and_an_error_fails_the_span() {
    let (results, spans) = recorded(|| (charge("4711", 995, &[1, 2], "17"), charge("4711", 0, &[], "x")));
    assert_eq!(results.0, Ok(17));
    assert!(results.1.is_err());
    let [good, bad] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((good.name.as_str(), good.kind), ("charge_card", SpanKind::Client));
    let expected: [(&str, AttributeValue); 5] = [
        ("order_id", string("4711")),
        ("cents", 995.into()),
        ("list", string("[1, 2]")),
        ("tier", string("gold")),
        ("half", 0.5.into()),
    ];
    for (key, value) in &expected {
        assert_eq!(attribute(good, key), Some(value));
    }
    assert_eq!((good.attributes.len(), &good.status), (5, &SpanStatus::Unset));
    assert_eq!(bad.status, SpanStatus::Error("invalid digit found in string".into()));
    assert_eq!(attribute(bad, "error.type"), Some(&"core::num::error::ParseIntError".into()));
    assert_eq!(bad.events[0].name, "exception");
}

#[test]
fn an_error_says_as_much_as_it_can() {
    let ((), spans) = recorded(|| {
        assert!(generic([1], Cart { items: vec![] }).is_err());
        assert!(shown().is_err());
    });
    assert_eq!(attribute(&spans[0], "value"), Some(&string("[1]")));
    assert_eq!(spans[0].status, SpanStatus::Error("".into()), "it can neither be read nor traced back");
    assert_eq!(spans[1].status, SpanStatus::Error("no luck".into()));
    assert_eq!(attribute(&spans[1], "error.type"), Some(&"alloc::string::String".into()));
}

#[test]
fn methods_and_opaque_types_work_as_they_did() {
    let mut cart = Cart { items: vec![] };
    let ((), spans) = recorded(|| {
        assert_eq!(block_on(cart.add("tea".to_owned())).unwrap(), "tea");
        assert!(block_on(cart.add(String::new())).is_err());
        cart.first().push('?');
        cart.first_or_error().unwrap().replace_range(3.., "!");
        assert_eq!(cart.last().unwrap(), "tea!");
        assert_eq!(opaque(3).unwrap().count(), 3);
        assert_eq!(block_on(opaque_async(2)).unwrap().count(), 2);
        assert!(block_on(opaque_async(0)).is_err());
    });
    let names: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.status == SpanStatus::Unset)).collect();
    assert_eq!(
        names,
        [
            ("add", true),
            ("add", false),
            ("first", true),
            ("first_or_error", true),
            ("last", true),
            ("opaque", true),
            ("opaque_async", true),
            ("opaque_async", false),
        ]
    );
    assert_eq!(spans[0].kind, SpanKind::Producer);
}

#[test]
fn performance_is_measured_across_awaits() {
    let (done, spans) = recorded(|| block_on(checkout(1_600_000_000)));
    assert_eq!(done, 7);
    let [before, after, span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((before.parent_span_id, after.parent_span_id), (Some(span.span_id), Some(span.span_id)));
    assert_eq!(attribute(span, "sli.name"), Some(&"checkout.latency".into()));
    assert_eq!(attribute(span, "slo.threshold"), Some(&1.0.into()));
    assert_eq!(attribute(span, "slo.compliant"), Some(&false.into()));
    assert_eq!(attribute(span, "slo.breach_severity"), Some(&"major".into()));
    assert_eq!(attribute(span, "operation.type"), Some(&"checkout".into()));
    let Some(AttributeValue::Float(seconds)) = attribute(span, "sli.value") else { panic!("{span:?}") };
    assert!((1.6..2.0).contains(seconds), "{seconds}");
}

#[test]
fn what_is_fast_enough_complies() {
    let ((), spans) = recorded(|| tidy(1_000));
    assert_eq!(attribute(&spans[0], "slo.compliant"), Some(&true.into()));
    assert_eq!(attribute(&spans[0], "slo.breach_severity"), None);
    assert_eq!(attribute(&spans[0], "operation.type"), None);
}

#[test]
fn a_correlation_id_is_kept_or_made() {
    let given: CorrelationId = "order-4711".parse().unwrap();
    let ((made, kept), spans) = recorded(|| {
        let made = block_on(handle(1)).1;
        let _attached = context_with_correlation_id(given.clone()).attach();
        (made, block_on(handle(2)).1)
    });
    assert_eq!(kept, Some(given));
    assert_eq!(attribute(&spans[0], "correlation.id"), Some(&string(made.unwrap().as_str())));
    assert_eq!(attribute(&spans[1], "correlation.id"), Some(&string("order-4711")));
    assert_eq!(attribute(&spans[1], "number"), Some(&2.into()));
}

#[test]
fn a_field_is_not_printed_without_end() {
    #[traced(fields(long))]
    fn large(long: &[u64]) -> usize {
        long.len()
    }
    let (length, spans) = recorded(|| large(&vec![1; 100_000]));
    assert_eq!(length, 100_000);
    let Some(AttributeValue::Str(text)) = attribute(&spans[0], "long") else { panic!("{spans:?}") };
    assert_eq!((text.len(), text.ends_with('…')), (1_024 + '…'.len_utf8(), true));
}

#[test]
fn fields_of_a_span_that_is_not_recorded_are_not_computed() {
    #[traced(fields(costly = panics()))]
    fn silent() -> bool {
        current_span().is_recording()
    }
    fn panics() -> bool {
        panic!("built for nothing")
    }
    let unsampled = TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 0 };
    let _attached = context_with_trace(unsampled).attach();
    assert!(!silent());
}
