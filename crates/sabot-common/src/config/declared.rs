//! What the files of a project declare, collected so that no two things fight over a name or a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::exporters::Exporters;
use super::project::{DeclaredIn, read};
use super::redaction::Redaction;
use super::settings::{Performance, Server, Settings, SettingsSource, Telemetry, Thresholds};
use super::tree::Tree;
use super::variables::Environment;
use super::{
    AgentConfig, ConfigError, FileFormat, FileSource, LateTo, OnError, Output, Project, StreamConfig, TableConfig, yaml,
};
use crate::name::Name;

/// `sabot.yaml` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SabotYaml {
    server: Server,
    performance: Performance,
    telemetry: Telemetry,
    exporters: Exporters,
    redaction: Redaction,
    thresholds: Thresholds,
    streams: Vec<StreamConfig>,
    tables: Vec<TableConfig>,
}

/// Declarations so far.
#[derive(Debug, Default)]
pub(super) struct Declared {
    streams: Vec<StreamConfig>,
    tables: Vec<TableConfig>,
    agents: Vec<AgentConfig>,
    /// Streams and tables, with the files they are declared in.
    relations: BTreeMap<Name, PathBuf>,
    /// Declared streams that nothing fills yet: an agent may.
    unfilled: BTreeSet<Name>,
    /// Names Sabot makes on its own, with what they are.
    made: Vec<(Name, String)>,
    /// Agents, with the files they are declared in.
    agent_files: BTreeMap<Name, PathBuf>,
}

impl Declared {
    /// Takes what a file of `sabot.yaml`'s schema declares, and gives back its settings.
    pub(super) fn settings_file(
        &mut self,
        file: &Path,
        text: &str,
        environment: &Environment,
    ) -> Result<SettingsSource, ConfigError> {
        let SabotYaml { server, performance, telemetry, exporters, redaction, thresholds, streams, tables } =
            yaml::parse(file, text, environment)?;
        let written: Tree = yaml::parse(file, text, environment)?;
        for stream in streams {
            self.stream(file, stream)?;
        }
        for table in tables {
            self.table(file, table)?;
        }
        let settings = Settings { server, performance, telemetry, exporters, redaction, thresholds };
        SettingsSource::resolve(settings, &written, environment)
    }

    /// Takes what the files in a project's folders declare.
    pub(super) fn directory(&mut self, dir: &Path, environment: &Environment) -> Result<(), ConfigError> {
        for file in yaml_files(&dir.join("streams"))? {
            let stream = yaml::parse(&file, &read(&file)?, environment)?;
            self.stream(&file, stream)?;
        }
        for file in yaml_files(&dir.join("tables"))? {
            let table = yaml::parse(&file, &read(&file)?, environment)?;
            self.table(&file, table)?;
        }
        for file in yaml_files(&dir.join("agents"))? {
            let agent = yaml::parse(&file, &read(&file)?, environment)?;
            self.agent(&file, agent)?;
        }
        Ok(())
    }

    /// The project, if what was declared can live side by side.
    pub(super) fn finish(self, dir: PathBuf, settings: SettingsSource) -> Result<Project, ConfigError> {
        self.check_made_names()?;
        self.check_output_files(&dir)?;
        let Self { streams, tables, agents, relations, agent_files, .. } = self;
        let files = DeclaredIn { relations, agents: agent_files };
        Ok(Project { dir, settings, settings_file: None, streams, tables, agents, files })
    }

    fn stream(&mut self, file: &Path, stream: StreamConfig) -> Result<(), ConfigError> {
        self.claim(&stream.name, file)?;
        if stream.source.is_none() {
            self.unfilled.insert(stream.name.clone());
        }
        self.makes_dead_letters(&stream.name, stream.source.as_ref(), stream.on_error);
        self.streams.push(stream);
        Ok(())
    }

    fn table(&mut self, file: &Path, table: TableConfig) -> Result<(), ConfigError> {
        self.claim(&table.name, file)?;
        if table.source.is_none() {
            let problem = format!(
                "table \"{0}\" has no `source`: name the file it is read from, or leave it to an agent with `output: {{ table: \
                 {0}, key: … }}`, which declares it",
                table.name
            );
            return Err(ConfigError::of_file(file, problem));
        }
        self.makes_dead_letters(&table.name, table.source.as_ref(), table.on_error);
        self.makes_changelog(&table.name);
        self.tables.push(table);
        Ok(())
    }

