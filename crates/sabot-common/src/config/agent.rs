//! Agents as declared in a project.

use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::variables::Environment;
use super::{Backend, ConfigError, KeyColumns, checked, yaml};
use crate::name::Name;
use crate::units::Span;

/// A declared agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Its name.
    #[serde(deserialize_with = "checked::agent_name")]
    pub name: Name,
    /// What kind of processing it does.
    pub kind: AgentKind,
    /// What it computes.
    pub sql: String,
    /// How far a partition's watermark stays behind its newest event.
    #[serde(default)]
    pub watermark: Span,
    /// What happens to rows behind the watermark.
    #[serde(default)]
    pub late: Late,
    /// Where results go.
    pub output: Output,
    /// Parallel instances.
    #[serde(default = "one_instance", deserialize_with = "checked::instances")]
    pub count: u32,
    /// Business metrics computed over the rows it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<BusinessMetric>,
}

impl AgentConfig {
    /// Reads one agent from YAML text, with the process's variables; `file` is named in errors.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        yaml::parse(file, text, &Environment::of_process())
    }
}

/// Kinds of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKind {
    /// Continuous SQL over streams and tables.
    Stream,
}

/// The policy for late rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Rows late by no more than this are added to their window, which fires a second time with the corrected
    /// result when the watermark has passed its end by this much.
    #[serde(default)]
    pub allowed: Span,
    /// Where rows later than that go. They are always counted.
    #[serde(default)]
    pub to: LateTo,
}

/// Where late rows go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LateTo {
    /// Counted and dropped.
    #[default]
    Drop,
    /// Counted and appended to this stream.
    Stream(Name),
}

impl TryFrom<String> for LateTo {
    type Error = crate::name::InvalidName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "drop" { Ok(Self::Drop) } else { Name::new(text).map(Self::Stream) }
    }
}

impl From<LateTo> for String {
    fn from(to: LateTo) -> Self {
        match to {
            LateTo::Drop => "drop".to_owned(),
            LateTo::Stream(name) => name.into(),
        }
    }
}

/// Where an agent's results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A stream of its own.
    Stream {
        /// The stream.
        name: Name,
        /// Its partitions; by default as many as the agent's input has.
        partitions: Option<u32>,
    },
    /// A table, upserted by key.
    Table {
        /// The table.
        name: Name,
        /// Its key columns.
        key: KeyColumns,
        /// Where its rows are kept.
        backend: Backend,
    },
    /// A Parquet or JSON lines file, by extension; relative to the project's directory, and inside it.
    File(PathBuf),
    /// Standard output of the server, for development: rows may repeat after a crash.
    Console,
    /// Nowhere; for benchmarks.
    Blackhole,
}

/// The mapping form of an output, as written.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OutputMapping {
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "checked::optional_partitions")]
    partitions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyColumns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<Backend>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "checked::output_file")]
    file: Option<PathBuf>,
}

const OUTPUT_FORMS: &str = "`console`, `blackhole`, or a mapping with one of the keys stream, table or file";

impl OutputMapping {
    fn into_output(self) -> Result<Output, String> {
        let (stream_only, table_only) = (self.partitions.is_some(), self.key.is_some() || self.backend.is_some());
        match (self.stream, self.table, self.file) {
            (Some(name), None, None) if !table_only => Ok(Output::Stream { name, partitions: self.partitions }),
            (None, Some(name), None) if !stream_only => {
                let key = self.key.ok_or("an output table needs `key`: the column or columns that identify a row")?;
                Ok(Output::Table { name, key, backend: self.backend.unwrap_or_default() })
            }
            (None, None, Some(file)) if !stream_only && !table_only => Ok(Output::File(file)),
            _ => Err(format!(
                "output must be {OUTPUT_FORMS}; `partitions` goes with stream, `key` and `backend` go with table"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = Output;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(OUTPUT_FORMS)
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Output, E> {
                match word {
                    "console" => Ok(Output::Console),
                    "blackhole" => Ok(Output::Blackhole),
                    _ => Err(E::custom(format!("output \"{word}\" must be {OUTPUT_FORMS}"))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Output, A::Error> {
                let mapping = OutputMapping::deserialize(MapAccessDeserializer::new(map))?;
                mapping.into_output().map_err(serde::de::Error::custom)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl Serialize for Output {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mapping = match self.clone() {
            Self::Console => return serializer.serialize_str("console"),
            Self::Blackhole => return serializer.serialize_str("blackhole"),
            Self::Stream { name, partitions } => {
                OutputMapping { stream: Some(name), partitions, ..OutputMapping::default() }
            }
            Self::Table { name, key, backend } => {
                OutputMapping { table: Some(name), key: Some(key), backend: Some(backend), ..OutputMapping::default() }
            }
            Self::File(file) => OutputMapping { file: Some(file), ..OutputMapping::default() },
        };
        mapping.serialize(serializer)
    }
}

impl std::fmt::Display for Output {
    /// `stream delays`, `table totals`, `file out.parquet`, `console`, `blackhole`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream { name, .. } => write!(f, "stream {name}"),
            Self::Table { name, .. } => write!(f, "table {name}"),
            Self::File(file) => write!(f, "file {}", file.display()),
            Self::Console => f.write_str("console"),
            Self::Blackhole => f.write_str("blackhole"),
        }
    }
}

/// A metric declared by the user over the rows an agent reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusinessMetric {
    /// Its Prometheus name.
    #[serde(deserialize_with = "checked::metric_name")]
    pub name: String,
    /// Counter or gauge.
    #[serde(rename = "type")]
    pub kind: BusinessMetricKind,
    /// An SQL aggregate over the rows of a batch.
    pub value: String,
    /// Columns that become labels.
    #[serde(default, deserialize_with = "checked::labels")]
    pub labels: Vec<String>,
}

/// Kinds of business metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BusinessMetricKind {
    /// Each batch's value is added.
    Counter,
    /// The newest batch's value stands.
    Gauge,
}

const fn one_instance() -> u32 {
    1
}
