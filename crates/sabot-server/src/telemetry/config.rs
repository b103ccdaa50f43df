//! What a project's settings say about telemetry, in the words of the layer that does it.

use std::path::{Path, PathBuf};

use sabot_common::config::{self, ExportKind, ExportTarget, Origin, SettingsSource};
use sabot_telemetry::{
    BatchConfiguration, Compression, ExportPolicy, ExportQueue, ExportersConfig, OtlpProtocol, Redaction,
    SamplingStrategy, Signal, Target, TargetKind, TelemetryConfig, Temporality, Tls, ValueRule,
};

use super::Places;
use crate::ServerError;

/// Whether the settings of a project can work, for those who only check.
pub(crate) fn check(source: &SettingsSource, project: &Path) -> Result<(), ServerError> {
    let config = telemetry_config(source, &Places { project: project.to_owned(), data: PathBuf::new() })?;
    config.check().map_err(ServerError::bad_input)
}

/// What the settings say, with what the environment says of it.
pub(super) fn telemetry_config(source: &SettingsSource, places: &Places) -> Result<TelemetryConfig, ServerError> {
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
    for (name, value) in &telemetry.resource_attributes {
        config = config.with_resource_attribute(name, value);
    }
    config.environment.clone_from(&telemetry.environment);
    config.redaction = redaction(&settings.redaction);
    config.tls = tls(&telemetry.tracing.tls, &places.project);
    config.console = if telemetry.tracing.console { vec![Signal::Traces] } else { Vec::new() };
    config.jaeger_endpoint.clone_from(&telemetry.tracing.jaeger_endpoint);
    config.zipkin_endpoint.clone_from(&telemetry.tracing.zipkin_endpoint);
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
    // What is off is not sent either; metrics can still be asked for.
    config.traces.enabled &= config.enabled;
    config.metrics.enabled &= config.enabled;
    config.logs.enabled &= config.enabled;
    // What is left out on purpose, such as telemetry's own work, must not be recorded again by whoever continues it.
    if !matches!(config.sampling.strategy, SamplingStrategy::ParentBased { .. }) {
        config.sampling.strategy = config.sampling.strategy.parent_based();
    }
    Ok(config)
}

fn exporters(written: &config::Exporters, places: &Places) -> Result<ExportersConfig, ServerError> {
    let on_disk = written.queue.max_disk.0 > 0;
    Ok(ExportersConfig {
        policy: match written.policy {
            config::ExportPolicy::Failover => ExportPolicy::Failover,
            config::ExportPolicy::Fanout => ExportPolicy::Fanout,
        },
        targets: written.targets.iter().map(|written| target(written, &places.project)).collect::<Result<_, _>>()?,
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
        .with_signals(written.signals.iter().map(signal))
        .with_tls(tls(&written.tls, project));
    target.headers = written.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(target)
}

fn tls(written: &config::Tls, project: &Path) -> Tls {
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| project.join(path));
    Tls { ca_file: file(&written.ca_file), cert_file: file(&written.cert_file), key_file: file(&written.key_file) }
}

fn redaction(written: &config::Redaction) -> Redaction {
    let config::Redaction { off, capture_message_content, keys, allow, values } = written.clone();
    let rule = |config::ValueRule { pattern, replacement }| ValueRule { pattern, replacement };
    Redaction { off, capture_message_content, keys, allow, values: values.into_iter().map(rule).collect() }
}

pub(super) const fn protocol(written: config::OtlpProtocol) -> OtlpProtocol {
    match written {
        config::OtlpProtocol::Grpc => OtlpProtocol::Grpc,
        config::OtlpProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        config::OtlpProtocol::HttpJson => OtlpProtocol::HttpJson,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sabot_common::config::{ExportKind, ExportTarget, SettingsSource};

    use super::{Places, telemetry_config};

    fn places(project: &str) -> Places {
        Places { project: PathBuf::from(project), data: PathBuf::from("data") }
    }

    fn target(json: &str) -> ExportTarget {
        serde_json::from_str(json).expect("a target")
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
        let mut source = SettingsSource::default();
        source.settings.exporters.targets.push(written);
        let config = telemetry_config(&source, &places("")).expect("a configuration");
        config.check().expect("it can work");
        assert_eq!(config.exporters.queue.dir.as_deref(), Some(Path::new("data/telemetry/export")));
        assert_eq!(config.exporters.targets[0].timeout.as_secs(), 2);
        let settings = &mut source.settings;
        settings.telemetry.tracing.tls.ca_file = Some("ca.pem".into());
        settings.telemetry.resource_attributes.insert("team".to_owned(), "payments".to_owned());
        settings.redaction.keys.push("iban".to_owned());
        let config = telemetry_config(&source, &places("shop")).expect("a configuration");
        assert_eq!(config.tls.ca_file.as_deref(), Some(Path::new("shop/ca.pem")));
        assert_eq!(config.resource_attributes, [("team".to_owned(), "payments".to_owned())]);
        assert_eq!(config.redaction.keys, ["iban"]);
        let sent = config.export_settings().expect("settings").exporters.targets.remove(0).signals;
        assert_eq!(sent, sabot_telemetry::Signal::ALL);
    }

    #[test]
    fn what_is_off_is_not_sent() {
        let mut source = SettingsSource::default();
        source.settings.telemetry.tracing.otlp_endpoint = Some("http://c:4317".to_owned());
        let targets = |source: &SettingsSource| {
            let config = telemetry_config(source, &places("")).expect("a configuration");
            config.export_settings().expect("settings").exporters.targets.len()
        };
        assert_eq!(targets(&source), 1);
        source.settings.telemetry.enabled = false;
        assert_eq!(targets(&source), 0);
    }
}