    fn agent(&mut self, file: &Path, agent: AgentConfig) -> Result<(), ConfigError> {
        if let Some(other) = self.agent_files.insert(agent.name.clone(), file.to_owned()) {
            let problem = format!("agent \"{}\" is declared already in {}", agent.name, other.display());
            return Err(ConfigError::of_file(file, problem));
        }
        match &agent.output {
            Output::Stream { name, .. } => self.fill(name, file)?,
            Output::Table { name, .. } => {
                self.claim(name, file)?;
                self.makes_changelog(name);
            }
            // A Parquet file is written at the end; until then its rows are in a stream.
            Output::File(path) if FileFormat::of_path(path) == Some(FileFormat::Parquet) => {
                let what = format!("the rows of agent \"{}\" until its file is written", agent.name);
                self.made.push((agent.name.child("file"), what));
            }
            Output::File(_) | Output::Console | Output::Blackhole => {}
        }
        if let LateTo::Stream(name) = &agent.late.to {
            self.fill(name, file)?;
        }
        self.agents.push(agent);
        Ok(())
    }

    /// Makes an agent the writer of a stream, which may be declared without one.
    fn fill(&mut self, stream: &Name, file: &Path) -> Result<(), ConfigError> {
        if self.unfilled.remove(stream) { Ok(()) } else { self.claim(stream, file) }
    }

    fn claim(&mut self, relation: &Name, file: &Path) -> Result<(), ConfigError> {
        match self.relations.insert(relation.clone(), file.to_owned()) {
            None => Ok(()),
            Some(other) => {
                let problem = format!(
                    "\"{relation}\" is declared already in {}; a stream or table has one declaration and one writer",
                    other.display()
                );
                Err(ConfigError::of_file(file, problem))
            }
        }
    }

    fn makes_dead_letters(&mut self, relation: &Name, source: Option<&FileSource>, on_error: OnError) {
        if source.is_some() && on_error == OnError::DeadLetter {
            self.made.push((relation.child("dead"), format!("the rows of \"{relation}\" that do not fit")));
        }
    }

    fn makes_changelog(&mut self, table: &Name) {
        self.made.push((table.child("changelog"), format!("the changes of table \"{table}\"")));
    }

    fn check_made_names(&self) -> Result<(), ConfigError> {
        for (name, what) in &self.made {
            if let Some(file) = self.relations.get(name) {
                let problem = format!("\"{name}\" is where Sabot keeps {what}; choose another name");
                return Err(ConfigError::of_file(file, problem));
            }
        }
        Ok(())
    }

    /// An agent has its file to itself: nothing is filled from it, and nothing else writes it.
    fn check_output_files(&self, dir: &Path) -> Result<(), ConfigError> {
        let mut taken = BTreeMap::new();
        let streams = self.streams.iter().filter_map(|stream| Some((&stream.name, stream.source.as_ref()?)));
        let tables = self.tables.iter().filter_map(|table| Some((&table.name, table.source.as_ref()?)));
        for (relation, source) in streams.chain(tables) {
            taken.insert(resolved(dir, &source.file), format!("\"{relation}\" is filled from it"));
        }
        for agent in &self.agents {
            let Output::File(output) = &agent.output else { continue };
            let by = format!("agent \"{}\" writes it", agent.name);
            if let Some(other) = taken.insert(resolved(dir, output), by) {
                let problem = format!("output.file: \"{}\" is taken: {other}; choose another file", output.display());
                return Err(ConfigError::of_file(
                    self.agent_files.get(&agent.name).map_or(dir, PathBuf::as_path),
                    problem,
                ));
            }
        }
        Ok(())
    }
}

/// The file a path leads to: links followed where it exists, spelled without `.` and `..` where it does not.
fn resolved(dir: &Path, file: &Path) -> PathBuf {
    let path = dir.join(file);
    if let Ok(real) = std::fs::canonicalize(&path) {
        return real;
    }
    let absolute = std::path::absolute(&path).unwrap_or(path);
    absolute.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
        plain
    })
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
