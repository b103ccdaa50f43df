//! `config`: a project's effective settings and a strict check of its files. Local: no server is asked.

use std::path::{Path, PathBuf};

use sabot_common::config::{AgentConfig, Project};
use serde_json::{Value, json};

use crate::cli::ConfigCommand;
use crate::error::CliError;
use crate::output::{Column, Printer, Show, column, list};

const ENTRIES: [Column; 3] =
    [column("key", "key", Show::Text), column("value", "value", Show::Text), column("origin", "origin", Show::Text)];

pub(super) fn run(command: ConfigCommand, config: Option<&Path>, printer: &Printer) -> Result<(), CliError> {
    match command {
        ConfigCommand::Show { dir } => show(&dir, config, printer),
        ConfigCommand::Check { path } => check(&path, config, printer),
    }
}

fn show(dir: &Path, config: Option<&Path>, printer: &Printer) -> Result<(), CliError> {
    let project = Project::load_with(Some(dir), config)?;
    let entries = project.settings.entries().into_iter();
    let entries: Vec<Value> =
        entries.map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin})).collect();
    let document = json!({ "entries": entries });
    printer.show(&document, |style| list(&entries, &ENTRIES, style))
}

/// What a path is to a project.
enum Target {
    /// The whole project in this directory.
    Project(PathBuf),
    /// One agent's file.
    Agent(PathBuf),
}

fn check(path: &Path, config: Option<&Path>, printer: &Printer) -> Result<(), CliError> {
    let (streams, tables, agents) = match target(path)? {
        Target::Project(dir) => {
            let project = Project::load_with(Some(&dir), config)?;
            (project.streams.len(), project.tables.len(), project.agents.len())
        }
        Target::Agent(file) => {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
            AgentConfig::parse(&file, &text)?;
            (0, 0, 1)
        }
    };
    let document = json!({"ok": true, "streams": streams, "tables": tables, "agents": agents});
    printer.show(&document, |_| format!("ok: {streams} streams, {tables} tables, {agents} agents"))
}

/// An agent stands on its own; other files are checked with the project they are part of.
fn target(path: &Path) -> Result<Target, CliError> {
    let metadata = std::fs::metadata(path).map_err(|error| CliError::usage(format!("{}: {error}", path.display())))?;
    if metadata.is_dir() {
        return Ok(Target::Project(path.to_owned()));
    }
    let absolute = std::path::absolute(path).map_err(|error| CliError::usage(error.to_string()))?;
    let folder = absolute.parent().unwrap_or(&absolute);
    let name_of = |part: &Path| part.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    match (name_of(&absolute).as_deref(), name_of(folder).as_deref()) {
        (Some("sabot.yaml"), _) => Ok(Target::Project(folder.to_owned())),
        (_, Some("agents")) => Ok(Target::Agent(path.to_owned())),
        (_, Some("streams" | "tables")) => Ok(Target::Project(folder.parent().unwrap_or(folder).to_owned())),
        _ => Err(CliError::usage(format!("{}: is not part of a project", path.display()))
            .with_hint("a project is sabot.yaml and the files in agents/, streams/ and tables/")),
    }
}
