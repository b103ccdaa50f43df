//! A project directory as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::settings::{Performance, Server, Settings, SettingsSource, Telemetry, Thresholds};
use super::{AgentConfig, ConfigError, LateTo, Output, StreamConfig, TableConfig, yaml};
use crate::name::Name;

/// A project: its settings and what it declares.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The directory; paths in its files are relative to it.
    pub dir: PathBuf,
    /// Effective settings with their origins.
    pub settings: SettingsSource,
    /// Declared streams.
    pub streams: Vec<StreamConfig>,
    /// Declared tables.
    pub tables: Vec<TableConfig>,
    /// Declared agents.
    pub agents: Vec<AgentConfig>,
}

/// `sabot.yaml` as written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct SabotYaml {
    server: Server,
    performance: Performance,
    telemetry: Telemetry,
    thresholds: Thresholds,
    streams: Vec<StreamConfig>,
    tables: Vec<TableConfig>,
}

impl Project {
    /// Reads `dir` with the process's environment laid over its settings.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        Self::load_with(
            dir,
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// Reads `dir` with the given environment variables.
    pub fn load_with(dir: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        if !dir.is_dir() {
            return Err(ConfigError::of_file(dir, "is not a directory; `sabot up DIR` wants a project's directory"));
        }
        let file = dir.join("sabot.yaml");
        let text = if file.exists() { read(&file)? } else { String::new() };
        let written: SabotYaml = yaml::parse(&file, &text)?;
        let mut in_file: serde_json::Value = yaml::parse(&file, &text)?;
        if let Some(map) = in_file.as_object_mut() {
            map.retain(|key, _| key != "streams" && key != "tables");
        }
        let settings = Settings {
            server: written.server,
            performance: written.performance,
            telemetry: written.telemetry,
            thresholds: written.thresholds,
        };
        let settings = SettingsSource::resolve(settings, &in_file, environment)?;
        let mut declared = Declared::default();
        for stream in written.streams {
            declared.stream(&file, stream)?;
        }
        for table in written.tables {
            declared.table(&file, table)?;
        }
        for path in yaml_files(&dir.join("streams"))? {
            declared.stream(&path, yaml::parse(&path, &read(&path)?)?)?;
        }
        for path in yaml_files(&dir.join("tables"))? {
            declared.table(&path, yaml::parse(&path, &read(&path)?)?)?;
        }
        for path in yaml_files(&dir.join("agents"))? {
            declared.agent(&path, AgentConfig::parse(&path, &read(&path)?)?)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            settings,
            streams: declared.streams,
            tables: declared.tables,
            agents: declared.agents,
        })
    }
}

/// What a project declares, collected so that no two things fight over a name.
#[derive(Default)]
struct Declared {
    streams: Vec<StreamConfig>,
    tables: Vec<TableConfig>,
    agents: Vec<AgentConfig>,
    /// Relation (stream or table) to the file that declares and fills it.
    writers: BTreeMap<Name, PathBuf>,
    /// Streams without a source, which an agent may fill in the shape declared, and the file they are in.
    open: BTreeMap<Name, PathBuf>,
    agent_files: BTreeMap<Name, PathBuf>,
}

impl Declared {
    fn stream(&mut self, file: &Path, stream: StreamConfig) -> Result<(), ConfigError> {
        if !(1..=1_024).contains(&stream.partitions) {
            let problem =
                format!("stream \"{}\": partitions: {} is not between 1 and 1024", stream.name, stream.partitions);
            return Err(ConfigError::of_file(file, problem));
        }
        if let Some(other) = self.open.get(&stream.name) {
            return Err(declared_already(&stream.name, file, other));
        }
        self.claim(&stream.name, file)?;
        if stream.source.is_none() {
            self.writers.remove(&stream.name);
            self.open.insert(stream.name.clone(), file.to_owned());
        }
        self.streams.push(stream);
        Ok(())
    }

    fn table(&mut self, file: &Path, table: TableConfig) -> Result<(), ConfigError> {
        if table.key.columns().is_empty() {
            return Err(ConfigError::of_file(file, format!("table \"{}\": key names no column", table.name)));
        }
        self.claim(&table.name, file)?;
        self.tables.push(table);
        Ok(())
    }

    fn agent(&mut self, file: &Path, agent: AgentConfig) -> Result<(), ConfigError> {
        if let Some(other) = self.agent_files.insert(agent.name.clone(), file.to_owned()) {
            let problem = format!("agent \"{}\" is declared already in {}", agent.name, other.display());
            return Err(ConfigError::of_file(file, problem));
        }
        if !(1..=64).contains(&agent.count) {
            let problem = format!("agent \"{}\": count: {} is not between 1 and 64", agent.name, agent.count);
            return Err(ConfigError::of_file(file, problem));
        }
        if let Output::Table { name, .. } = &agent.output
            && let Some(other) = self.open.get(name)
        {
            return Err(declared_already(name, file, other));
        }
        if let Output::Stream { name, .. } | Output::Table { name, .. } = &agent.output {
            self.claim(name, file)?;
        }
        if let LateTo::Stream(name) = &agent.late.to {
            self.claim(name, file)?;
        }
        self.agents.push(agent);
        Ok(())
    }

    fn claim(&mut self, relation: &Name, file: &Path) -> Result<(), ConfigError> {
        match self.writers.insert(relation.clone(), file.to_owned()) {
            None => Ok(()),
            Some(other) => Err(declared_already(relation, file, &other)),
        }
    }
}

fn declared_already(relation: &Name, file: &Path, other: &Path) -> ConfigError {
    let rule = "a stream or table has one declaration and one writer";
    ConfigError::of_file(file, format!("\"{relation}\" is declared already in {}; {rule}", other.display()))
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|error| ConfigError::of_file(file, error.to_string()))
}

/// The `.yaml` and `.yml` files of a directory, in name order; none when it does not exist.
fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let fail = |error: std::io::Error| ConfigError::of_file(dir, error.to_string());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
