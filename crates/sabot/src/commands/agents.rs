//! `agents`: deploy, list, show, validate, stop, start and delete.

mod file;
mod show;

use std::path::Path;

use serde_json::Value;

use crate::cli::{AgentStatus, AgentsCommand, DeleteArgs, ListArgs};
use crate::client::{Client, Payload, Query};
use crate::error::CliError;
use crate::output::{Column, Printer, Show, column};

const LIST: [Column; 12] = [
    column("name", "name", Show::Text),
    column("kind", "kind", Show::Text),
    column("status", "status", Show::Status),
    column("version", "version", Show::Count),
    column("count", "count", Show::Count),
    column("input", "input", Show::Text),
    column("output", "output", Show::Text),
    column("events", "events_total", Show::Count),
    column("events/s", "events_per_second", Show::Rate),
    column("lag", "lag_seconds", Show::Seconds),
    column("late", "late_total", Show::Count),
    column("errors", "errors_total", Show::Problems),
];

pub(super) fn run(
    command: AgentsCommand,
    config: Option<&Path>,
    client: &Client<'_>,
    printer: &Printer,
) -> Result<(), CliError> {
    match command {
        AgentsCommand::Deploy { file } => file::deploy(&file, client, printer),
        AgentsCommand::Validate { file } => file::validate(&file, config, client, printer),
        AgentsCommand::List(args) => list(&args, client, printer),
        AgentsCommand::Show { name } => {
            let agent = client.get(&["agents", &name], &Query::new())?;
            printer.show(&agent, |style| show::describe(&agent, style))
        }
        AgentsCommand::Stop { name } => act(&name, "stop", client, printer),
        AgentsCommand::Start { name } => act(&name, "start", client, printer),
        AgentsCommand::Delete(args) => delete(&args, client, printer),
    }
}

fn list(args: &ListArgs, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let mut agents = client.get_list(&["agents"], &Query::new())?;
    let wanted = args.status.map(AgentStatus::as_str);
    if let Some(status) = wanted {
        agents.retain(|agent| agent.get("status").and_then(Value::as_str) == Some(status));
    }
    let things = wanted.map_or_else(|| "agents".to_owned(), |status| format!("agents with status {status}"));
    printer.show_list(&things, &agents, &LIST)
}

/// Stops or starts an agent and says what status that left it in.
fn act(name: &str, action: &str, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let answer = client.post(&["agents", name, action], Payload::Empty)?;
    let status = answer.get("status").and_then(Value::as_str).unwrap_or("unknown");
    printer.show(&answer, |_| format!("{name}: {status}"))
}

fn delete(args: &DeleteArgs, client: &Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let name = &args.name;
    if !args.confirm {
        return Err(CliError::refused(format!("deleting agent \"{name}\" and its state needs --confirm"))
            .with_hint("its output stays; `sabot agents stop` keeps its state as well"));
    }
    let answer = client.delete(&["agents", name])?;
    printer.show(&answer, |_| format!("{name}: deleted; its output stays"))
}
