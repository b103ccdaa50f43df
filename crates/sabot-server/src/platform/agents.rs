//! Agents come, roll to a new version, stop, start and go.

use std::sync::Arc;

use sabot_common::config::{AgentConfig, ConfigError, LateTo, Output};
use sabot_common::registry::{ALL_METRICS, attributes, spans};
use sabot_common::suggest;
use sabot_engine::EngineError;
use sabot_engine::agent::AgentPlan;
use sabot_runtime::JobState;
use sabot_store::StoreError;
use serde::Serialize;

use super::catalog::{AgentRow, Origin};
use super::{AgentEntry, Platform};

/// Why something asked of an agent was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlatformError {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("agent \"{name}\" does not exist{hint}")]
    NotFound { name: String, hint: String },
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What a deployment did.
#[derive(Debug, Serialize)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    pub(crate) version: u64,
    /// It did not exist before.
    pub(crate) created: bool,
    /// Its declaration is another than before.
    pub(crate) changed: bool,
    pub(crate) warnings: Vec<String>,
}

/// What an agent would do, without deploying it.
#[derive(Debug, Serialize)]
pub(crate) struct Validated {
    pub(crate) name: String,
    pub(crate) plan: String,
    pub(crate) output_schema: Vec<OutputColumn>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) data_type: String,
}

impl Platform {
    /// Brings the project's agents, and those deployed by hand earlier, to life. One of the project that does not plan is
    /// an error, for a start that should fail before it serves; one deployed by hand that does not plan any more is
    /// listed as failed, so that it can be mended or deleted. Gives back what a user should know.
    pub(crate) fn deploy_project(self: &Arc<Self>, agents: &[AgentConfig]) -> Result<Vec<String>, PlatformError> {
        let mut waiting: Vec<AgentRow> = Vec::new();
        for config in agents {
            waiting.push(self.next_row(config.clone(), Origin::Project)?);
        }
        let (beside, mut warnings) = self.rows_beside(agents)?;
        waiting.extend(beside);
        for row in self.bring_up(waiting, &mut warnings)? {
            let error = match self.plan(row.config.clone()) {
                Err(error) if row.origin == Origin::Project => return Err(error.into()),
                Err(error) => error.to_string(),
                Ok(_) => continue,
            };
            tracing::error!("{error}");
            self.list_failed(row, error);
        }
        Ok(warnings)
    }

    /// Plans agents in an order in which each finds the outputs of the others it reads, and returns those that never
    /// planned.
    fn bring_up(
        self: &Arc<Self>,
        mut waiting: Vec<AgentRow>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<AgentRow>, PlatformError> {
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            for row in waiting {
                match self.plan(row.config.clone()) {
                    Ok(plan) => {
                        if let Err(taken) = self.check_output_is_free(&row.config) {
                            if row.origin == Origin::Project {
                                return Err(taken);
                            }
                            tracing::error!("{taken}");
                            self.list_failed(row, taken.to_string());
                            continue;
                        }
                        if let Some(old) =
                            self.agent_row(row.config.name.as_str())?.filter(|old| old.config != row.config)
                        {
                            self.check_roll(&old, &plan)?;
                        }
                        warnings.extend(self.start_warnings(&row, &plan));
                        self.install(row, plan)?;
                    }
                    Err(_) => still.push(row),
                }
            }
            waiting = still;
            if waiting.is_empty() || waiting.len() == before {
                return Ok(waiting);
            }
        }
    }

    /// What a user should know of an agent that a start brings back, or brings up.
    fn start_warnings(&self, row: &AgentRow, plan: &AgentPlan) -> Vec<String> {
        let name = &row.config.name;
        let commit = self.store.last_commit(name.as_str());
        if commit.is_some_and(|commit| commit.finished && commit.generation < row.version) {
            let anew = match row.origin {
                Origin::Project => "--fresh computes it anew",
                Origin::Deployed => "delete it and deploy it again to start over",
            };
            return vec![format!("agent \"{name}\" has changed since it finished; its output stays as it was, {anew}")];
        }
        self.rows_from_before(plan).iter().map(|text| format!("agent \"{name}\": {text}")).collect()
    }

