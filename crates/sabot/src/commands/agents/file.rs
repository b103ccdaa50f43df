//! Commands that read an agent's file: it is parsed here first, so that errors name file, line and column.

use std::path::Path;

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
    warnings(&answer, printer);
    let flag = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or_default();
    let what = match (flag("created"), flag("changed")) {
        (true, _) => "created",
        (false, true) => "rolled to a new version",
        (false, false) => "unchanged",
    };
    let version = answer.get("version").map(ToString::to_string).unwrap_or_default();
    printer.show(&answer, |_| format!("{}: {what} (version {version})", file.agent.name))
}

/// Parses the file, and plans it where a server is reachable; says which of both was done.
pub(super) fn validate(path: &Path, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let file = AgentFile::read(path)?;
    let planned = match client.post(&["agents", "validate"], Payload::Yaml(&file.text)) {
        Ok(answer) => Some(answer),
        Err(error) if error.is_unreachable() => {
            printer.note(&format!("not planned: {error}"));
            None
        }
        Err(error) => return Err(error.within(&file.shown)),
    };
    let answer = planned.as_ref().unwrap_or(&Value::Null);
    warnings(answer, printer);
    let document = json!({
        "name": file.agent.name,
        "parsed": true,
        "planned": planned.is_some(),
        "plan": answer.get("plan"),
        "output_schema": answer.get("output_schema"),
        "warnings": answer.get("warnings").cloned().unwrap_or_else(|| json!([])),
    });
    printer.show(&document, |style| {
        let done = match planned {
            Some(_) => format!("parsed, and planned by {}", client.server()),
            None => "parsed".to_owned(),
        };
        let schema = part(answer, "output_schema", &OUTPUT_SCHEMA, style);
        sections([format!("{}: ok ({done})", file.agent.name), schema])
    })
}

fn warnings(answer: &Value, printer: &Printer) {
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        printer.warn(&warning.as_str().map_or_else(|| warning.to_string(), str::to_owned));
    }
}
