//! From an installed agent to a running job: tables it joins are waited for, then it starts, unless somebody has changed
//! their mind meanwhile.

use std::sync::Arc;
use std::time::Duration;

use sabot_common::registry::{self, attributes, spans};
use sabot_engine::EngineError;
use sabot_engine::agent::AgentPlan;
use sabot_runtime::{JobState, describe};
use sabot_store::StoreError;

use super::Platform;

/// Longest wait for a commit before a table's writer is looked at again.
const LOOK: Duration = Duration::from_millis(200);

/// Where the tables of a join stand.
enum Tables {
    Complete,
    /// This one is being filled.
    Loading(String),
    /// The writer of this one was stopped: the agent waits until somebody starts both again.
    Stopped(String),
    /// Nobody waits for them any more.
    Abandoned,
    Failed(String),
}

impl Platform {
    /// Starts an agent's job once the tables it joins are complete.
    pub(super) fn launch(self: &Arc<Self>, name: &str) {
        self.rest(name, JobState::Waiting, None);
        let (platform, name) = (Arc::clone(self), name.to_owned());
        self.workers.handle().clone().spawn(async move {
            let problem = match platform.await_tables(&name).await {
                Tables::Failed(problem) => Some(problem),
                Tables::Abandoned | Tables::Stopped(_) | Tables::Loading(_) => return,
                Tables::Complete => platform.take_in_tables(&name).await.err(),
            };
            let _one_change_at_a_time = platform.changes.lock().await;
            // Opening readers and restoring state touch the disk.
            let starting = Arc::clone(&platform);
            let started = tokio::task::spawn_blocking(move || starting.start_agent(&name, problem)).await;
            if let Err(panicked) = started {
                tracing::error!("an agent could not be started: {panicked}");
            }
        });
    }

    async fn await_tables(&self, name: &str) -> Tables {
        let mut commits = self.store.commits();
        loop {
            commits.mark_unchanged();
            match self.tables_of(name) {
                Tables::Loading(table) => self.note_wait(name, format!("table \"{table}\" to be loaded")),
                Tables::Stopped(table) => {
                    let fix = "start that, and then this agent again";
                    self.note_wait(name, format!("table \"{table}\", whose writer is stopped; {fix}"));
                    return Tables::Stopped(table);
                }
                settled => return settled,
            }
            // Whichever comes first is a reason to look again.
            drop(tokio::time::timeout(LOOK, commits.changed()).await);
        }
    }

    /// Has the tables an agent joins take in all that is committed of them: their writers say that they have finished
    /// with a commit, and the table takes it in only after that.
    async fn take_in_tables(&self, name: &str) -> Result<(), String> {
        let tables = {
            let state = self.state();
            let plan = state.agents.get(name).and_then(|agent| agent.plan.as_ref().ok());
            let joined = plan.into_iter().flat_map(|plan| plan.plan.tables());
            joined.filter_map(|table| state.tables.get(table).map(Arc::clone)).collect::<Vec<_>>()
        };
        for table in tables {
            loop {
                let taking_in = Arc::clone(&table);
                let taken_in = tokio::task::spawn_blocking(move || taking_in.apply()).await;
                match taken_in.map_err(|panicked| panicked.to_string())? {
                    Ok(_) => break,
                    Err(StoreError::DiskFull { .. }) => {
                        self.note_wait(name, format!("room on the disk for table \"{}\"", table.name()));
                        tokio::time::sleep(LOOK).await;
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
        Ok(())
    }

    /// What an agent waits for, for people.
    fn note_wait(&self, name: &str, what: String) {
        if let Some(agent) = self.state().agents.get_mut(name) {
            agent.waits_for = Some(what);
        }
    }

    fn tables_of(&self, name: &str) -> Tables {
        let state = self.state();
        let Some(agent) = state.agents.get(name) else { return Tables::Abandoned };
        let Ok(plan) = &agent.plan else { return Tables::Abandoned };
        if agent.resting != JobState::Waiting || agent.job.is_some() {
            return Tables::Abandoned;
        }
        let own = |table: &&str| Some(*table) == plan.output_table().as_ref().map(|spec| spec.name.as_str());
        for table in plan.plan.tables().filter(|table| !own(table)) {
            let complete = state.tables.get(table).and_then(|t| self.store.stream(&t.changelog_spec().name));
            if complete.is_some_and(|changelog| changelog.finished) {
                continue;
            }
            let by_agent = state.agents.values().find(|a| a.writes_table(table)).map(super::AgentEntry::status);
            let writer = state.sources.get(table).map(super::SourceEntry::status).or(by_agent);
            match writer {
                // Nobody fills it: it is what it is.
                None => {}
                Some((JobState::Failed, error)) => {
                    let error = error.unwrap_or_default();
                    return Tables::Failed(format!("table \"{table}\" could not be loaded: {error}"));
                }
                Some((JobState::Stopped, _)) => return Tables::Stopped(table.to_owned()),
                Some(_) => return Tables::Loading(table.to_owned()),
            }
        }
        Tables::Complete
    }

    fn start_agent(&self, name: &str, problem: Option<String>) {
        let mut span = self.spans.start(spans::AGENT_START).root().start();
        span.set_attribute(attributes::AGENT, name.to_owned());
        span.set_attribute(attributes::COMPONENT, "agent-manager");
        let owner = format!("agent \"{name}\"");
        let started = match problem {
            Some(problem) => Err(EngineError::Declaration { owner, problem }),
            None => self.try_start_agent(name, owner),
        };
        if let Err(error) = started {
            tracing::error!("{error}");
            span.record_error(&error, "agent_start");
            self.registry.counter(&describe(&registry::ERRORS), &["agent-manager", "agent_start"]).add(1);
            self.rest(name, JobState::Failed, Some(error.to_string()));
        }
    }

    fn try_start_agent(&self, name: &str, owner: String) -> Result<(), EngineError> {
        let Some((plan, version)) = self.startable(name) else { return Ok(()) };
        let spec = plan.job(version, &self.tables(), &self.agent_context())?;
        let job = self.start_job(spec).map_err(|error| EngineError::Job { owner, error })?;
        if let Some(agent) = self.state().agents.get_mut(name) {
            if let Some(earlier) = &agent.stats {
                job.stats().carry_on(earlier);
            }
            agent.stats = Some(Arc::clone(job.stats()));
            agent.job = Some(job);
        }
        Ok(())
    }

    /// The plan of an agent that still waits: it may have been stopped, deleted or started while it did.
    fn startable(&self, name: &str) -> Option<(Arc<AgentPlan>, u64)> {
        let state = self.state();
        let agent = state.agents.get(name).filter(|agent| agent.resting == JobState::Waiting && agent.job.is_none())?;
        Some((Arc::clone(agent.plan.as_ref().ok()?), agent.version))
    }

    /// An agent without a job, and where it stands.
    pub(super) fn rest(&self, name: &str, resting: JobState, error: Option<String>) {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(agent) = state.agents.get_mut(name) {
            if agent.error != error {
                state.gone.errors += u64::from(agent.error.is_some());
            }
            agent.job = None;
            agent.resting = resting;
            agent.error = error;
        }
    }

    /// Drains an agent's job, if it has one; one that waits to be started will not be.
    pub(super) async fn drain_agent(&self, name: &str) {
        let job = {
            let mut state = self.state();
            let agent = state.agents.get_mut(name);
            agent.and_then(|agent| {
                if agent.resting == JobState::Waiting && agent.job.is_none() {
                    agent.resting = JobState::Stopped;
                }
                agent.job.clone()
            })
        };
        if let Some(job) = job {
            job.stop();
            job.join().await;
        }
    }
}
