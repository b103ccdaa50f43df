//! Why a measurement could not be made.

/// A failure that ends the benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file or a process could not be used.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The engine refused a workload.
    #[error("{0}")]
    Engine(#[from] sabot_engine::EngineError),
    /// A job could not start.
    #[error("{0}")]
    Job(#[from] sabot_runtime::JobError),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] sabot_store::StoreError),
    /// Spans could not be stored.
    #[error("spans: {0}")]
    Spans(#[from] sabot_observatory::StoreError),
    /// Telemetry could not start.
    #[error("{0}")]
    Telemetry(#[from] sabot_telemetry::TelemetryError),
    /// The baseline failed.
    #[error("baseline: {0}")]
    Sql(#[from] sabot_sql::SqlError),
    /// A name is not valid.
    #[error("{0}")]
    Name(#[from] sabot_common::name::InvalidName),
    /// Rows could not be made.
    #[error("{0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A run did not do what it was measured for.
    #[error("{workload}: {problem}")]
    Wrong {
        /// What was measured.
        workload: String,
        /// What was expected and what happened.
        problem: String,
    },
}

impl BenchError {
    pub(crate) fn wrong(workload: &str, problem: impl Into<String>) -> Self {
        Self::Wrong { workload: workload.to_owned(), problem: problem.into() }
    }
}
