//! Sabot's own telemetry: what the settings say, as the layer that records and sends it wants to hear it.
//!
//! Spans always go to Sabot's own store; what is sent elsewhere besides is off until somebody asks for it.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Uri;
use sabot_common::config::{Changed, ConfigError, Project, SettingsFile, SettingsSource, TelemetryChange};
use sabot_telemetry::{
    ExportSettings, LogLayer, Signal, TargetKind, TelemetryConfig, TelemetryProviders, init_telemetry, orphaned_queues,
};
use serde::Serialize;

use crate::ServerError;

mod config;

pub(crate) use config::check;
use config::telemetry_config;

/// How long the exporter there was may take when another takes its place.
const CHANGE_DEADLINE: Duration = Duration::from_secs(2);

/// Where files of telemetry are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Paths in the project's files are relative to it.
    pub(crate) project: PathBuf,
    /// What waits is kept below it.
    pub(crate) data: PathBuf,
}

/// Sabot's own telemetry: recorded from the first line on, and sent once the data directory is Sabot's. Both can change
/// while it runs.
pub(crate) struct Telemetry {
    pub(crate) providers: TelemetryProviders,
    places: Places,
    /// Where this server listens.
    own: SocketAddr,
    /// The file that keeps the settings.
    file: Option<PathBuf>,
    logs: LogLayer,
    settings: Mutex<Arc<SettingsSource>>,
    /// One change at a time.
    changing: Mutex<()>,
}

/// What came of a change of telemetry.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    /// Whether spans are recorded and sent now.
    enabled: bool,
    /// The file that says so from the next start on.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// What is not as the user may think.
    warnings: Vec<String>,
}

impl Telemetry {
    /// Starts recording. The queue of ended spans is left to whoever stores them, who hands them to the outlet too.
    pub(crate) fn start(
        project: &Project,
        places: Places,
        own: SocketAddr,
        logs: &LogLayer,
    ) -> Result<Self, ServerError> {
        let config = telemetry_config(&project.settings, &places)?;
        refuse_ourselves(&config, own)?;
        Ok(Self {
            providers: init_telemetry(config).map_err(ServerError::bad_input)?,
            places,
            own,
            file: project.settings_file.clone(),
            logs: logs.clone(),
            settings: Mutex::new(Arc::new(project.settings.clone())),
            changing: Mutex::default(),
        })
    }

    /// Starts sending, if anything is to be sent anywhere. To be called when the data directory is this process's.
    pub(crate) fn start_sending(&self) -> Result<(), ServerError> {
        let settings = self.export_settings()?;
        let resource = self.providers.resource();
        self.providers.outlet().change(&settings, resource, Duration::ZERO).map_err(ServerError::environment)?;
        self.connect_logs();
        Ok(())
    }

    /// Makes log records of what the process logs, if anything takes them. Another server in this process may have them
    /// already.
    fn connect_logs(&self) {
        if self.providers.exporter().is_some_and(|exporter| exporter.takes(Signal::Logs)) {
            self.logs.connect(self.providers.log_queue());
        }
    }

    /// The settings at present.
    pub(crate) fn settings(&self) -> Arc<SettingsSource> {
        Arc::clone(&lock(&self.settings))
    }

    /// Where this server listens.
    pub(crate) const fn own(&self) -> SocketAddr {
        self.own
    }

    /// What is sent where at present.
    pub(crate) fn export_settings(&self) -> Result<ExportSettings, ServerError> {
        let config = telemetry_config(&self.settings(), &self.places)?;
        config.export_settings().map_err(ServerError::bad_input)
    }

    /// What waits for targets that are gone, for people.
    pub(crate) fn orphans(&self) -> Vec<String> {
        let settings = self.export_settings().map(|settings| settings.exporters);
        settings.iter().flat_map(orphaned_queues).map(|orphan| orphan.to_string()).collect()
    }

    /// What OpenTelemetry's own variables decide against the settings, for people.
    pub(crate) fn unlike_settings(&self) -> Vec<String> {
        let settings = self.settings();
        telemetry_config(&settings, &self.places).map_or_else(|_| Vec::new(), |config| unlike(&config, &settings))
    }

