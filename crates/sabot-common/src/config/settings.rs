//! `sabot.yaml`'s settings: defaults, file, environment and flags, and where each value came from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exporters::{Exporters, MetricsExport, Tracing};
use super::redaction::Redaction;
use super::tree::Tree;
use super::variables::Environment;
use super::{ConfigError, checked, yaml};
use crate::suggest;
use crate::units::{Size, Span};

/// Everything a project can set for the server as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the API and the UI listen.
    pub server: Server,
    /// Limits and pace of the process.
    pub performance: Performance,
    /// Sabot's own traces and metrics.
    pub telemetry: Telemetry,
    /// Where Sabot's own telemetry is sent besides.
    pub exporters: Exporters,
    /// What is taken out of Sabot's own telemetry.
    pub redaction: Redaction,
    /// What counts as slow.
    pub thresholds: Thresholds,
}

/// Where the API and the UI listen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address; anything but loopback is refused unless `up --insecure` allows it.
    pub bind: IpAddr,
    /// Port; 0 takes any free one.
    pub port: u16,
}

impl Default for Server {
    fn default() -> Self {
        Self { bind: IpAddr::from([127, 0, 0, 1]), port: 8_000 }
    }
}

/// Limits and pace of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Performance {
    /// One memory budget for the process, in MiB.
    #[serde(deserialize_with = "checked::memory_mb")]
    pub max_memory_mb: u64,
    /// Threads that process batches; 0 is one per core.
    pub workers: usize,
    /// Time between two barriers of an agent.
    #[serde(deserialize_with = "checked::some_time")]
    pub commit_interval: Span,
    /// Output of an agent after which a barrier comes before its time.
    #[serde(deserialize_with = "checked::some_bytes")]
    pub commit_bytes: Size,
    /// Size after which a segment of a stream ends; retention removes whole segments.
    #[serde(deserialize_with = "checked::some_bytes")]
    pub segment_bytes: Size,
}

impl Default for Performance {
    fn default() -> Self {
        Self {
            max_memory_mb: 1_024,
            workers: 0,
            commit_interval: Span(std::time::Duration::from_millis(100)),
            commit_bytes: Size(32 << 20),
            segment_bytes: Size(64 << 20),
        }
    }
}

/// Sabot's own traces and metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Whether spans are recorded at all.
    pub enabled: bool,
    /// `service.name` of Sabot's own spans.
    pub service_name: String,
    /// `deployment.environment.name` of them, such as `production`.
    pub environment: Option<String>,
    /// More attributes of Sabot's resource.
    pub resource_attributes: BTreeMap<String, String>,
    /// Share of traces recorded, 0 to 1.
    #[serde(deserialize_with = "checked::share")]
    pub sample_rate: f64,
    /// Spans recorded per second before only a part of the batches is traced, at least 1.
    #[serde(deserialize_with = "checked::at_least_one")]
    pub max_spans_per_second: u32,
    /// How spans are sent to single endpoints.
    pub tracing: Tracing,
    /// How metrics are sent.
    pub metrics: MetricsExport,
    /// How long and how much is kept.
    pub storage: TelemetryStorage,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            enabled: true,
            service_name: "sabot".to_owned(),
            environment: None,
            resource_attributes: BTreeMap::new(),
            sample_rate: 1.0,
            max_spans_per_second: 2_000,
            tracing: Tracing::default(),
            metrics: MetricsExport::default(),
            storage: TelemetryStorage::default(),
        }
    }
}

/// How long and how much telemetry is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryStorage {
    /// Blocks older than this go.
    pub retention: Span,
    /// Oldest blocks go when all together are larger than this.
    pub max_bytes: Size,
}

impl Default for TelemetryStorage {
    fn default() -> Self {
        Self { retention: Span(std::time::Duration::from_hours(7 * 24)), max_bytes: Size(1 << 30) }
    }
}

/// What counts as slow, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the unit is part of each key in the file")]
pub struct Thresholds {
    /// A trace.
    pub slow_ms: f64,
    /// A database call.
    pub database_ms: f64,
    /// A cache access.
    pub cache_ms: f64,
    /// A call to another service.
    pub external_ms: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { slow_ms: 1_000.0, database_ms: 100.0, cache_ms: 50.0, external_ms: 2_000.0 }
    }
}

/// Where a setting's value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Built in.
    Default,
    /// The project's `sabot.yaml`.
    File,
    /// This environment variable.
    #[serde(untagged)]
    Environment(String),
}