    fn list_failed(&self, row: AgentRow, error: String) {
        let entry = AgentEntry {
            config: row.config,
            version: row.version,
            plan: Err(error.clone()),
            stats: None,
            job: None,
            resting: JobState::Failed,
            error: Some(error),
            waits_for: None,
        };
        self.state().put_agent(entry);
    }

    fn plan(&self, mut config: AgentConfig) -> Result<AgentPlan, EngineError> {
        if let Output::Stream { name, partitions } = &mut config.output
            && let Some(declared) = self.state().declared.get(name.as_str())
        {
            partitions.get_or_insert(declared.partitions);
        }
        let (relations, streams) = self.relations();
        let plan = AgentPlan::new(config, relations, &streams)?;
        let state = self.state();
        Ok(plan.with_retention(|stream| state.declared.get(stream)?.retention))
    }

    /// The row a declaration leads to: the same version when nothing changed.
    fn next_row(&self, config: AgentConfig, origin: Origin) -> Result<AgentRow, StoreError> {
        Ok(match self.agent_row(config.name.as_str())? {
            Some(row) if row.config == config => AgentRow { origin, ..row },
            Some(row) => AgentRow { config, version: row.version + 1, origin, running: row.running },
            None => AgentRow { config, version: 1, origin, running: true },
        })
    }

    /// Checks an agent without deploying it.
    pub(crate) fn validate(&self, yaml: &str) -> Result<Validated, PlatformError> {
        let config = AgentConfig::parse("agent.yaml".as_ref(), yaml)?;
        self.check_output_is_free(&config)?;
        let plan = self.plan(config)?;
        let column = |field: &Arc<arrow::datatypes::Field>| OutputColumn {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
        };
        Ok(Validated {
            name: plan.config.name.to_string(),
            plan: plan.plan.to_string(),
            output_schema: plan.plan.schema.fields().iter().map(column).collect(),
            warnings: plan.warnings(),
        })
    }

    /// Deploys an agent, or rolls it to a new version: the old one drains and commits, the new one goes on from there.
    /// Whatever speaks against the new version is found before the old one is stopped.
    pub(crate) async fn deploy(self: &Arc<Self>, yaml: &str) -> Result<Deployed, PlatformError> {
        let config = AgentConfig::parse("agent.yaml".as_ref(), yaml)?;
        let _one_change_at_a_time = self.changes.lock().await;
        let name = config.name.to_string();
        let existing = self.agent_row(&name)?;
        self.check_output_is_free(&config)?;
        let plan = self.plan(config.clone())?;
        self.check_outputs(&plan)?;
        let mut warnings = plan.warnings();
        warnings.extend(self.rows_from_before(&plan));
        if let Some(row) = existing.as_ref().filter(|row| row.config != config) {
            self.check_roll(row, &plan)?;
            if self.has_finished(&name) {
                warnings
                    .push("the agent has read its whole input; delete it and deploy it again to start over".to_owned());
            }
        }
        // One whose file is gone from the project is deployed by hand now, or the next start would leave it out again.
        let listed = existing.as_ref().filter(|_| self.inspect(|_, agents| agents.contains_key(&name)));
        let origin = listed.map_or(Origin::Deployed, |row| row.origin);
        let row = AgentRow { running: true, ..self.next_row(config, origin)? };
        let changed = existing.as_ref().is_none_or(|old| old.config != row.config);
        let version = row.version;
        let running = self.inspect(|_, agents| agents.get(&name).is_some_and(|agent| !agent.status().0.is_over()));
        if changed || !running {
            self.drain_agent(&name).await;
            self.install(row, plan)?;
        }
        Ok(Deployed { name, version, created: existing.is_none(), changed, warnings })
    }

    /// Whether the plan's outputs can be made, or are there in the same shape.
    fn check_outputs(&self, plan: &AgentPlan) -> Result<(), EngineError> {
        let owner = || format!("agent \"{}\"", plan.config.name);
        for spec in [plan.output_stream(), plan.late_stream()].into_iter().flatten() {
            self.store.check_stream(&spec).map_err(|error| EngineError::Store { owner: owner(), error })?;
        }
        match plan.output_table() {
            Some(spec) => self.store.check_table(&spec).map_err(|error| EngineError::Store { owner: owner(), error }),
            None => Ok(()),
        }
    }

