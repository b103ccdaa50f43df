//! `POST /business/premium-operation`: work that is worth money, with a promise about how long it takes.
//!
//! Invariants: the user's id leaves this process as a pseudonym only; every operation is counted, whether its trace is
//! kept or not.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use sabot_telemetry::{
    BreachSeverity, BusinessMetrics, FutureExt, PerformanceMetrics, context_with_trace, current_trace, enhanced_span,
    trace_performance,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::problem::Problem;
use crate::service::Service;
use crate::user::{User, UserId};

const EXAMPLE: &str =
    r#"{"user_id": "1", "customer_tier": "gold", "business_value": 129.9, "feature_flags": {"new_checkout": true}}"#;
const NAME: &str = "premium_operation";
/// Longest delay that can be asked for.
const MAX_DELAY_MS: u64 = 2_000;

/// What a customer pays for. A closed list, because it becomes a label.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tier {
    Standard,
    Silver,
    Gold,
    Platinum,
    Premium,
    Enterprise,
}

impl Tier {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Silver => "silver",
            Self::Gold => "gold",
            Self::Platinum => "platinum",
            Self::Premium => "premium",
            Self::Enterprise => "enterprise",
        }
    }
}

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    user_id: String,
    customer_tier: Tier,
    #[serde(alias = "amount")]
    business_value: f64,
    tenant_id: Option<String>,
    request_id: Option<String>,
    #[serde(default)]
    feature_flags: BTreeMap<String, bool>,
    #[serde(default)]
    custom: BTreeMap<String, String>,
    /// For how long it pretends to work, to see a promise broken.
    #[serde(default)]
    delay_ms: u64,
}

impl Order {
    fn read(body: &[u8]) -> Result<(Self, UserId), Problem> {
        let refused = |problem: String| Problem::Body { problem, example: EXAMPLE };
        let order: Self = serde_json::from_slice(body).map_err(|error| refused(error.to_string()))?;
        let user = order.user_id.parse().map_err(|error| refused(format!("user_id: {error}")))?;
        if order.business_value < 0.0 {
            return Err(refused(format!("business_value is {}: it must not be negative", order.business_value)));
        }
        if order.delay_ms > MAX_DELAY_MS {
            return Err(refused(format!("delay_ms is {}: at most {MAX_DELAY_MS}", order.delay_ms)));
        }
        Ok((order, user))
    }

    /// What is known of the business behind it; `metrics` knows the key that hides users.
    fn business(&self, metrics: BusinessMetrics) -> BusinessMetrics {
        let mut business = metrics
            .with_user_id(self.user_id.clone())
            .with_customer_tier(self.customer_tier.as_str())
            .with_business_value(self.business_value)
            .with_operation_type(NAME);
        if let Some(tenant) = &self.tenant_id {
            business = business.with_tenant_id(tenant.clone());
        }
        if let Some(request) = &self.request_id {
            business = business.with_request_id(request.clone());
        }
        for (flag, state) in &self.feature_flags {
            business = business.with_feature_flag(flag.clone(), *state);
        }
        self.custom.iter().fold(business, |business, (key, value)| business.with_custom(key.clone(), value.clone()))
    }
}

/// What is answered.
#[derive(Debug, Serialize)]
pub(crate) struct Receipt {
    user: String,
    business_value: f64,
    latency_seconds: f64,
    slo_seconds: f64,
    slo_compliant: bool,
    breach_severity: Option<&'static str>,
    trace_id: Option<String>,
}

/// Does a premium operation.
pub(crate) async fn premium_operation(State(service): State<Service>, body: Bytes) -> Result<Json<Receipt>, Problem> {
    let (order, user) = Order::read(&body)?;
    let business = order.business(service.business().metrics());
    let mut span = enhanced_span(service.spans(), NAME, current_trace(), &business);
    let started = Instant::now();
    // What is done below finds the span as its parent.
    let done = perform(&service, &order, &user).with_context(context_with_trace(span.context())).await;
    let latency =
        PerformanceMetrics::new("premium_operation.latency", service.slo_seconds(), started.elapsed().as_secs_f64());
    for (key, value) in latency.attributes() {
        span.set_attribute(key, value);
    }
    measure(&service, order.customer_tier, &latency);
    match done {
        Ok(user) => {
            service.business().record(&business);
            tracing::info!(business.value = order.business_value, "a premium operation was done");
            Ok(Json(receipt(&order, user, &latency)))
        }
        Err(problem) => {
            span.record_error(&problem, problem.code());
            Err(problem)
        }
    }
}

async fn perform(service: &Service, order: &Order, id: &UserId) -> Result<User, Problem> {
    let user = service.users().find(id).await?.ok_or_else(|| Problem::NoUser(id.clone()))?;
    settle(Duration::from_millis(order.delay_ms)).await;
    Ok(user)
}

/// Where money would move.
#[trace_performance(sli_name = "settlement.latency", slo_threshold = 0.1, operation_type = "settlement")]
async fn settle(delay: Duration) {
    tokio::time::sleep(delay).await;
}

/// Counts and times it; the histogram's buckets point to the trace.
fn measure(service: &Service, tier: Tier, latency: &PerformanceMetrics) {
    let recorder = service.recorder();
    recorder.record_histogram_with("premium.operation.duration", latency.value, &[("tier", tier.as_str())]);
    if let Some(severity) = latency.breach_severity() {
        recorder.record_counter_with("premium.slo.breaches", 1, &[("severity", severity.as_str())]);
        tracing::warn!(
            sli.value = latency.value,
            slo.threshold = latency.threshold,
            severity = severity.as_str(),
            "a premium operation took longer than promised"
        );
    }
}

fn receipt(order: &Order, user: User, latency: &PerformanceMetrics) -> Receipt {
    Receipt {
        user: user.name,
        business_value: order.business_value,
        latency_seconds: latency.value,
        slo_seconds: latency.threshold,
        slo_compliant: latency.compliant(),
        breach_severity: latency.breach_severity().map(BreachSeverity::as_str),
        trace_id: current_trace().map(|trace| trace.trace_id_hex()),
    }
}

#[cfg(test)]
mod tests {
    use super::{EXAMPLE, Order};

    #[test]
    fn bad_bodies_are_told_what_to_write() {
        assert!(Order::read(EXAMPLE.as_bytes()).is_ok());
        for (body, expected) in [
            ("", "EOF while parsing"),
            ("{}", "missing field `user_id`"),
            (r#"{"user_id": 1}"#, "expected a string"),
            (
                r#"{"user_id": "1", "customer_tier": "bronze", "amount": 1}"#,
                "unknown variant `bronze`, expected one of `standard`",
            ),
            (r#"{"user_id": "1", "customer_tier": "gold", "amount": 1, "valeu": 2}"#, "unknown field `valeu`"),
            (r#"{"user_id": "a b", "customer_tier": "gold", "amount": 1}"#, "user_id: that is not the id of a user"),
            (r#"{"user_id": "1", "customer_tier": "gold", "amount": -1}"#, "must not be negative"),
            (r#"{"user_id": "1", "customer_tier": "gold", "amount": 1, "delay_ms": 2001}"#, "at most 2000"),
        ] {
            let problem = Order::read(body.as_bytes()).expect_err(body).to_string();
            assert!(problem.contains(expected) && problem.ends_with(EXAMPLE), "{body}: {problem}");
        }
    }
}
