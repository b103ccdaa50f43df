//! A project, or an agent against the project it belongs to, checked without a server and without writing anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sabot_common::config::{AgentConfig, Output, Project};
use sabot_common::name::Name;
use sabot_engine::EngineError;
use sabot_engine::agent::AgentPlan;
use sabot_engine::ingest::{StreamPlan, TablePlan};
use sabot_sql::{Relation, RelationKind, SqlError};
use sabot_store::{StreamSpec, TableSpec};
use sabot_telemetry::Registry;

use crate::ServerError;

/// What an agent would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAgent {
    /// Its name.
    pub name: String,
    /// Its plan, as text.
    pub plan: String,
    /// Columns of its output with their types.
    pub output_schema: Vec<(String, String)>,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Checks an agent's file and plans its SQL against what the project declares: streams and tables with their files, and
/// the outputs of its other agents.
pub fn check_agent(
    project_dir: &Path,
    config_file: Option<&Path>,
    agent_file: &Path,
) -> Result<CheckedAgent, ServerError> {
    let text = std::fs::read_to_string(agent_file)
        .map_err(|error| ServerError::bad_input(format!("{}: {error}", agent_file.display())))?;
    let config = AgentConfig::parse(agent_file, &text)?;
    let project = Project::load_with(Some(project_dir), config_file)?;
    let mut known = Known::declared(&project)?;
    known.add_outputs(project.agents.into_iter().filter(|agent| agent.name != config.name).collect());
    let plan = known.plan(config).map_err(|error| ServerError::bad_input(told(&error, Some(agent_file))))?;
    let columns = plan.plan.schema.fields().iter();
    Ok(CheckedAgent {
        name: plan.config.name.to_string(),
        plan: plan.plan.to_string(),
        output_schema: columns.map(|field| (field.name().clone(), field.data_type().to_string())).collect(),
        warnings: plan.warnings(),
    })
}

/// A project that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedProject {
    /// How many streams it declares.
    pub streams: usize,
    /// Tables.
    pub tables: usize,
    /// Agents.
    pub agents: usize,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Checks a project's files, looks at the files its streams and tables are read from, and plans its agents. The error
/// names everything that cannot be run, a line each.
pub fn check_project(project_dir: &Path, config_file: Option<&Path>) -> Result<CheckedProject, ServerError> {
    let project = Project::load_with(Some(project_dir), config_file)?;
    crate::telemetry::check(&project.settings, &project.dir)?;
    let warnings = check_plans(&project)?;
    let Project { streams, tables, agents, .. } = &project;
    Ok(CheckedProject { streams: streams.len(), tables: tables.len(), agents: agents.len(), warnings })
}

/// Checks that a whole project plans, and gives back what a user should know.
pub(crate) fn check_plans(project: &Project) -> Result<Vec<String>, ServerError> {
    let mut known = Known::declared(project)?;
    let left = known.add_outputs(project.agents.clone());
    let problems = left.into_iter().filter_map(|agent| {
        let file = project.files.agents.get(&agent.name);
        known.plan(agent).err().map(|problem| told(&problem, file.map(PathBuf::as_path)))
    });
    refuse(&problems.collect::<Vec<_>>())?;
    Ok(known.warnings)
}

/// All that is wrong with a project whose start failed with `error`, with the files to mend, as far as it can be told.
pub(crate) fn explained(project: &Project, error: impl std::fmt::Display) -> ServerError {
    check_plans(project).err().unwrap_or_else(|| ServerError::bad_input(error))
}

fn refuse(problems: &[String]) -> Result<(), ServerError> {
    if problems.is_empty() { Ok(()) } else { Err(ServerError::bad_input(problems.join("\n"))) }
}

/// A problem and the place to mend it: in the file where that can be told, otherwise in the SQL.
fn told(problem: &EngineError, file: Option<&Path>) -> String {
    let Some(file) = file else { return problem.to_string() };
    if let EngineError::Sql { owner, error: SqlError::Plan { message, at: Some(at) } } = problem
        && let Some((line, column)) = std::fs::read_to_string(file).ok().and_then(|text| place_in_file(&text, *at))
    {
        return format!("{}:{line}:{column}: {owner}: sql: {message}", file.display());
    }
    format!("{}: {problem}", file.display())
}

/// Where in an agent's file a line and column of its SQL are: of SQL in a block (`sql: |`), or on the key's line.
fn place_in_file(text: &str, (line, column): (u64, u64)) -> Option<(u64, u64)> {
    let mut lines = text.lines().zip(1_u64..).skip_while(|(line, _)| !line.starts_with("sql:"));
    let (first, number) = lines.next()?;
    let written = first.strip_prefix("sql:")?.trim_start();
    let indent = |line: &str| (line.len() - line.trim_start().len()) as u64;
    let (next, _) = lines.find(|(line, _)| !line.trim().is_empty()).unwrap_or(("", 0));
    match written.chars().next()? {
        '|' => Some((number + line, indent(next) + column)),
        begins if line == 1 && !"\"'>&*!{[".contains(begins) && indent(next) == 0 => {
            let before = first.chars().count() - written.chars().count();
            Some((number, before as u64 + column))
        }
        _ => None,
    }
}

