//! Whom a piece of work is for and what it is worth, on spans and as a metric.
//!
//! Invariant: a user's id never leaves the process as it is. With a [`UserIdKey`] a pseudonym goes out that is the same
//! for the same user; without one there is nothing.

use std::fmt;

use opentelemetry::{Array, Context, Key, KeyValue, StringValue, Value, trace};

use crate::names::metric_attributes::{BUSINESS_VALUE, OPERATION_TYPE, REQUEST_ID, TENANT_ID, USER_ID, USER_TIER};
use crate::record::{Attribute, AttributeValue};
use crate::{ActiveSpan, Registry, SpanKind, Spans, Text, TraceContext};

mod tenants;
mod user;

pub use user::{UserIdKey, UserIdKeyError};

use tenants::Tenants;

/// Most feature flags, and most custom attributes.
const MAX_OF_EACH: usize = 32;
/// Tenants with a series of their own unless configured otherwise.
pub const DEFAULT_TOP_TENANTS: usize = 100;

/// What is known of the business behind a piece of work. Only what is set is written.
#[derive(Clone, Default)]
pub struct BusinessMetrics {
    key: Option<UserIdKey>,
    /// There only with a key.
    user_id: Option<Text>,
    tenant_id: Option<Text>,
    customer_tier: Option<Text>,
    business_value: Option<f64>,
    request_id: Option<Text>,
    operation_type: Option<Text>,
    feature_flags: Vec<Attribute>,
    custom: Vec<Attribute>,
}

impl BusinessMetrics {
    /// Nothing yet, and no key for user ids; [`BusinessRecorder::metrics`] brings its key along.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key that makes user ids pseudonyms; to be given before the id.
    #[must_use]
    pub fn with_user_key(mut self, key: &UserIdKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// The user, who goes out as a pseudonym in `user.id`; left out without a key.
    #[must_use]
    pub fn with_user_id(mut self, user: impl Into<Text>) -> Self {
        self.user_id = self.key.is_some().then(|| user.into());
        self
    }

    /// The tenant: `tenant.id`.
    #[must_use]
    pub fn with_tenant_id(mut self, tenant: impl Into<Text>) -> Self {
        self.tenant_id = Some(tenant.into());
        self
    }

    /// The tier of the customer, such as `premium`: `user.tier`.
    #[must_use]
    pub fn with_customer_tier(mut self, tier: impl Into<Text>) -> Self {
        self.customer_tier = Some(tier.into());
        self
    }

    /// What the work is worth, in a currency of your choice: `business.value`. What is not finite is left out.
    #[must_use]
    pub fn with_business_value(mut self, value: f64) -> Self {
        self.business_value = Some(value).filter(|value| value.is_finite());
        self
    }

    /// The request: `request.id`.
    #[must_use]
    pub fn with_request_id(mut self, request: impl Into<Text>) -> Self {
        self.request_id = Some(request.into());
        self
    }

    /// What is done, as a short stable name: `operation.type`.
    #[must_use]
    pub fn with_operation_type(mut self, operation: impl Into<Text>) -> Self {
        self.operation_type = Some(operation.into());
        self
    }

    /// The state of a feature flag: `feature.<flag>`. The first 32 are kept.
    #[must_use]
    pub fn with_feature_flag(mut self, flag: impl Into<Text>, state: impl Into<AttributeValue>) -> Self {
        set(&mut self.feature_flags, flag.into(), state.into());
        self
    }

    /// Anything else: `custom.<key>`. The first 32 are kept.
    #[must_use]
    pub fn with_custom(mut self, key: impl Into<Text>, value: impl Into<AttributeValue>) -> Self {
        set(&mut self.custom, key.into(), value.into());
        self
    }

    /// The tier of the customer, for a sampler that asks before the span begins.
    pub fn customer_tier(&self) -> Option<&str> {
        self.customer_tier.as_deref()
    }

    /// What is done, for a sampler that asks before the span begins.
    pub fn operation_type(&self) -> Option<&str> {
        self.operation_type.as_deref()
    }

    /// What it is worth.
    pub const fn business_value(&self) -> Option<f64> {
        self.business_value
    }

    /// Writes it on a span; costs nothing if the span is not recorded.
    pub fn apply(&self, span: &mut ActiveSpan) {
        if span.is_recording() {
            self.each(|key, value| span.set_attribute(key, value));
        }
    }

    /// Writes it on a span of OpenTelemetry's API.
    pub fn apply_to(&self, span: &mut impl trace::Span) {
        if span.is_recording() {
            self.each(|key, value| span.set_attribute(key_value(key, value)));
        }
    }

    /// Writes it on the span of an OpenTelemetry context, such as [`Context::current`].
    pub fn apply_to_context(&self, context: &Context) {
        let span = trace::TraceContextExt::span(context);
        if span.is_recording() {
            self.each(|key, value| span.set_attribute(key_value(key, value)));
        }
    }

    /// What a sampling rule may ask for before the span begins; no user's id, which would cost a hash.
    fn known(&self, key: &str) -> Option<AttributeValue> {
        let text = match key {
            TENANT_ID => &self.tenant_id,
            USER_TIER => &self.customer_tier,
            REQUEST_ID => &self.request_id,
            OPERATION_TYPE => &self.operation_type,
            BUSINESS_VALUE => return self.business_value.map(Into::into),
            _ => return None,
        };
        text.clone().map(Into::into)
    }

    fn each(&self, mut set: impl FnMut(Text, AttributeValue)) {
        let user = self.user_id.as_ref().zip(self.key.as_ref()).map(|(user, key)| Text::from(key.pseudonym(user)));
        let texts = [
            (USER_ID, &user),
            (TENANT_ID, &self.tenant_id),
            (USER_TIER, &self.customer_tier),
            (REQUEST_ID, &self.request_id),
            (OPERATION_TYPE, &self.operation_type),
        ];
        for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
            set(key.into(), text.clone().into());
        }
        if let Some(value) = self.business_value {
            set(BUSINESS_VALUE.into(), value.into());
        }
        for (flag, state) in &self.feature_flags {
            set(format!("feature.{flag}").into(), state.clone());
        }
        for (key, value) in &self.custom {
            set(format!("custom.{key}").into(), value.clone());
        }
    }
}

