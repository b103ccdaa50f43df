//! `config`: a project's effective settings, and a strict check that it can be run. Local: no server is asked.

use std::path::{Path, PathBuf};

use sabot_common::config::Project;
use serde_json::{Value, json};

use crate::cli::ConfigCommand;
use crate::error::CliError;
use crate::output::{Column, Printer, Show, column, counted, list};

const ENTRIES: [Column; 3] =
    [column("key", "key", Show::Text), column("value", "value", Show::Text), column("origin", "origin", Show::Text)];

const WHAT_A_PROJECT_IS: &str = "a project is sabot.yaml and the files in agents/, streams/ and tables/";

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
    /// One agent's file, and the project it lies in.
    Agent { file: PathBuf, project: PathBuf },
}

fn check(path: &Path, config: Option<&Path>, printer: &Printer) -> Result<(), CliError> {
    let (streams, tables, agents, warnings) = match target(path)? {
        Target::Project(dir) => {
            check_is_project(&dir, config, printer)?;
            let checked = sabot_server::check_project(&dir, config).map_err(|error| CliError::usage(error.message))?;
            (checked.streams, checked.tables, checked.agents, checked.warnings)
        }
        Target::Agent { file, project } => {
            let checked =
                sabot_server::check_agent(&project, config, &file).map_err(|error| CliError::usage(error.message))?;
            (0, 0, 1, checked.warnings)
        }
    };
    for warning in &warnings {
        printer.warn(warning);
    }
    let document = json!({"ok": true, "streams": streams, "tables": tables, "agents": agents, "warnings": warnings});
    printer.show(&document, |_| {
        format!("ok: {}, {}, {}", counted(streams, "stream"), counted(tables, "table"), counted(agents, "agent"))
    })
}

/// Whether there is anything of a project in a directory; an empty one is more likely another than was meant.
fn check_is_project(dir: &Path, config: Option<&Path>, printer: &Printer) -> Result<(), CliError> {
    let has = |part: &str| dir.join(part).exists();
    if config.is_some() || has("sabot.yaml") {
        return Ok(());
    }
    let rename = "sabot.yml is not read; rename it to sabot.yaml";
    if ["agents", "streams", "tables"].into_iter().any(has) {
        if has("sabot.yml") {
            printer.warn(rename);
        }
        return Ok(());
    }
    let hint = if has("sabot.yml") { rename } else { WHAT_A_PROJECT_IS };
    let problem = format!("{}: is not a project: it has neither sabot.yaml nor agents/", dir.display());
    Err(CliError::usage(problem).with_hint(hint))
}

/// An agent is checked alone, against its project; with other files, the whole project they are part of is.
fn target(path: &Path) -> Result<Target, CliError> {
    let metadata = std::fs::metadata(path).map_err(|error| CliError::usage(format!("{}: {error}", path.display())))?;
    if metadata.is_dir() {
        return Ok(Target::Project(path.to_owned()));
    }
    let absolute = std::path::absolute(path).map_err(|error| CliError::usage(error.to_string()))?;
    let folder = absolute.parent().unwrap_or(&absolute);
    let around = folder.parent().unwrap_or(folder);
    let name_of = |part: &Path| part.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    match (name_of(&absolute).as_deref(), name_of(folder).as_deref()) {
        (Some("sabot.yaml"), _) => Ok(Target::Project(folder.to_owned())),
        (_, Some("agents")) => Ok(Target::Agent { file: path.to_owned(), project: around.to_owned() }),
        (_, Some("streams" | "tables")) => Ok(Target::Project(around.to_owned())),
        _ => Err(CliError::usage(format!("{}: is not part of a project", path.display())).with_hint(WHAT_A_PROJECT_IS)),
    }
}
