//! Agents come, roll to a new version, stop, start and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use sabot_common::config::{AgentConfig, ConfigError, LateTo, Output};
use sabot_common::registry::{attributes, spans};
use sabot_common::suggest;
use sabot_engine::EngineError;
use sabot_engine::agent::AgentPlan;
use sabot_runtime::{JobHandle, JobState};
use sabot_store::{StoreError, Table};
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
    /// Brings the project's agents, and those deployed by hand earlier, to life. An agent that does not plan is listed
    /// as failed; the first such error is returned too, for a start that should fail before it serves.
    pub(crate) fn deploy_project(self: &Arc<Self>, agents: &[AgentConfig]) -> Result<(), PlatformError> {
        let mut waiting: Vec<AgentRow> = Vec::new();
        for config in agents {
            waiting.push(self.next_row(config.clone(), Origin::Project));
        }
        let in_project = |row: &AgentRow| agents.iter().any(|agent| agent.name == row.config.name);
        for row in self.agent_rows() {
            match row.origin {
                Origin::Deployed if !in_project(&row) => waiting.push(row),
                // Its file is gone from the project, so it is gone too.
                Origin::Project if !in_project(&row) => self.forget_agent(row.config.name.as_str())?,
                Origin::Deployed | Origin::Project => {}
            }
        }
        self.bring_up(waiting)
    }

    /// Plans agents in an order in which each finds the outputs of the others it reads.
    fn bring_up(self: &Arc<Self>, mut waiting: Vec<AgentRow>) -> Result<(), PlatformError> {
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            let mut first_error = None;
            for row in waiting {
                match self.plan(row.config.clone()) {
                    Ok(plan) => self.install(row, plan)?,
                    Err(error) => {
                        first_error = first_error.or(Some(error));
                        still.push(row);
                    }
                }
            }
            waiting = still;
            match first_error {
                None => return Ok(()),
                Some(error) if waiting.len() == before => return Err(error.into()),
                Some(_) => {}
            }
        }
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
    fn next_row(&self, config: AgentConfig, origin: Origin) -> AgentRow {
        match self.agent_row(config.name.as_str()) {
            Some(row) if row.config == config => AgentRow { origin, ..row },
            Some(row) => AgentRow { config, version: row.version + 1, origin, running: row.running },
            None => AgentRow { config, version: 1, origin, running: true },
        }
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
            warnings: warnings(&plan),
        })
    }

    /// Deploys an agent, or rolls it to a new version: the old one drains and commits, the new one goes on from there.
    pub(crate) async fn deploy(self: &Arc<Self>, yaml: &str) -> Result<Deployed, PlatformError> {
        let config = AgentConfig::parse("agent.yaml".as_ref(), yaml)?;
        let name = config.name.to_string();
        let existing = self.agent_row(&name);
        self.check_output_is_free(&config)?;
        let plan = self.plan(config.clone())?;
        if let Some(row) = &existing {
            self.check_roll(row, &plan)?;
        }
        let warnings = warnings(&plan);
        let mut row = self.next_row(config, Origin::Deployed);
        row.origin = existing.as_ref().map_or(Origin::Deployed, |row| row.origin);
        row.running = true;
        let changed = existing.as_ref().is_none_or(|old| old.config != row.config);
        let version = row.version;
        let running = self.inspect(|_, agents| agents.get(&name).is_some_and(|agent| !agent.status().0.is_over()));
        if changed || !running {
            self.drain_agent(&name).await;
            self.install(row, plan)?;
        }
        Ok(Deployed { name, version, created: existing.is_none(), changed, warnings })
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
        if self.store.last_commit(name.as_str()).is_none() {
            return Ok(());
        }
        let windows = |plan: &AgentPlan| plan.plan.aggregation().map(|a| (a.to_string(), plan.plan.scan.window));
        let Ok(old) = self.plan(old.config.clone()) else { return Ok(()) };
        if old.plan.scan.relation != new.plan.scan.relation {
            return Err(PlatformError::Conflict(format!(
                "agent \"{name}\": a new version must read the same stream (\"{}\"); deploy it under another name",
                old.plan.scan.relation
            )));
        }
        if windows(&old) != windows(new) {
            return Err(PlatformError::Conflict(format!(
                "agent \"{name}\": a new version with other windows, groups or aggregates cannot take over open windows; deploy it under another name"
            )));
        }
        Ok(())
    }

    /// Makes outputs, writes the row and starts the job.
    fn install(self: &Arc<Self>, row: AgentRow, plan: AgentPlan) -> Result<(), PlatformError> {
        let name = row.config.name.to_string();
        let in_agent = |error| EngineError::Store { owner: format!("agent \"{name}\""), error };
        let mut made = Vec::new();
        made.extend(plan.output_stream());
        made.extend(plan.late_stream());
        for spec in made {
            self.store.create_stream(spec).map_err(in_agent)?;
        }
        if let Some(spec) = plan.output_table() {
            let table = self.store.create_table(spec).map_err(in_agent)?;
            self.state().tables.insert(table.name().to_owned(), table);
        }
        if self.agent_row(&name).as_ref() != Some(&row) {
            self.save_agent(&row)?;
            let mut span = self.spans.start(spans::REGISTER_AGENT).root().start();
            span.set_attribute(attributes::AGENT, name.clone());
            span.set_attribute(attributes::COMPONENT, "agent-manager");
        }
        let finished = self.store.last_commit(&name).is_some_and(|commit| commit.finished);
        let resting = if finished { JobState::Finished } else { JobState::Stopped };
        let entry = AgentEntry {
            config: row.config,
            version: row.version,
            plan: Ok(Arc::new(plan)),
            stats: None,
            job: None,
            resting,
            error: None,
        };
        self.state().agents.insert(name.clone(), entry);
        if row.running && !finished {
            self.launch(&name);
        }
        Ok(())
    }

    /// Starts an agent's job once the tables it joins are loaded.
    fn launch(self: &Arc<Self>, name: &str) {
        let loading = self.loading_tables(name);
        self.rest(name, JobState::Waiting, None);
        let (platform, name) = (Arc::clone(self), name.to_owned());
        let runtime = self.workers.handle().clone();
        let start = async move {
            for job in loading {
                job.join().await;
            }
            // Opening readers and restoring state touch the disk.
            let started = tokio::task::spawn_blocking(move || platform.start_agent(&name)).await;
            if let Err(panicked) = started {
                tracing::error!("an agent could not be started: {panicked}");
            }
        };
        runtime.spawn(start);
    }

    /// Jobs that fill the tables an agent joins.
    fn loading_tables(&self, name: &str) -> Vec<Arc<JobHandle>> {
        let state = self.state();
        let Some(Ok(plan)) = state.agents.get(name).map(|agent| &agent.plan) else { return Vec::new() };
        plan.plan.tables().filter_map(|table| state.sources.get(table)?.job.clone()).collect()
    }

    fn start_agent(&self, name: &str) {
        let mut span = self.spans.start(spans::AGENT_START).root().start();
        span.set_attribute(attributes::AGENT, name.to_owned());
        span.set_attribute(attributes::COMPONENT, "agent-manager");
        if let Err(error) = self.try_start_agent(name) {
            tracing::error!("{error}");
            span.record_error(&error, "agent_start");
            self.rest(name, JobState::Failed, Some(error.to_string()));
        }
    }

    fn try_start_agent(&self, name: &str) -> Result<(), EngineError> {
        let owner = format!("agent \"{name}\"");
        let (plan, version) = {
            let state = self.state();
            let Some(agent) = state.agents.get(name) else { return Ok(()) };
            // Stopped or deleted while it waited.
            if agent.resting != JobState::Waiting {
                return Ok(());
            }
            let Ok(plan) = &agent.plan else { return Ok(()) };
            for table in plan.plan.tables() {
                if let Some((JobState::Failed, error)) = state.sources.get(table).map(super::SourceEntry::status) {
                    let problem = format!("table \"{table}\" could not be loaded: {}", error.unwrap_or_default());
                    return Err(EngineError::Declaration { owner, problem });
                }
            }
            (Arc::clone(plan), agent.version)
        };
        let tables: BTreeMap<String, Arc<Table>> = self.tables();
        let spec = plan.job(version, &tables, &self.agent_context())?;
        let job = self.start_job(spec).map_err(|error| EngineError::Job { owner, error })?;
        if let Some(agent) = self.state().agents.get_mut(name) {
            agent.stats = Some(Arc::clone(job.stats()));
            agent.job = Some(job);
        }
        Ok(())
    }

    fn rest(&self, name: &str, resting: JobState, error: Option<String>) {
        if let Some(agent) = self.state().agents.get_mut(name) {
            agent.job = None;
            agent.resting = resting;
            agent.error = error;
        }
    }

    /// Drains an agent's job, if it has one.
    async fn drain_agent(&self, name: &str) {
        let job = self.inspect(|_, agents| agents.get(name).and_then(|agent| agent.job.clone()));
        if let Some(job) = job {
            job.stop();
            job.join().await;
        }
    }

    fn known(&self, name: &str) -> Result<AgentRow, PlatformError> {
        self.agent_row(name).ok_or_else(|| {
            let hint = self.inspect(|_, agents| suggest::hint(name, agents.keys().map(String::as_str)));
            PlatformError::NotFound { name: name.to_owned(), hint }
        })
    }

    /// Drains an agent and keeps it stopped, also over restarts.
    pub(crate) async fn stop_agent(&self, name: &str) -> Result<JobState, PlatformError> {
        let row = self.known(name)?;
        let mut span = self.spans.start(spans::AGENT_STOP).root().start();
        span.set_attribute(attributes::AGENT, name.to_owned());
        self.save_agent(&AgentRow { running: false, ..row })?;
        self.drain_agent(name).await;
        let finished = self.store.last_commit(name).is_some_and(|commit| commit.finished);
        let state = if finished { JobState::Finished } else { JobState::Stopped };
        self.rest(name, state, None);
        Ok(state)
    }

    /// Starts a stopped or failed agent where its last commit left it.
    pub(crate) fn start_stopped(self: &Arc<Self>, name: &str) -> Result<JobState, PlatformError> {
        let row = self.known(name)?;
        let state = self.inspect(|_, agents| agents.get(name).map(|agent| agent.status().0));
        self.save_agent(&AgentRow { running: true, ..row })?;
        match state {
            Some(JobState::Stopped | JobState::Failed) => {
                self.launch(name);
                Ok(JobState::Waiting)
            }
            Some(state) => Ok(state),
            None => Ok(JobState::Stopped),
        }
    }

    /// Drains an agent and forgets it. Its output and its progress stay: the same name deployed again goes on.
    pub(crate) async fn delete_agent(&self, name: &str) -> Result<(), PlatformError> {
        self.known(name)?;
        self.drain_agent(name).await;
        self.forget_agent(name)?;
        self.state().agents.remove(name);
        Ok(())
    }
}

/// What a user should know about a plan that is valid.
fn warnings(plan: &AgentPlan) -> Vec<String> {
    let mut warnings = Vec::new();
    if plan.config.count > plan.instances() {
        warnings.push(format!(
            "count: {} instances were asked for, {} have partitions to work on",
            plan.config.count,
            plan.instances()
        ));
    }
    if matches!(plan.config.output, Output::Console) {
        warnings
            .push("output: console is at-least-once: rows since the last commit come again after a crash".to_owned());
    }
    warnings
}
