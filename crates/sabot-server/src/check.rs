//! A project, or an agent against the project it belongs to, checked without a server and without writing anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sabot_common::config::{AgentConfig, Output, Project};
use sabot_engine::EngineError;
use sabot_engine::agent::AgentPlan;
use sabot_engine::ingest::{StreamPlan, TablePlan};
use sabot_sql::{Relation, RelationKind};
use sabot_store::{StreamSpec, TableSpec};

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
    let in_file = |error| ServerError::bad_input(format!("{}: {error}", agent_file.display()));
    let plan = known.plan(config).map_err(in_file)?;
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
    let warnings = check_plans(&project)?;
    let Project { streams, tables, agents, .. } = &project;
    Ok(CheckedProject { streams: streams.len(), tables: tables.len(), agents: agents.len(), warnings })
}

/// Checks that a whole project plans, and gives back what a user should know.
pub(crate) fn check_plans(project: &Project) -> Result<Vec<String>, ServerError> {
    let mut known = Known::declared(project)?;
    let left = known.add_outputs(project.agents.clone());
    let problems = left.into_iter().filter_map(|agent| known.plan(agent).err());
    refuse(problems.collect())?;
    Ok(known.warnings)
}

fn refuse(problems: Vec<EngineError>) -> Result<(), ServerError> {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if lines.is_empty() { Ok(()) } else { Err(ServerError::bad_input(lines.join("\n"))) }
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
        for config in &project.streams {
            match StreamPlan::new(&project.dir, config.clone()) {
                Ok(plan) => plan.spec().into_iter().chain(plan.dead_letters()).for_each(|spec| known.add_stream(spec)),
                Err(problem) => problems.push(problem),
            }
        }
        for config in &project.tables {
            match TablePlan::new(&project.dir, config.clone()) {
                Ok(plan) => {
                    plan.dead_letters().into_iter().for_each(|spec| known.add_stream(spec));
                    plan.spec().into_iter().for_each(|spec| known.add_table(spec));
                }
                Err(problem) => problems.push(problem),
            }
        }
        refuse(problems)?;
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
        AgentPlan::new(config, self.relations.clone(), &self.streams)
    }
}
