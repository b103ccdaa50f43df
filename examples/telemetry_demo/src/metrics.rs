//! Metrics by name, what Prometheus sees of them, exemplars, and what happens with too many series.

use std::io::Write;
use std::time::Duration;

use reqwest::header::ACCEPT;
use sabot_telemetry::{
    InstrumentDesc, InstrumentKind, MetricSample, MetricsRecorder, Registry, TelemetryProviders, traced,
};
use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::page::Page;

/// Records, and reads what a scrape of the endpoint answers.
pub(crate) async fn show<W: Write>(telemetry: &TelemetryProviders, page: &mut Page<W>) -> Result<(), Failure> {
    let duration = InstrumentDesc::new("shop.pay.duration", InstrumentKind::Histogram);
    telemetry.registry().describe(duration.with_unit("s").with_description("Time to pay."));
    let recorder = MetricsRecorder::new(telemetry.registry());
    for (tier, orders) in [("gold", 2), ("standard", 5), ("gold", 1)] {
        recorder.record_counter_with("shop.orders", orders, &[("tier", tier)]);
    }
    for on_shelf in [40.0, 37.0] {
        recorder.record_gauge("shop.stock", on_shelf);
    }
    for milliseconds in [1, 2, 15] {
        // Within a span, a histogram remembers the trace of the newest observation of each bucket.
        pay(&recorder, Duration::from_millis(milliseconds)).await;
    }

    page.section("Metrics and exemplars", "a counter, a gauge that is set, a histogram that points to traces")?;
    let address = telemetry.prometheus_address().ok_or("metrics are not served")?;
    let url = format!("http://{address}/metrics");
    let request = reqwest::Client::new().get(&url).header(ACCEPT, "application/openmetrics-text;version=1.0.0");
    let text = request.send().await?.error_for_status()?.text().await?;
    page.row("scraped from", format!("{url}, {} lines, of which", text.lines().count()))?;
    let shown = |line: &&str| {
        line.starts_with("shop_orders_total") || line.starts_with("shop_stock") || is_exemplar_of(line, "shop_pay")
    };
    for line in text.lines().filter(shown) {
        page.line(line)?;
    }
    Ok(())
}

#[traced]
async fn pay(recorder: &MetricsRecorder, takes: Duration) {
    let started = Instant::now();
    sleep(takes).await;
    recorder.record_histogram("shop.pay.duration", started.elapsed().as_secs_f64());
}

/// More series than a metric may have go into one, and no count is lost.
pub(crate) fn show_overflow<W: Write>(page: &mut Page<W>) -> Result<(), Failure> {
    const CAP: usize = 100;
    let registry = Registry::with_series_cap(CAP);
    let recorder = MetricsRecorder::new(&registry);
    for user in 0..1_000 {
        recorder.record_counter_with("shop.visits", 1, &[("user", user)]);
    }
    let series: Vec<_> = registry.snapshot().into_iter().filter(|sample| sample.name == "shop_visits_total").collect();
    let total: f64 = series.iter().map(|sample| sample.value).sum();
    let overflow = series.iter().find(|sample| sample.labels.iter().any(|(label, _)| label.contains("overflow")));

    page.section("Bounded series", "1,000 users in a label, in a metric that may have 100 series; no count is lost")?;
    page.row("series", format!("{}, the overflow series included; their counts add up to {total}", series.len()))?;
    if let Some(sample) = overflow {
        page.row("the overflow series", format!("{} holds {}", labels(sample), sample.value))?;
    }
    Ok(())
}

fn labels(sample: &MetricSample) -> String {
    sample.labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect::<Vec<_>>().join(", ")
}

fn is_exemplar_of(line: &str, metric: &str) -> bool {
    line.starts_with(metric) && line.contains("_bucket") && line.contains(" # ")
}