    /// Switches telemetry on or off, or changes how it works; `write` keeps that in the project's file. Blocks.
    pub(crate) fn change(&self, enabled: bool, change: &TelemetryChange, write: bool) -> Result<Change, ServerError> {
        let _alone = lock(&self.changing);
        let changes = change.changes(enabled);
        let Changed { source, overridden: mut warnings } = self.settings().changed(&changes)?;
        self.refuse_unused_endpoints(&source, change)?;
        let config = telemetry_config(&source, &self.places)?;
        config.check().map_err(ServerError::bad_input)?;
        refuse_ourselves(&config, self.own)?;
        let file = self.file.as_ref().filter(|_| write);
        let written = file.map(|file| SettingsFile::edit(file, &changes)).transpose()?;
        warnings.extend(unlike(&config, &source));
        warnings.extend(config.warnings());
        let lost_nothing = self.providers.reconfigure(config, CHANGE_DEADLINE).map_err(ServerError::environment)?;
        if !lost_nothing {
            warnings.push(format!(
                "what the exporters before had not taken within {CHANGE_DEADLINE:?} is lost; exporters.queue.max_disk would keep it"
            ));
        }
        self.connect_logs();
        warnings.extend(self.orphans());
        *lock(&self.settings) = Arc::new(source);
        if let Some(written) = written {
            let keep = |error: ConfigError| {
                ServerError::environment(format!("it is in effect, but only until the server ends: {error}"))
            };
            written.save().map_err(keep)?;
        } else if write {
            warnings
                .push("this server has no project to write it to; it is in effect until the server ends".to_owned());
        }
        Ok(Change { enabled: self.providers.is_recording(), file: file.cloned(), warnings })
    }

    /// An endpoint that would count for nothing is not what anybody meant.
    fn refuse_unused_endpoints(&self, source: &SettingsSource, change: &TelemetryChange) -> Result<(), ServerError> {
        let endpoints = [&change.otlp_endpoint, &change.jaeger_endpoint, &change.zipkin_endpoint];
        let is_given = endpoints.into_iter().flatten().any(|endpoint| endpoint != "none")
            || change.console == Some(true)
            || change.otlp_protocol.is_some();
        if is_given && !source.settings.exporters.targets.is_empty() {
            let file = self.file.as_ref().map_or_else(|| "the settings".to_owned(), |file| file.display().to_string());
            return Err(ServerError::bad_input(format!(
                "exporters.targets in {file} says where telemetry goes, and other endpoints count for nothing then: add a target \
                 there and start again"
            )));
        }
        Ok(())
    }

    /// Sends what is left. True when nothing was lost for want of time.
    pub(crate) async fn finish_sending(&self, within: Duration) -> bool {
        self.providers.outlet().shutdown(within).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What OpenTelemetry's own variables decided against the settings.
fn unlike(config: &TelemetryConfig, source: &SettingsSource) -> Vec<String> {
    let (telemetry, tracing) = (&source.settings.telemetry, &source.settings.telemetry.tracing);
    let wanted = TelemetryConfig::new("").with_sample_rate(telemetry.sample_rate).sampling.strategy;
    let mut warnings = Vec::new();
    if config.enabled != telemetry.enabled {
        warnings.push("the environment variable OTEL_SDK_DISABLED keeps telemetry off".to_owned());
    }
    if config.sampling.strategy != wanted {
        let says = "the environment variable OTEL_TRACES_SAMPLER says what is sampled, not telemetry.sample_rate";
        warnings.push(says.to_owned());
    }
    if config.service_name != telemetry.service_name {
        warnings.push(format!("the environment names the service {}", config.service_name));
    }
    if source.settings.exporters.targets.is_empty() && telemetry.enabled {
        let of_signals = [&config.traces.otlp_endpoint, &config.metrics.otlp_endpoint, &config.logs.otlp_endpoint];
        let protocol = config::protocol(tracing.otlp_protocol);
        let protocols = [config.traces.otlp_protocol, config.metrics.otlp_protocol, config.logs.otlp_protocol];
        let differs = [
            ("otlp_endpoint", of_signals.into_iter().any(|endpoint| *endpoint != tracing.otlp_endpoint)),
            ("otlp_protocol", protocols.into_iter().any(|spoken| spoken != protocol)),
            ("jaeger_endpoint", config.jaeger_endpoint != tracing.jaeger_endpoint),
            ("zipkin_endpoint", config.zipkin_endpoint != tracing.zipkin_endpoint),
        ];
        for (key, _) in differs.into_iter().filter(|(_, differs)| *differs) {
            warnings.push(format!(
                "variables OTEL_… of the environment say otherwise than telemetry.tracing.{key}, and count more"
            ));
        }
    }
    warnings
}

/// What Sabot sends must not come back to it: that would never end.
fn refuse_ourselves(config: &TelemetryConfig, own: SocketAddr) -> Result<(), ServerError> {
    let settings = config.export_settings().map_err(ServerError::bad_input)?;
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
    use std::path::PathBuf;

    use sabot_common::config::SettingsSource;

    use super::{Places, is_at, refuse_ourselves, telemetry_config};

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
        let places = Places { project: PathBuf::new(), data: PathBuf::from("data") };
        let config = telemetry_config(&source, &places).expect("a configuration");
        let error = refuse_ourselves(&config, own).expect_err("itself").message;
        assert!(error.starts_with("exporter \"jaeger\": its endpoint is this server itself"), "{error}");
    }
}
