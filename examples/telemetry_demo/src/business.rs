//! What work is worth and to whom, and whether it was as fast as promised.

use std::io::Write;
use std::time::Duration;

use sabot_telemetry::{
    BusinessRecorder, FutureExt, PerformanceMetrics, TelemetryProviders, UserIdKey, context_with_trace, enhanced_span,
    trace_performance,
};
use tokio::time::Instant;

use crate::Failure;
use crate::page::Page;
use crate::readback::Received;

/// Promised within 2 ms, and takes 10.
#[trace_performance(sli_name = "settlement.latency", slo_threshold = 0.002, operation_type = "settlement")]
async fn settle() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

pub(crate) async fn show<W: Write>(
    telemetry: &TelemetryProviders,
    received: &Received,
    page: &mut Page<W>,
) -> Result<(), Failure> {
    let recorder = BusinessRecorder::new(telemetry.registry()).with_user_key(UserIdKey::random()?);
    let business = recorder.metrics().with_user_id("alice").with_tenant_id("acme").with_customer_tier("gold");
    let business =
        business.with_business_value(129.9).with_operation_type("order").with_feature_flag("fast_lane", true);
    let mut span = enhanced_span(telemetry.spans(), "premium order", None, &business);
    let started = Instant::now();
    settle().with_context(context_with_trace(span.context())).await;
    let latency = PerformanceMetrics::new("order.latency", 0.5, started.elapsed().as_secs_f64());
    for (key, value) in latency.attributes() {
        span.set_attribute(key, value);
    }
    recorder.record(&business);
    let trace_id = span.context().trace_id_hex();
    drop(span);

    page.section("Business and promises", "user ids leave as pseudonyms; slo.* says what was promised and kept")?;
    for span in received.trace(&trace_id, 2).await? {
        let shown = |keys: &[&str]| {
            let known = keys.iter().filter_map(|key| Some(format!("{key}={}", span.attributes.get(*key)?)));
            known.collect::<Vec<_>>().join(" ")
        };
        let business = shown(&["user.id", "user.tier", "business.value", "feature.fast_lane"]);
        if !business.is_empty() {
            page.row(&span.name, business)?;
        }
        page.row(&span.name, shown(&["slo.compliant", "slo.breach_severity", "slo.threshold", "sli.value"]))?;
    }
    let text = telemetry.registry().prometheus_text();
    for line in text.lines().filter(|line| line.starts_with("sabot_business_value_total")) {
        page.row("as a metric", line)?;
    }
    Ok(())
}