/// Ids of users do not show up in logs either.
impl fmt::Debug for BusinessMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusinessMetrics")
            .field("tenant_id", &self.tenant_id)
            .field("customer_tier", &self.customer_tier)
            .field("business_value", &self.business_value)
            .field("request_id", &self.request_id)
            .field("operation_type", &self.operation_type)
            .field("feature_flags", &self.feature_flags)
            .field("custom", &self.custom)
            .finish_non_exhaustive()
    }
}

fn set(all: &mut Vec<Attribute>, key: Text, value: AttributeValue) {
    if let Some((_, earlier)) = all.iter_mut().find(|(known, _)| *known == key) {
        *earlier = value;
    } else if all.len() < MAX_OF_EACH {
        all.push((key, value));
    }
}

fn key_value(key: Text, value: AttributeValue) -> KeyValue {
    let key = match key {
        Text::Static(key) => Key::from_static_str(key),
        Text::Shared(key) => Key::from(key),
        Text::Owned(key) => Key::from(key),
    };
    KeyValue::new(key, otel_value(value))
}

fn otel_value(value: AttributeValue) -> Value {
    match value {
        AttributeValue::Str(Text::Static(text)) => text.into(),
        AttributeValue::Str(Text::Shared(text)) => text.into(),
        AttributeValue::Str(Text::Owned(text)) => text.into(),
        AttributeValue::Int(number) => number.into(),
        AttributeValue::Float(number) => number.into(),
        AttributeValue::Bool(flag) => flag.into(),
        // OpenTelemetry's lists have one type; text can be made of any.
        AttributeValue::List(values) => {
            let texts = values.into_iter().map(|value| StringValue::from(otel_value(value)));
            Value::Array(Array::String(texts.collect()))
        }
    }
}

/// A span that begins with what is known of the business behind it. Whether it is recorded is decided first, also by what
/// is known: rules by tier, operation and tenant see it.
pub fn enhanced_span(
    spans: &Spans,
    name: impl Into<Text>,
    parent: impl Into<Option<TraceContext>>,
    business: &BusinessMetrics,
) -> ActiveSpan {
    let known = |key: &str| business.known(key);
    let mut span = spans.start(name).parent_with(parent, "", SpanKind::Internal, known).start();
    business.apply(&mut span);
    span
}

/// Adds up what work is worth, as `sabot_business_value_total{tenant_id,operation}`. A handle: clones are the same. Make one
/// for a registry; a second would not know which tenants the first has moved.
///
/// Tenants with much work have a series of their own, all others share one of the tenant `other`. A tenant that outgrows
/// the smallest of them takes its place, and what that one was worth moves to `other`: the sum over all stays exact.
///
/// ```
/// use sabot_telemetry::{BusinessRecorder, Registry, UserIdKey};
///
/// let registry = Registry::new();
/// let business = BusinessRecorder::new(&registry).with_user_key(UserIdKey::new("a key of sixteen bytes or more")?);
/// let order = business.metrics().with_user_id("alice").with_tenant_id("acme").with_operation_type("order");
/// business.record(&order.with_business_value(12.5));
/// assert!(registry.prometheus_text().contains("total{tenant_id=\"acme\",operation=\"order\"} 12.5\n"));
/// # Ok::<(), sabot_telemetry::UserIdKeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BusinessRecorder {
    key: Option<UserIdKey>,
    registry: Registry,
    tenants: std::sync::Arc<Tenants>,
}

impl BusinessRecorder {
    /// Records into `registry`, with [`DEFAULT_TOP_TENANTS`] and without a key.
    pub fn new(registry: &Registry) -> Self {
        let tenants = Tenants::new(registry.clone(), DEFAULT_TOP_TENANTS);
        Self { key: None, registry: registry.clone(), tenants: tenants.into() }
    }

    /// The key that makes user ids pseudonyms.
    #[must_use]
    pub fn with_user_key(mut self, key: UserIdKey) -> Self {
        self.key = Some(key);
        self
    }

    /// How many tenants have series of their own.
    #[must_use]
    pub fn with_top_tenants(mut self, tenants: usize) -> Self {
        self.tenants = Tenants::new(self.registry.clone(), tenants).into();
        self
    }

    /// Something to fill that knows the key.
    pub fn metrics(&self) -> BusinessMetrics {
        BusinessMetrics { key: self.key.clone(), ..BusinessMetrics::default() }
    }

    /// Adds the value to its tenant and operation. Without a value, or with one that is not positive, it is only counted
    /// for the order of tenants.
    pub fn record(&self, business: &BusinessMetrics) {
        let text = |text: &Option<Text>| text.clone().unwrap_or_default();
        let (tenant, operation) = (text(&business.tenant_id), text(&business.operation_type));
        self.tenants.record(&tenant, &operation, business.business_value.unwrap_or(0.0));
    }
}

#[cfg(test)]
mod tests;
