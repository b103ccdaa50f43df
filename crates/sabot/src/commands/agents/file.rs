//! Commands that read an agent's file: it is parsed here first, so that errors name file, line and column.

use std::path::{Path, PathBuf};

use sabot_common::config::AgentConfig;
use serde_json::{Value, json};

use crate::client::{Client, Payload};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, column, part, sections};

/// The largest agent file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

const OUTPUT_SCHEMA: [Column; 2] = [column("column", "name", Show::Text), column("type", "type", Show::Text)];

/// An agent's file that parses.
struct AgentFile {
    /// The path as given.
    shown: String,
    text: String,
    agent: AgentConfig,
}

impl AgentFile {
    fn read(path: &Path) -> Result<Self, CliError> {
        let shown = path.display().to_string();
        let unusable = |problem: String| CliError::usage(format!("{shown}: {problem}"));
        let metadata = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?;
        if metadata.is_dir() {
            return Err(unusable("is a directory, and an agent is one file".to_owned())
                .with_hint(format!("`sabot config check {shown}` checks a whole project")));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(unusable(format!("has {} bytes; an agent has at most {MAX_FILE_BYTES}", metadata.len())));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let agent = AgentConfig::parse(path, &text)?;
        Ok(Self { shown, text, agent })
    }
}

/// Parses the file and hands it to the server.
pub(super) fn deploy(path: &Path, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let file = AgentFile::read(path)?;
    let answer = client
        .post(&["agents"], Payload::Yaml(&file.text))
        .map_err(|error| if error.is_unreachable() { error } else { error.within(&file.shown) })?;
    for warning in warnings_of(&answer) {
        printer.warn(&warning);
    }
    let flag = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or_default();
    let what = match (flag("created"), flag("changed")) {
        (true, _) => "created",
        (false, true) => "rolled to a new version",
        (false, false) => "unchanged",
    };
    let version = answer.get("version").map(ToString::to_string).unwrap_or_default();
    printer.show(&answer, |_| format!("{}: {what} (version {version})", file.agent.name))
}

/// Parses the file and plans it: against the project it lies in, or by a server where it lies in none and one answers.
pub(super) fn validate(
    path: &Path,
    config: Option<&Path>,
    client: &Client<'_>,
    printer: &Printer,
) -> Result<(), CliError> {
    let file = AgentFile::read(path)?;
    let checked = match project_of(path)? {
        Some(project) => Checked::in_project(&project, config, path)?,
        None => Checked::by_server(&file, client, printer)?,
    };
    for warning in &checked.warnings {
        printer.warn(warning);
    }
    let document = json!({
        "name": file.agent.name,
        "parsed": true,
        "planned": checked.plan.is_some(),
        "plan": checked.plan,
        "output_schema": checked.output_schema,
        "warnings": checked.warnings,
    });
    printer.show(&document, |style| {
        let schema = part(&document, "output_schema", &OUTPUT_SCHEMA, style);
        sections([format!("{}: ok ({})", file.agent.name, checked.done), schema])
    })
}

/// The project whose `agents/` an agent's file lies in.
fn project_of(path: &Path) -> Result<Option<PathBuf>, CliError> {
    let absolute = std::path::absolute(path).map_err(|error| CliError::usage(error.to_string()))?;
    let folder = absolute.parent().filter(|folder| folder.ends_with("agents"));
    Ok(folder.and_then(Path::parent).map(Path::to_owned))
}

/// What a check found.
struct Checked {
    /// What was done, for people.
    done: String,
    plan: Option<String>,
    output_schema: Value,
    warnings: Vec<String>,
}

impl Checked {
    fn in_project(project: &Path, config: Option<&Path>, agent: &Path) -> Result<Self, CliError> {
        let checked =
            sabot_server::check_agent(project, config, agent).map_err(|error| CliError::usage(error.message))?;
        let columns = checked.output_schema.iter().map(|(name, data_type)| json!({"name": name, "type": data_type}));
        Ok(Self {
            done: format!("parsed, and planned in {}", project.display()),
            plan: Some(checked.plan),
            output_schema: columns.collect(),
            warnings: checked.warnings,
        })
    }

    fn by_server(file: &AgentFile, client: &Client<'_>, printer: &Printer) -> Result<Self, CliError> {
        let answer = match client.post(&["agents", "validate"], Payload::Yaml(&file.text)) {
            Ok(answer) => answer,
            Err(error) if error.is_unreachable() => {
                printer.note(&format!("not planned: not in a project's agents directory, and {error}"));
                return Ok(Self {
                    done: "parsed".to_owned(),
                    plan: None,
                    output_schema: Value::Null,
                    warnings: vec![],
                });
            }
            Err(error) => return Err(error.within(&file.shown)),
        };
        Ok(Self {
            done: format!("parsed, and planned by {}", client.server()),
            plan: Some(answer.get("plan").and_then(Value::as_str).unwrap_or_default().to_owned()),
            output_schema: answer.get("output_schema").cloned().unwrap_or_default(),
            warnings: warnings_of(&answer),
        })
    }
}

fn warnings_of(answer: &Value) -> Vec<String> {
    let warnings = answer.get("warnings").and_then(Value::as_array).into_iter().flatten();
    warnings.map(|warning| warning.as_str().map_or_else(|| warning.to_string(), str::to_owned)).collect()
}
