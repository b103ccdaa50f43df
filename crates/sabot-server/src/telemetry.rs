//! Sabot's own telemetry: what the settings say, as the layer that records and sends it wants to hear it.
//!
//! Spans always go to Sabot's own store; what is sent elsewhere besides is off until somebody asks for it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use sabot_common::config::{self, ExportKind, ExportTarget, Settings};
use sabot_telemetry::{
    BatchConfiguration, Compression, ExportPolicy, ExportQueue, ExportersConfig, OtlpProtocol, SamplingStrategy,
    Signal, Target, TargetKind, TelemetryConfig, TelemetryProviders, Temporality, init_telemetry,
};

use crate::ServerError;

/// Where files of telemetry are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    /// Paths in the project's files are relative to it.
    pub(crate) project: &'a Path,
    /// What waits is kept below it.
    pub(crate) data: &'a Path,
}

/// Starts telemetry. The queue of ended spans is left to whoever stores them, who hands them to the exporter too.
pub(crate) fn start(
    settings: &Settings,
    places: Places<'_>,
    own: &[SocketAddr],
) -> Result<TelemetryProviders, ServerError> {
    let config = telemetry_config(settings, places)?;
    refuse_ourselves(&config, own)?;
    init_telemetry(config).map_err(ServerError::bad_input)
}

/// Whether the settings can work, for those who only check.
pub(crate) fn check(settings: &Settings) -> Result<(), ServerError> {
    let config = telemetry_config(settings, Places { project: Path::new(""), data: Path::new("") })?;
    config.check().map_err(ServerError::bad_input)
}

fn telemetry_config(settings: &Settings, places: Places<'_>) -> Result<TelemetryConfig, ServerError> {
    let telemetry = &settings.telemetry;
    let mut config = TelemetryConfig::new(telemetry.service_name.clone())
        .with_service_version(env!("CARGO_PKG_VERSION"))
        .with_resource_detection(false)
        .with_queues_left_to_the_caller()
        .with_enabled(telemetry.enabled)
        .with_sample_rate(telemetry.sample_rate)
        .with_max_spans_per_second(telemetry.max_spans_per_second)
        .with_otlp_protocol(protocol(telemetry.tracing.otlp_protocol))
        .with_exporters(exporters(&settings.exporters, places)?)
        .with_batch_configuration(BatchConfiguration {
            max_export_batch_size: usize::try_from(telemetry.tracing.batch.max_export_batch_size).unwrap_or(512),
            scheduled_delay: telemetry.tracing.batch.scheduled_delay.0,
            export_timeout: telemetry.tracing.batch.export_timeout.0,
            ..BatchConfiguration::default()
        });
    if let Some(endpoint) = &telemetry.tracing.otlp_endpoint {
        config = config.with_otlp_endpoint(endpoint);
    }
    for (name, value) in &telemetry.tracing.headers {
        config = config.with_header(name, value);
    }
    config.jaeger_endpoint.clone_from(&telemetry.tracing.jaeger_endpoint);
    config.zipkin_endpoint.clone_from(&telemetry.tracing.zipkin_endpoint);
    config.metrics.export_config.interval = telemetry.metrics.export_interval.0;
    config.metrics.temporality = match telemetry.metrics.temporality {
        config::Temporality::Cumulative => Temporality::Cumulative,
        config::Temporality::Delta => Temporality::Delta,
    };
    let mut config = config.with_environment_variables().map_err(ServerError::bad_input)?;
    // What is left out on purpose, such as telemetry's own work, must not be recorded again by whoever continues it.
    if !matches!(config.sampling.strategy, SamplingStrategy::ParentBased { .. }) {
        config.sampling.strategy = config.sampling.strategy.parent_based();
    }
    Ok(config)
}

fn exporters(written: &config::Exporters, places: Places<'_>) -> Result<ExportersConfig, ServerError> {
    let on_disk = written.queue.max_disk.0 > 0;
    Ok(ExportersConfig {
        policy: match written.policy {
            config::ExportPolicy::Failover => ExportPolicy::Failover,
            config::ExportPolicy::Fanout => ExportPolicy::Fanout,
        },
        targets: written.targets.iter().map(|written| target(written, places.project)).collect::<Result<_, _>>()?,
        queue: ExportQueue {
            max_memory_bytes: written.queue.max_memory.0,
            dir: on_disk.then(|| places.data.join("telemetry").join("export")),
            max_disk_bytes: written.queue.max_disk.0,
        },
        switch_after: written.switch_after.0,
        max_backoff: written.max_backoff.0,
    })
}

