//! Where ended telemetry goes, and what happens while it cannot go there.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, Headers, Tls, duration, endpoint};

/// The wire form of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum OtlpProtocol {
    /// Protocol buffers over gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protocol buffers over HTTP.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// JSON over HTTP.
    #[serde(rename = "http/json")]
    HttpJson,
}

impl OtlpProtocol {
    /// As the specification writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }

    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, ConfigError> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" | "http" => Ok(Self::HttpProtobuf),
            "http/json" => Ok(Self::HttpJson),
            _ => Err(ConfigError::setting(setting, text, "write grpc, http/protobuf or http/json")),
        }
    }
}

/// How request bodies are made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// With gzip.
    Gzip,
}

/// What several targets are to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportPolicy {
    /// Each stands in for those before it: everything goes to the first that works.
    #[default]
    Failover,
    /// Everything goes to all, each with a queue of its own.
    Fanout,
}

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// As the specification writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// A place telemetry can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Anything that takes OTLP: a Collector, Jaeger, a vendor.
    Otlp {
        /// Where it listens, with scheme; signals get the usual paths below it when the protocol is over HTTP.
        endpoint: String,
        /// What it speaks.
        protocol: OtlpProtocol,
    },
    /// Anything that takes Zipkin's JSON, version 2; spans only.
    Zipkin {
        /// Where it listens; `/api/v2/spans` unless there is a path.
        endpoint: String,
    },
    /// Standard error, a line of OTLP JSON per batch.
    Console,
    /// A file, a line of OTLP JSON per batch; as the Collector's file exporter writes it.
    File {
        /// Its path; lines are added.
        path: PathBuf,
    },
}

/// One target.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenTarget")]
pub struct Target {
    /// What it is called in metrics and messages.
    pub name: String,
    /// What and where it is.
    pub kind: TargetKind,
    /// Sent with every request, such as a vendor's key.
    pub headers: Headers,
    /// Of request bodies.
    pub compression: Compression,
    /// How long one request may take.
    pub timeout: Duration,
    /// What is sent to it; everything unless said otherwise.
    pub signals: Vec<Signal>,
    /// Certificates, if it is behind `https://`.
    pub tls: Tls,
    /// Whether the endpoint is that of its one signal already, and gets no usual path.
    pub(crate) exact_path: bool,
}

/// A target as it stands in a file: the keys of all kinds beside each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTarget {
    name: String,
    #[serde(rename = "type")]
    kind: WrittenKind,
    endpoint: Option<String>,
    protocol: Option<OtlpProtocol>,
    path: Option<PathBuf>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    compression: Compression,
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    timeout: Duration,
    #[serde(default = "all_signals")]
    signals: Vec<Signal>,
    #[serde(default)]
    tls: Tls,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenKind {
    Otlp,
    Zipkin,
    Console,
    File,
}

impl TryFrom<WrittenTarget> for Target {
    type Error = ConfigError;

    fn try_from(written: WrittenTarget) -> Result<Self, ConfigError> {
        let WrittenTarget { name, kind, endpoint, protocol, path, headers, compression, timeout, signals, tls } =
            written;
        let setting = |key: &str| format!("exporters.targets.{name}.{key}");
        let missing = |key: &str, example: &str| ConfigError::setting(setting(key), "", format!("write {example}"));
        let unused = |key: &str, is_there: bool| {
            let problem = "this type of target does not have it: leave it out";
            if is_there { Err(ConfigError::setting(setting(key), key, problem)) } else { Ok(()) }
        };
        let kind = match kind {
            WrittenKind::Otlp => {
                unused("path", path.is_some())?;
                let endpoint = endpoint.ok_or_else(|| missing("endpoint", "one such as http://localhost:4317"))?;
                TargetKind::Otlp { endpoint, protocol: protocol.unwrap_or_default() }
            }
            WrittenKind::Zipkin => {
                unused("path", path.is_some())?;
                unused("protocol", protocol.is_some())?;
                TargetKind::Zipkin {
                    endpoint: endpoint.ok_or_else(|| missing("endpoint", "one such as http://localhost:9411"))?,
                }
            }
            WrittenKind::Console | WrittenKind::File => {
                unused("endpoint", endpoint.is_some())?;
                unused("protocol", protocol.is_some())?;
                unused("headers", !headers.is_empty())?;
                match (kind, path) {
                    (WrittenKind::File, path) => {
                        TargetKind::File { path: path.ok_or_else(|| missing("path", "that of a file"))? }
                    }
                    (_, path) => {
                        unused("path", path.is_some())?;
                        TargetKind::Console
                    }
                }
            }
        };
        let target = Self { name, kind, headers, compression, timeout, signals, tls, exact_path: false };
        target.check()?;
        Ok(target)
    }
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

fn all_signals() -> Vec<Signal> {
    Signal::ALL.to_vec()
}

impl Target {
    /// A receiver of OTLP.
    pub fn otlp(name: impl Into<String>, endpoint: impl Into<String>, protocol: OtlpProtocol) -> Self {
        Self::new(name, TargetKind::Otlp { endpoint: endpoint.into(), protocol })
    }

