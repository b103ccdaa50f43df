//! What goes out about users and tenants, and what never does.
#![expect(clippy::disallowed_types, reason = "OpenTelemetry's API is written in it")]
#![expect(clippy::float_cmp, reason = "binary fractions add without error")]

use opentelemetry::trace::{Span as _, SpanContext, Status, TraceContextExt, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};

use super::{BusinessMetrics, BusinessRecorder, MAX_OF_EACH, UserIdKey, enhanced_span};
use crate::{
    AttributeValue, Redaction, Redactor, Registry, Sampling, SamplingStrategy, SpanRecord, TelemetryConfig,
    init_telemetry,
};

fn key() -> UserIdKey {
    UserIdKey::new("0123456789abcdef").unwrap()
}

fn all(key: Option<&UserIdKey>) -> BusinessMetrics {
    let empty = key.map_or_else(BusinessMetrics::new, |key| BusinessMetrics::new().with_user_key(key));
    empty
        .with_user_id("alice@example.org")
        .with_tenant_id("acme")
        .with_customer_tier("premium")
        .with_business_value(12.5)
        .with_request_id("r-7")
        .with_operation_type("order")
        .with_feature_flag("fast_path", true)
        .with_feature_flag("layout", "b")
        .with_custom("basket.items", 3)
}

fn span(business: &BusinessMetrics) -> SpanRecord {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry");
    drop(enhanced_span(telemetry.spans(), "order", None, business));
    telemetry.span_queue().drain(1).remove(0)
}

