//! Which traces are kept: decided when they begin, and when they have ended.
//!
//! Each has telemetry of its own here, whose queue is read instead of being sent.

use std::io::{self, Write};

use sabot_telemetry::{
    OutcomeReason, OutcomeRules, Sampling, SamplingStrategy, SpanKind, SpanRecord, TelemetryConfig, TelemetryProviders,
    adjusted_count, init_telemetry,
};

use crate::Failure;
use crate::page::Page;

/// Traces of each section.
const TRACES: u32 = 2_000;

fn start(change: impl FnOnce(TelemetryConfig) -> TelemetryConfig) -> Result<TelemetryProviders, Failure> {
    let config = TelemetryConfig::new("telemetry_demo").without_environment().without_globals();
    Ok(init_telemetry(change(config).with_queues_left_to_the_caller())?)
}

/// What was kept, with the number of traces it stands for.
fn kept(spans: &[SpanRecord], is_meant: impl Fn(&SpanRecord) -> bool) -> (usize, f64) {
    let meant = spans.iter().filter(|span| is_meant(span));
    meant.fold((0, 0.0), |(count, weight), span| (count + 1, weight + adjusted_count(&span.trace_state)))
}

/// A tenth, but every search and no health check.
pub(crate) fn show_head<W: Write>(page: &mut Page<W>) -> Result<(), Failure> {
    let rates = [("search".to_owned(), 1.0), ("health".to_owned(), 0.0)];
    let strategy = SamplingStrategy::TraceIdRatio { ratio: 0.1 }.parent_based();
    let sampling = Sampling { strategy, operation_rates: rates.into(), ..Sampling::default() };
    let telemetry = start(|config| config.with_sampling(sampling))?;
    for name in ["browse", "search", "health"] {
        for _ in 0..TRACES {
            drop(telemetry.spans().start(name).root().start());
        }
    }
    let spans = telemetry.span_queue().drain(usize::MAX);

    page.section("Sampling at the head", "a ratio of 0.1, and rates by operation; the weight travels in tracestate")?;
    for name in ["browse", "search", "health"] {
        let (count, weight) = kept(&spans, |span| span.name == name);
        page.row(name, format!("{TRACES} began, {count:>4} kept, which stand for {weight:.0}"))?;
    }
    Ok(())
}

/// Errors and value are kept, the rest by a ratio; rates, errors and durations are counted before.
pub(crate) fn show_outcome<W: Write>(page: &mut Page<W>) -> Result<(), Failure> {
    let rules = OutcomeRules { high_value: Some(500.0), baseline: 0.05, ..OutcomeRules::default() };
    let telemetry = start(|config| config.with_outcome_rules(rules).with_red_metrics("shop_"))?;
    for number in 0..TRACES {
        let mut order = telemetry.spans().start("order").root().kind(SpanKind::Server).start();
        order.set_attribute("business.value", if number % 40 == 0 { 900 } else { 20 });
        let mut charge = order.child("charge").start();
        if number % 25 == 1 {
            charge.record_error(&io::Error::other("card declined"), "declined");
            order.record_error(&io::Error::other("not paid"), "unpaid");
        }
    }
    let spans = telemetry.span_queue().drain(usize::MAX);
    let counts = telemetry.spans().outcome_counts().unwrap_or_default();

    page.section("Sampling by outcome", "decided at the end: errors, value, and 5 % of the rest")?;
    for reason in [OutcomeReason::Error, OutcomeReason::HighValue, OutcomeReason::Baseline] {
        let (_, weight) = kept(&spans, |span| {
            let given = span.attributes.iter().find(|(key, _)| key == "sampling.reason");
            given.is_some_and(|(_, value)| crate::page::text(value) == reason.as_str())
        });
        let count = counts.kept_by(reason);
        page.row(reason.as_str(), format!("{count:>4} kept, which stand for {weight:.0}"))?;
    }
    page.row(
        "left out",
        format!(
            "{:>4} of {TRACES}; spans in {} = kept {} + left out {}",
            counts.traces_dropped, counts.spans_in, counts.spans_kept, counts.spans_dropped
        ),
    )?;

    page.section("RED metrics", "rate, errors and duration, counted before any trace was left out")?;
    let text = telemetry.registry().prometheus_text();
    for line in text
        .lines()
        .filter(|line| line.starts_with("shop_calls_total") || line.starts_with("shop_duration_seconds_sum"))
    {
        page.line(line)?;
    }
    Ok(())
}