    /// A target with defaults for the rest.
    pub fn new(name: impl Into<String>, kind: TargetKind) -> Self {
        Self {
            name: name.into(),
            kind,
            headers: Headers::default(),
            compression: Compression::None,
            timeout: default_timeout(),
            signals: all_signals(),
            tls: Tls::default(),
            exact_path: false,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long one request may take.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How request bodies are made smaller.
    #[must_use]
    pub const fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Certificates.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// What is sent to it.
    #[must_use]
    pub fn with_signals(mut self, signals: impl IntoIterator<Item = Signal>) -> Self {
        self.signals = signals.into_iter().collect();
        self
    }

    /// Whether it is one that takes a signal and is to get it.
    pub fn takes(&self, signal: Signal) -> bool {
        let possible = signal == Signal::Traces || !matches!(self.kind, TargetKind::Zipkin { .. });
        possible && self.signals.contains(&signal)
    }

    /// Whether it can work at all.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.name.is_empty() {
            return Err(ConfigError::setting("exporters.targets.name", "", "give each target a name, such as primary"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.name.len() > 64 || self.name.starts_with('.') || !self.name.bytes().all(is_plain) {
            let problem = "write at most 64 letters, digits and -_., not beginning with a dot";
            return Err(ConfigError::setting("exporters.targets.name", &self.name, problem));
        }
        let setting = |key: &str| format!("exporters.targets.{}.{key}", self.name);
        match &self.kind {
            TargetKind::Otlp { endpoint, protocol } => drop(endpoint::otlp(endpoint, *protocol)?),
            TargetKind::Zipkin { endpoint } => drop(endpoint::zipkin(endpoint)?),
            TargetKind::File { path } if path.as_os_str().is_empty() => {
                return Err(ConfigError::setting(setting("path"), "", "write the path of a file"));
            }
            TargetKind::File { .. } | TargetKind::Console => {}
        }
        endpoint::headers(&self.headers)?;
        self.check_tls(&setting("tls"))?;
        if self.timeout.is_zero() {
            return Err(ConfigError::setting(setting("timeout"), "0", "write a time such as 10s"));
        }
        if !Signal::ALL.into_iter().any(|signal| self.takes(signal)) {
            let signals = self.signals.iter().map(|signal| signal.as_str()).collect::<Vec<_>>().join(", ");
            return Err(ConfigError::setting(
                setting("signals"),
                signals,
                "name one that the target takes, such as traces",
            ));
        }
        Ok(())
    }

    /// Certificates are read to check them, and have to be of use.
    fn check_tls(&self, setting: &str) -> Result<(), ConfigError> {
        if !self.tls.is_given() {
            return Ok(());
        }
        let (TargetKind::Otlp { endpoint, .. } | TargetKind::Zipkin { endpoint }) = &self.kind else {
            return Err(ConfigError::setting(setting, "…", "this type of target has no connection: leave it out"));
        };
        if let Some(rest) = endpoint.strip_prefix("http://") {
            let problem = format!("the endpoint is not encrypted: write https://{rest}, or leave it out");
            return Err(ConfigError::setting(setting, "…", problem));
        }
        self.tls.read(setting).map(drop)
    }
}

/// What waits while no target takes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportQueue {
    /// Bytes that may wait in memory.
    pub max_memory_bytes: u64,
    /// A directory for what does not fit, which is there again after a restart; without one it is dropped and counted.
    pub dir: Option<PathBuf>,
    /// Bytes that may wait on disk.
    pub max_disk_bytes: u64,
}

impl Default for ExportQueue {
    fn default() -> Self {
        Self { max_memory_bytes: 16 << 20, dir: None, max_disk_bytes: 256 << 20 }
    }
}

/// All targets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportersConfig {
    /// What they are to each other.
    pub policy: ExportPolicy,
    /// The targets, the preferred one first.
    pub targets: Vec<Target>,
    /// What waits.
    pub queue: ExportQueue,
    /// How long a target may take before another one that works is asked instead.
    #[serde(deserialize_with = "duration::deserialize")]
    pub switch_after: Duration,
    /// The longest pause before a target that failed is tried again.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_backoff: Duration,
}

impl Default for ExportersConfig {
    fn default() -> Self {
        Self {
            policy: ExportPolicy::default(),
            targets: Vec::new(),
            queue: ExportQueue::default(),
            switch_after: Duration::from_millis(750),
            max_backoff: Duration::from_secs(30),
        }
    }
}

impl ExportersConfig {
    /// Whether all targets can work, and can be told apart.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (index, target) in self.targets.iter().enumerate() {
            target.check()?;
            if self.targets.iter().take(index).any(|other| other.name == target.name) {
                return Err(ConfigError::setting(
                    "exporters.targets.name",
                    &target.name,
                    "two targets have this name: rename one",
                ));
            }
        }
        for (setting, time) in [("switch_after", self.switch_after), ("max_backoff", self.max_backoff)] {
            if time.is_zero() {
                return Err(ConfigError::setting(format!("exporters.{setting}"), "0", "write a time such as 750ms"));
            }
        }
        Ok(())
    }
}
