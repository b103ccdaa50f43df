//! The files of a project, parsed strictly.
//!
//! `sabot.yaml` holds the settings and may list streams and tables; `streams/*.yaml`, `tables/*.yaml` and
//! `agents/*.yaml` hold one each. Unknown keys, duplicate names and values out of range are errors that name file, line,
//! column, key and the nearest valid spelling. What comes out of [`Project::load`] needs no further checking of form;
//! whether SQL plans and files exist is for those who know SQL and files.

mod agent;
mod change;
mod checked;
mod declared;
mod error;
mod exporters;
mod project;
mod redaction;
mod settings;
mod source;
mod tree;
mod variables;
mod yaml;

pub use agent::{AgentConfig, AgentKind, BusinessMetric, BusinessMetricKind, Late, LateTo, Output};
pub use change::{Change, Changed, SettingsFile, TelemetryChange};
pub use error::ConfigError;
pub use exporters::{
    Batch, Compression, ExportKind, ExportPolicy, ExportQueue, ExportTarget, Exporters, MetricsExport, OtlpProtocol,
    Signal, Temporality, Tls, Tracing,
};
pub use project::{DeclaredIn, Project};
pub use redaction::{Redaction, ValueRule};
pub use settings::{
    Origin, Performance, Server, Settings, SettingsSource, Telemetry, TelemetryStorage, Thresholds, without_credentials,
};
pub use source::{Backend, FileFormat, FileSource, KeyColumns, OnError, Retention, StreamConfig, TableConfig};

#[cfg(test)]
mod tests;
