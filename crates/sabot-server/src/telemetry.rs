//! Sabot's own telemetry: what the settings say, as the layer that records and sends it wants to hear it.
//!
//! Spans always go to Sabot's own store; what is sent elsewhere besides is off until somebody asks for it.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;

use sabot_common::config::{self, ExportKind, ExportTarget, Origin, SettingsSource};
use sabot_telemetry::{
    BatchConfiguration, Compression, ExportPolicy, ExportQueue, ExportSettings, Exporter, ExportersConfig,
    OtlpProtocol, SamplingStrategy, Signal, Target, TargetKind, TelemetryConfig, TelemetryProviders, Temporality,
    init_telemetry,
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

/// Sabot's own telemetry, recorded from the first line on and sent once the data directory is Sabot's.
pub(crate) struct Telemetry {
    pub(crate) providers: TelemetryProviders,
    settings: ExportSettings,
    exporter: Option<Exporter>,
}

impl Telemetry {
    /// Starts recording. The queue of ended spans is left to whoever stores them, who hands them to the exporter too.
    pub(crate) fn start(source: &SettingsSource, places: Places<'_>, own: SocketAddr) -> Result<Self, ServerError> {
        let config = telemetry_config(source, places)?;
        let settings = config.export_settings().map_err(ServerError::bad_input)?;
        refuse_ourselves(&settings, own)?;
        let providers = init_telemetry(config).map_err(ServerError::bad_input)?;
        Ok(Self { providers, settings, exporter: None })
    }

    /// Starts sending, if anything is to be sent anywhere. To be called when the data directory is this process's.
    pub(crate) fn start_sending(&mut self) -> Result<(), ServerError> {
        if !self.settings.exporters.targets.is_empty() {
            let (resource, registry) = (Arc::clone(self.providers.resource()), self.providers.registry().clone());
            let exporter = Exporter::start(&self.settings, resource, registry).map_err(ServerError::environment)?;
            self.exporter = Some(exporter);
        }
        Ok(())
    }

    /// What sends, once it does.
    pub(crate) const fn exporter(&self) -> Option<&Exporter> {
        self.exporter.as_ref()
    }

    /// Sends what is left. True when nothing was lost for want of time.
    pub(crate) async fn finish_sending(&self, within: Duration) -> bool {
        match &self.exporter {
            Some(exporter) => exporter.shutdown(within).await,
            None => true,
        }
    }
}

/// Whether the settings can work, for those who only check.
pub(crate) fn check(source: &SettingsSource) -> Result<(), ServerError> {
    let config = telemetry_config(source, Places { project: Path::new(""), data: Path::new("") })?;
    config.check().map_err(ServerError::bad_input)
}

fn telemetry_config(source: &SettingsSource, places: Places<'_>) -> Result<TelemetryConfig, ServerError> {
    let settings = &source.settings;
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
    // Its log lines go to standard error alone; a queue for them would promise something else.
    config.logs.enabled = false;
    config.metrics.export_config.interval = telemetry.metrics.export_interval.0;
    config.metrics.temporality = match telemetry.metrics.temporality {
        config::Temporality::Cumulative => Temporality::Cumulative,
        config::Temporality::Delta => Temporality::Delta,
    };
    let mut config = config.with_environment_variables().map_err(ServerError::bad_input)?.without_environment();
    // The API serves them.
    config.metrics.prometheus_address = None;
    // What the settings took from the environment, by their own rules, counts.
    let is_of_environment = |key: &str| matches!(source.origins.get(key), Some(Origin::Environment(_)));
    if is_of_environment("telemetry.service_name") {
        config.service_name.clone_from(&telemetry.service_name);
    }
    if is_of_environment("telemetry.sample_rate") {
        config = config.with_sample_rate(telemetry.sample_rate);
    }
    if is_of_environment("telemetry.enabled") {
        config.enabled = telemetry.enabled;
    }
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
    if written.signals.iter().all(|signal| *signal == config::Signal::Logs) {
        return wrong("signals", "has no traces and no metrics; Sabot's own log lines are not sent yet");
    }
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
fn refuse_ourselves(settings: &ExportSettings, own: SocketAddr) -> Result<(), ServerError> {
    for target in &settings.exporters.targets {
        let (TargetKind::Otlp { endpoint, .. } | TargetKind::Zipkin { endpoint }) = &target.kind else { continue };
        if is_at(endpoint, own) {
            return Err(ServerError::bad_input(format!(
                "exporter \"{}\": its endpoint is this server itself ({own}): its telemetry would be sent to itself for ever; \
                 it is stored here anyway, so leave the exporter out",
                target.name
            )));
        }
    }
    Ok(())
}

/// Whether an endpoint is where this server listens.
fn is_at(endpoint: &str, own: SocketAddr) -> bool {
    let Ok(uri) = endpoint.parse::<Uri>() else { return false };
    let usual_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let addresses = (host, uri.port_u16().unwrap_or(usual_port)).to_socket_addrs().into_iter().flatten();
    addresses.into_iter().any(|at| at.port() == own.port() && reaches(at.ip().to_canonical(), own.ip().to_canonical()))
}

/// Whether who connects to one address may come to a listener at the other.
fn reaches(at: IpAddr, own: IpAddr) -> bool {
    // Nobody's address is this machine's.
    let is_here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    // What can be listened at is this machine's as well.
    let is_local = || is_here(at) || TcpListener::bind((at, 0)).is_ok();
    at == own || (is_here(at) && own.is_loopback()) || (own.is_unspecified() && is_local())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sabot_common::config::{ExportKind, ExportTarget, SettingsSource};

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
        let everywhere = "0.0.0.0:8000".parse().expect("an address");
        for endpoint in [
            "http://127.0.0.1:8000",
            "http://localhost:8000/v1/traces",
            "http://127.0.0.1:8000?x=1",
            "http://[::1]:8000",
            "http://[::ffff:127.0.0.1]:8000",
            "http://0.0.0.0:8000",
        ] {
            assert!(is_at(endpoint, own) && is_at(endpoint, everywhere), "{endpoint}");
        }
        for endpoint in ["http://localhost:4317", "http://192.0.2.1:8000", "http://127.0.0.1", "nonsense"] {
            assert!(!is_at(endpoint, own) && !is_at(endpoint, everywhere), "{endpoint}");
        }
        let mut source = SettingsSource::default();
        source.settings.telemetry.tracing.jaeger_endpoint = Some("http://localhost:8000".to_owned());
        let settings =
            telemetry_config(&source, places()).expect("a configuration").export_settings().expect("settings");
        let error = refuse_ourselves(&settings, own).expect_err("itself").message;
        assert!(error.starts_with("exporter \"jaeger\": its endpoint is this server itself"), "{error}");
    }

    #[test]
    fn targets_say_what_they_miss() {
        for (json, expected) in [
            (r#"{"name": "a", "type": "otlp"}"#, "\"a\": endpoint is missing; write one such as http://localhost:4317"),
            (r#"{"name": "a", "type": "file"}"#, "\"a\": path is missing"),
            (r#"{"name": "a", "type": "console", "endpoint": "http://x"}"#, "\"a\": endpoint is for receivers"),
            (
                r#"{"name": "a", "type": "console", "signals": ["logs"]}"#,
                "\"a\": signals has no traces and no metrics; Sabot's own log lines are not sent yet",
            ),
            (r#"{"name": "a", "type": "zipkin", "endpoint": "http://x", "path": "y"}"#, "\"a\": path is for files"),
        ] {
            let error = super::target(&target(json), Path::new("")).expect_err(json).message;
            assert!(error.contains(expected), "{error}");
        }
        let written = target(
            r#"{"name": "a", "type": "otlp", "endpoint": "http://c:4318", "protocol": "http/json", "timeout": "2s"}"#,
        );
        assert_eq!(written.kind, ExportKind::Otlp);
        let mut source = SettingsSource::default();
        source.settings.exporters.targets.push(written);
        let config = telemetry_config(&source, places()).expect("a configuration");
        config.check().expect("it can work");
        assert_eq!(config.exporters.queue.dir.as_deref(), Some(Path::new("data/telemetry/export")));
        assert_eq!(config.exporters.targets[0].timeout.as_secs(), 2);
        let sent = config.export_settings().expect("settings").exporters.targets.remove(0).signals;
        assert_eq!(sent, [sabot_telemetry::Signal::Traces, sabot_telemetry::Signal::Metrics]);
    }
}
