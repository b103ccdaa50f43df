//! A steady load for a dashboard: orders of which some are slow and some fail.
//!
//! Invariant: a few orders a second, whatever the machine; nothing grows.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use sabot_telemetry::{
    BusinessRecorder, FutureExt, MetricsRecorder, OutcomeRules, TelemetryConfig, TelemetryProviders, UserIdKey,
    context_with_trace, enhanced_span, init_comprehensive_tracing, trace_operation, trace_performance,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// Between two orders.
const PACE: Duration = Duration::from_millis(100);
const TIERS: [&str; 3] = ["standard", "gold", "platinum"];

/// Goes on until Ctrl-C, and then says what was sent.
pub(crate) async fn serve(metrics_address: SocketAddr, mut out: impl Write) -> Result<(), Failure> {
    let rules = OutcomeRules { slow_ms: Some(50), high_value: Some(500.0), baseline: 0.25, ..OutcomeRules::default() };
    let config = TelemetryConfig::new("telemetry_demo").with_outcome_rules(rules).with_red_metrics("shop_");
    let telemetry = init_comprehensive_tracing(config.with_prometheus_address(metrics_address.to_string()))?;
    if let Some(address) = telemetry.prometheus_address() {
        writeln!(out, "metrics at http://{address}/metrics")?;
    }
    match telemetry.exporter() {
        Some(exporter) => {
            for route in exporter.status() {
                writeln!(out, "{} go to {}", route.signal.as_str(), route.name)?;
            }
        }
        None => writeln!(
            out,
            "nothing is sent; OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 gives it somewhere to go"
        )?,
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    writeln!(out, "ten orders a second until Ctrl-C")?;

    let shop = Shop::new(&telemetry)?;
    tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} () = shop.run() => {} }
    let nothing_lost = telemetry.shutdown().await;
    let received = telemetry.span_queue().received();
    writeln!(out, "{received} spans were kept; nothing lost at the end: {nothing_lost}")?;
    for route in telemetry.exporter().as_ref().map(sabot_telemetry::Exporter::status).unwrap_or_default() {
        let (sent, ledger) = (route.ledger.sent, &route.ledger);
        writeln!(out, "{} to {}: sent {sent} of {}", route.signal.as_str(), route.name, ledger.accepted)?;
    }
    Ok(())
}

struct Shop<'a> {
    telemetry: &'a TelemetryProviders,
    business: BusinessRecorder,
    recorder: MetricsRecorder,
}

impl<'a> Shop<'a> {
    fn new(telemetry: &'a TelemetryProviders) -> Result<Self, Failure> {
        let registry = telemetry.registry();
        let business = BusinessRecorder::new(registry).with_user_key(UserIdKey::random()?);
        Ok(Self { telemetry, business, recorder: MetricsRecorder::new(registry) })
    }

    async fn run(&self) {
        let mut pace = tokio::time::interval(PACE);
        for number in 0_u32.. {
            pace.tick().await;
            self.order(number).await;
        }
    }

    /// Every tenth is slow, every seventeenth fails, every fiftieth is worth much.
    async fn order(&self, number: u32) {
        let tier = TIERS.into_iter().cycle().nth(usize::try_from(number % 3).unwrap_or_default()).unwrap_or_default();
        let value = if number.is_multiple_of(50) { 900.0 } else { 25.0 };
        let user = format!("user-{}", number % 97);
        let business = self.business.metrics().with_user_id(user).with_tenant_id("acme").with_customer_tier(tier);
        let business = business.with_business_value(value).with_operation_type("order");
        let mut span = enhanced_span(self.telemetry.spans(), "order", None, &business);
        let delay = Duration::from_millis(if number.is_multiple_of(10) { 60 } else { 4 });
        let context = context_with_trace(span.context());
        let recorder = self.recorder.clone();
        let done = async move {
            drop(trace_operation("reserve stock", [("items", i64::from(number % 5))]));
            settle(delay).await;
            recorder.record_counter_with("shop.orders", 1, &[("tier", tier)]);
            if number % 17 == 16 { Err(io::Error::other("card declined")) } else { Ok(()) }
        };
        if let Err(error) = done.with_context(context).await {
            span.record_error(&error, "declined");
            tracing::warn!("an order was not paid: {error}");
        }
        self.business.record(&business);
    }
}

#[trace_performance(sli_name = "settlement.latency", slo_threshold = 0.05, operation_type = "settlement")]
async fn settle(delay: Duration) {
    tokio::time::sleep(delay).await;
}