    fn has_finished(&self, name: &str) -> bool {
        self.store.last_commit(name).is_some_and(|commit| commit.finished)
    }

    /// A relation has one writer.
    fn check_output_is_free(&self, config: &AgentConfig) -> Result<(), PlatformError> {
        let written = |other: &AgentConfig, name: &str| {
            let output = matches!(&other.output, Output::Stream { name: n, .. } | Output::Table { name: n, .. } if n.as_str() == name);
            output || matches!(&other.late.to, LateTo::Stream(n) if n.as_str() == name)
        };
        let mut outputs = Vec::new();
        if let Output::Stream { name, .. } | Output::Table { name, .. } = &config.output {
            outputs.push(name);
        }
        if let LateTo::Stream(name) = &config.late.to {
            outputs.push(name);
        }
        let state = self.state();
        for name in outputs {
            let name = name.as_str();
            let by_agent = state.agents.values().find(|a| a.config.name != config.name && written(&a.config, name));
            let writer = match by_agent {
                Some(agent) => Some(format!("agent \"{}\"", agent.config.name)),
                None => state.sources.get(name).map(|source| format!("its source {}", source.file)),
            };
            let writer = writer.or_else(|| state.maker_of(name));
            if let Some(writer) = writer {
                return Err(PlatformError::Conflict(format!(
                    "agent \"{}\": \"{name}\" is written by {writer} already; a stream or table has one writer",
                    config.name
                )));
            }
        }
        Ok(())
    }

    /// A new version must be able to take over the open windows of the old one.
    fn check_roll(&self, old: &AgentRow, new: &AgentPlan) -> Result<(), PlatformError> {
        let name = &old.config.name;
        let refuse = |problem: &str| {
            let fix = "deploy it under another name, or start over with --fresh";
            Err(PlatformError::Conflict(format!("agent \"{name}\": a new version {problem}; {fix}")))
        };
        if self.store.last_commit(name.as_str()).is_none_or(|commit| commit.finished) {
            return Ok(());
        }
        let windows = |plan: &AgentPlan| plan.plan.aggregation().map(|a| (a.to_string(), plan.plan.scan.window));
        let (before, after) = (&old.config, &new.config);
        let Ok(old) = self.plan(old.config.clone()) else { return Ok(()) };
        if old.plan.scan.relation != new.plan.scan.relation {
            return refuse(&format!("must read the same stream (\"{}\")", old.plan.scan.relation));
        }
        if windows(&old) != windows(new) {
            return refuse("with other windows, groups or aggregates cannot take over open windows");
        }
        // Windows that have fired would be waited for again, and their rows fall into nothing.
        if windows(new).is_some() && (after.watermark > before.watermark || after.late.allowed < before.late.allowed) {
            return refuse("cannot wait longer (watermark) or allow less lateness than the one before it");
        }
        Ok(())
    }

    /// Makes outputs, writes the row and starts the job.
    fn install(self: &Arc<Self>, row: AgentRow, plan: AgentPlan) -> Result<(), PlatformError> {
        let name = row.config.name.to_string();
        let in_agent = |error| EngineError::Store { owner: format!("agent \"{name}\""), error };
        // A stream of dead letters may have a reader before its first row.
        let mut made = Vec::from_iter(self.state().dead_letters.get(&plan.plan.scan.relation).cloned());
        made.extend(plan.output_stream());
        made.extend(plan.late_stream());
        for spec in made {
            self.store.create_stream(spec).map_err(in_agent)?;
        }
        if let Some(spec) = plan.output_table() {
            let table = self.store.create_table(spec).map_err(in_agent)?;
            self.state().tables.insert(table.name().to_owned(), table);
        }
        if self.agent_row(&name)?.as_ref() != Some(&row) {
            self.save_agent(&row)?;
            let mut span = self.spans.start(spans::REGISTER_AGENT).root().start();
            span.set_attribute(attributes::AGENT, name.clone());
            span.set_attribute(attributes::COMPONENT, "agent-manager");
        }
        let finished = self.has_finished(&name);
        let resting = if finished { JobState::Finished } else { JobState::Stopped };
        let entry = AgentEntry {
            config: row.config,
            version: row.version,
            plan: Ok(Arc::new(plan)),
            stats: None,
            job: None,
            resting,
            error: None,
            waits_for: None,
        };
        self.state().put_agent(entry);
        if row.running && !finished {
            self.launch(&name);
        }
        Ok(())
    }

