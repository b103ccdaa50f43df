//! The start, which is one call, and the end, which accounts for everything.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use sabot_telemetry::{
    BatchConfiguration, ExportPolicy, ExportersConfig, RouteStatus, Target, TargetKind, TelemetryConfig,
    TelemetryProviders, init_comprehensive_tracing,
};

use crate::Failure;
use crate::page::Page;

/// So that what is sent is soon in the file; a service leaves it at five seconds.
const DELAY: Duration = Duration::from_millis(20);

/// Starts telemetry that goes into a file and, if the environment names a receiver, there as well.
pub(crate) fn start<W: Write>(file: &Path, page: &mut Page<W>) -> Result<TelemetryProviders, Failure> {
    let config = TelemetryConfig::new("telemetry_demo")
        .with_service_version(env!("CARGO_PKG_VERSION"))
        .with_baggage_attributes(["tenant.id"])
        .with_prometheus_address("127.0.0.1:0")
        .with_batch_configuration(BatchConfiguration { scheduled_delay: DELAY, ..BatchConfiguration::default() });
    let mut targets = given_targets(&config)?;
    let receivers: Vec<String> = targets.iter().map(describe).collect();
    targets.insert(0, Target::new("file", TargetKind::File { path: file.to_owned() }));
    let exporters = ExportersConfig { policy: ExportPolicy::Fanout, targets, ..ExportersConfig::default() };
    let telemetry = init_comprehensive_tracing(config.with_exporters(exporters))?;

    page.section("Set-up", "one call: init_comprehensive_tracing; OTEL_* variables count more than code")?;
    let resource = telemetry.resource();
    let attribute = |key: &str| {
        let found = resource.attributes.iter().find(|(known, _)| known == key);
        found.map_or_else(|| "-".to_owned(), |(_, value)| crate::page::text(value))
    };
    page.row(
        "this process",
        format!("{} {} on {}", resource.service_name, attribute("service.version"), attribute("host.name")),
    )?;
    page.row("sends to a file", format!("{}, gone when this has ended", file.display()))?;
    if receivers.is_empty() {
        page.row("and to", "nobody else; OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 adds a receiver")?;
    } else {
        page.row("and to", receivers.join(", "))?;
    }
    let address =
        telemetry.prometheus_address().map_or_else(|| "nobody".to_owned(), |at| format!("http://{at}/metrics"));
    page.row("serves metrics at", address)?;
    Ok(telemetry)
}

/// Where the environment wants telemetry to go.
pub(crate) fn given_targets(config: &TelemetryConfig) -> Result<Vec<Target>, Failure> {
    Ok(config.clone().with_environment_variables()?.export_settings()?.exporters.targets)
}

fn describe(target: &Target) -> String {
    match &target.kind {
        TargetKind::Otlp { endpoint, protocol } => format!("{endpoint} ({protocol:?})"),
        TargetKind::Zipkin { endpoint } => format!("{endpoint} (Zipkin)"),
        TargetKind::Console | TargetKind::File { .. } => target.name.clone(),
    }
}

/// Has everything sent, and says what became of it.
pub(crate) async fn end<W: Write>(telemetry: TelemetryProviders, page: &mut Page<W>) -> Result<(), Failure> {
    let nothing_lost = telemetry.shutdown().await;
    page.section("The account", "after shutdown: accepted = sent + dropped + queued, for each kind and target")?;
    let routes = telemetry.exporter().as_ref().map(sabot_telemetry::Exporter::status).unwrap_or_default();
    let mut balances = true;
    for RouteStatus { name, signal, ledger, .. } in &routes {
        balances &= ledger.balances();
        let (accepted, sent, dropped, queued) = (ledger.accepted, ledger.sent, ledger.dropped_total(), ledger.queued);
        page.row(
            &format!("{} to {name}", signal.as_str()),
            format!("{accepted:>5} = {sent:>5} + {dropped} + {queued}"),
        )?;
    }
    page.row("nothing lost", format!("{nothing_lost}; every line balances: {balances}"))?;
    if balances { Ok(()) } else { Err("the account does not balance".into()) }
}
