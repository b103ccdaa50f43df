//! Streams and tables as declared in a project, and the files that fill them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::checked;
use crate::name::Name;
use crate::units::{Size, Span, Speed};

/// A declared stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Its name.
    pub name: Name,
    /// Partitions, each an ordered log of its own.
    #[serde(default = "one_partition", deserialize_with = "checked::partitions")]
    pub partitions: u32,
    /// The column that says when an event happened. Text is read as RFC 3339; rows without it are errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// Rows with equal values here share a partition. Without it rows go to partitions in runs of
    /// [`StreamConfig::ROWS_PER_RUN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Column types that override what is inferred from the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schema: BTreeMap<String, String>,
    /// The file that fills it; without one it is filled by an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<FileSource>,
    /// What happens to a row that does not fit the schema.
    #[serde(default)]
    pub on_error: OnError,
    /// How long rows stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

impl StreamConfig {
    /// Rows in a row that go to one partition of a stream without a key. Part of the format: a row's partition follows
    /// from its position alone, so that a replay after a crash makes the same stream.
    pub const ROWS_PER_RUN: u64 = 1_024;
}

/// A declared table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Its name.
    pub name: Name,
    /// Where rows are kept.
    #[serde(default)]
    pub backend: Backend,
    /// The column or columns that identify a row.
    pub key: KeyColumns,
    /// Column types that override what is inferred from the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schema: BTreeMap<String, String>,
    /// The file that fills it; without one it is filled by an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<FileSource>,
    /// What happens to a row that does not fit the schema.
    #[serde(default)]
    pub on_error: OnError,
}

/// A file whose rows fill a stream or a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// Path, relative to the project's directory.
    pub file: PathBuf,
    /// Its format; by default told from the extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// How fast it replays.
    #[serde(default)]
    pub speed: Speed,
    /// The column, of the file or derived, whose order the rows are replayed in. Without it, file order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_by: Option<String>,
    /// Columns added to each row: name to SQL expression over the file's columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub derive: BTreeMap<String, String>,
}

impl FileSource {
    /// The format, from the setting or the extension.
    pub fn resolved_format(&self) -> Option<FileFormat> {
        self.format.or_else(|| FileFormat::of_path(&self.file))
    }
}

/// A file format rows are read from or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl FileFormat {
    /// By extension: `.parquet`, `.csv`, `.jsonl`, `.ndjson`, `.json`.
    pub fn of_path(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// What happens to a row that does not fit the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The source stops with an error.
    Fail,
    /// The row is counted and left out.
    Skip,
    /// The row is counted and goes to the stream `NAME.dead` with the reason.
    #[default]
    DeadLetter,
}

/// How long a stream's rows stay. Whole segments go, and none that a reader still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Segments whose newest row is older than this go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
    /// Oldest segments go when a partition is larger than this, even when a reader still needs them; such rows are
    /// counted as dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Size>,
}

/// Where a table's rows are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In memory, rebuilt from the changelog at start.
    Memory,
    /// In an embedded store on disk.
    #[default]
    Embedded,
}

impl Backend {
    /// The word used in files, labels and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded => "embedded",
        }
    }
}

/// The columns that identify a row: written as one name or a list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KeyColumns(Vec<String>);

impl KeyColumns {
    /// The columns in order.
    pub fn columns(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for KeyColumns {
    fn from(columns: Vec<String>) -> Self {
        Self(columns)
    }
}

impl<'de> Deserialize<'de> for KeyColumns {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> serde::de::Visitor<'de> for Forms {
            type Value = KeyColumns;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a column name or a list of column names")
            }

            fn visit_str<E: serde::de::Error>(self, column: &str) -> Result<KeyColumns, E> {
                Ok(KeyColumns(vec![column.to_owned()]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<KeyColumns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = list.next_element()? {
                    columns.push(column);
                }
                if columns.is_empty() {
                    return Err(serde::de::Error::custom("a key names at least one column"));
                }
                Ok(KeyColumns(columns))
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

const fn one_partition() -> u32 {
    1
}