/// Streams and tables as agents' SQL sees them.
#[derive(Default)]
struct Known {
    relations: Vec<Relation>,
    streams: BTreeMap<String, StreamSpec>,
    /// Partitions of streams that are declared for an agent to fill.
    unfilled: BTreeMap<String, u32>,
    /// What a user should know of the agents among them.
    warnings: Vec<String>,
}

impl Known {
    fn declared(project: &Project) -> Result<Self, ServerError> {
        let unfilled = project.streams.iter().filter(|stream| stream.source.is_none());
        let unfilled = unfilled.map(|stream| (stream.name.to_string(), stream.partitions)).collect();
        let mut known = Self { unfilled, ..Self::default() };
        // All of them before any agent: one that reads what is not there would be told as well, and is not to blame.
        let mut problems = Vec::new();
        let told =
            |problem: &EngineError, name: &Name| told(problem, project.files.relations.get(name).map(PathBuf::as_path));
        for config in &project.streams {
            match StreamPlan::new(&project.dir, config.clone()) {
                Ok(plan) => plan.spec().into_iter().chain(plan.dead_letters()).for_each(|spec| known.add_stream(spec)),
                Err(problem) => problems.push(told(&problem, &config.name)),
            }
        }
        for config in &project.tables {
            match TablePlan::new(&project.dir, config.clone()) {
                Ok(plan) => {
                    plan.dead_letters().into_iter().for_each(|spec| known.add_stream(spec));
                    plan.spec().into_iter().for_each(|spec| known.add_table(spec));
                }
                Err(problem) => problems.push(told(&problem, &config.name)),
            }
        }
        refuse(&problems)?;
        Ok(known)
    }

    fn add_table(&mut self, spec: TableSpec) {
        let kind = RelationKind::Table { key: spec.key };
        self.relations.push(Relation::new(spec.name, spec.schema, kind));
    }

    fn add_stream(&mut self, spec: StreamSpec) {
        let kind = RelationKind::Stream { event_time: spec.event_time.clone() };
        self.relations.push(Relation::new(spec.name.clone(), Arc::clone(&spec.schema), kind));
        self.streams.insert(spec.name.clone(), spec);
    }

    /// Adds the outputs of agents, in an order in which each finds those it reads, and returns those that do not plan.
    fn add_outputs(&mut self, mut agents: Vec<AgentConfig>) -> Vec<AgentConfig> {
        loop {
            let before = agents.len();
            agents.retain(|agent| match self.plan(agent.clone()) {
                Ok(plan) => {
                    plan.output_stream().into_iter().chain(plan.late_stream()).for_each(|spec| self.add_stream(spec));
                    plan.output_table().into_iter().for_each(|spec| self.add_table(spec));
                    let name = &agent.name;
                    self.warnings.extend(plan.warnings().iter().map(|text| format!("agent \"{name}\": {text}")));
                    false
                }
                Err(_) => true,
            });
            if agents.is_empty() || agents.len() == before {
                return agents;
            }
        }
    }

    fn plan(&self, mut config: AgentConfig) -> Result<AgentPlan, EngineError> {
        if let Output::Stream { name, partitions } = &mut config.output
            && let Some(declared) = self.unfilled.get(name.as_str())
        {
            partitions.get_or_insert(*declared);
        }
        let plan = AgentPlan::new(config, self.relations.clone(), &self.streams)?;
        // Its metrics are planned with it.
        plan.intake(&Registry::new())?;
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::place_in_file;

    #[test]
    fn a_place_in_sql_is_one_in_its_file() {
        let block = "name: a\nsql: |\n  SELECT x\n\n    FROM s\noutput: console\n";
        assert_eq!(place_in_file(block, (1, 8)), Some((3, 10)));
        assert_eq!(place_in_file(block, (3, 3)), Some((5, 5)));
        let plain = "sql:  SELECT x FROM s\nname: a\n";
        assert_eq!(place_in_file(plain, (1, 8)), Some((1, 14)));
    }

    #[test]
    fn where_lines_are_folded_there_is_none() {
        for text in
            ["sql: >\n  SELECT\n  x\n", "sql: \"SELECT x\"\n", "sql: SELECT x\n  FROM s\n", "name: a\n", "sql:\n"]
        {
            assert_eq!(place_in_file(text, (1, 8)), None, "{text}");
        }
    }
}
