//! Declarations of a project become streams, tables and running jobs.

use std::sync::Arc;

use sabot_common::config::Project;
use sabot_engine::EngineError;
use sabot_engine::ingest::{StreamPlan, TablePlan, source_agent};
use sabot_runtime::JobSpec;

use super::{Platform, SourceEntry};

impl Platform {
    /// Creates what the project declares and starts its sources. Agents follow with [`Platform::deploy_project`]. Gives
    /// back a line for each file that is not what was read.
    pub(crate) fn declare(&self, project: &Project) -> Result<Vec<String>, EngineError> {
        let streams = project.streams.iter().map(|config| StreamPlan::new(&project.dir, config.clone()));
        let streams = streams.collect::<Result<Vec<_>, _>>()?;
        let tables = project.tables.iter().map(|config| TablePlan::new(&project.dir, config.clone()));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let kept = tables.iter().map(TablePlan::dead_letters).chain(streams.iter().map(StreamPlan::dead_letters));
        self.state().dead_letters.extend(kept.flatten().map(|spec| (spec.name.clone(), spec)));
        for plan in &tables {
            self.declare_table(plan)?;
        }
        for plan in &streams {
            self.declare_stream(plan)?;
        }
        let of_table =
            |plan: &TablePlan| Some(("table", plan.config.name.clone(), plan.changes_since_read(&self.store)?));
        let of_stream =
            |plan: &StreamPlan| Some(("stream", plan.config.name.clone(), plan.changes_since_read(&self.store)?));
        let changes = tables.iter().filter_map(of_table).chain(streams.iter().filter_map(of_stream));
        let told = changes.map(|(kind, name, changes)| format!("{kind} \"{name}\": {changes}; --fresh reads it again"));
        Ok(told.collect())
    }

    fn declare_stream(&self, plan: &StreamPlan) -> Result<(), EngineError> {
        let name = plan.config.name.to_string();
        let Some(spec) = plan.spec() else {
            self.state().declared.insert(name, plan.config.clone());
            return Ok(());
        };
        let owner = format!("stream \"{name}\"");
        self.store.create_stream(spec).map_err(|error| EngineError::Store { owner, error })?;
        let file = plan.config.source.as_ref().map(|source| source.file.display().to_string()).unwrap_or_default();
        self.start_source(&name, file, false, || plan.job(&self.ingest_context()));
        Ok(())
    }

    fn declare_table(&self, plan: &TablePlan) -> Result<(), EngineError> {
        let name = plan.config.name.to_string();
        let Some(spec) = plan.spec() else { return Ok(()) };
        let owner = format!("table \"{name}\"");
        let table = self.store.create_table(spec).map_err(|error| EngineError::Store { owner, error })?;
        self.state().tables.insert(name.clone(), Arc::clone(&table));
        let file = plan.config.source.as_ref().map(|source| source.file.display().to_string()).unwrap_or_default();
        self.start_source(&name, file, true, || plan.job(&table, &self.ingest_context()));
        Ok(())
    }

    /// Starts the job that fills a relation, unless it has finished before. A failure is the relation's status.
    fn start_source(
        &self,
        name: &str,
        file: String,
        fills_table: bool,
        job: impl FnOnce() -> Result<Option<JobSpec>, EngineError>,
    ) {
        let finished = self.store.last_commit(&source_agent(name)).is_some_and(|commit| commit.finished);
        let started = if finished {
            Ok(None)
        } else {
            job()
                .map_err(|error| error.to_string())
                .and_then(|spec| spec.map(|spec| self.start_job(spec)).transpose().map_err(|error| error.to_string()))
        };
        if let Err(error) = &started {
            tracing::error!("{error}");
        }
        let (job, error) = started.map_or_else(|error| (None, Some(error)), |job| (job, None));
        self.state().sources.insert(name.to_owned(), SourceEntry { file, fills_table, job, error });
    }
}