    fn known(&self, name: &str) -> Result<AgentRow, PlatformError> {
        self.agent_row(name)?.ok_or_else(|| {
            let hint = self.inspect(|_, agents| suggest::hint(name, agents.keys().map(String::as_str)));
            PlatformError::NotFound { name: name.to_owned(), hint }
        })
    }

    /// An agent that is here to be started and stopped, not one whose file is gone from the project.
    fn listed(&self, name: &str) -> Result<AgentRow, PlatformError> {
        let row = self.known(name)?;
        if self.inspect(|_, agents| agents.contains_key(name)) {
            return Ok(row);
        }
        let problem = "is not in the project any more; put its file back, or deploy it";
        Err(PlatformError::Conflict(format!("agent \"{name}\" {problem}")))
    }

    /// Drains an agent and keeps it stopped, also over restarts.
    pub(crate) async fn stop_agent(&self, name: &str) -> Result<JobState, PlatformError> {
        let _one_change_at_a_time = self.changes.lock().await;
        let row = self.listed(name)?;
        let mut span = self.spans.start(spans::AGENT_STOP).root().start();
        span.set_attribute(attributes::AGENT, name.to_owned());
        span.set_attribute(attributes::COMPONENT, "agent-manager");
        self.save_agent(&AgentRow { running: false, ..row })?;
        self.drain_agent(name).await;
        let state = if self.has_finished(name) { JobState::Finished } else { JobState::Stopped };
        // Whoever stops a failed agent may still want to know why it failed.
        let error = self.inspect(|_, agents| agents.get(name)?.error.clone());
        self.rest(name, state, error);
        Ok(state)
    }

    /// Starts a stopped or failed agent where its last commit left it.
    pub(crate) async fn start_stopped(self: &Arc<Self>, name: &str) -> Result<JobState, PlatformError> {
        let _one_change_at_a_time = self.changes.lock().await;
        let row = AgentRow { running: true, ..self.listed(name)? };
        let state = self.inspect(|_, agents| agents.get(name).map(|agent| agent.status().0));
        match state {
            // One that waits may have given up, as the writer of a table was stopped.
            Some(JobState::Stopped | JobState::Failed | JobState::Waiting) | None => {
                // Planned anew: what kept it from planning may be mended.
                let plan = self.plan(row.config.clone())?;
                self.install(row, plan)?;
            }
            Some(_) => self.save_agent(&row)?,
        }
        let state = self.inspect(|_, agents| agents.get(name).map(|agent| agent.status().0));
        Ok(state.unwrap_or(JobState::Stopped))
    }

    /// Drains an agent and forgets it with its state and its progress. Its output stays; the same name deployed again
    /// starts from the beginning and adds to it.
    pub(crate) async fn delete_agent(&self, name: &str) -> Result<(), PlatformError> {
        let _one_change_at_a_time = self.changes.lock().await;
        self.known(name)?;
        self.drain_agent(name).await;
        self.forget(name)?;
        let removed = self.state().remove_agent(name);
        if let Some(removed) = removed {
            self.forget_series(&removed.config);
        }
        Ok(())
    }

    /// Takes the metrics of an agent that is gone out of what is exported.
    fn forget_series(&self, gone: &AgentConfig) {
        for metric in ALL_METRICS {
            if let Some(at) = metric.labels.iter().position(|label| *label == "agent") {
                let is_other = |values: &[String]| values.get(at).is_none_or(|agent| *agent != gone.name.as_str());
                self.registry.retain(metric.name, is_other);
            }
        }
        for metric in &gone.metrics {
            let declares = |agent: &AgentEntry| agent.config.metrics.iter().any(|other| other.name == metric.name);
            if !self.inspect(|_, agents| agents.values().any(declares)) {
                self.registry.forget(&metric.name);
            }
        }
    }
}