fn text(record: &SpanRecord) -> String {
    let show = |value: &AttributeValue| match value {
        AttributeValue::Str(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    let lines: Vec<_> = record.attributes.iter().map(|(key, value)| format!("{key}={}", show(value))).collect();
    lines.join("\n")
}

#[test]
fn everything_that_is_known_is_on_the_span() {
    // printf alice@example.org | openssl dgst -sha256 -hmac 0123456789abcdef
    let pseudonym = "bc55b6f5fdc8ddc19d55842db3456c44";
    let expected = format!(
        "user.id={pseudonym}\ntenant.id=acme\nuser.tier=premium\nrequest.id=r-7\noperation.type=order\n\
         business.value=Float(12.5)\nfeature.fast_path=Bool(true)\nfeature.layout=b\ncustom.basket.items=Int(3)"
    );
    assert_eq!(text(&span(&all(Some(&key())))), expected);
}

#[test]
fn sampling_by_tier_sees_the_tier() {
    let mut sampling = Sampling { strategy: SamplingStrategy::AlwaysOff.parent_based(), ..Sampling::default() };
    sampling.customer_tiers = [("premium".to_owned(), 1.0)].into();
    let config = TelemetryConfig::new("test").without_globals().with_sampling(sampling);
    let telemetry = init_telemetry(config).expect("telemetry");
    let is_kept = |business: &BusinessMetrics| enhanced_span(telemetry.spans(), "order", None, business).is_recording();
    assert!(is_kept(&all(None)));
    assert!(!is_kept(&BusinessMetrics::new().with_customer_tier("trial")));
}

/// Their series would be one, and moving it to the others would take what the next adds to it along.
#[test]
fn tenants_whose_names_are_redacted_share_the_series_of_all_others() {
    let registry = Registry::with_redactor(Redactor::new(&Redaction::default()).unwrap().into());
    let recorder = BusinessRecorder::new(&registry).with_top_tenants(1);
    for number in 0..100 {
        let tenant = BusinessMetrics::new().with_tenant_id(format!("t{}@example.com", number % 2));
        recorder.record(&tenant.with_operation_type("order").with_business_value(1.0));
    }
    recorder
        .record(&BusinessMetrics::new().with_tenant_id("acme").with_operation_type("order").with_business_value(2.0));
    let text = registry.prometheus_text();
    assert!(text.contains("{tenant_id=\"other\",operation=\"order\"} 100\n"), "{text}");
    assert!(text.contains("{tenant_id=\"acme\",operation=\"order\"} 2\n"), "{text}");
}

#[test]
fn without_a_key_there_is_no_user_and_nothing_shows_one() {
    let business = all(None);
    assert!(!text(&span(&business)).contains("user.id"));
    let key_too_late = BusinessMetrics::new().with_user_id("alice").with_user_key(&key());
    assert_eq!(text(&span(&key_too_late)), "", "it was not kept");
    for business in [business, all(Some(&key()))] {
        let shown = format!("{business:?}");
        assert!(shown.contains("acme") && !shown.contains("alice") && !shown.contains("0123"), "{shown}");
    }
    assert!(!format!("{:?}", key()).contains("0123"));
}

#[test]
fn a_pseudonym_depends_on_the_user_and_the_key() {
    let other = UserIdKey::new("0123456789abcdeg").unwrap();
    assert_eq!(key().pseudonym("a"), key().pseudonym("a"));
    assert_ne!(key().pseudonym("a"), key().pseudonym("b"));
    assert_ne!(key().pseudonym("a"), other.pseudonym("a"));
    assert_eq!(key().pseudonym("").len(), 32);
}

#[test]
fn a_random_key_is_nobody_elses() {
    let [one, other] = [(); 2].map(|()| UserIdKey::random().unwrap().pseudonym("alice"));
    assert_eq!((one.len(), one == other), (32, false));
}

#[test]
fn a_key_that_can_be_tried_out_is_refused() {
    let error = UserIdKey::new("fifteen bytes..").unwrap_err().to_string();
    assert!(error.contains("15 bytes") && error.contains("at least 16"), "{error}");
}

#[test]
fn flags_and_custom_attributes_are_bounded_and_replaced() {
    let mut business = BusinessMetrics::new().with_business_value(f64::NAN);
    for number in 0..100 {
        business = business.with_feature_flag(format!("f{number}"), false).with_custom(format!("c{number}"), number);
    }
    let record = span(&business.with_custom("c0", "again").with_custom("c99", "too late"));
    assert_eq!(record.attributes.len(), 2 * MAX_OF_EACH);
    let text = text(&record);
    assert!(text.contains("custom.c0=again\n") && !text.contains("too late") && !text.contains("business.value"));
}

#[test]
fn a_span_that_is_not_recorded_costs_no_pseudonym() {
    let telemetry =
        init_telemetry(TelemetryConfig::new("test").without_globals().with_sample_rate(0.0)).expect("telemetry");
    let span = enhanced_span(telemetry.spans(), "order", None, &all(Some(&key())));
    assert!(!span.is_recording());
    let mut noop = opentelemetry::trace::noop::NoopTracerProvider::new().tracer("").start("order");
    all(Some(&key())).apply_to(&mut noop);
    assert!(!noop.is_recording());
}

/// A span of the API that keeps what it is given.
#[derive(Debug, Default)]
struct Kept(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl opentelemetry::trace::Span for Kept {
    fn add_event_with_timestamp<T>(&mut self, _: T, _: std::time::SystemTime, _: Vec<KeyValue>)
    where
        T: Into<std::borrow::Cow<'static, str>>,
    {
    }

    fn span_context(&self) -> &SpanContext {
        &SpanContext::NONE
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.0.lock().unwrap().push(format!("{}={}", attribute.key, attribute.value));
    }

    fn set_status(&mut self, _: Status) {}

    fn update_name<T>(&mut self, _: T)
    where
        T: Into<std::borrow::Cow<'static, str>>,
    {
    }

    fn add_link(&mut self, _: SpanContext, _: Vec<KeyValue>) {}

    fn end_with_timestamp(&mut self, _: std::time::SystemTime) {}
}

#[test]
fn spans_of_the_api_get_the_same() {
    let business = BusinessMetrics::new()
        .with_tenant_id(std::sync::Arc::<str>::from("acme"))
        .with_feature_flag("fast", true)
        .with_custom("mixed", AttributeValue::List(vec![1.into(), "a".into()].into()))
        .with_business_value(0.5);
    let expected = ["tenant.id=acme", "business.value=0.5", "feature.fast=true", "custom.mixed=[\"1\",\"a\"]"];
    let mut span = Kept::default();
    business.apply_to(&mut span);
    assert_eq!(*span.0.lock().unwrap(), expected);

    let span = Kept::default();
    let kept = std::sync::Arc::clone(&span.0);
    business.apply_to_context(&Context::new().with_span(span));
    assert_eq!(*kept.lock().unwrap(), expected);
}

fn values(registry: &Registry) -> Vec<(String, String, f64)> {
    let row = |sample: crate::MetricSample| match sample.labels.as_slice() {
        [(_, tenant), (_, operation)] => (tenant.clone(), operation.clone(), sample.value),
        other => panic!("{other:?}"),
    };
    registry.snapshot().into_iter().map(row).collect()
}

fn work(tenant: &str, operation: &str) -> BusinessMetrics {
    let (tenant, operation) = (tenant.to_owned(), operation.to_owned());
    BusinessMetrics::new().with_tenant_id(tenant).with_operation_type(operation).with_business_value(0.5)
}

#[test]
fn tenants_without_a_place_are_added_up_as_others() {
    let registry = Registry::new();
    let business = BusinessRecorder::new(&registry).with_top_tenants(2);
    for tenant in ["a", "b", "c", "d", "a"] {
        business.record(&work(tenant, "order"));
    }
    business.record(&work("a", "refund").with_business_value(-3.0));
    let row = |tenant: &str, operation: &str, value| (tenant.to_owned(), operation.to_owned(), value);
    let expected =
        [row("a", "order", 1.0), row("a", "refund", 0.0), row("b", "order", 0.5), row("other", "order", 1.0)];
    assert_eq!(values(&registry), expected);
}

#[test]
fn a_tenant_that_outgrows_one_inside_takes_its_place_and_the_sum_stays() {
    let registry = Registry::new();
    let business = BusinessRecorder::new(&registry).with_top_tenants(2);
    (0..100).for_each(|_| business.record(&work("big", "order")));
    (0..10).for_each(|_| business.record(&work("small", "order")));
    (0..200).for_each(|number| {
        business.record(&work("late", if number % 2 == 0 { "order" } else { "return" }));
        business.record(&work(&format!("once{number}"), "order"));
    });
    let values = values(&registry);
    let tenants: Vec<_> = values.iter().map(|(tenant, operation, _)| format!("{tenant} {operation}")).collect();
    assert_eq!(tenants, ["big order", "late order", "late return", "other order", "other return"]);
    assert_eq!(values.iter().map(|(.., value)| value).sum::<f64>(), 0.5 * f64::from(100 + 10 + 200 + 200));
}

#[test]
fn many_that_come_seldom_push_nobody_out() {
    let registry = Registry::new();
    let business = BusinessRecorder::new(&registry).with_top_tenants(10);
    for number in 0..10 {
        (0..3).for_each(|_| business.record(&work(&format!("kept{number}"), "order")));
    }
    (0..20_000).for_each(|number| business.record(&work(&format!("twice{}", number / 2), "order")));
    assert_eq!(values(&registry).iter().filter(|(tenant, ..)| tenant.starts_with("kept")).count(), 10);
}

#[test]
fn operations_are_bounded_for_each_tenant() {
    let registry = Registry::new();
    let business = BusinessRecorder::new(&registry);
    (0..100).for_each(|number| business.record(&work("a", &format!("operation{number}"))));
    let values = values(&registry);
    assert_eq!(values.len(), 33);
    assert_eq!(values.iter().find(|(_, operation, _)| operation == "other").unwrap().2, 34.0);
}

#[test]
fn threads_lose_nothing_while_tenants_move() {
    let registry = Registry::new();
    let business = BusinessRecorder::new(&registry).with_top_tenants(3);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let business = business.clone();
            scope.spawn(move || {
                // Whoever is busy changes, so that places change too.
                (0..8_000).for_each(|round| business.record(&work(&format!("t{}", round / 1_000 + thread), "order")));
            });
        }
    });
    let values = values(&registry);
    assert!(values.len() <= 4, "{values:?}");
    assert_eq!(values.iter().map(|(.., value)| value).sum::<f64>(), 16_000.0);
}