/// Variables named in the telemetry contract, oldest first: a later one wins.
const NAMED_VARIABLES: [(&str, &str); 9] = [
    ("OTLP_ENDPOINT", "telemetry.tracing.otlp_endpoint"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.tracing.otlp_endpoint"),
    ("SABOT_OTLP_ENDPOINT", "telemetry.tracing.otlp_endpoint"),
    ("SABOT_JAEGER_ENDPOINT", "telemetry.tracing.jaeger_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
    ("SABOT_SERVICE_NAME", "telemetry.service_name"),
    ("SABOT_TELEMETRY_ENABLED", "telemetry.enabled"),
    ("SABOT_SAMPLE_RATE", "telemetry.sample_rate"),
    ("SABOT_CONSOLE_TRACING", "telemetry.tracing.console"),
];

/// Effective settings and the origin of each key.
#[derive(Clone, Debug, Default)]
pub struct SettingsSource {
    /// The effective settings.
    pub settings: Settings,
    /// Dotted key to origin, for keys that are not defaults.
    pub origins: BTreeMap<String, Origin>,
}

impl SettingsSource {
    /// Lays the environment over settings read from a file. `in_file` is the file as written.
    pub(super) fn resolve(from_file: Settings, in_file: &Tree, environment: &Environment) -> Result<Self, ConfigError> {
        let mut origins: BTreeMap<_, _> = in_file.leaves().into_iter().map(|key| (key, Origin::File)).collect();
        let mut settings = from_file;
        for (variable, key, text) in overrides(environment) {
            settings = with_override(&settings, &variable, &key, text)?;
            origins.insert(key, Origin::Environment(variable));
        }
        Ok(Self { settings, origins })
    }

    /// Every key with its value and origin, in order.
    pub fn entries(&self) -> Vec<(String, Value, Origin)> {
        let tree = serde_json::to_value(&self.settings).unwrap_or(Value::Null);
        let mut entries = Vec::new();
        for_each_leaf(&tree, "", &mut |key, value| {
            let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
            entries.push((key.to_owned(), without_secrets(key, value), origin));
        });
        entries
    }
}

/// An address without a password, and without a query, which may hold a key.
pub fn without_credentials(address: &str) -> String {
    let (shown, query) = address.split_once('?').map_or((address, ""), |(shown, _)| (shown, "?[redacted]"));
    let (scheme, rest) = shown.split_once("://").map_or(("", shown), |(scheme, rest)| (scheme, rest));
    let slashes = if scheme.is_empty() { "" } else { "://" };
    let (hidden, host) = rest.rsplit_once('@').map_or(("", rest), |(_, host)| ("[redacted]@", host));
    format!("{scheme}{slashes}{hidden}{host}{query}")
}

/// A value as it may be shown: headers hold keys of vendors.
pub(super) fn without_secrets(key: &str, value: &Value) -> Value {
    match value {
        Value::String(_) if key.contains("headers.") => Value::String("[redacted]".to_owned()),
        Value::String(address) if key.ends_with("endpoint") => Value::String(without_credentials(address)),
        Value::Array(items) => items.iter().map(|item| without_secrets(key, item)).collect(),
        Value::Object(entries) => {
            let entry =
                |(name, value): (&String, &Value)| (name.clone(), without_secrets(&format!("{key}.{name}"), value));
            Value::Object(entries.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}

/// Which key each set variable speaks of: `(variable, key, value)`.
fn overrides(environment: &Environment) -> Vec<(String, String, &str)> {
    let named = NAMED_VARIABLES
        .iter()
        .filter_map(|(variable, key)| Some(((*variable).to_owned(), (*key).to_owned(), environment.get(variable)?)));
    let general = environment.iter().filter_map(|(variable, value)| {
        let path = variable.strip_prefix("SABOT_")?;
        path.contains("__").then(|| (variable.to_owned(), path.to_lowercase().replace("__", "."), value))
    });
    named.chain(general).collect()
}

fn with_override(settings: &Settings, variable: &str, key: &str, text: &str) -> Result<Settings, ConfigError> {
    let fail = |problem: String| ConfigError::of_file(variable, problem);
    let mut tree = serde_json::to_value(settings).map_err(|error| fail(error.to_string()))?;
    let pointer = format!("/{}", key.replace('.', "/"));
    let Some(slot) = tree.pointer_mut(&pointer).filter(|slot| !slot.is_object()) else {
        let mut keys = Vec::new();
        for_each_leaf(&tree, "", &mut |known, _| keys.push(known.to_owned()));
        let near = suggest::hint(key, keys.iter().map(String::as_str));
        return Err(fail(format!("there is no setting {key}{near}")));
    };
    *slot = match slot {
        Value::String(_) => Value::String(text.to_owned()),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    serde_json::from_value(tree)
        .map_err(|error| fail(format!("{key}: {}", yaml::in_plain_words(&error.to_string(), Some(text)))))
}

fn for_each_leaf(tree: &Value, prefix: &str, visit: &mut impl FnMut(&str, &Value)) {
    match tree {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                for_each_leaf(value, &path, visit);
            }
        }
        leaf => visit(prefix, leaf),
    }
}