fn target(written: &ExportTarget, project: &Path) -> Result<Target, ServerError> {
    let wrong = |key: &str, problem: &str| {
        Err(ServerError::bad_input(format!("exporters.targets: \"{}\": {key} {problem}", written.name)))
    };
    let kind = match (written.kind, &written.endpoint, &written.path) {
        (ExportKind::Otlp, Some(endpoint), None) => {
            let protocol = protocol(written.protocol.unwrap_or_default());
            TargetKind::Otlp { endpoint: endpoint.clone(), protocol }
        }
        (ExportKind::Zipkin, Some(endpoint), None) => TargetKind::Zipkin { endpoint: endpoint.clone() },
        (ExportKind::File, None, Some(path)) => TargetKind::File { path: project.join(path) },
        (ExportKind::Console, None, None) => TargetKind::Console,
        (ExportKind::Otlp, None, _) => return wrong("endpoint", "is missing; write one such as http://localhost:4317"),
        (ExportKind::Zipkin, None, _) => {
            return wrong("endpoint", "is missing; write one such as http://localhost:9411");
        }
        (ExportKind::File, _, None) => return wrong("path", "is missing; write that of a file"),
        (ExportKind::Otlp | ExportKind::Zipkin | ExportKind::Console, _, Some(_)) => {
            return wrong("path", "is for files; leave it out");
        }
        (ExportKind::File | ExportKind::Console, Some(_), _) => {
            return wrong("endpoint", "is for receivers; leave it out");
        }
    };
    let signal = |signal: &config::Signal| match signal {
        config::Signal::Traces => Signal::Traces,
        config::Signal::Metrics => Signal::Metrics,
        config::Signal::Logs => Signal::Logs,
    };
    let compression = match written.compression {
        config::Compression::None => Compression::None,
        config::Compression::Gzip => Compression::Gzip,
    };
    let mut target = Target::new(&written.name, kind)
        .with_timeout(written.timeout.0)
        .with_compression(compression)
        .with_signals(written.signals.iter().map(signal));
    target.headers = written.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(target)
}

const fn protocol(written: config::OtlpProtocol) -> OtlpProtocol {
    match written {
        config::OtlpProtocol::Grpc => OtlpProtocol::Grpc,
        config::OtlpProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        config::OtlpProtocol::HttpJson => OtlpProtocol::HttpJson,
    }
}

/// What Sabot sends must not come back to it: that would never end.
fn refuse_ourselves(config: &TelemetryConfig, own: &[SocketAddr]) -> Result<(), ServerError> {
    let settings = config.export_settings().map_err(ServerError::bad_input)?;
    for target in &settings.exporters.targets {
        let (TargetKind::Otlp { endpoint, .. } | TargetKind::Zipkin { endpoint }) = &target.kind else { continue };
        if let Some(own) = own.iter().find(|own| is_at(endpoint, own)) {
            return Err(ServerError::bad_input(format!(
                "exporter \"{}\": {endpoint} is this server itself ({own}): its telemetry would be sent to itself for ever; \
                 it is stored here anyway, so leave the exporter out",
                target.name
            )));
        }
    }
    Ok(())
}

/// Whether an endpoint is where this server listens.
fn is_at(endpoint: &str, own: &SocketAddr) -> bool {
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let addresses = authority.to_socket_addrs().into_iter().flatten();
    let same =
        |ip: IpAddr| ip == own.ip() || (ip.is_loopback() && (own.ip().is_unspecified() || own.ip().is_loopback()));
    addresses.into_iter().any(|at| at.port() == own.port() && same(at.ip()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sabot_common::config::{ExportKind, ExportTarget, Settings};

    use super::{Places, is_at, refuse_ourselves, telemetry_config};

    fn places() -> Places<'static> {
        Places { project: Path::new(""), data: Path::new("data") }
    }

    fn target(json: &str) -> ExportTarget {
        serde_json::from_str(json).expect("a target")
    }

    #[test]
    fn a_server_does_not_export_to_itself_by_any_name() {
        let own = "127.0.0.1:8000".parse().expect("an address");
        for endpoint in
            ["http://127.0.0.1:8000", "http://localhost:8000/v1/traces", "http://[::1]:8000", "localhost:8000"]
        {
            assert!(is_at(endpoint, &own), "{endpoint}");
        }
        for endpoint in ["http://localhost:4317", "http://192.0.2.1:8000", "http://127.0.0.1"] {
            assert!(!is_at(endpoint, &own), "{endpoint}");
        }
        assert!(is_at("http://localhost:8000", &"0.0.0.0:8000".parse().expect("an address")));
        let mut settings = Settings::default();
        settings.telemetry.tracing.jaeger_endpoint = Some("http://localhost:8000".to_owned());
        let config = telemetry_config(&settings, places()).expect("a configuration");
        let error = refuse_ourselves(&config, &[own]).expect_err("itself").message;
        assert!(error.starts_with("exporter \"jaeger\": http://localhost:8000 is this server itself"), "{error}");
    }

    #[test]
    fn targets_say_what_they_miss() {
        for (json, expected) in [
            (r#"{"name": "a", "type": "otlp"}"#, "\"a\": endpoint is missing; write one such as http://localhost:4317"),
            (r#"{"name": "a", "type": "file"}"#, "\"a\": path is missing"),
            (r#"{"name": "a", "type": "console", "endpoint": "http://x"}"#, "\"a\": endpoint is for receivers"),
            (r#"{"name": "a", "type": "zipkin", "endpoint": "http://x", "path": "y"}"#, "\"a\": path is for files"),
        ] {
            let error = super::target(&target(json), Path::new("")).expect_err(json).message;
            assert!(error.contains(expected), "{error}");
        }
        let written = target(
            r#"{"name": "a", "type": "otlp", "endpoint": "http://c:4318", "protocol": "http/json", "timeout": "2s"}"#,
        );
        assert_eq!(written.kind, ExportKind::Otlp);
        let mut settings = Settings::default();
        settings.exporters.targets.push(written);
        let config = telemetry_config(&settings, places()).expect("a configuration");
        config.check().expect("it can work");
        assert_eq!(config.exporters.queue.dir.as_deref(), Some(Path::new("data/telemetry/export")));
        assert_eq!(config.exporters.targets[0].timeout.as_secs(), 2);
    }
}
