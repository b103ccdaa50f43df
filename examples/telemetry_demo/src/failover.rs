//! A receiver that is away, and the file that takes over.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use sabot_telemetry::{
    BatchConfiguration, ExportPolicy, Exporter, ExporterStatus, ExportersConfig, OtlpProtocol, Signal, Target,
    TargetKind, TelemetryConfig, init_telemetry,
};

use crate::page::Page;
use crate::{Failure, setup};

/// Telemetry of its own with two targets in order of preference.
pub(crate) async fn show<W: Write>(directory: &Path, page: &mut Page<W>) -> Result<(), Failure> {
    page.section("Failover", "50 spans, two targets in order of preference; the first that works gets them")?;
    let config =
        TelemetryConfig::new("telemetry_demo").without_globals().with_batch_configuration(BatchConfiguration {
            scheduled_delay: Duration::from_millis(20),
            ..BatchConfiguration::default()
        });
    let given = setup::given_targets(&config)?.into_iter().find(|target| target.signals.contains(&Signal::Traces));
    let primary = if let Some(target) = given {
        target
    } else {
        // Nobody listens at a port that was given back.
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Target::otlp("primary", format!("http://{nobody}"), OtlpProtocol::HttpProtobuf)
    };
    let path = directory.join("last-resort.jsonl");
    let last_resort = Target::new("last-resort", TargetKind::File { path: path.clone() });
    let targets = vec![primary.with_signals([Signal::Traces]), last_resort.with_signals([Signal::Traces])];
    let exporters = ExportersConfig { policy: ExportPolicy::Failover, targets, ..ExportersConfig::default() };
    let telemetry = init_telemetry(config.with_exporters(exporters).without_environment())?;
    for number in 0..50 {
        drop(telemetry.spans().start("order").root().attribute("number", number).start());
    }
    telemetry.shutdown().await;

    for route in telemetry.exporter().as_ref().map(Exporter::status).unwrap_or_default() {
        for ExporterStatus { name, circuit, attempts, sent, last_problem, .. } in route.exporters {
            let problem = last_problem.map(|problem| format!("; {problem}")).unwrap_or_default();
            page.row(&name, format!("sent {sent} in {attempts} attempts, circuit {circuit:?}{problem}"))?;
        }
    }
    let lines = if path.exists() { std::fs::read_to_string(&path)?.lines().count() } else { 0 };
    page.row("lines in the file", lines.to_string())?;
    Ok(())
}
