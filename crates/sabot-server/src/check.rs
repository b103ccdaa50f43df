//! An agent checked against the project it belongs to, without a server and without writing anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sabot_common::config::{AgentConfig, Project};
use sabot_engine::EngineError;
use sabot_engine::agent::AgentPlan;
use sabot_engine::ingest::{StreamPlan, TablePlan};
use sabot_sql::{Relation, RelationKind};
use sabot_store::StreamSpec;

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
    let mut known = Known::declared(&project).map_err(ServerError::bad_input)?;
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

/// Checks that a whole project plans.
pub(crate) fn check_project(project: &Project) -> Result<(), EngineError> {
    let mut known = Known::declared(project)?;
    let left = known.add_outputs(project.agents.clone());
    left.into_iter().next().map_or(Ok(()), |agent| known.plan(agent).map(drop))
}

/// Streams and tables as agents' SQL sees them.
#[derive(Default)]
struct Known {
    relations: Vec<Relation>,
    streams: BTreeMap<String, StreamSpec>,
}

impl Known {
    fn declared(project: &Project) -> Result<Self, EngineError> {
        let mut known = Self::default();
        for config in &project.streams {
            let plan = StreamPlan::new(&project.dir, config.clone())?;
            plan.spec().into_iter().chain(plan.dead_letters()).for_each(|spec| known.add_stream(spec));
        }
        for config in &project.tables {
            let plan = TablePlan::new(&project.dir, config.clone())?;
            plan.dead_letters().into_iter().for_each(|spec| known.add_stream(spec));
            if let Some(spec) = plan.spec() {
                known.relations.push(Relation::new(spec.name, spec.schema, RelationKind::Table { key: spec.key }));
            }
        }
        Ok(known)
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
                    if let Some(spec) = plan.output_table() {
                        let kind = RelationKind::Table { key: spec.key };
                        self.relations.push(Relation::new(spec.name, spec.schema, kind));
                    }
                    false
                }
                Err(_) => true,
            });
            if agents.is_empty() || agents.len() == before {
                return agents;
            }
        }
    }

    fn plan(&self, config: AgentConfig) -> Result<AgentPlan, EngineError> {
        AgentPlan::new(config, self.relations.clone(), &self.streams)
    }
}
